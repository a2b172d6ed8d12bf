/* SPDX-License-Identifier: BSD-3-Clause */
/* Point-to-point, seen from the BTL: every protocol switch from both sides, non-contiguous data,
 * floods that fill the rings in both directions, order, the own process. Every byte is checked. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int rank, size;

static void fail(const char *what, long a, long b)
{
    printf("btl-p2p: rank %d: %s (%ld, %ld)\n", rank, what, a, b);
    fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static void *xmalloc(size_t n)
{
    void *p = malloc(n + 1);

    if (p == NULL)
        fail("out of memory", (long)n, 0);
    return p;
}

static unsigned char pattern(long seed, size_t i)
{
    return (unsigned char)(seed * 31 + (long)i * 7 + (long)(i >> 8));
}

static void fill(unsigned char *p, size_t n, long seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = pattern(seed, i);
}

static void check(const unsigned char *p, size_t n, long seed, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != pattern(seed, i))
            fail(what, (long)n, (long)i);
}

/* Sizes round every limit: a slot, the eager limit, a fragment, a chunk of a large copy. */
static void test_sizes(void)
{
    static const size_t edge[] = {
        0,     14,    34,     42,     56,      64,      128,           242,
        256,   1024,  4040,   4082,   4096,    8192,    16384,         32736,
        32768, 65536, 131072, 262144, 1 << 20, 2 << 20, (3 << 20) + 5, 5 << 20};
    const int to = (rank + 1) % size, from = (rank + size - 1) % size;

    for (size_t e = 0; e < sizeof(edge) / sizeof(edge[0]); e++)
        for (long d = -2; d <= 2; d++) {
            const size_t n = (long)edge[e] + d < 0 ? 0 : (size_t)((long)edge[e] + d);
            unsigned char *out = xmalloc(n), *in = xmalloc(n);
            MPI_Request req;
            MPI_Status status;
            int count;

            fill(out, n, rank + (long)n);
            memset(in, 0xee, n + 1);
            MPI_Irecv(in, (int)n, MPI_BYTE, from, 1, MPI_COMM_WORLD, &req);
            if (d == 1)
                MPI_Ssend(out, (int)n, MPI_BYTE, to, 1, MPI_COMM_WORLD);
            else
                MPI_Send(out, (int)n, MPI_BYTE, to, 1, MPI_COMM_WORLD);
            MPI_Wait(&req, &status);
            MPI_Get_count(&status, MPI_BYTE, &count);
            if (count != (int)n || in[n] != 0xee)
                fail("length", (long)n, count);
            check(in, n, from + (long)n, "contents");
            free(out);
            free(in);
        }
}

/* A column of a matrix, so that sender, receiver or both have to pack. */
static void test_datatypes(void)
{
    static const int rows[] = {1, 5, 100, 1000, 20000, 300000};
    const int peer = rank ^ 1;

    if (peer >= size)
        return;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++)
        for (int how = 0; how < 4; how++) {
            const int n = rows[r];
            int *out = xmalloc(sizeof(int) * 3 * (size_t)n);
            int *in = xmalloc(sizeof(int) * 3 * (size_t)n);
            MPI_Datatype column;
            MPI_Request req;

            MPI_Type_vector(n, 1, 3, MPI_INT, &column);
            MPI_Type_commit(&column);
            for (int i = 0; i < 3 * n; i++) {
                out[i] = rank * 1000000 + i;
                in[i] = -1;
            }
            if (how & 1)
                MPI_Irecv(in, 1, column, peer, 2, MPI_COMM_WORLD, &req);
            else
                MPI_Irecv(in, n, MPI_INT, peer, 2, MPI_COMM_WORLD, &req);
            /* Both sides send the same way; contiguous out holds the first n. */
            if (how & 2)
                MPI_Send(out, 1, column, peer, 2, MPI_COMM_WORLD);
            else
                MPI_Send(out, n, MPI_INT, peer, 2, MPI_COMM_WORLD);
            MPI_Wait(&req, MPI_STATUS_IGNORE);
            for (int i = 0; i < n; i++) {
                const int got = in[how & 1 ? 3 * i : i];
                const int want = peer * 1000000 + (how & 2 ? 3 * i : i);

                if (got != want)
                    fail("datatype", got, want);
            }
            if ((how & 1) && n > 1 && (in[1] != -1 || in[2] != -1))
                fail("gap overwritten", in[1], in[2]);
            MPI_Type_free(&column);
            free(out);
            free(in);
        }
}

