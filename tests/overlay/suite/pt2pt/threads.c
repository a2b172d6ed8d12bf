/* SPDX-License-Identifier: BSD-3-Clause */
/* Two threads in each of two ranks, one message each way. */
#include "util.h"

#include <mpi.h>
#include <pthread.h>
#include <stdio.h>

static int rank;

static void *exchange(void *arg)
{
    const int tag = (int)(long)arg;
    int value = rank * 10 + tag;

    MPI_Sendrecv_replace(&value, 1, MPI_INT, 1 - rank, tag, 1 - rank, tag, MPI_COMM_WORLD,
                         MPI_STATUS_IGNORE);
    if (value != (1 - rank) * 10 + tag)
        die("wrong value");
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread[2];
    int provided, size;

    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (provided != MPI_THREAD_MULTIPLE || size != 2)
        die("two ranks with threads, please");
    for (long t = 0; t < 2; t++)
        if (pthread_create(&thread[t], NULL, exchange, (void *)t) != 0)
            die("no thread");
    for (int t = 0; t < 2; t++)
        pthread_join(thread[t], NULL);
    if (rank == 0)
        printf("threads: ok\n");
    MPI_Finalize();
    return 0;
}
