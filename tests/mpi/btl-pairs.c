/* SPDX-License-Identifier: BSD-3-Clause */
/* Accumulating operations on pair types, most of which have a gap between or behind their parts:
 * one and several elements, as they are and as one element of a derived type. Rank r works on rank
 * r + 1; in the contended part everybody looks for the largest on rank 0. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT 6

static int rank, size, next;

static void fail(const char *type, const char *what, int i, double got, double want)
{
    printf("btl-pairs: rank %d: %s, %s, element %d: got %g, wanted %g\n", rank, type, what, i, got,
           want);
    fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

/* What lies in the gaps stays as it is in the window; a marker lies behind the last element. */
#define DEFINE_PAIR(name, value_type, mpi)                                                         \
    struct name {                                                                                  \
        value_type value;                                                                          \
        int index;                                                                                 \
    };                                                                                             \
    static void check_##name(const char *what, const struct name *p, int i, double value,          \
                             int index)                                                            \
    {                                                                                              \
        if ((double)p[i].value != value)                                                           \
            fail(#mpi, what, i, (double)p[i].value, value);                                        \
        if (p[i].index != index)                                                                   \
            fail(#mpi, what, i, p[i].index, index);                                                \
    }                                                                                              \
    static void test_##name(int flavor, int derived)                                               \
    {                                                                                              \
        struct name mine[COUNT], old[COUNT], *base;                                                \
        const MPI_Aint bytes = (MPI_Aint)((COUNT + 1) * sizeof(*base));                            \
        MPI_Datatype type = mpi;                                                                   \
        int n = COUNT;                                                                             \
        MPI_Win win;                                                                               \
                                                                                                   \
        if (flavor == MPI_WIN_FLAVOR_ALLOCATE) {                                                   \
            MPI_Win_allocate(bytes, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &base, &win);                \
        } else {                                                                                   \
            base = malloc((size_t)bytes);                                                          \
            MPI_Win_create(base, bytes, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &win);                   \
        }                                                                                          \
        if (derived) {                                                                             \
            MPI_Type_contiguous(COUNT, mpi, &type);                                                \
            MPI_Type_commit(&type);                                                                \
            n = 1;                                                                                 \
        }                                                                                          \
        MPI_Win_lock(MPI_LOCK_EXCLUSIVE, rank, 0, win);                                            \
        for (int i = 0; i <= COUNT; i++) {                                                         \
            base[i].value = (value_type)(10 * i);                                                  \
            base[i].index = i;                                                                     \
        }                                                                                          \
        MPI_Win_unlock(rank, win);                                                                 \
        /* Every other one is larger than what is there. */                                        \
        for (int i = 0; i < COUNT; i++) {                                                          \
            mine[i].value = (value_type)(10 * i + (i % 2 ? 5 : -5));                               \
            mine[i].index = 100 + i;                                                               \
        }                                                                                          \
        MPI_Barrier(MPI_COMM_WORLD);                                                               \
        MPI_Win_lock(MPI_LOCK_SHARED, next, 0, win);                                               \
        MPI_Get_accumulate(mine, n, type, old, n, type, next, 0, n, type, MPI_MAXLOC, win);        \
        MPI_Win_unlock(next, win);                                                                 \
        for (int i = 0; i < COUNT; i++)                                                            \
            check_##name("fetched", old, i, 10 * i, i);                                            \
        MPI_Barrier(MPI_COMM_WORLD);                                                               \
        MPI_Win_lock(MPI_LOCK_SHARED, rank, 0, win);                                               \
        for (int i = 0; i < COUNT; i++)                                                            \
            check_##name("the larger", base, i, 10 * i + (i % 2 ? 5 : 0), i % 2 ? 100 + i : i);    \
        check_##name("behind the last", base, COUNT, 10 * COUNT, COUNT);                           \
        MPI_Win_unlock(rank, win);                                                                 \
        MPI_Barrier(MPI_COMM_WORLD);                                                               \
        MPI_Win_lock_all(0, win);                                                                  \
        MPI_Accumulate(mine, n, type, next, 0, n, type, MPI_REPLACE, win);                         \
        MPI_Win_flush(next, win);                                                                  \
        memset(old, 0xff, sizeof(old));                                                            \
        MPI_Get_accumulate(NULL, 0, MPI_INT, old, n, type, next, 0, n, type, MPI_NO_OP, win);      \
        MPI_Win_unlock_all(win);                                                                   \
        for (int i = 0; i < COUNT; i++)                                                            \
            check_##name("replaced", old, i, 10 * i + (i % 2 ? 5 : -5), 100 + i);                  \
        MPI_Barrier(MPI_COMM_WORLD);                                                               \
        /* The rank with the largest value wins, whoever comes first. */                           \
        mine[0].value = (value_type)(100 + rank);                                                  \
        mine[0].index = rank;                                                                      \
        MPI_Win_fence(0, win);                                                                     \
        for (int i = 0; i < 20; i++)                                                               \
            MPI_Fetch_and_op(mine, old, mpi, 0, 0, MPI_MAXLOC, win);                               \
        MPI_Win_fence(0, win);                                                                     \
        if (rank == 0)                                                                             \
            check_##name("contended", base, 0, 100 + size - 1, size - 1);                          \
        if (derived)                                                                               \
            MPI_Type_free(&type);                                                                  \
        MPI_Win_free(&win);                                                                        \
        if (flavor != MPI_WIN_FLAVOR_ALLOCATE)                                                     \
            free(base);                                                                            \
    }

DEFINE_PAIR(short_int, short, MPI_SHORT_INT)
DEFINE_PAIR(int_int, int, MPI_2INT)
DEFINE_PAIR(long_int, long, MPI_LONG_INT)
DEFINE_PAIR(float_int, float, MPI_FLOAT_INT)
DEFINE_PAIR(double_int, double, MPI_DOUBLE_INT)
DEFINE_PAIR(long_double_int, long double, MPI_LONG_DOUBLE_INT)

/* Open MPI's osc/sm, which ranks of one node get for allocated windows, makes nonsense of
 * MPI_SHORT_INT inside a derived type: the gap lies between its parts. So it does without guests.
 */
static int wrong_anyway(void)
{
    MPI_Comm node;
    int n;

    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    MPI_Comm_size(node, &n);
    MPI_Comm_free(&node);
    return n == size;
}

int main(int argc, char **argv)
{
    static void (*const test[])(int, int) = {test_short_int, test_int_int,    test_long_int,
                                             test_float_int, test_double_int, test_long_double_int};

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    next = (rank + 1) % size;
    for (size_t t = 0; t < sizeof(test) / sizeof(test[0]); t++)
        for (int derived = 0; derived < 2; derived++) {
            test[t](MPI_WIN_FLAVOR_CREATE, derived);
            if (!derived || test[t] != test_short_int || !wrong_anyway())
                test[t](MPI_WIN_FLAVOR_ALLOCATE, derived);
        }
    if (rank == 0)
        printf("btl-pairs: all right, %d ranks\n", size);
    MPI_Finalize();
    return 0;
}
