# SPDX-License-Identifier: BSD-3-Clause
# What the tests of this directory share. Source it instead of tap.sh:
#
#   . "$TORO_SRC/tests/mpi/launch.sh"
#
#   mpi ARGUMENTS...      mpirun --am torobus ARGUMENTS..., in $tmp/work, under a time limit
#   plainly ARGUMENTS...  plain mpirun on this host, likewise
#   alone ARGUMENTS...    toro-run ARGUMENTS..., likewise
#   start NAME CMD...     CMD in the background: output in $tmp/NAME.{out,err}, its pid in $pid
#   wait_line NAME TEXT   until TEXT stands in $tmp/NAME.out
#   ended                 waits for $pid, bounded; its status in $status
#   nothing_left NAME     a result: nothing of any job of this test is left
#
# With TORO_NATIVE=1 the same checks run under plain mpirun on this host, the reference that a
# guest must behave like; host names then are nodes that share this host.
# shellcheck shell=sh

. "$TORO_SRC/tests/lib/tap.sh"

# shellcheck disable=SC2034 # used by those who source this
{
    examples=$TORO_BUILD/examples
    programs=$TORO_BUILD/tests/mpi
}
bin=$TORO_PREFIX/bin
native=${TORO_NATIVE:-0}
limit=60
pid=

# Every process of our jobs carries this in its environment, QEMU included.
tag=$$.$(date +%s%N)
mkdir "$tmp/work" "$tmp/tmp"
cd "$tmp/work" || exit 99

# In the place of ssh for plain mpirun: the "node" is this host.
cat >"$tmp/rsh" <<'END'
#!/bin/sh
# daemons of one host would share their session directory, and their ranks the files of vader
export TMPDIR="$TMPDIR/$1"
export OMPI_MCA_btl_vader_backing_directory="$TMPDIR"
mkdir -p "$TMPDIR"
shift
exec sh -c "$*"
END
chmod +x "$tmp/rsh"

limited()
{
    timeout --foreground -k 10 "$limit" env TOROBUS_TEST="$tag" TMPDIR="$tmp/tmp" "$@"
}

plainly()
{
    limited "$bin/mpirun" --oversubscribe --mca oob_tcp_if_include lo --mca btl self,vader,tcp \
        --mca btl_tcp_if_include lo --mca mpi_yield_when_idle 1 --mca plm_rsh_agent "$tmp/rsh" "$@"
}

mpi()
{
    if [ "$native" = 1 ]; then
        plainly "$@"
    else
        limited "$bin/mpirun" --am torobus "$@"
    fi
}

alone()
{
    limited "$bin/toro-run" "$@"
}

job_limit() # SECONDS that each job may take
{
    limit=$1
}

needs_guests() # for a whole file that makes no sense without them
{
    [ "$native" != 1 ] || skip_all "plain mpirun has no such thing"
}

tagged() # pids of our jobs' processes
{
    # a few at a time: a grep that stumbles over one process must not lose all the others
    printf '%s\n' /proc/[0-9]*/environ |
        xargs -n 5 grep -alsz "^TOROBUS_TEST=$tag\$" 2>/dev/null |
        sed -e 's|^/proc/||' -e 's|/environ$||'
}

kill_tagged()
{
    for p in $(tagged); do
        kill -KILL "$p" 2>/dev/null
    done
    [ -z "$pid" ] || wait "$pid" 2>/dev/null
}
cleanup_fn kill_tagged

start() # NAME CMD...
{
    start_name=$1
    shift
    # Before the fork: who waits for a line must not find that of the job before.
    : >"$tmp/$start_name.out"
    : >"$tmp/$start_name.err"
    "$@" >"$tmp/$start_name.out" 2>"$tmp/$start_name.err" </dev/null &
    pid=$!
}

wait_line() # NAME TEXT
{
    wait_i=0
    while ! grep -q "$2" "$tmp/$1.out" 2>/dev/null; do
        wait_i=$((wait_i + 1))
        if [ "$wait_i" -gt $((limit * 10)) ] || ! kill -0 "$pid" 2>/dev/null; then
            diag "waited in vain for \"$2\" in the output of $1:"
            diag "$(cat "$tmp/$1.out" "$tmp/$1.err")"
            return 1
        fi
        sleep 0.1
    done
}

ended() # the status of the job in the background; 124 when it does not end
{
    end_i=0
    while kill -0 "$pid" 2>/dev/null; do
        end_i=$((end_i + 1))
        if [ "$end_i" -gt 300 ]; then
            diag "still running after 30 s"
            kill_tagged
            status=124
            pid=
            return
        fi
        sleep 0.1
    done
    # shellcheck disable=SC2034 # for the caller
    if wait "$pid"; then status=0; else status=$?; fi
    pid=
}

# The mpirun of the job in the background, or its toro-run if there is none: limited's grandchild.
launcher_pid()
{
    for launcher in mpirun toro-run; do
        for p in $(tagged); do
            if [ "$(tr '\0' '\n' <"/proc/$p/cmdline" 2>/dev/null | head -n 1)" = \
                "$bin/$launcher" ]; then
                echo "$p"
                return
            fi
        done
    done
}

left_over() # what is left of our jobs, a line each
{
    for p in $(tagged); do
        [ ! -r "/proc/$p/cmdline" ] ||
            echo "process $p: $(tr '\0' ' ' <"/proc/$p/cmdline" | cut -c 1-120)"
    done
    # what a killed mpirun or orted leaves in its session directory is Open MPI's
    [ "$native" = 1 ] || find "$tmp/tmp" -mindepth 1 -name 'ompi.*' -prune -o -mindepth 1 -print |
        sed 's/^/file /'
    # (vader is not in use in guests; plain mpirun cannot save its ranks' segments when it is killed)
    find /dev/shm -mindepth 1 -newer "$tmp/rsh" -user "$(id -u)" ! -name 'vader_segment*' |
        sed 's/^/file /'
    # Abstract sockets die with their processes; ask only when all jobs of this host are ours.
    if [ -z "$(pgrep -u "$(id -u)" -x 'mpirun|orterun|toro-run|orted-shim|orted' 2>/dev/null | head -n 1)" ]; then
        grep -o "@torobus/$(id -u)/.*" /proc/net/unix | sed 's/^/socket /'
    fi
}

nothing_left() # NAME
{
    left_i=0
    while left=$(left_over) && [ -n "$left" ] && [ "$left_i" -lt 100 ]; do
        left_i=$((left_i + 1))
        sleep 0.1
    done
    is "$left" "" "$1"
    [ -z "$left" ] || kill_tagged
}
