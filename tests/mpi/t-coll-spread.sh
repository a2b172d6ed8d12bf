#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Collectives, stock, over two and three guests. timeout: 300
. "$TORO_SRC/tests/mpi/launch.sh"
job_limit 100

for hosts in vm0:1,vm1:1 vm0:1,vm1:1,vm2:1 vm0:2,vm1:2 vm0:2,vm1:2,vm2:2 vm0:4,vm1:4; do
    runs "$hosts" mpi --host "$hosts" "$examples/collectives" --quick
    like "$out" "*collectives: all ok, *" "$hosts: all ok"
    diag "$(echo "$out" | tail -n 1)"
done
runs "by node" mpi --host vm0:2,vm1:2 --map-by node "$examples/collectives" --quick
nothing_left "nothing is left"
done_testing
