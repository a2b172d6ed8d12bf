# SPDX-License-Identifier: BSD-3-Clause
# For the tests of the host programs. Source it after tap.sh: . "$TORO_SRC/tests/shim/shim.sh"
# The fake guest takes QEMU's place; $app is a program that passes the checks, its arguments are
# the fake guest's script.
# shellcheck shell=sh

fake=$TORO_BUILD/tests/shim/fakeguest
run=$TORO_PREFIX/bin/toro-run
[ -x "$fake" ] || skip_all "$fake is not built"
[ -x "$run" ] || skip_all "$run is not there"

TOROBUS_QEMU=$fake
XDG_CACHE_HOME=$tmp/cache
HOME=$tmp
TOROBUS_ACCEL=tcg
export TOROBUS_QEMU XDG_CACHE_HOME HOME TOROBUS_ACCEL
unset TOROBUS_NODE TOROBUS_FAKE TOROBUS_MEM TOROBUS_FS TOROBUS_GUESTS TOROBUS_SLICE_SIZE \
    TOROBUS_BOOT_TIMEOUT TOROBUS_LOG TOROBUS_SPIN_NS TOROBUS_FAKE_VERSION

app=$tmp/app
echo 'int main(void) { return 0; }' >"$tmp/app.c"
"${CC:-cc}" -O1 -fPIE -static-pie -o "$app" "$tmp/app.c" || skip_all "no static libc"

# Nothing may be left when a job is over. A keeper may need a moment to see its last client go.
leftovers()
{
    for leftovers_i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        left=$(
            # zombies belong to whoever has to reap them
            for p in /proc/[0-9]*; do
                grep -qsz "^HOME=$tmp\$" "$p/environ" &&
                    case $(readlink "$p/exe" 2>/dev/null) in
                    */toro-run | */orted-shim | */fakeguest | */orted | */mpirun | */orterun)
                        echo "process ${p#/proc/} $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null)"
                        ;;
                    esac
            done
            ls -d "${TMPDIR:-/tmp}"/torobus."$(id -u)".* 2>/dev/null
            :
        )
        [ -n "$left" ] || return 0
        sleep 0.25
    done
    return 1
}

nothing_left() # NAME
{
    if leftovers; then
        tap_result ok "$1: nothing is left"
    else
        tap_result not-ok "$1: nothing is left"
        diag "$left"
    fi
}
