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
TMPDIR=$tmp/t
mkdir "$TMPDIR"
export TOROBUS_QEMU XDG_CACHE_HOME HOME TOROBUS_ACCEL TMPDIR
unset TOROBUS_NODE TOROBUS_FAKE TOROBUS_MEM TOROBUS_FS TOROBUS_GUESTS TOROBUS_SLICE_SIZE \
    TOROBUS_BOOT_TIMEOUT TOROBUS_LOG TOROBUS_SPIN_NS TOROBUS_FAKE_VERSION

app=$tmp/app
echo 'int main(void) { return 0; }' >"$tmp/app.c"
"${CC:-cc}" -O1 -fPIE -static-pie -o "$app" "$tmp/app.c" || skip_all "no static libc"

# Processes of this test, by their HOME, that run one of our programs: pid and command line.
ours()
{
    find /proc/[0-9]*/exe \( -lname '*/toro-run' -o -lname '*/orted-shim' -o -lname '*/fakeguest' \
        -o -lname '*/orted' -o -lname '*/mpirun' -o -lname '*/orterun' \) 2>/dev/null |
        while read -r exe; do
            p=${exe%/exe}
            # zombies have no command line any more; they belong to whoever has to reap them
            if grep -qsz "^HOME=$tmp\$" "$p/environ"; then
                echo "${p#/proc/} $(tr '\0' ' ' <"$p/cmdline")"
            fi
        done
}

# Nothing may be left when a job is over. A keeper may need a moment to see its last client go.
all_gone()
{
    left=$(
        ours
        find "$TMPDIR" -mindepth 1 -maxdepth 1 -name 'torobus.*'
    )
    [ -z "$left" ]
}

# Wait at most 10 s until a command succeeds.
wait_until() # CMD...
{
    wait_n=0
    until "$@"; do
        wait_n=$((wait_n + 1))
        [ "$wait_n" -le 50 ] || return 1
        sleep 0.2
    done
}

nothing_left() # NAME
{
    if wait_until all_gone; then
        tap_result ok "$1: nothing is left"
    else
        tap_result not-ok "$1: nothing is left"
        diag "$left"
    fi
}
