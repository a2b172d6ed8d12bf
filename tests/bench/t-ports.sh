#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
# Connected, idle ports cost a receiver nothing: the best one-way time with many of them is that
# with none. TORO_PORTS="2 8 32 64" asks for other numbers of ports.
. "$TORO_SRC/tests/lib/tap.sh"

[ "$(nproc)" -ge 2 ] || skip_all "needs two CPUs"
ports=${TORO_PORTS:-2 16}
first=

latency() # PORTS: the best of three runs, in nanoseconds
{
    for _ in 1 2 3; do
        rm -f "$tmp/region"
        "$TORO_BUILD/tests/mpi/region-make" "$tmp/region" 64 || return 1
        TOROBUS_REGION=$tmp/region timeout 150 mpirun --oversubscribe --bind-to none \
            --mca oob_tcp_if_include lo --mca plm_rsh_agent /bin/false --mca pml ob1 \
            --mca btl torobus --mca mpi_yield_when_idle 0 -x TOROBUS_REGION -np "$1" \
            "$TORO_BUILD/tests/mpi/btl-ports"
    done | awk '$1 == "ports" && (best == "" || $4 < best) { best = $4 } END { print best }'
}

for n in $ports; do
    best=$(latency "$n")
    first=${first:-$best}
    diag "$n ports: $best ns"
    [ -n "$best" ] && [ "$best" -le $((first * 3 / 2)) ]
    ok $? "$n ports: $best ns, with ${ports%% *}: $first ns"
done
done_testing
