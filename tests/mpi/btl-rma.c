/* SPDX-License-Identifier: BSD-3-Clause */
/* One-sided operations: put, get, every accumulate and fetching operation on 32 and 64 bits, signed
 * and unsigned, compare-and-swap, under fence, lock and post/start. Results are computed locally
 * too. Rank r works on rank r + 1 and, in the contended part, everybody on rank 0. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIG (1 << 20)

static int rank, size, next, prev;

static void fail(const char *what, long long got, long long want)
{
    printf("btl-rma: rank %d: %s: got %lld, wanted %lld\n", rank, what, got, want);
    fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static MPI_Win make_window(int flavor, MPI_Aint bytes, void **base)
{
    MPI_Win win;

    if (flavor == MPI_WIN_FLAVOR_ALLOCATE) {
        MPI_Win_allocate(bytes, 1, MPI_INFO_NULL, MPI_COMM_WORLD, base, &win);
    } else {
        *base = malloc((size_t)bytes);
        if (*base == NULL)
            fail("out of memory", bytes, 0);
        MPI_Win_create(*base, bytes, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &win);
    }
    return win;
}

static void free_window(int flavor, MPI_Win win, void *base)
{
    MPI_Win_free(&win);
    if (flavor != MPI_WIN_FLAVOR_ALLOCATE)
        free(base);
}

static void test_put_get(int flavor)
{
    static const int len[] = {1, 7, 8, 100, 4096, 65537, BIG};
    unsigned char *base, *mine = malloc(BIG), *back = malloc(BIG);
    MPI_Win win = make_window(flavor, BIG, (void **)&base);

    for (size_t l = 0; l < sizeof(len) / sizeof(len[0]); l++) {
        for (int i = 0; i < len[l]; i++)
            mine[i] = (unsigned char)(rank * 17 + i * 3 + (i >> 9));
        MPI_Win_fence(0, win);
        MPI_Put(mine, len[l], MPI_BYTE, next, BIG - len[l], len[l], MPI_BYTE, win);
        MPI_Win_fence(0, win);
        for (int i = 0; i < len[l]; i++)
            if (base[BIG - len[l] + i] != (unsigned char)(prev * 17 + i * 3 + (i >> 9)))
                fail("put under fence", i, len[l]);
        memset(back, 0, (size_t)len[l]);
        MPI_Win_lock(MPI_LOCK_SHARED, next, 0, win);
        MPI_Get(back, len[l], MPI_BYTE, next, BIG - len[l], len[l], MPI_BYTE, win);
        MPI_Win_unlock(next, win);
        if (memcmp(back, mine, (size_t)len[l]) != 0)
            fail("get under lock", len[l], 0);
        MPI_Barrier(MPI_COMM_WORLD);
    }
    free_window(flavor, win, base);
    free(mine);
    free(back);
}

#define OP_CASES(X)                                                                                \
    X(MPI_SUM, a + b)                                                                              \
    X(MPI_BAND, a &b)                                                                              \
    X(MPI_BOR, a | b)                                                                              \
    X(MPI_BXOR, a ^ b)                                                                             \
    X(MPI_LAND, a &&b)                                                                             \
    X(MPI_LOR, a || b)                                                                             \
    X(MPI_LXOR, !a != !b)                                                                          \
    X(MPI_MIN, a < b ? a : b)                                                                      \
    X(MPI_MAX, a > b ? a : b)                                                                      \
    X(MPI_REPLACE, b)                                                                              \
    X(MPI_NO_OP, a)

/* Fetch_and_op, Accumulate and Compare_and_swap on one integer type, for telling operands. */
#define DEFINE_ATOMICS(type, mpi)                                                                  \
    static void test_atomics_##type(int flavor)                                                    \
    {                                                                                              \
        static const type value[] = {0,                                                            \
                                     1,                                                            \
                                     5,                                                            \
                                     (type)-1,                                                     \
                                     (type)((type)1 << (sizeof(type) * 8 - 1)),                    \
                                     (type)0x5a5a5a5a5a5a5a5a};                                    \
        type *base;                                                                                \
        MPI_Win win = make_window(flavor, 64, (void **)&base);                                     \
                                                                                                   \
        for (size_t i = 0; i < 6; i++)                                                             \
            for (size_t j = 0; j < 6; j++) {                                                       \
                const type a = value[i], b = value[j];                                             \
                type old, want;                                                                    \
                OP_CASES(ATOMIC_ONE)                                                               \
                MPI_Win_lock(MPI_LOCK_EXCLUSIVE, rank, 0, win);                                    \
                base[0] = a;                                                                       \
                MPI_Win_unlock(rank, win);                                                         \
                MPI_Barrier(MPI_COMM_WORLD);                                                       \
                MPI_Win_lock(MPI_LOCK_SHARED, next, 0, win);                                       \
                MPI_Compare_and_swap(&b, &a, &old, TYPE_NOW, next, 0, win);                        \
                MPI_Win_unlock(next, win);                                                         \
                if (old != a)                                                                      \
                    fail(#type " cas old", (long long)old, (long long)a);                          \
                MPI_Barrier(MPI_COMM_WORLD);                                                       \
                MPI_Win_lock(MPI_LOCK_SHARED, rank, 0, win);                                       \
                want = base[0];                                                                    \
                MPI_Win_unlock(rank, win);                                                         \
                if (want != b)                                                                     \
                    fail(#type " cas new", (long long)want, (long long)b);                         \
            }                                                                                      \
        free_window(flavor, win, base);                                                            \
    }

#define ATOMIC_ONE(op, expr)                                                                       \
    MPI_Win_lock(MPI_LOCK_EXCLUSIVE, rank, 0, win);                                                \
    base[0] = a;                                                                                   \
    base[1] = a;                                                                                   \
    MPI_Win_unlock(rank, win);                                                                     \
    MPI_Barrier(MPI_COMM_WORLD);                                                                   \
    MPI_Win_lock(MPI_LOCK_SHARED, next, 0, win);                                                   \
    MPI_Fetch_and_op(&b, &old, TYPE_NOW, next, 0, op, win);                                        \
    if (op != MPI_NO_OP)                                                                           \
        MPI_Accumulate(&b, 1, TYPE_NOW, next, sizeof(a), 1, TYPE_NOW, op, win);                    \
    MPI_Win_unlock(next, win);                                                                     \
    if (old != a)                                                                                  \
        fail(#op " fetched", (long long)old, (long long)a);                                        \
    MPI_Barrier(MPI_COMM_WORLD);                                                                   \
    want = (expr);                                                                                 \
    MPI_Win_lock(MPI_LOCK_SHARED, rank, 0, win);                                                   \
    if (base[0] != want)                                                                           \
        fail(#op " stored", (long long)base[0], (long long)want);                                  \
    if (op != MPI_NO_OP && base[1] != want)                                                        \
        fail(#op " accumulated", (long long)base[1], (long long)want);                             \
    MPI_Win_unlock(rank, win);

#define TYPE_NOW MPI_INT32_T
DEFINE_ATOMICS(int32_t, MPI_INT32_T)
#undef TYPE_NOW
#define TYPE_NOW MPI_UINT32_T
DEFINE_ATOMICS(uint32_t, MPI_UINT32_T)
#undef TYPE_NOW
#define TYPE_NOW MPI_INT64_T
DEFINE_ATOMICS(int64_t, MPI_INT64_T)
#undef TYPE_NOW
#define TYPE_NOW MPI_UINT64_T
DEFINE_ATOMICS(uint64_t, MPI_UINT64_T)
#undef TYPE_NOW

/* Everybody counts on rank 0, in 64 and 32 bits and floating point. */
static void test_contended(int flavor)
{
    enum { COUNT = 300 };
    struct {
        int64_t wide;
        int32_t narrow, pad;
        double real;
    } * base;
    const int64_t one64 = 1;
    const int32_t one32 = 1;
    const double half = 0.5;
    char *seen = calloc((size_t)(COUNT * size), 1);
    MPI_Win win = make_window(flavor, 64, (void **)&base);

    MPI_Win_lock(MPI_LOCK_EXCLUSIVE, rank, 0, win);
    memset(base, 0, sizeof(*base));
    MPI_Win_unlock(rank, win);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Win_lock_all(0, win);
    for (int i = 0; i < COUNT; i++) {
        int64_t old64;
        int32_t old32;

        MPI_Fetch_and_op(&one64, &old64, MPI_INT64_T, 0, 0, MPI_SUM, win);
        MPI_Fetch_and_op(&one32, &old32, MPI_INT32_T, 0, 8, MPI_SUM, win);
        MPI_Accumulate(&half, 1, MPI_DOUBLE, 0, 16, 1, MPI_DOUBLE, MPI_SUM, win);
        MPI_Win_flush(0, win);
        if (old64 < 0 || old64 >= COUNT * size || seen[old64]++ != 0)
            fail("a ticket was drawn twice", old64, i);
    }
    MPI_Win_unlock_all(win);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, win);
        if (base->wide != COUNT * size || base->narrow != COUNT * size)
            fail("contended sum", base->wide, base->narrow);
        if (base->real != 0.5 * COUNT * size)
            fail("contended real sum", (long long)base->real, COUNT * size / 2);
        MPI_Win_unlock(0, win);
    }
    free(seen);
    free_window(flavor, win, base);
}

/* A few integers as one element of a derived type, fetched and added to; the result goes to a place
 * of the same shape or to every other integer. */
static void test_derived(int flavor)
{
    enum { COUNT = 10, ROUNDS = 4 };
    int add[COUNT], old[2 * COUNT], *base;
    MPI_Datatype packed, spread;
    MPI_Win win = make_window(flavor, (MPI_Aint)sizeof(add), (void **)&base);

    MPI_Type_contiguous(COUNT, MPI_INT, &packed);
    MPI_Type_commit(&packed);
    MPI_Type_vector(COUNT, 1, 2, MPI_INT, &spread);
    MPI_Type_commit(&spread);
    MPI_Win_lock(MPI_LOCK_EXCLUSIVE, rank, 0, win);
    for (int i = 0; i < COUNT; i++) {
        base[i] = i * 7;
        add[i] = i + 1;
    }
    MPI_Win_unlock(rank, win);
    MPI_Barrier(MPI_COMM_WORLD);
    for (int r = 0; r < ROUNDS; r++) {
        memset(old, 0xff, sizeof(old));
        MPI_Win_lock(MPI_LOCK_SHARED, next, 0, win);
        MPI_Get_accumulate(add, 1, packed, old, 1, r % 2 ? spread : packed, next, 0, 1, packed,
                           MPI_SUM, win);
        MPI_Win_unlock(next, win);
        for (int i = 0; i < COUNT; i++)
            if (old[r % 2 ? 2 * i : i] != i * 7 + r * (i + 1))
                fail("derived, fetched", old[r % 2 ? 2 * i : i], i * 7 + r * (i + 1));
    }
    MPI_Type_free(&packed);
    MPI_Type_free(&spread);
    free_window(flavor, win, base);
}

/* A lock that protects a counter, and post/start/complete/wait round the ring. */
static void test_sync(int flavor)
{
    enum { COUNT = 50 };
    MPI_Group world, to, from;
    int *base, value;
    MPI_Win win = make_window(flavor, 64, (void **)&base);

    MPI_Win_lock(MPI_LOCK_EXCLUSIVE, rank, 0, win);
    base[0] = 0;
    MPI_Win_unlock(rank, win);
    MPI_Barrier(MPI_COMM_WORLD);
    for (int i = 0; i < COUNT; i++) {
        MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, win);
        MPI_Get(&value, 1, MPI_INT, 0, 0, 1, MPI_INT, win);
        MPI_Win_flush(0, win);
        value++;
        MPI_Put(&value, 1, MPI_INT, 0, 0, 1, MPI_INT, win);
        MPI_Win_unlock(0, win);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, win);
        if (base[0] != COUNT * size)
            fail("exclusive lock", base[0], COUNT * size);
        MPI_Win_unlock(0, win);
    }
    if (size > 1) {
        MPI_Comm_group(MPI_COMM_WORLD, &world);
        MPI_Group_incl(world, 1, &next, &to);
        MPI_Group_incl(world, 1, &prev, &from);
        for (int i = 0; i < COUNT; i++) {
            value = rank * 1000 + i;
            MPI_Win_post(from, 0, win);
            MPI_Win_start(to, 0, win);
            MPI_Put(&value, 1, MPI_INT, next, 4, 1, MPI_INT, win);
            MPI_Win_complete(win);
            MPI_Win_wait(win);
            if (base[1] != prev * 1000 + i)
                fail("post and wait", base[1], prev * 1000 + i);
        }
        MPI_Group_free(&to);
        MPI_Group_free(&from);
        MPI_Group_free(&world);
    }
    free_window(flavor, win, base);
}

/* Memory that comes and goes while the window stays: each round all attach another piece, write
 * into the next rank's, add to rank 0's, and read both. */
static void test_dynamic(void)
{
    enum { COUNT = 1000, ROUNDS = 3 };
    int mine[COUNT], back[COUNT], one = 1, old, *piece;
    MPI_Aint here, *at = malloc((size_t)size * sizeof(*at));
    MPI_Win win;

    MPI_Win_create_dynamic(MPI_INFO_NULL, MPI_COMM_WORLD, &win);
    for (int r = 0; r < ROUNDS; r++) {
        piece = calloc(COUNT + 1, sizeof(int));
        MPI_Win_attach(win, piece, (COUNT + 1) * sizeof(int));
        MPI_Get_address(piece, &here);
        MPI_Allgather(&here, 1, MPI_AINT, at, 1, MPI_AINT, MPI_COMM_WORLD);
        for (int i = 0; i < COUNT; i++)
            mine[i] = rank * 1000 + r * 100 + i;
        MPI_Win_lock_all(0, win);
        MPI_Put(mine, COUNT, MPI_INT, next, at[next], COUNT, MPI_INT, win);
        MPI_Fetch_and_op(&one, &old, MPI_INT, 0, at[0] + COUNT * (int)sizeof(int), MPI_SUM, win);
        MPI_Win_flush_all(win);
        MPI_Get(back, COUNT, MPI_INT, next, at[next], COUNT, MPI_INT, win);
        MPI_Win_unlock_all(win);
        if (old < 0 || old >= size)
            fail("dynamic, fetched", old, size);
        if (memcmp(mine, back, sizeof(mine)) != 0)
            fail("dynamic, read back", back[0], mine[0]);
        MPI_Barrier(MPI_COMM_WORLD);
        for (int i = 0; i < COUNT; i++)
            if (piece[i] != prev * 1000 + r * 100 + i)
                fail("dynamic, put", piece[i], prev * 1000 + r * 100 + i);
        if (piece[COUNT] != (rank == 0 ? size : 0))
            fail("dynamic, counted", piece[COUNT], rank == 0 ? size : 0);
        MPI_Barrier(MPI_COMM_WORLD);
        MPI_Win_detach(win, piece);
        free(piece);
    }
    MPI_Win_free(&win);
    free(at);
    if (rank == 0)
        printf("btl-rma: dynamic ok\n");
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    next = (rank + 1) % size;
    prev = (rank + size - 1) % size;
    for (int f = 0; f < 2; f++) {
        const int flavor = f ? MPI_WIN_FLAVOR_ALLOCATE : MPI_WIN_FLAVOR_CREATE;
        const char *name = f ? "allocated" : "created";
        static const struct {
            const char *name;
            void (*fn)(int);
        } test[] = {
            {"put and get", test_put_get},
            {"atomics int32", test_atomics_int32_t},
            {"atomics uint32", test_atomics_uint32_t},
            {"atomics int64", test_atomics_int64_t},
            {"atomics uint64", test_atomics_uint64_t},
            {"contended", test_contended},
            {"derived types", test_derived},
            {"synchronization", test_sync},
        };

        for (size_t i = 0; i < sizeof(test) / sizeof(test[0]); i++) {
            test[i].fn(flavor);
            MPI_Barrier(MPI_COMM_WORLD);
            if (rank == 0)
                printf("btl-rma: %s, %s ok\n", name, test[i].name);
        }
    }
    test_dynamic();
    if (rank == 0)
        printf("btl-rma: all right, %d ranks\n", size);
    MPI_Finalize();
    return 0;
}
