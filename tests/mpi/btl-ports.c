/* SPDX-License-Identifier: BSD-3-Clause */
/* What connected, idle ports cost a receiver: ranks 0 and 1 exchange messages while all the others,
 * each of which has a ring to and from both, wait. Prints ports, the best and the median one-way
 * time in nanoseconds. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCHES 100
#define BATCH   200

static int order(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void exchange(int rank, int peer)
{
    int word = -1;

    if (rank < peer) {
        MPI_Send(&rank, 1, MPI_INT, peer, 0, MPI_COMM_WORLD);
        MPI_Recv(&word, 1, MPI_INT, peer, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    } else {
        MPI_Recv(&word, 1, MPI_INT, peer, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        MPI_Send(&rank, 1, MPI_INT, peer, 0, MPI_COMM_WORLD);
    }
    if (word != peer)
        MPI_Abort(MPI_COMM_WORLD, 1);
}

int main(int argc, char **argv)
{
    double took[BATCHES];
    int rank, n, word = 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &n);
    for (int hub = 0; hub < 2; hub++) {
        if (rank == hub)
            for (int i = hub + 1; i < n; i++)
                exchange(hub, i);
        else if (rank > hub)
            exchange(rank, hub);
    }
    if (rank > 1) {
        MPI_Recv(&word, 1, MPI_INT, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    } else if (n > 1) {
        for (int b = 0; b < BATCHES; b++) {
            const double start = MPI_Wtime();

            for (int i = 0; i < BATCH; i++)
                exchange(rank, 1 - rank);
            took[b] = (MPI_Wtime() - start) / BATCH / 2 * 1e9;
        }
        qsort(took, BATCHES, sizeof(took[0]), order);
        if (rank == 0) {
            printf("ports %d best %.0f median %.0f\n", n, took[0], took[BATCHES / 2]);
            for (int i = 2; i < n; i++)
                MPI_Send(&word, 1, MPI_INT, i, 1, MPI_COMM_WORLD);
        }
    }
    MPI_Finalize();
    return 0;
}
