#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Collectives, stock, with more ranks in one guest than most hosts have cores. timeout: 240
. "$TORO_SRC/tests/mpi/launch.sh"
job_limit 110

for n in 6 8; do
    runs "$n ranks" mpi -np "$n" "$examples/collectives" --quick
    like "$out" "*collectives: all ok, *cases on $n ranks*" "$n ranks: all ok"
    diag "$(echo "$out" | tail -n 1)"
done
nothing_left "nothing is left"
done_testing
