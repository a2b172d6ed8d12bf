#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Real work: the stencil's result and picture do not depend on where it runs. timeout: 150
. "$TORO_SRC/tests/mpi/launch.sh"

args="--size 120 --steps 60"
sum() { echo "$out" | sed -n 's/.*checksum \([0-9a-f]*\)$/\1/p'; }

# shellcheck disable=SC2086 # words
{
    runs "plain mpirun, one rank" plainly -np 1 "$examples/stencil" $args -o ref.pgm
    want=$(sum)
    is "${#want}" 16 "gives a checksum: $want"
    for where in "-np 1" "-np 3" "--host vm0:2,vm1:2" "--host vm0,vm1,vm2"; do
        rm -f pic.pgm
        runs "$where" mpi $where "$examples/stencil" $args -o pic.pgm
        is "$(sum)" "$want" "$where: the same checksum"
        cmp ref.pgm pic.pgm
        ok $? "$where: the same picture"
    done
}
runs "pi" mpi --host vm0:2,vm1:2 "$examples/pi" 500000
like "$out" "*pi is about 3.14159265*" "is right"
nothing_left "nothing is left"
done_testing
