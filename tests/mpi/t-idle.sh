#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 200
# A job that waits leaves the CPUs alone: less than 5 % of a core for each guest, whatever its ranks
# wait for.
. "$TORO_SRC/tests/mpi/launch.sh"

needs_guests
job_limit 120
seconds=4

ticks() # PID: CPU time so far, in clock ticks
{
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"
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
nothing_left "nothing is left"
done_testing
