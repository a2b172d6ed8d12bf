#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Virtual CPUs are pinned as mpirun binds the ranks, or toro-run is told; QEMU's own thread is not.
# timeout: 150
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests

whole=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
n=$(nproc)
[ "$n" -ge 2 ] || skip_all "one processor: there is nothing to choose from"
[ "$(cat /sys/devices/system/cpu/cpu*/topology/core_cpus_list 2>/dev/null | sort -u | wc -l)" -ge 2 ] ||
    skip_all "one core: there is nothing to choose from"

threads() # NAME...: where the threads of our QEMUs may run that are called so, a line each
{
    for p in $(tagged); do
        for t in "/proc/$p"/task/*; do
            # shellcheck disable=SC2254 # it is a pattern
            case $(cat "$t/comm" 2>/dev/null) in
            $1) sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "$t/status" 2>/dev/null ;;
            esac
        done
    done | sort
}
vcpus() { threads 'CPU [0-9]*/*'; }
different() { echo "$1" | sort -u | grep -c .; }

# CPUS PROGRAM...: starts it, waits until so many virtual CPUs are there and a rank has said so
pinned_by()
{
    want=$1
    shift
    start job "$@"
    wait_line job 'sleeping$' || return
    i=0
    while [ "$(vcpus | grep -c .)" -ne "$want" ] && [ $((i += 1)) -lt 50 ]; do sleep 0.1; done
    got=$(vcpus)
    main=$(threads 'qemu-system*' | sort -u)
    said=$(env TOROBUS_TEST="$tag" "$bin/toro-info" 2>&1 | grep 'pinned:' | sort)
}
stop_job()
{
    kill -TERM "$(launcher_pid)" 2>/dev/null
    ended
}
program="$programs/act sleep 60"

# shellcheck disable=SC2086 # words
{
    pinned_by 2 alone -n 2 --bind core $program
    is "$(echo "$got" | grep -c .)" 2 "toro-run --bind core: two virtual CPUs"
    is "$(different "$got")" 2 "on different cores"
    case $got in *"$whole"*) ok 1 "none may run anywhere" ;; *) ok 0 "none may run anywhere" ;; esac
    is "$main" "$whole" "QEMU's own threads may run anywhere"
    like "$said" "*pinned: core 0 on *, core 1 on *" "toro-info says so"
    stop_job

    pinned_by 2 alone -n 2 --bind none $program
    is "$got" "$whole
$whole" "toro-run --bind none: anywhere"
    is "$said" "" "toro-info says nothing of it"
    stop_job

    pinned_by 2 mpi -np 2 --bind-to core --report-bindings $program
    is "$(different "$got")" 2 "mpirun --bind-to core: two cores"
    is "$main" "$whole" "QEMU's own threads may run anywhere"
    is "$(grep -c 'bound to socket' "$tmp/job.err")" 2 "--report-bindings says what mpirun has bound"
    stop_job

    pinned_by 2 mpi --host vm0,vm1 --bind-to core $program
    is "$(different "$got")" 2 "two guests with a rank each: two cores"
    stop_job

    pinned_by 2 mpi -np 2 --bind-to none $program
    is "$got" "$whole
$whole" "mpirun --bind-to none: anywhere"
    stop_job

    TOROBUS_BIND=none
    export TOROBUS_BIND
    pinned_by 2 mpi -np 2 --bind-to core $program
    is "$got" "$whole
$whole" "TOROBUS_BIND=none wins"
    stop_job
    TOROBUS_BIND=core
    many=$((n + 1))
    pinned_by "$many" mpi -np "$many" --oversubscribe $program
    is "$(different "$got")" 1 "more virtual CPUs than cores: nobody is pinned"
    said=$(echo "$said" | sed 's/^ *//')
    is "$said" "not pinned: more virtual CPUs than cores" "toro-info says why"
    stop_job
    unset TOROBUS_BIND
}
fails "no such binding" alone -n 1 --bind socket "$programs/act" sleep 1
like "$out" "*--bind socket is impossible: give core, none or auto*" "says so"
nothing_left "nothing is left"
done_testing
