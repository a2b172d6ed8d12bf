/* SPDX-License-Identifier: BSD-3-Clause */
/* Ping-pong of two ranks; every byte is checked. */
#include "util.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 200, MAX = 65536 };

int main(int argc, char **argv)
{
    double took[ROUNDS], mean, deviation;
    unsigned char *buffer = malloc(MAX);
    int rank, size;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size != 2 || buffer == NULL)
        die("two ranks, please");
    for (int n = 1; n <= MAX; n *= 16) {
        for (int i = 0; i < ROUNDS; i++) {
            const double start = now_us();

            memset(buffer, rank == 0 ? i : 0, (size_t)n);
            if (rank == 0)
                MPI_Send(buffer, n, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
            MPI_Recv(buffer, n, MPI_BYTE, 1 - rank, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            for (int k = 0; k < n; k++)
                if (buffer[k] != (unsigned char)(i + (rank == 0)))
                    die("wrong data");
            if (rank == 1) {
                memset(buffer, i + 1, (size_t)n);
                MPI_Send(buffer, n, MPI_BYTE, 0, 1, MPI_COMM_WORLD);
            }
            took[i] = now_us() - start;
        }
        spread(took, ROUNDS, &mean, &deviation);
        if (rank == 0)
            printf("%-10d%10.2f%10.2f\n", n, mean / 2, deviation / 2);
    }
    if (rank == 0)
        printf("latency: ok\n");
    MPI_Finalize();
    free(buffer);
    return 0;
}
