#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The table of violent ends. timeout: 1500
#
# Each row does something to a running job. The job ends within 5 s (or goes on, when that is what
# should happen), says what happened to whom, and leaves no process, file or socket behind (memory
# files and descriptors die with the processes). Everyday rows come first; `make check-ends`, or
# TORO_ENDS=all, runs the whole table.
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests

whole=${TORO_ENDS:-everyday}
seconds=${TORO_END_SECONDS:-5}
only=${TORO_ENDS_ONLY:-*} # a pattern: these rows alone

# --- jobs ----------------------------------------------------------------------------------------
# Each runs for ever and prints "ready" when all its ranks are in MPI.
two() { mpi --host vm0:1,vm1:1 "$programs/act-mpi" "$@"; } # two guests
own() { mpi -np 2 "$programs/act-mpi" "$@"; }              # one guest on mpirun's own node
run() { alone -n 2 "$programs/act-mpi" "$@"; }             # one guest, no mpirun

# --- what is done to them ------------------------------------------------------------------------
pids_of() # COMMAND-NAME
{
    for p in $(tagged); do
        [ "$(cat "/proc/$p/comm" 2>/dev/null)" != "$1" ] || echo "$p"
    done
}

launcher() { launcher_pid; }
orted() { pids_of orted | head -n 1; }
orted_shim() { pids_of orted-shim | head -n 1; }
keeper() { pids_of torobus-keeper | head -n 1; }
qemu() { pids_of qemu-system-x86 | head -n 1; }
qemus() { pids_of qemu-system-x86; }
# the proxy of a rank: not what mpirun's agent or `toro-run -n` is
proxy() { pids_of toro-run | head -n 1; }

send() # SIGNAL WHO
{
    # a busy machine may not show a process of ours at the first look
    send_i=0
    until send_to=$($2) && [ -n "$send_to" ]; do
        send_i=$((send_i + 1))
        [ "$send_i" -lt 20 ] || return 1
        sleep 0.1
    done
    for p in $send_to; do
        kill "-$1" "$p" || return 1
    done
}

# Stopped for 2 s; then it must go on: only after that is the job told to end.
pause() # WHO
{
    send STOP "$1" && sleep 2 && send CONT "$1" && sleep 1 && kill -0 "$pid" &&
        send TERM launcher
}

nothing() { :; } # the job does it itself

# --- the table -------------------------------------------------------------------------------------
now() { date +%s%3N; }

wanted()
{
    # shellcheck disable=SC2254 # a pattern
    case $name in $only) ;; *) return 1 ;; esac
}

# NAME STATUS WORDS JOB ARGUMENTS -- ACTION: STATUS is a number, or `fail` for any but 0
row()
{
    name=$1 want=$2 words=$3 job=$4
    wanted || return 0
    shift 4
    args=
    while [ "$1" != -- ]; do
        args="$args $1"
        shift
    done
    shift
    # shellcheck disable=SC2086 # several words
    start ends "$job" ${args:-run}
    if ! wait_line ends ready; then
        ok 1 "$name: the job runs"
        kill_tagged
        return
    fi
    t0=$(now)
    if ! "$@"; then
        ok 1 "$name: \"$*\" was not possible"
        kill_tagged
        return
    fi
    # a pause ends when the job has been seen to go on
    [ "$1" != pause ] || t0=$(now)
    ended
    ms=$(($(now) - t0))
    case $want in
    fail) test "$status" -ne 0 && test "$status" -ne 124 ;;
    *) test "$status" -eq "$want" ;;
    esac
    good=$?
    ok $good "$name: status $status, $want is right"
    [ "$ms" -le $((seconds * 1000)) ]
    ok $? "$name: ends within $seconds s ($ms ms)"
    if [ -n "$words" ]; then
        # shellcheck disable=SC2254 # a pattern
        case $(cat "$tmp/ends.err") in
        *$words*) ok 0 "$name: says \"$words\"" ;;
        *) ok 1 "$name: says \"$words\"" && good=1 ;;
        esac
    fi
    [ $good -eq 0 ] || diag "$(cat "$tmp/ends.out" "$tmp/ends.err")"
    nothing_left "$name: nothing is left"
}

# Each job once more, but with less of something. LIMITS is a shell command that takes it away.
short() # NAME STATUS WORDS LIMITS JOB ARGUMENTS
{
    name=$1 want=$2 words=$3 limits=$4
    wanted || return 0
    shift 4
    t0=$(now)
    (eval "$limits" && "$@") >"$tmp/short.out" 2>"$tmp/short.err" </dev/null
    status=$?
    ms=$(($(now) - t0))
    case $want in
    fail) test "$status" -ne 0 && test "$status" -ne 124 ;;
    *) test "$status" -eq "$want" ;;
    esac
    good=$?
    ok $good "$name: status $status, $want is right ($ms ms)"
    # shellcheck disable=SC2254 # a pattern
    case $(cat "$tmp/short.err") in
    *$words*) ok 0 "$name: says \"$words\"" ;;
    *) ok 1 "$name: says \"$words\"" && good=1 ;;
    esac
    [ $good -eq 0 ] || diag "$(cat "$tmp/short.out" "$tmp/short.err")"
    nothing_left "$name: nothing is left"
}

