#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What MPI_Init to MPI_Finalize costs in PMIx messages to the host: few, and not more with more ranks
# on a guest. And who waits there sleeps. timeout: 180
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests
log=$tmp/keeper.log

most() # HOSTS RANKS LIMIT: the most upcalls of a rank
{
    rm -f "$log"
    TOROBUS_KEEPER_LOG="$log" runs "$1" mpi --host "$1" "$programs/init-time"
    got=$(sed -n 's/.* ended, PMIx messages to the host \([0-9]*\),.*/\1/p' "$log" | sort -n)
    is "$(echo "$got" | grep -c .)" "$2" "$1: all ranks counted"
    test "$(echo "$got" | tail -n 1)" -le "$3"
    ok $? "$1: at most $3 messages per rank"
    diag "$1: $(echo "$got" | tr '\n' ' ')"
}

# INIT, COMMIT, FINALIZE: everything else is answered in the guest
most vm0:1 1 3
most vm0:4 4 3
# and three fences, the host's part of the modex (a peer's keys come in one piece), and for one rank of
# each guest what is known of all ranks
most vm0:1,vm1:1 2 9
most vm0:3,vm1:3 6 9

# Open MPI naps for 100 us at a time while it waits for the others: 2,000 to 6,000 times a second.
# The component makes that fewer than 500.
TORO_STRACE=1
export TORO_STRACE
runs "a rank that comes 3 s later" mpi --host vm0:2 "$programs/init-time" 3000
unset TORO_STRACE
ms=$(printf '%s\n' "$out" | sed -n 's/^init \([0-9]*\)$/\1/p')
naps=$(printf '%s\n' "$out" | grep -c '^\[0:.*nanosleep')
test "${ms:-0}" -ge 2500
ok $? "the others wait for it in MPI_Init (${ms:-?} ms)"
test "$naps" -gt 10 && test "$((naps * 10))" -lt "$((${ms:-0} * 6))"
ok $? "and nap fewer than 600 times a second ($naps naps)"
done_testing
