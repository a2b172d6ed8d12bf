#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Graph communicators with reordering (topo/treematch), in one guest and over several: it wants the
# same topology from every rank, and the node of every rank.
. "$TORO_SRC/tests/mpi/launch.sh"

for where in -np:4 --host:vm0:2,vm1:2 --host:vm0:3,vm1:2; do
    runs "reordered graph, ${where#*:}" mpi "${where%%:*}" "${where#*:}" "$programs/graph"
    like "$out" "graph of ?: ok" "it is the graph that was asked for"
done
done_testing
