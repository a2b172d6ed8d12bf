/* SPDX-License-Identifier: BSD-3-Clause */
/* Accumulating in windows whose sizes and units differ: where their ends are, mistakes and that
 * nothing stays locked after one, types that differ, operations with a request. Rank r works on
 * rank r + 1. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define SPREAD 4 /* elements in a derived type */

static int rank, size, next;

static void fail(const char *what, double got, double want)
{
    printf("btl-accum: rank %d: %s: got %g, wanted %g\n", rank, what, got, want);
    fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static void is(const char *what, double got, double want)
{
    if (got != want)
        fail(what, got, want);
}

#define ANY (-1) /* whether MPI's own check or ours comes first */

static void refused(const char *what, int rc, int want)
{
    int class = MPI_SUCCESS;

    MPI_Error_class(rc, &class);
    is(what, want == ANY && class != MPI_SUCCESS ? ANY : class, want);
}

/* Rank r has 10 + r elements, and counts in bytes or in elements. */
static int elements(int r)
{
    return 10 + r;
}

static int unit(int r)
{
    return r % 2 ? 1 : (int)sizeof(double);
}

static MPI_Aint place(int r, int element)
{
    return (MPI_Aint)element * (MPI_Aint)sizeof(double) / unit(r);
}

static MPI_Win window(double **base)
{
    const MPI_Aint bytes = (MPI_Aint)elements(rank) * (MPI_Aint)sizeof(double);
    MPI_Win win;

    *base = calloc(1, (size_t)bytes);
    if (!*base)
        fail("out of memory", 0, (double)bytes);
    MPI_Win_create(*base, bytes, unit(rank), MPI_INFO_NULL, MPI_COMM_WORLD, &win);
    MPI_Win_set_errhandler(win, MPI_ERRORS_RETURN);
    return win;
}

/* The last element is there, the one behind it is not, whatever the operation and whoever the
 * target; before that there were so many sums. */
static void ends(MPI_Win win, const double *base, int to, int before)
{
    const int last = elements(to) - 1;
    const MPI_Aint at = place(to, last), behind = place(to, last + 1);
    double one[2] = {1, 1}, got[2] = {-1, -1};
    long word = 7, zero = 0, old = -1;

    MPI_Win_lock(MPI_LOCK_SHARED, to, 0, win);
    refused("put behind the end", MPI_Put(one, 1, MPI_DOUBLE, to, behind, 1, MPI_DOUBLE, win),
            MPI_ERR_RMA_RANGE);
    MPI_Put(one, 1, MPI_DOUBLE, to, place(to, 3), 1, MPI_DOUBLE, win);
    MPI_Win_flush(to, win);
    MPI_Get(got, 1, MPI_DOUBLE, to, place(to, 3), 1, MPI_DOUBLE, win);
    MPI_Win_flush(to, win);
    is("what was put", got[0], 1);
    got[0] = -1;
    for (int i = 0; i < 3; i++) {
        refused("accumulate behind the end",
                MPI_Accumulate(one, 1, MPI_DOUBLE, to, behind, 1, MPI_DOUBLE, MPI_SUM, win),
                MPI_ERR_RMA_RANGE);
        refused("accumulate across the end",
                MPI_Accumulate(one, 2, MPI_DOUBLE, to, at, 2, MPI_DOUBLE, MPI_SUM, win),
                MPI_ERR_RMA_RANGE);
        refused("fetch behind the end",
                MPI_Fetch_and_op(one, got, MPI_DOUBLE, to, behind, MPI_SUM, win),
                MPI_ERR_RMA_RANGE);
        refused("swap behind the end",
                MPI_Compare_and_swap(&word, &zero, &old, MPI_LONG, to, behind, win),
                MPI_ERR_RMA_RANGE);
        refused("fetch across the end",
                MPI_Get_accumulate(one, 2, MPI_DOUBLE, got, 2, MPI_DOUBLE, to, at, 2, MPI_DOUBLE,
                                   MPI_SUM, win),
                MPI_ERR_RMA_RANGE);
        is("what was fetched then", got[0] + got[1] + (double)old, -3);
        refused("the last element",
                MPI_Accumulate(one, 1, MPI_DOUBLE, to, at, 1, MPI_DOUBLE, MPI_SUM, win),
                MPI_SUCCESS);
    }
    refused("nothing behind the end",
            MPI_Accumulate(one, 0, MPI_DOUBLE, to, behind, 0, MPI_DOUBLE, MPI_SUM, win),
            MPI_SUCCESS);
    MPI_Win_unlock(to, win);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock(MPI_LOCK_SHARED, rank, 0, win);
    for (int i = 0; i < elements(rank); i++)
        is("my window", base[i], i == elements(rank) - 1 ? before + 3 : i == 3);
    MPI_Win_unlock(rank, win);
    MPI_Barrier(MPI_COMM_WORLD);
}

/* Dense here, with holes there, and others in the result. */
static void types(MPI_Win win, double *base)
{
    double from[SPREAD], result[3 * SPREAD];
    float small[SPREAD] = {0};
    MPI_Datatype dense, second, third, other;

    MPI_Type_contiguous(SPREAD, MPI_DOUBLE, &dense);
    MPI_Type_vector(SPREAD, 1, 2, MPI_DOUBLE, &second);
    MPI_Type_vector(SPREAD, 1, 3, MPI_DOUBLE, &third);
    MPI_Type_vector(SPREAD, 1, 2, MPI_FLOAT, &other);
    MPI_Type_commit(&dense);
    MPI_Type_commit(&second);
    MPI_Type_commit(&third);
    MPI_Type_commit(&other);
    for (int i = 0; i < SPREAD; i++)
        from[i] = 1 + i;
    for (int i = 0; i < 3 * SPREAD; i++)
        result[i] = -1;
    MPI_Win_lock(MPI_LOCK_EXCLUSIVE, rank, 0, win);
    for (int i = 0; i < elements(rank); i++)
        base[i] = 100 * i;
    MPI_Win_unlock(rank, win);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock(MPI_LOCK_SHARED, next, 0, win);
    refused("other elements there", MPI_Accumulate(from, 1, dense, next, 0, 1, other, MPI_SUM, win),
            ANY);
    refused("other elements here",
            MPI_Accumulate(small, SPREAD, MPI_FLOAT, next, 0, 1, second, MPI_SUM, win), ANY);
    refused("fewer elements here",
            MPI_Accumulate(from, SPREAD - 1, MPI_DOUBLE, next, 0, 1, second, MPI_SUM, win), ANY);
    refused("three shapes",
            MPI_Get_accumulate(from, 1, dense, result, 1, third, next, place(next, 1), 1, second,
                               MPI_SUM, win),
            MPI_SUCCESS);
    MPI_Win_unlock(next, win);
    for (int i = 0; i < 3 * SPREAD; i++)
        is("the result", result[i], i % 3 ? -1 : 100 * (1 + 2 * (i / 3)));
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock(MPI_LOCK_SHARED, rank, 0, win);
    for (int i = 0; i < elements(rank); i++)
        is("the sums", base[i], 100 * i + (i % 2 && i < 2 * SPREAD ? (i + 1) / 2 : 0));
    MPI_Win_unlock(rank, win);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Type_free(&dense);
    MPI_Type_free(&second);
    MPI_Type_free(&third);
    MPI_Type_free(&other);
}

/* Everybody adds to rank 0's first element: each result is there once. */
static void requests(MPI_Win win, double *base)
{
    enum { ROUNDS = 50 };
    double one = 1, got[ROUNDS], before = -1;
    MPI_Request req[2];

    MPI_Win_lock(MPI_LOCK_EXCLUSIVE, rank, 0, win);
    base[0] = 0;
    MPI_Win_unlock(rank, win);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock_all(0, win);
    for (int i = 0; i < ROUNDS; i++) {
        refused("Rget_accumulate",
                MPI_Rget_accumulate(&one, 1, MPI_DOUBLE, &got[i], 1, MPI_DOUBLE, 0, 0, 1,
                                    MPI_DOUBLE, MPI_SUM, win, &req[0]),
                MPI_SUCCESS);
        refused("Raccumulate",
                MPI_Raccumulate(&one, 1, MPI_DOUBLE, 0, 0, 1, MPI_DOUBLE, MPI_SUM, win, &req[1]),
                MPI_SUCCESS);
        MPI_Waitall(2, req, MPI_STATUSES_IGNORE);
        if (got[i] < before + 1 + (i > 0))
            fail("my own sums are in it", got[i], before + 1 + (i > 0));
        before = got[i];
    }
    req[0] = MPI_REQUEST_NULL;
    refused(
        "Raccumulate behind the end",
        MPI_Raccumulate(&one, 1, MPI_DOUBLE, 0, elements(0), 1, MPI_DOUBLE, MPI_SUM, win, &req[0]),
        MPI_ERR_RMA_RANGE);
    if (req[0] != MPI_REQUEST_NULL)
        fail("a request for nothing", 1, 0);
    MPI_Win_unlock_all(win);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        MPI_Win_lock(MPI_LOCK_SHARED, rank, 0, win);
        is("all sums", base[0], 2.0 * ROUNDS * size);
        MPI_Win_unlock(rank, win);
    }
}

int main(int argc, char **argv)
{
    double *base;
    MPI_Win win;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    next = (rank + 1) % size;
    win = window(&base);
    ends(win, base, next, 0);
    ends(win, base, rank, 3);
    types(win, base);
    requests(win, base);
    MPI_Win_free(&win);
    free(base);
    if (rank == 0)
        printf("btl-accum: all right, %d ranks\n", size);
    MPI_Finalize();
    return 0;
}
