/* SPDX-License-Identifier: BSD-3-Clause */
/* A graph communicator whose ranks may be reordered. Open MPI maps the graph onto the topology that
 * each rank reports, so all must report the same, and each must know which ranks share its node. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    int rank, size, in, out, weighted, left, right, weight[2], from, got, ok, all;
    int before, after, heavy = 100;
    MPI_Comm ring;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    /* who is far in the world is near in the graph */
    before = (rank + size - size / 2) % size;
    after = (rank + size / 2) % size;
    MPI_Dist_graph_create_adjacent(MPI_COMM_WORLD, 1, &before, &heavy, 1, &after, &heavy,
                                   MPI_INFO_NULL, 1, &ring);
    MPI_Dist_graph_neighbors_count(ring, &in, &out, &weighted);
    MPI_Dist_graph_neighbors(ring, 1, &left, weight, 1, &right, weight + 1);
    MPI_Comm_rank(ring, &from);
    got = -1;
    MPI_Neighbor_alltoall(&from, 1, MPI_INT, &got, 1, MPI_INT, ring);
    ok = in == 1 && out == 1 && weighted && weight[0] == 100 && weight[1] == 100 && got == left;
    if (!ok)
        printf("rank %d, now %d: %d in, %d out, from %d got %d\n", rank, from, in, out, left, got);
    MPI_Allreduce(&ok, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    if (rank == 0 && all)
        printf("graph of %d: ok\n", size);
    MPI_Comm_free(&ring);
    MPI_Finalize();
    return all ? 0 : 1;
}
