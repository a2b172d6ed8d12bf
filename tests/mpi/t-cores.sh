#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Ranks with several cores: OpenMP and MPI_THREAD_MULTIPLE in them. timeout: 240
. "$TORO_SRC/tests/mpi/launch.sh"

unset OMP_NUM_THREADS

# The lines of hybrid: RANKS CORES
said_hybrid()
{
    like "$out" "*hybrid: sum * is right*" "$3: the sum is right"
    [ "$native" = 1 ] && return
    is "$(echo "$out" | grep -c "of $1: $2 processors, $2 threads on $2 of them")" "$1" \
        "$3: each rank has $2 cores, a thread on each"
}

runs "mpirun --map-by slot:PE=2" mpi --host vm0:4 -np 2 --map-by slot:PE=2 --bind-to none \
    "$examples/hybrid" 50000
said_hybrid 2 2 "PE=2"
[ "$native" != 1 ] || { done_testing; exit; }

runs "two guests" mpi --host vm0:2,vm1:2 -np 2 --map-by node:PE=2 --bind-to none \
    "$examples/hybrid" 50000
said_hybrid 2 2 "two guests"

runs "toro-run --cores-per-rank 2" alone -n 2 --cores-per-rank 2 "$examples/hybrid" 50000
said_hybrid 2 2 "toro-run"

runs "MPI_THREAD_MULTIPLE, threads on cores of their own" alone -n 2 --cores-per-rank 3 \
    "$programs/btl-threads"

fails "more cores than a guest can have" alone -n 33 --cores-per-rank 2 "$examples/hybrid"
like "$out" "*33 ranks with 2 cores each are impossible*" "says so"
fails "no number" alone -n 1 --cores-per-rank none "$examples/hybrid"
like "$out" "*--cores-per-rank none is impossible*" "says so"
nothing_left "nothing is left"
done_testing
