/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of what happens when a rank is lost: btl-lost MODE. The last rank is the one to lose.
 * All others have something with it that never ends, of the kind that MODE says; "traffic" and
 * "idle" are for looking at a job from outside. Rank 0 prints "ready" when all of that is going on.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BIG (1 << 20)

static int rank, size, last;
static char *buffer;

/* More than any ring holds, then wait: fragments are queued. */
static void do_send(void)
{
    enum { COUNT = 4000 };
    static MPI_Request req[COUNT];

    for (int i = 0; i < COUNT; i++)
        MPI_Isend(buffer, 1000, MPI_BYTE, last, 1, MPI_COMM_WORLD, &req[i]);
    MPI_Waitall(COUNT, req, MPI_STATUSES_IGNORE);
}

static void do_recv(void)
{
    MPI_Recv(buffer, 8, MPI_BYTE, last, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void do_rendezvous(void)
{
    MPI_Send(buffer, BIG, MPI_BYTE, last, 3, MPI_COMM_WORLD);
}

/* Everybody round the ring, small and large in turn. */
static void do_traffic(void)
{
    for (int i = 0;; i++) {
        const int n = i % 8 == 0 ? BIG : 100;

        MPI_Sendrecv_replace(buffer, n, MPI_BYTE, (rank + 1) % size, 4, (rank + size - 1) % size, 4,
                             MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (i % 64 == 0)
            usleep(1000);
    }
}

static void do_barrier(void)
{
    MPI_Barrier(MPI_COMM_WORLD);
}

static void do_window(void)
{
    long *base, value = 1, old;
    MPI_Win win;

    MPI_Win_allocate(BIG, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &base, &win);
    MPI_Win_lock_all(0, win);
    while (rank != last) {
        MPI_Put(buffer, BIG / 2, MPI_BYTE, last, BIG / 2, BIG / 2, MPI_BYTE, win);
        MPI_Fetch_and_op(&value, &old, MPI_LONG, last, 0, MPI_SUM, win);
        MPI_Win_flush(last, win);
    }
    MPI_Recv(buffer, 8, MPI_BYTE, last, 9, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void do_idle(void)
{
    MPI_Recv(buffer, 8, MPI_BYTE, rank, 9, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
        int everybody; /* the last rank as well */
    } mode[] = {
        {"send", do_send, 0},       {"recv", do_recv, 0},       {"rendezvous", do_rendezvous, 0},
        {"traffic", do_traffic, 1}, {"barrier", do_barrier, 0}, {"window", do_window, 1},
        {"idle", do_idle, 1}};
    size_t m = 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    last = size - 1;
    buffer = calloc(1, BIG);
    while (m < sizeof(mode) / sizeof(mode[0]) && (argc < 2 || strcmp(argv[1], mode[m].name) != 0))
        m++;
    if (m == sizeof(mode) / sizeof(mode[0]) || buffer == NULL) {
        fprintf(stderr, "btl-lost: no such mode\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        printf("ready\n");
        fflush(stdout);
    }
    if (mode[m].everybody || rank != last)
        mode[m].fn();
    else
        pause();
    printf("btl-lost: rank %d: %s has come to an end\n", rank, mode[m].name);
    MPI_Finalize();
    return 3;
}
