#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Virtual CPUs are pinned as mpirun binds the ranks, or toro-run is told; QEMU's own thread is not.
# Their memory comes from the nodes of their cores.
# timeout: 240
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
# The policy of the first slice's pool of core 0, of core 1, and of the bus's first page.
policies()
{
    for p in $(tagged); do
        case $(cat "/proc/$p/comm" 2>/dev/null) in torobus-keeper) ;; *) continue ;; esac
        for f in "/proc/$p/fd"/*; do
            case $(readlink "$f") in
            */memfd:torobus*) "$programs/numa" show "$f" 0x40000000 0x180000000 0 2>&1 && return ;;
            esac
        done
    done
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
    if [ -e /proc/self/numa_maps ]; then
        like "$(policies | tr '\n' ' ')" 'prefer*:* prefer*:* default ' \
            "their memory is to come from their NUMA nodes"
        like "$(env TOROBUS_TEST="$tag" "$bin/toro-info" 2>&1 | grep 'memory:')" \
            "*memory: core 0 node *, core 1 node *" "toro-info says so"
    else
        skip 2 "this kernel knows no NUMA policies"
    fi
    stop_job

    pinned_by 2 alone -n 2 --bind none $program
    is "$got" "$whole
$whole" "toro-run --bind none: anywhere"
    is "$said" "" "toro-info says nothing of it"
    [ ! -e /proc/self/numa_maps ] || is "$(policies | sort -u)" default "memory likewise"
    stop_job

    pinned_by 2 mpi -np 2 --bind-to core --report-bindings $program
    is "$(different "$got")" 2 "mpirun --bind-to core: two cores"
    is "$main" "$whole" "QEMU's own threads may run anywhere"
    is "$(grep -c 'bound to socket' "$tmp/job.err")" 2 "--report-bindings says what mpirun has bound"
    stop_job

    pinned_by 2 mpi --host vm0,vm1 --bind-to core $program
    is "$(different "$got")" 2 "two guests with a rank each: two cores"
    stop_job

    pinned_by 2 mpi -np 2 --map-by numa --bind-to core --rank-by numa $program
    is "$(different "$got")" 2 "--map-by numa --rank-by numa: two cores"
    stop_job

    printf 'rank 0=vm0 slot=1\nrank 1=vm1 slot=0\n' >rankfile
    pinned_by 2 mpi --host vm0,vm1 --rankfile rankfile $program
    is "$(different "$got")" 2 "a rankfile: two cores"
    stop_job
    printf 'rank 0=vm0 slot=1\n' >rankfile
    pinned_by 1 mpi --host vm0 --rankfile rankfile $program
    is "$got" 1 "a rankfile: the core that it names"
    stop_job

    pinned_by 1 mpi --host vm0 -np 1 --cpu-set 1 --bind-to core $program
    is "$got" 1 "--cpu-set: the core that it names"
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
# What a container forbids does not end a job.
tap_capture limited "$programs/numa" forbid "$bin/toro-run" -v --bind core -n 2 "$examples/hello"
is "$status $(echo "$out" | grep -c '^hello from')" "0 2" "mbind is forbidden: the job runs"
is "$(echo "$out" | grep -c 'memory is not bound.*Operation not permitted')" 1 "-v says so, once"
tap_capture limited "$programs/numa" forbid "$bin/toro-run" --bind core -n 2 "$examples/hello"
is "$status $(echo "$out" | grep -vc '^hello from')" "0 0" "and without -v nothing"
fails "no such binding" alone -n 1 --bind socket "$programs/act" sleep 1
like "$out" "*--bind socket is impossible: give core, none or auto*" "says so"
nothing_left "nothing is left"
done_testing
