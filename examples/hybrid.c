/* SPDX-License-Identifier: BSD-3-Clause */
/* hybrid: MPI between ranks, OpenMP within one. The threads of each rank share its part of a
 * vector, every thread talks to its counterpart in the next rank by itself (MPI_THREAD_MULTIPLE),
 * and the sums must come out exactly.
 *
 * usage: hybrid [ELEMENTS]     (default: 400000 on each rank)
 *
 *     mpirun -np 2 --map-by slot:PE=2 hybrid        a rank has two cores, and two threads */
#define _GNU_SOURCE
#include <mpi.h>
#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 20

static int rank, size;

static void fail(const char *what)
{
    fprintf(stderr, "hybrid: rank %d: %s\n", rank, what);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

/* Every thread sends along the ring what it got, as often as there are ranks: all numbers come
 * home. */
static void ring(int thread)
{
    int to = (rank + 1) % size, from = (rank + size - 1) % size;
    long mine = rank * 1000L + thread, got = mine;

    for (int i = 0; i < size * ROUNDS; i++)
        MPI_Sendrecv_replace(&got, 1, MPI_LONG, to, thread, from, thread, MPI_COMM_WORLD,
                             MPI_STATUS_IGNORE);
    if (got != mine)
        fail("a thread's number came home changed");
}

int main(int argc, char **argv)
{
    int provided, threads = 0, least, cores_used = 0;
    long n = 400000, total, want;
    char used[CPU_SETSIZE] = {0};
    long long local = 0, sum;
    int *v;

    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (provided != MPI_THREAD_MULTIPLE)
        fail("this MPI has no MPI_THREAD_MULTIPLE");
    if (argc > 1)
        n = strtol(argv[1], NULL, 0);
    if (n < 1 || (v = malloc((size_t)n * sizeof(*v))) == NULL) {
        fprintf(stderr, "usage: hybrid [ELEMENTS]\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
        return 2;
    }
    /* as many numbers of threads as the rank with the fewest has: they meet by number */
    threads = omp_get_max_threads();
    MPI_Allreduce(&threads, &least, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    omp_set_num_threads(least);

#pragma omp parallel
    {
        int cpu = sched_getcpu();

        if (cpu >= 0 && cpu < CPU_SETSIZE)
            used[cpu] = 1;
#pragma omp for
        for (long i = 0; i < n; i++)
            v[i] = (int)((i + rank) % 1000);
#pragma omp for reduction(+ : local)
        for (long i = 0; i < n; i++)
            local += v[i];
        ring(omp_get_thread_num());
    }
    MPI_Allreduce(&local, &sum, 1, MPI_LONG_LONG, MPI_SUM, MPI_COMM_WORLD);
    total = 0;
    for (int r = 0; r < size; r++)
        for (long i = 0; i < n; i++)
            total += (i + r) % 1000;
    want = total;
    if (sum != want)
        fail("the sum is wrong");
    for (int i = 0; i < CPU_SETSIZE; i++)
        cores_used += used[i];
    /* one line each, in order */
    for (int r = 0; r < size; r++) {
        if (r == rank) {
            printf("hybrid: rank %d of %d: %d processors, %d threads on %d of them\n", rank, size,
                   omp_get_num_procs(), least, cores_used);
            fflush(stdout);
        }
        MPI_Barrier(MPI_COMM_WORLD);
    }
    if (rank == 0)
        printf("hybrid: sum %lld is right\n", sum);
    free(v);
    MPI_Finalize();
    return 0;
}
