/* SPDX-License-Identifier: BSD-3-Clause */
/* pt2pt: point-to-point messages between all pairs of ranks, through every protocol switch: modes,
 * order, wildcards, probes, persistent requests, derived types, errors. Ends the job with status 1
 * at the first thing wrong; rank 0 says what is fine. Works for 1 rank and more.
 *
 * usage: pt2pt [LARGEST-SIZE]     (default 1100000 bytes) */
#include <mpi.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rank, size;

static void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void fail(const char *fmt, ...)
{
    va_list ap;
    char text[256];

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fprintf(stderr, "pt2pt: FAILED on rank %d of %d: %s\n", rank, size, text);
    MPI_Abort(MPI_COMM_WORLD, 1);
    abort();
}

static void done(const char *what)
{
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
        printf("%s: ok\n", what);
        fflush(stdout);
    }
}

static unsigned char byte(int from, int salt, int i)
{
    return (unsigned char)(from * 37 + salt * 11 + i * 5 + (i >> 8) * 3 + (i >> 16));
}

static void fill(unsigned char *b, int n, int from, int salt)
{
    for (int i = 0; i < n; i++)
        b[i] = byte(from, salt, i);
}

static void check(const unsigned char *b, int n, int from, int salt, const char *what)
{
    for (int i = 0; i < n; i++)
        if (b[i] != byte(from, salt, i))
            fail("%s: %d bytes from rank %d: index %d: got %d, want %d", what, n, from, i, b[i],
                 byte(from, salt, i));
}

static void check_status(const MPI_Status *st, int from, int tag, int n, const char *what)
{
    int got;

    MPI_Get_count(st, MPI_BYTE, &got);
    if (st->MPI_SOURCE != from || st->MPI_TAG != tag || got != n)
        fail("%s: status says rank %d, tag %d, %d bytes; want %d, %d, %d", what, st->MPI_SOURCE,
             st->MPI_TAG, got, from, tag, n);
}

/* Around each switch of ob1 and of the usual transports. */
static const int sizes[] = {0,     1,     7,      8,      40,     48,     49,      55,     56,
                            57,    63,    64,     65,     100,    128,    200,     242,    256,
                            257,   500,   1000,   1024,   4039,   4040,   4041,    4082,   4096,
                            4097,  8192,  16384,  30000,  32712,  32736,  32768,   32769,  65535,
                            65536, 65537, 100000, 131072, 262145, 524288, 1048576, 1100000};
enum { NSIZES = sizeof(sizes) / sizeof(sizes[0]) };

static int largest = 1100000;

/* Shift by k: each rank sends to rank + k and gets from rank - k, in five modes. */
static void test_sizes(void)
{
    unsigned char *out = malloc((size_t)largest + 1), *in = malloc((size_t)largest + 1);
    unsigned char *attached = malloc((size_t)largest + 2 * MPI_BSEND_OVERHEAD);

    for (int s = 0; s < NSIZES && sizes[s] <= largest; s++) {
        for (int k = 0; k < size; k++) {
            int to = (rank + k) % size, from = (rank + size - k) % size, n = sizes[s];
            int mode = (s + k) % 5, tag = s * 7 + k;
            MPI_Request q[2];
            MPI_Status st[2];

            fill(out, n, rank, tag);
            memset(in, 0x5a, (size_t)n + 1);
            MPI_Irecv(in, n, MPI_BYTE, from, tag, MPI_COMM_WORLD, &q[0]);
            if (mode == 0) {
                MPI_Isend(out, n, MPI_BYTE, to, tag, MPI_COMM_WORLD, &q[1]);
            } else if (mode == 1) {
                MPI_Issend(out, n, MPI_BYTE, to, tag, MPI_COMM_WORLD, &q[1]);
            } else if (mode == 2) {
                MPI_Buffer_attach(attached, n + 2 * MPI_BSEND_OVERHEAD);
                MPI_Ibsend(out, n, MPI_BYTE, to, tag, MPI_COMM_WORLD, &q[1]);
                memset(out, 0, (size_t)n);
            } else if (mode == 3) {
                MPI_Barrier(MPI_COMM_WORLD); /* all receives are posted */
                MPI_Irsend(out, n, MPI_BYTE, to, tag, MPI_COMM_WORLD, &q[1]);
            } else {
                q[1] = MPI_REQUEST_NULL;
                if (k == 0)
                    MPI_Isend(out, n, MPI_BYTE, to, tag, MPI_COMM_WORLD, &q[1]);
                else
                    MPI_Send(out, n, MPI_BYTE, to, tag, MPI_COMM_WORLD);
            }
            MPI_Waitall(2, q, st);
            if (mode == 2) {
                void *p;
                int len;

                MPI_Buffer_detach(&p, &len);
            }
            check(in, n, from, tag, "sizes");
            if (in[n] != 0x5a)
                fail("sizes: the byte behind %d bytes from rank %d was overwritten", n, from);
            check_status(&st[0], from, tag, n, "sizes");
        }
    }
    free(attached);
    free(in);
    free(out);
    done("sizes");
}

