#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 260
# A job that waits leaves the CPUs alone: less than 5 % of a core for each guest, whatever its ranks
# wait for; and so do those who wait for one that computes.
. "$TORO_SRC/tests/mpi/launch.sh"

needs_guests
job_limit 120
seconds=4

ticks() # PID[/task/TID]: CPU time so far, in clock ticks
{
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat" 2>/dev/null
}

qemus() # the QEMUs of our jobs
{
    for p in $(tagged); do
        [ "$(readlink "/proc/$p/exe" | grep -c qemu-system)" = 0 ] || echo "$p"
    done
}

idle() # NAME GUESTS COMMAND...
{
    name=$1
    guests=$2
    shift 2
    start job "$@"
    wait_line job ready
    ok $? "$name: waits"
    sleep 2
    pids=$(qemus)
    is "$(echo "$pids" | wc -w)" "$guests" "$name: so many guests"
    for p in $pids; do
        before=$(ticks "$p")
        sleep "$seconds"
        used=$(($(ticks "$p") - before))
        most=$((seconds * $(getconf CLK_TCK) * 5 / 100))
        [ "$used" -le "$most" ]
        ok $? "$name: $used of $((seconds * $(getconf CLK_TCK))) ticks, $most are allowed"
    done
    kill -INT "$(launcher_pid)"
    ended
}

idle "four ranks in one guest" 1 alone -n 4 "$programs/btl-lost" recv
idle "two guests" 2 mpi --host vm0:2,vm1:1 "$programs/btl-lost" recv

vcpu_ticks() # CORE PID...: of that virtual CPU of these QEMUs, `other` for all but core $worker
{
    which=$1
    shift
    for p; do
        for t in "/proc/$p/task"/*; do
            case $(cat "$t/comm" 2>/dev/null) in
            "CPU $worker"/*) [ "$which" = other ] || ticks "${t#/proc/}" ;;
            CPU*) [ "$which" != other ] || ticks "${t#/proc/}" ;;
            esac
        done
    done | awk '{ n += $1 } END { print n + 0 }'
}

# NAME CORE COMMAND...: nine ranks, eight of which wait for the one that computes on that core of the
# only guest that has it. More virtual CPUs than cores on most machines: who waits must not spin.
busy()
{
    name=$1
    worker=$2
    shift 2
    start job "$@"
    wait_line job ready
    ok $? "$name: runs"
    sleep 2
    pids=$(qemus)
    # shellcheck disable=SC2086 # words
    {
        work=$(vcpu_ticks "$worker" $pids)
        others=$(vcpu_ticks other $pids)
        sleep "$seconds"
        work=$(($(vcpu_ticks "$worker" $pids) - work))
        others=$(($(vcpu_ticks other $pids) - others))
    }
    most=$((seconds * $(getconf CLK_TCK) * 10 / 100))
    [ "$others" -le "$most" ]
    ok $? "$name: eight that wait take $others ticks, $most are allowed"
    [ "$work" -gt $((10 * others)) ] && [ "$work" -gt 0 ]
    ok $? "$name: the one that works $work of $((seconds * $(getconf CLK_TCK)))"
    kill -INT "$(launcher_pid)"
    ended
}
busy "nine ranks in one guest" 8 alone -n 9 "$programs/act-mpi" spin 8
busy "in two guests" 4 mpi --oversubscribe --host vm0:5,vm1:4 "$programs/act-mpi" spin 4
nothing_left "nothing is left"
done_testing
