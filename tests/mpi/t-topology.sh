#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What hwloc and Open MPI see of a guest: its cores, the caches of the host's cores, where a rank is,
# and who shares what with whom. timeout: 150
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests

# hwloc, in a guest with two ranks of two cores each. Each line comes once from each rank.
runs "hwloc in a guest" alone -n 2 --cores-per-rank 2 "$programs/hwloc"
twice() { is "$(echo "$out" | grep -c -x "$1")" 2 "both ranks see: $1"; }
twice "Machine - cpus 0-3"
twice "Package - cpus 0-3"
for i in 0 1 2 3; do
    twice "Core - cpus $i"
    twice "PU - cpus $i"
done
like "$out" "*numa nodes 1, bound to 0-1*" "the first rank is bound to its cores"
like "$out" "*numa nodes 1, bound to 2-3*" "and the second"

# The caches are those of the host.
"$programs/hwloc" >"$tmp/host"
sed -n 's/^\(L[0-9][di]*\) \([^ ]*\) cpus .*/\1 \2/p' "$tmp/host" | sort -u >"$tmp/host-caches"
echo "$out" | sed -n 's/^\(L[0-9][di]*\) \([^ ]*\) cpus .*/\1 \2/p' | sort -u >"$tmp/caches"
if [ -s "$tmp/host-caches" ]; then
    is "$(cat "$tmp/caches")" "$(cat "$tmp/host-caches")" "caches as on the host"
    is "$(echo "$out" | grep -c '^L1d .* cpus [0-3]$')" 8 "each core has its first one"
else
    skip 2 "hwloc knows no caches of this host"
fi

# Open MPI's view, under mpirun: two guests, two ranks each with two cores.
runs "topology, two guests" mpi --host vm0:2,vm1:2 -np 4 --map-by slot:PE=2 --bind-to none \
    "$examples/topology"
for i in 0 1 2 3; do
    like "$out" "*rank $i of 4 on vm$((i / 2)): cpus $((i % 2 * 2))-$((i % 2 * 2 + 1)), *" \
        "rank $i knows its cores"
done
is "$(echo "$out" | grep -c 'shares host 2, numa 2, socket 2, .* L1 1, core 1$')" 4 \
    "a rank shares its guest with one other, and no core"
like "$out" "*topology: ok*" "nothing is shared between guests"
# (ranks bound to one core of the host by mpirun are on cores of their own in the guests)
runs "bound by mpirun" mpi --host vm0,vm1 --bind-to core "$examples/topology"
is "$(echo "$out" | grep -c 'on vm[01]: cpus 0, .* shares host 1, numa 1, socket 1, .* core 1$')" 2 \
    "alone in a guest"
runs "without mpirun" alone -n 3 "$examples/topology"
is "$(echo "$out" | grep -c 'shares host 3, numa 3, socket 3, .* L1 1, core 1$')" 3 "three ranks"
nothing_left "nothing is left"
done_testing