/* Everybody sends to everybody before anybody receives: rings run full, senders queue. */
static void test_flood(int count, int bytes)
{
    MPI_Request *req = xmalloc(sizeof(*req) * (size_t)count * (size_t)size);
    unsigned char *out = xmalloc((size_t)count * (size_t)bytes), *in = xmalloc((size_t)bytes);
    int n = 0;

    for (int i = 0; i < count; i++) {
        fill(out + (size_t)i * (size_t)bytes, (size_t)bytes, rank * 1000 + i);
        for (int to = 0; to < size; to++)
            MPI_Isend(out + (size_t)i * (size_t)bytes, bytes, MPI_BYTE, to, 3, MPI_COMM_WORLD,
                      &req[n++]);
    }
    for (int i = 0; i < count; i++)
        for (int from = 0; from < size; from++) {
            MPI_Recv(in, bytes, MPI_BYTE, from, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            check(in, (size_t)bytes, from * 1000 + i, "flood");
        }
    MPI_Waitall(n, req, MPI_STATUSES_IGNORE);
    free(req);
    free(out);
    free(in);
}

/* Messages of one sender are not overtaken, whatever their size. */
static void test_order(void)
{
    enum { COUNT = 2000, MAX = 9000 };
    static int buffer[MAX];
    unsigned seed = 1;

    for (int i = 0; i < COUNT; i++) {
        int ints;

        seed = seed * 1664525 + 1013904223;
        ints = 1 + (int)((seed >> 8) % 100 == 0 ? (seed >> 16) % MAX : (seed >> 16) % 200);
        if (ints > MAX)
            ints = MAX;
        if (rank == 0) {
            MPI_Status status;
            int count;

            for (int from = 1; from < size; from++) {
                MPI_Recv(buffer, MAX, MPI_INT, from, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
                MPI_Get_count(&status, MPI_INT, &count);
                if (buffer[0] != i || count != ints || status.MPI_TAG != i % 7)
                    fail("order", buffer[0], i);
            }
        } else {
            buffer[0] = i;
            MPI_Send(buffer, ints, MPI_INT, 0, i % 7, MPI_COMM_WORLD);
        }
    }
}

/* One receiver, all others send at full speed: everybody gets a turn. */
static void test_fairness(void)
{
    enum { COUNT = 3000 };
    int *got = calloc((size_t)size, sizeof(int)), value = 0;

    if (rank == 0) {
        for (int i = 0; i < COUNT * (size - 1); i++) {
            MPI_Status status;

            MPI_Recv(&value, 1, MPI_INT, MPI_ANY_SOURCE, 4, MPI_COMM_WORLD, &status);
            if (value != got[status.MPI_SOURCE]++)
                fail("any source order", value, status.MPI_SOURCE);
        }
        for (int from = 1; from < size; from++)
            if (got[from] != COUNT)
                fail("any source count", got[from], from);
    } else {
        for (value = 0; value < COUNT; value++)
            MPI_Send(&value, 1, MPI_INT, 0, 4, MPI_COMM_WORLD);
    }
    free(got);
}

/* Late receivers: everything is unexpected, then matched; buffered sends; probe. */
static void test_late(void)
{
    enum { COUNT = 50, BYTES = 3000 };
    const int to = (rank + 1) % size, from = (rank + size - 1) % size;
    unsigned char *out = xmalloc(BYTES), *in = xmalloc(BYTES);
    const int space = COUNT * (BYTES + MPI_BSEND_OVERHEAD);
    void *buffer = xmalloc((size_t)space);

    MPI_Buffer_attach(buffer, space);
    for (int i = 0; i < COUNT; i++) {
        fill(out, BYTES, rank + i);
        MPI_Bsend(out, BYTES - i, MPI_BYTE, to, i, MPI_COMM_WORLD);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    for (int i = COUNT - 1; i >= 0; i--) {
        MPI_Status status;
        int count;

        MPI_Probe(from, i, MPI_COMM_WORLD, &status);
        MPI_Get_count(&status, MPI_BYTE, &count);
        if (count != BYTES - i)
            fail("probe", count, i);
        MPI_Recv(in, BYTES, MPI_BYTE, from, i, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        check(in, (size_t)(BYTES - i), from + i, "late");
    }
    MPI_Buffer_detach(&buffer, &(int){0});
    free(buffer);
    free(out);
    free(in);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } test[] = {
        {"sizes", test_sizes},       {"datatypes", test_datatypes}, {"order", test_order},
        {"fairness", test_fairness}, {"late", test_late},
    };

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    for (size_t i = 0; i < sizeof(test) / sizeof(test[0]); i++) {
        test[i].fn();
        MPI_Barrier(MPI_COMM_WORLD);
        if (rank == 0)
            printf("btl-p2p: %s ok\n", test[i].name);
    }
    test_flood(400, 8);
    test_flood(400, 1000);
    test_flood(40, 20000);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        printf("btl-p2p: flood ok\nbtl-p2p: all right, %d ranks\n", size);
    MPI_Finalize();
    return 0;
}
