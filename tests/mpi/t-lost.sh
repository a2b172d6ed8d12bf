#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 400
# A guest dies while the others wait for a rank of it, in every way that there is to wait: the job
# ends, and says which guest it was and which rank was in it.
. "$TORO_SRC/tests/mpi/launch.sh"

needs_guests
job_limit 60

qemu_of() # GUEST
{
    for p in $(tagged); do
        if tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline" | grep -q -- "-name torobus-$1,"; then
            echo "$p"
            return
        fi
    done
}

loses() # MODE LAUNCH...
{
    mode=$1
    shift
    start "$mode" "$@" "$programs/btl-lost" "$mode"
    wait_line "$mode" ready
    sleep 0.5
    kill -KILL "$(qemu_of vm1)"
    ended
    test "$status" -ne 0 && test "$status" -ne 124 && test "$status" -ne 3
    ok $? "$mode: the job ends with an error (status $status)"
    like "$(cat "$tmp/$mode.err")" "*guest vm1 (rank 2) ended: *signal 9*" \
        "$mode: guest and rank are named"
}

for m in send recv rendezvous traffic barrier window; do
    loses "$m" mpi --host vm0:2,vm1:1
done
nothing_left "nothing is left"

# A rank that is a process of this host is told, too.
for m in send window; do
    loses "$m" mpi --host localhost:2,vm1:1
done

# What the BTL itself says, if it is quicker than the launcher.
loses recv mpi --mca btl_torobus_peer_grace_ms 0 --host vm0:2,vm1:1
nothing_left "nothing is left"
done_testing
