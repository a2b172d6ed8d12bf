/* SPDX-License-Identifier: BSD-3-Clause */
/* How long MPI_Init takes: the slowest rank's time in ms, printed by rank 0. With an argument rank
 * 1 comes so many ms later than the others (under mpirun). */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

int main(int argc, char **argv)
{
    double ms = now_ms(), max = 0;
    const char *me = getenv("OMPI_COMM_WORLD_RANK");
    int rank;

    if (argc > 1 && me && atoi(me) == 1)
        usleep((unsigned)atoi(argv[1]) * 1000);
    MPI_Init(&argc, &argv);
    ms = now_ms() - ms;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Reduce(&ms, &max, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
    if (rank == 0)
        printf("init %.0f\n", max);
    MPI_Finalize();
    return 0;
}
