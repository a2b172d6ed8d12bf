/* SPDX-License-Identifier: BSD-3-Clause */
/* MPI_THREAD_MULTIPLE: several threads of every rank exchange messages of all protocols at once,
 * each with its own tag; then two threads of each rank with each other, when nobody else says
 * anything: the one that waits may sleep, and only the other one can wake it. */
#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 3
#define ROUNDS  60
#define INSIDE  100

static int rank, size;

static void *work(void *arg)
{
    static const int bytes[] = {4, 60, 1500, 5000, 40000, 2000000};
    const int tag = (int)(long)arg;
    const int to = (rank + 1) % size, from = (rank + size - 1) % size;
    unsigned char *out = malloc(2000000), *in = malloc(2000000);

    if (out == NULL || in == NULL)
        MPI_Abort(MPI_COMM_WORLD, 2);
    for (int i = 0; i < ROUNDS; i++) {
        const int n = bytes[(i + tag) % (i % 10 == 0 ? 6 : 5)];
        MPI_Request req[2];

        memset(out, rank * 16 + tag + i, (size_t)n);
        memset(in, 0, (size_t)n);
        MPI_Irecv(in, n, MPI_BYTE, from, tag, MPI_COMM_WORLD, &req[0]);
        MPI_Isend(out, n, MPI_BYTE, to, tag, MPI_COMM_WORLD, &req[1]);
        MPI_Waitall(2, req, MPI_STATUSES_IGNORE);
        for (int k = 0; k < n; k++)
            if (in[k] != (unsigned char)(from * 16 + tag + i)) {
                printf("btl-threads: rank %d tag %d round %d: byte %d of %d\n", rank, tag, i, k, n);
                MPI_Abort(MPI_COMM_WORLD, 1);
            }
    }
    free(out);
    free(in);
    return NULL;
}

/* Ping-pong of two threads of one process. */
static void *inside(void *arg)
{
    const int me = (int)(long)arg;
    int value = 0;

    for (int i = 0; i < INSIDE; i++) {
        if (me == 0)
            MPI_Send(&i, 1, MPI_INT, rank, 100, MPI_COMM_WORLD);
        MPI_Recv(&value, 1, MPI_INT, rank, 101 - me, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (value != i) {
            printf("btl-threads: rank %d thread %d: got %d in round %d\n", rank, me, value, i);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
        if (me == 1) {
            /* the other one has time to fall asleep */
            usleep(2000);
            MPI_Send(&i, 1, MPI_INT, rank, 101, MPI_COMM_WORLD);
        }
    }
    return NULL;
}

static void start(void *(*fn)(void *), int n)
{
    pthread_t thread[THREADS];

    for (long t = 0; t < n; t++)
        if (pthread_create(&thread[t], NULL, fn, (void *)t) != 0)
            MPI_Abort(MPI_COMM_WORLD, 3);
    for (int t = 0; t < n; t++)
        pthread_join(thread[t], NULL);
}

int main(int argc, char **argv)
{
    double began, took;
    int provided;

    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (provided != MPI_THREAD_MULTIPLE) {
        printf("btl-threads: no MPI_THREAD_MULTIPLE\n");
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    start(work, THREADS);
    MPI_Barrier(MPI_COMM_WORLD);
    began = MPI_Wtime();
    start(inside, 2);
    took = MPI_Wtime() - began;
    /* A wake-up that is lost costs a tenth of a second. */
    if (took > INSIDE * 0.05) {
        printf("btl-threads: rank %d: %d rounds between two threads took %.1f s\n", rank, INSIDE,
               took);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        printf("btl-threads: all right, %d ranks\n", size);
    MPI_Finalize();
    return 0;
}
