#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Signals that mpirun passes on to the ranks. timeout: 120
. "$TORO_SRC/tests/mpi/launch.sh"

for sig in USR1:10 USR2:12; do
    start "${sig%:*}" mpi --host vm0 "$programs/act" catch "${sig#*:}"
    wait_line "${sig%:*}" waiting
    ok $? "a rank waits for SIG${sig%:*}"
    kill "-${sig%:*}" "$(launcher_pid)"
    ended
    is "$status" 0 "SIG${sig%:*} to mpirun: the job goes on and ends"
    like "$(cat "$tmp/${sig%:*}.out")" "*caught ${sig#*:}*" "the rank caught it"
done
nothing_left "nothing is left"
done_testing