/* Many messages before the first receive, of mixed size; they arrive in the order sent. */
static void test_order(void)
{
    enum { N = 400 };
    static MPI_Request q[N];
    static unsigned char out[N][600], big[70000], in[70000];
    int to = (rank + 1) % size, from = (rank + size - 1) % size;
    MPI_Status st;

    for (int i = 0; i < N; i++) {
        int n = i % 40 == 39 ? 70000 : i % 600;

        if (n == 70000) {
            fill(big, n, rank, 1);
            MPI_Isend(big, n, MPI_BYTE, to, 5, MPI_COMM_WORLD, &q[i]);
        } else {
            fill(out[i], n, rank, i);
            MPI_Isend(out[i], n, MPI_BYTE, to, 5, MPI_COMM_WORLD, &q[i]);
        }
    }
    for (int i = 0; i < N; i++) {
        int n = i % 40 == 39 ? 70000 : i % 600;

        MPI_Recv(in, sizeof(in), MPI_BYTE, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &st);
        check_status(&st, from, 5, n, "order");
        check(in, n, from, n == 70000 ? 1 : i, "order");
    }
    MPI_Waitall(N, q, MPI_STATUSES_IGNORE);
    done("order");
}

/* Received by tag, in the reverse order: everything is unexpected. */
static void test_tags(void)
{
    enum { N = 50 };
    MPI_Request q[N];
    unsigned char out[N][100], in[100];
    int to = (rank + 1) % size, from = (rank + size - 1) % size;

    for (int i = 0; i < N; i++) {
        fill(out[i], 100, rank, i);
        MPI_Isend(out[i], 100, MPI_BYTE, to, i, MPI_COMM_WORLD, &q[i]);
    }
    for (int i = N - 1; i >= 0; i--) {
        MPI_Recv(in, 100, MPI_BYTE, from, i, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        check(in, 100, from, i, "tags");
    }
    MPI_Waitall(N, q, MPI_STATUSES_IGNORE);
    done("tags");
}

/* Everybody to rank 0, which does not know from whom the next one comes. */
static void test_wildcards(void)
{
    enum { EACH = 30 };
    static unsigned char buf[9000];
    int *next = calloc((size_t)size, sizeof(int));
    MPI_Status st;

    if (rank != 0)
        for (int i = 0; i < EACH; i++) {
            int n = i % 3 == 2 ? 9000 : 10 + i;

            fill(buf, n, rank, i);
            MPI_Send(buf, n, MPI_BYTE, 0, i, MPI_COMM_WORLD);
        }
    for (int i = 0; rank == 0 && i < EACH * (size - 1); i++) {
        int n, flag = 0;

        if (i % 3 == 0) {
            MPI_Probe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &st);
        } else {
            while (!flag)
                MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &flag, &st);
        }
        MPI_Get_count(&st, MPI_BYTE, &n);
        if (i % 2 == 0) {
            MPI_Recv(buf, n, MPI_BYTE, st.MPI_SOURCE, st.MPI_TAG, MPI_COMM_WORLD, &st);
        } else {
            MPI_Message m;

            MPI_Mprobe(st.MPI_SOURCE, st.MPI_TAG, MPI_COMM_WORLD, &m, &st);
            MPI_Mrecv(buf, n, MPI_BYTE, &m, &st);
        }
        if (st.MPI_TAG != next[st.MPI_SOURCE]++)
            fail("wildcards: rank %d: tag %d came before %d", st.MPI_SOURCE, st.MPI_TAG,
                 next[st.MPI_SOURCE] - 1);
        check(buf, n, st.MPI_SOURCE, st.MPI_TAG, "wildcards");
    }
    free(next);
    done("wildcards");
}