# A file system with room for a few pages, for those who may mount one.
full_disk() # MEBIBYTES CMD...: runs CMD with $tmp/full full but for some kilobytes
{
    mkdir -p "$tmp/full"
    size=$1
    shift
    # shellcheck disable=SC2016 # for the inner shell
    limited unshare -m sh -c 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"' \
        sh "$size" "$tmp/full" "$@"
}
can_mount() { unshare -m true 2>/dev/null; }

# A memory cgroup, for those who may make one: its directory in $group.
make_group() # MEBIBYTES LIMIT-FILE DIRECTORY...
{
    mebibytes=$1
    file=$2
    shift 2
    # at the root of the second version's hierarchy processes do not stand in the way
    for root; do
        group=$root/torobus-$$
        mkdir "$group" 2>/dev/null || continue
        if [ -e "$group/$file" ] && echo "${mebibytes}M" >"$group/$file" 2>/dev/null; then
            [ ! -e "$group/memory.swap.max" ] || echo 0 >"$group/memory.swap.max"
            return 0
        fi
        rmdir "$group"
    done
    group=
    return 1
}

# VERSION LIMIT-FILE DIRECTORY...: jobs in a memory cgroup that is too small for them
cgroup_rows()
{
    version=$1
    shift
    if ! make_group 250 "$@"; then
        skip 7 "a memory cgroup of version $version cannot be made here"
        return
    fi
    short "memory cgroup v$version" 137 \
        "guest * ended: QEMU was killed by signal 9*memory cgroup had no" \
        : grouped "$bin/toro-run" -n 2 "$programs/breathe"
    short "memory cgroup v$version, mpirun" fail "guest vm0 (rank 0) ended*memory cgroup had no" \
        : grouped "$bin/mpirun" --am torobus --host vm0,vm1 "$programs/breathe"
    drop_group
    ok $? "the cgroup is empty"
}
drop_group() { [ -z "${group:-}" ] || rmdir "$group" 2>/dev/null; }
cleanup_fn drop_group

# shellcheck disable=SC2016 # for the inner shell
grouped() # CMD...: in the group
{
    { echo "map 600" && sleep 5; } |
        limited sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$group" "$@"
}

gone="guest * ended: QEMU was killed by signal 9"
panic="guest *kernel panic: sysrq triggered crash by pid*"

#   what happens                  status words                    job           action
row "kill -9 mpirun"                 137 ""                       two        -- send KILL launcher
row "kill -9 QEMU"                  fail "$gone"                  two        -- send KILL qemu
row "kill -9 the keeper"            fail "keeper * is gone"       two        -- send KILL keeper
row "kill -9 a proxy"               fail ""                       two        -- send KILL proxy
row "panic in a guest"              fail "$panic"                 two panic 1 -- nothing
row "a guest is stopped for 2 s"    fail "is stopped by signal*goes on" two  -- pause qemu
row "toro-run: kill -9 QEMU"         137 "$gone"                  run        -- send KILL qemu
row "toro-run: panic"                  1 "$panic"                 run panic 1 -- nothing
short "toro-run: ulimit -n 20" 1 "20 files*ulimit -Hn*at least 64" "ulimit -n 20" run run
short "toro-run: ulimit -v" 137 "ended: QEMU says*Cannot allocate memory*ulimit -v" \
    "ulimit -v 500000" run run

