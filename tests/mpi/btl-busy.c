/* SPDX-License-Identifier: BSD-3-Clause */
/* A program that is busy with one-sided operations must not be put to sleep between them, however
 * short the time is that it may wait: rank 0 works on the window of rank 1, which waits. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT 2000

static unsigned long long sleeps(void)
{
    static MPI_T_pvar_session session;
    static MPI_T_pvar_handle handle;
    unsigned long long n = 0;
    int provided, index, count;

    if (session == NULL) {
        MPI_T_init_thread(MPI_THREAD_SINGLE, &provided);
        MPI_T_pvar_session_create(&session);
        if (MPI_T_pvar_get_index("btl_torobus_sleeps", MPI_T_PVAR_CLASS_COUNTER, &index) !=
                MPI_SUCCESS ||
            MPI_T_pvar_handle_alloc(session, index, NULL, &handle, &count) != MPI_SUCCESS) {
            printf("btl-busy: no counter btl_torobus_sleeps\n");
            fflush(stdout);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
    }
    MPI_T_pvar_read(session, handle, &n);
    return n;
}

int main(int argc, char **argv)
{
    unsigned long long before = 0, slept = 0;
    long word = 0, one = 1, old = -1, *base;
    MPI_Win win;
    int rank, bad = 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Alloc_mem(sizeof(*base), MPI_INFO_NULL, &base);
    *base = 0;
    MPI_Win_create(base, sizeof(*base), 1, MPI_INFO_NULL, MPI_COMM_WORLD, &win);
    MPI_Win_lock_all(0, win);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        before = sleeps();
        for (long i = 0; i < COUNT; i++) {
            MPI_Fetch_and_op(&one, &old, MPI_LONG, 1, 0, MPI_SUM, win);
            MPI_Win_flush(1, win);
            bad += old != i;
            MPI_Get(&word, 1, MPI_LONG, 1, 0, 1, MPI_LONG, win);
            MPI_Win_flush(1, win);
            bad += word != i + 1;
        }
        slept = sleeps() - before;
    }
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_unlock_all(win);
    MPI_Win_free(&win);
    MPI_Free_mem(base);
    if (rank == 0) {
        if (bad != 0 || slept > COUNT / 20) {
            printf("btl-busy: %d wrong values, asleep %llu times in %d operations\n", bad, slept,
                   2 * COUNT);
            fflush(stdout);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
        printf("btl-busy: all right, never asleep\n");
    }
    MPI_Finalize();
    return 0;
}
