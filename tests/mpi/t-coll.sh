#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Collectives, stock, in one guest: 1 to 4 ranks. timeout: 240
. "$TORO_SRC/tests/mpi/launch.sh"
job_limit 100

for n in 1 2 3 4; do
    runs "$n ranks" mpi -np "$n" "$examples/collectives" --quick
    like "$out" "*collectives: all ok, *cases on $n ranks*" "$n ranks: all ok"
    diag "$(echo "$out" | tail -n 1)"
done
nothing_left "nothing is left"
done_testing