static void test_sendrecv(void)
{
    static unsigned char out[70000], in[70000];

    for (int k = 0; k < size; k++) {
        int to = (rank + k) % size, from = (rank + size - k) % size, n = k % 2 ? 70000 : 60;
        MPI_Status st;

        fill(out, n, rank, k);
        MPI_Sendrecv(out, n, MPI_BYTE, to, k, in, n, MPI_BYTE, from, k, MPI_COMM_WORLD, &st);
        check(in, n, from, k, "sendrecv");
        check_status(&st, from, k, n, "sendrecv");
        MPI_Sendrecv_replace(out, n, MPI_BYTE, to, 9, from, 9, MPI_COMM_WORLD, &st);
        check(out, n, from, k, "sendrecv_replace");
    }
    MPI_Sendrecv(NULL, 0, MPI_BYTE, MPI_PROC_NULL, 0, in, 5, MPI_BYTE, MPI_PROC_NULL, 0,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    done("sendrecv");
}

static void test_persistent(void)
{
    enum { N = 20000 };
    static unsigned char out[N], in[N];
    int to = (rank + 1) % size, from = (rank + size - 1) % size;
    MPI_Request q[2];

    MPI_Send_init(out, N, MPI_BYTE, to, 3, MPI_COMM_WORLD, &q[0]);
    MPI_Recv_init(in, N, MPI_BYTE, from, 3, MPI_COMM_WORLD, &q[1]);
    for (int i = 0; i < 10; i++) {
        fill(out, N, rank, i);
        MPI_Startall(2, q);
        MPI_Waitall(2, q, MPI_STATUSES_IGNORE);
        check(in, N, from, i, "persistent");
    }
    MPI_Request_free(&q[0]);
    MPI_Request_free(&q[1]);
    done("persistent");
}

/* Every third int of a matrix column by column, small and large. */
static void test_types(void)
{
    static const int counts[] = {3, 500, 40000};
    int to = (rank + 1) % size, from = (rank + size - 1) % size;

    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        int n = counts[c], *out = malloc(sizeof(int) * 3 * (size_t)n);
        int *in = malloc(sizeof(int) * 3 * (size_t)n);
        MPI_Datatype v;
        MPI_Request q;

        MPI_Type_vector(n, 1, 3, MPI_INT, &v);
        MPI_Type_commit(&v);
        for (int i = 0; i < 3 * n; i++) {
            out[i] = rank * 1000003 + i;
            in[i] = -1;
        }
        MPI_Isend(out, 1, v, to, 1, MPI_COMM_WORLD, &q);
        MPI_Recv(in, 1, v, from, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        MPI_Wait(&q, MPI_STATUS_IGNORE);
        for (int i = 0; i < 3 * n; i++)
            if (in[i] != (i % 3 ? -1 : from * 1000003 + i))
                fail("types: vector to vector, index %d: got %d", i, in[i]);
        MPI_Isend(out, 1, v, to, 2, MPI_COMM_WORLD, &q);
        MPI_Recv(in, n, MPI_INT, from, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        MPI_Wait(&q, MPI_STATUS_IGNORE);
        for (int i = 0; i < n; i++)
            if (in[i] != from * 1000003 + 3 * i)
                fail("types: vector to ints, index %d: got %d", i, in[i]);
        MPI_Type_free(&v);
        free(in);
        free(out);
    }
    done("types");
}

static void test_requests(void)
{
    enum { N = 12 };
    MPI_Request q[2 * N];
    int out[N], in[N], seen = 0, index, flag, count, indices[2 * N], cls;
    int to = (rank + 1) % size, from = (rank + size - 1) % size, rc;
    MPI_Status st;
    char small[4], large[64] = "a message that is too long";

    for (int i = 0; i < N; i++) {
        out[i] = rank * 100 + i;
        in[i] = -1;
        MPI_Irecv(&in[i], 1, MPI_INT, from, i, MPI_COMM_WORLD, &q[i]);
    }
    for (int i = 0; i < N; i++)
        MPI_Isend(&out[i], 1, MPI_INT, to, i, MPI_COMM_WORLD, &q[N + i]);
    MPI_Waitany(2 * N, q, &index, &st);
    seen++;
    MPI_Testany(2 * N, q, &index, &flag, &st);
    seen += flag && index != MPI_UNDEFINED;
    while (seen < 2 * N) {
        MPI_Waitsome(2 * N, q, &count, indices, MPI_STATUSES_IGNORE);
        if (count == MPI_UNDEFINED || count == 0)
            fail("requests: waitsome says there are none left, %d are", 2 * N - seen);
        seen += count;
    }
    for (int i = 0; i < N; i++)
        if (in[i] != from * 100 + i)
            fail("requests: index %d: got %d", i, in[i]);

    /* a receive that nobody answers is cancelled */
    MPI_Irecv(in, 1, MPI_INT, from, 99, MPI_COMM_WORLD, &q[0]);
    MPI_Cancel(&q[0]);
    MPI_Wait(&q[0], &st);
    MPI_Test_cancelled(&st, &flag);
    if (!flag)
        fail("requests: a receive was not cancelled");

    /* a message that is too long is an error, and the next one is not hurt */
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Isend(large, 64, MPI_BYTE, to, 7, MPI_COMM_WORLD, &q[0]);
    MPI_Isend(&rank, 1, MPI_INT, to, 8, MPI_COMM_WORLD, &q[1]);
    rc = MPI_Recv(small, 4, MPI_BYTE, from, 7, MPI_COMM_WORLD, &st);
    MPI_Error_class(rc, &cls);
    if (cls != MPI_ERR_TRUNCATE)
        fail("requests: a message that is too long gives class %d, want MPI_ERR_TRUNCATE", cls);
    MPI_Recv(in, 1, MPI_INT, from, 8, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Waitall(2, q, MPI_STATUSES_IGNORE);
    if (in[0] != from || memcmp(small, "a me", 4) != 0)
        fail("requests: after an error: got %d, want %d", in[0], from);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
    done("requests");
}

/* Rings past any 16-bit index: many small messages both ways at once. */
static void test_stream(void)
{
    enum { N = 70000, BATCH = 100 };
    int to = (rank + 1) % size, from = (rank + size - 1) % size;
    static int out[BATCH], in[BATCH];
    MPI_Request q[2 * BATCH];

    for (int i = 0; i < N; i += BATCH) {
        for (int k = 0; k < BATCH; k++) {
            out[k] = i + k + rank;
            MPI_Irecv(&in[k], 1, MPI_INT, from, 0, MPI_COMM_WORLD, &q[k]);
        }
        for (int k = 0; k < BATCH; k++)
            MPI_Isend(&out[k], 1, MPI_INT, to, 0, MPI_COMM_WORLD, &q[BATCH + k]);
        MPI_Waitall(2 * BATCH, q, MPI_STATUSES_IGNORE);
        for (int k = 0; k < BATCH; k++)
            if (in[k] != i + k + from)
                fail("stream: message %d: got %d, want %d", i + k, in[k], i + k + from);
    }
    done("stream");
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (argc > 1)
        largest = atoi(argv[1]);
    test_sizes();
    test_order();
    test_tags();
    test_wildcards();
    test_sendrecv();
    test_persistent();
    test_types();
    test_requests();
    test_stream();
    if (rank == 0)
        printf("pt2pt: all ok on %d ranks\n", size);
    MPI_Finalize();
    return 0;
}