if [ "$whole" = all ]; then
    row "kill -9 orted"              fail "lost communication"     two        -- send KILL orted
    row "kill -9 orted-shim"         fail ""                       two        -- send KILL orted_shim
    row "kill -9 all QEMUs"          fail "$gone"                  two        -- send KILL qemus
    row "SIGTERM to QEMU"            fail "guest * ended"          two        -- send TERM qemu
    row "SIGSEGV in QEMU"            fail "killed by signal 11"    two        -- send SEGV qemu
    row "the keeper is told to end"  fail "keeper was told to end" two        -- send TERM keeper
    row "Ctrl-C"                     fail ""                       two        -- send INT launcher
    row "SIGTERM to mpirun"          fail ""                       two        -- send TERM launcher
    row "all guests are stopped"     fail "is stopped*goes on"     two        -- pause qemus
    row "a proxy is stopped for 2 s" fail ""                       two        -- pause proxy
    row "orted is stopped for 2 s"   fail ""                       two        -- pause orted

    row "own node: kill -9 mpirun"    137 ""                       own        -- send KILL launcher
    row "own node: kill -9 QEMU"     fail "$gone"                  own        -- send KILL qemu
    row "own node: kill -9 keeper"   fail "keeper * is gone"       own        -- send KILL keeper
    row "own node: kill -9 proxy"    fail ""                       own        -- send KILL proxy
    row "own node: panic"            fail "$panic"                 own panic 0 -- nothing
    row "own node: guest stopped"    fail "is stopped*goes on"     own        -- pause qemu
    row "own node: Ctrl-C"           fail ""                       own        -- send INT launcher

    row "toro-run: kill -9 toro-run"  137 ""                       run        -- send KILL launcher
    row "toro-run: kill -9 keeper"      1 "keeper * is gone"       run        -- send KILL keeper
    row "toro-run: guest stopped"     143 "is stopped*goes on"     run        -- pause qemu
    row "toro-run: it is stopped"     143 ""                       run        -- pause launcher
    row "toro-run: Ctrl-C"            130 ""                       run        -- send INT launcher
    row "toro-run: SIGTERM"           143 ""                       run        -- send TERM launcher
    row "toro-run: SIGHUP"            129 ""                       run        -- send HUP launcher

    cgroup_rows 1 memory.limit_in_bytes /sys/fs/cgroup/memory
    cgroup_rows 2 memory.max /sys/fs/cgroup /sys/fs/cgroup/unified

    short "ulimit -n 20" fail "*" "ulimit -n 20" two run
    short "ulimit -n 62" fail "at least 64" "ulimit -n 62" own run
    short "toro-run: ulimit -d" fail "guest vm*ended: QEMU says*ulimit" "ulimit -d 10000" run run
    short "ulimit -v" fail "Cannot allocate memory*ulimit -v" "ulimit -v 600000" own run
    if can_mount; then
        short "full disk for the session directory" fail "*" : full_disk 4k \
            env TMPDIR="$tmp/full" "$bin/mpirun" --am torobus --host vm0 "$programs/act-mpi" return
        short "full disk for a rank's file" 2 "No space left on device" : full_disk 16k \
            "$bin/toro-run" -n 1 "$programs/act" fill "$tmp/full/file" 1000000
        short "full disk for a rank's file, mpirun" 2 "No space left on device" : full_disk 16k \
            "$bin/mpirun" --am torobus --host vm0 "$programs/act" fill "$tmp/full/file" 1000000
        short "full disk for MPI-IO" fail "mpi-io: FAILED on rank * of 2: " : full_disk \
            16k "$bin/toro-run" -n 2 "$programs/mpi-io" "$tmp/full/file"
        short "full disk for MPI-IO, two guests" fail "mpi-io: FAILED on rank * of 2: " \
            : full_disk 16k "$bin/mpirun" --am torobus --host vm0:1,vm1:1 "$programs/mpi-io" \
            "$tmp/full/file"
        # shellcheck disable=SC2016 # for the inner shell
        short "full disk for a core file" 139 "no core: *core.0: No space left on device" \
            : full_disk 16k sh -c \
            'cd "$1" && shift && TORO_CORE=1 "$@"; s=$?; ls | sed "s/^/left: /" >&2; exit $s' \
            sh "$tmp/full" "$bin/toro-run" -n 1 "$programs/crash" segv
        is "$(grep -c '^left: ' "$tmp/short.err")" 0 "full disk for a core file: no half of one is left"
        short "full TMPDIR: a job needs none of it" 0 "" : full_disk 4k env TMPDIR="$tmp/full" \
            "$bin/toro-run" -n 2 "$programs/act-mpi" return
        # shellcheck disable=SC2016 # for the inner shell
        short "full TMPDIR: --gdb does" 1 "commands for gdb cannot be written: No space" : full_disk \
            4k sh -c 'yes | head -c 100000 >"$1/fill" 2>/dev/null; shift; exec "$@"' sh "$tmp/full" \
            env TMPDIR="$tmp/full" "$bin/toro-run" --gdb -n 1 "$programs/act" exit 0
        # shellcheck disable=SC2016 # for the inner shell
        short "stdout on a full disk" 1 "cannot write the ranks' stdout: No space left" : full_disk \
            64k sh -c 'out=$1; shift; exec "$@" >"$out"' sh "$tmp/full/out" "$bin/toro-run" -n 1 \
            "$programs/act" lines 100000
    else
        skip 28 "needs the right to mount a file system"
    fi
fi
short "stdout on a full device" 1 "cannot write*stdout*No space left" "exec >/dev/full" \
    alone -n 1 "$programs/act" lines 10
done_testing
