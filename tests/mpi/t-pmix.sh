#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Names, ports, children: what MPI does through PMIx. timeout: 300
# First the component and the kernel's server on this host, without a guest; then in guests.
. "$TORO_SRC/tests/mpi/launch.sh"

prog=$programs/pmix-names
bridge=$TORO_BUILD/tests/unit/run-pmix-bridge

# PART HOW CMD...
part()
{
    part_what=$1
    part_how=$2
    shift 2
    runs "$part_what, $part_how" "$@" "$prog" "$part_what"
    like "$out" "*$part_what: fine*" "$part_what, $part_how: every rank agrees"
}

for what in names threads connect; do
    if [ "$native" = 1 ] || [ ! -x "$bridge" ]; then
        skip 2 "no bridge to the kernel's server"
    else
        part $what "server on the host" limited env OMPI_MCA_btl=self,vader "$bridge" 4
    fi
done
for what in names threads connect; do
    if [ "$native" = 1 ]; then
        skip 2 "there is no toro-run"
    else
        part $what "toro-run" alone -n 4
    fi
    part $what "one guest" mpi --host vm0:3
    part $what "two guests" mpi --host vm0:2,vm1:2
done

part names "direct modex" mpi --mca pmix_base_collect_data 0 --host vm0:2,vm1:2
part names "modex in the background" mpi --mca pmix_base_async_modex 1 --host vm0:2,vm1:2

runs "spawn" mpi --host vm0:2,vm1:2 -np 2 "$prog" spawn
is "$(echo "$out" | grep '^child' | sort | tr '\n' ' ')" "child 0 child 1 " "two children"
is "$(echo "$out" | grep -c 'spawn: fine')" 2 "parents and children agree"
nothing_left "after all that"
done_testing
