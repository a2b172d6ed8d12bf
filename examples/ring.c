/* SPDX-License-Identifier: BSD-3-Clause */
/* ring: a token goes round all ranks. Each rank checks every byte it gets and adds its own mark, so
 * the token that comes home proves that every rank has seen it, in order. Then one line per rank.
 *
 * usage: ring [BYTES [ROUNDS]]     (defaults: 64 bytes, 10 rounds) */
#define _GNU_SOURCE
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define TAG 7

static int rank, size;

/* Byte i of the token of a round as it leaves a rank. */
static unsigned char mark(int round, int hop, size_t i)
{
    return (unsigned char)(i * 13u + (unsigned)round * 31u + (unsigned)hop * 7u + (i >> 8));
}

static void fill(unsigned char *buf, size_t n, int round, int hop)
{
    for (size_t i = 0; i < n; i++)
        buf[i] = mark(round, hop, i);
}

static void receive(unsigned char *buf, int n, int from, int round, int hop)
{
    MPI_Status st;
    int got;

    MPI_Recv(buf, n, MPI_BYTE, from, TAG, MPI_COMM_WORLD, &st);
    MPI_Get_count(&st, MPI_BYTE, &got);
    if (got != n) {
        fprintf(stderr, "ring: rank %d, round %d: got %d bytes, want %d\n", rank, round, got, n);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    for (int i = 0; i < n; i++) {
        if (buf[i] != mark(round, hop, (size_t)i)) {
            fprintf(stderr, "ring: rank %d, round %d, byte %d: got %d, want %d\n", rank, round, i,
                    buf[i], mark(round, hop, (size_t)i));
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
    }
}

static long number(const char *text, long min, long max)
{
    char *end;
    long v = strtol(text, &end, 0);

    if (*text == '\0' || *end != '\0' || v < min || v > max) {
        if (rank == 0)
            fprintf(stderr,
                    "ring: '%s' is no number from %ld to %ld\nusage: ring [BYTES [ROUNDS]]\n", text,
                    min, max);
        MPI_Finalize();
        exit(2);
    }
    return v;
}

int main(int argc, char **argv)
{
    char name[MPI_MAX_PROCESSOR_NAME];
    unsigned char *buf;
    int len, bytes, rounds, next, prev;
    double t;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Get_processor_name(name, &len);
    bytes = (int)(argc > 1 ? number(argv[1], 0, 1l << 30) : 64);
    rounds = (int)(argc > 2 ? number(argv[2], 1, 1l << 30) : 10);
    next = (rank + 1) % size;
    prev = (rank + size - 1) % size;
    buf = malloc((size_t)bytes + 1);
    if (buf == NULL) {
        fprintf(stderr, "ring: rank %d: no memory for %d bytes\n", rank, bytes);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }

    MPI_Barrier(MPI_COMM_WORLD);
    t = MPI_Wtime();
    for (int r = 0; r < rounds && size > 1; r++) {
        if (rank != 0)
            receive(buf, bytes, prev, r, rank - 1);
        fill(buf, (size_t)bytes, r, rank);
        MPI_Send(buf, bytes, MPI_BYTE, next, TAG, MPI_COMM_WORLD);
        if (rank == 0)
            receive(buf, bytes, prev, r, size - 1);
    }
    if (size == 1) { /* a ring of one: to itself */
        MPI_Request q;

        for (int r = 0; r < rounds; r++) {
            unsigned char *out = malloc((size_t)bytes + 1);

            if (out == NULL)
                MPI_Abort(MPI_COMM_WORLD, 1);
            fill(out, (size_t)bytes, r, 0);
            MPI_Isend(out, bytes, MPI_BYTE, 0, TAG, MPI_COMM_WORLD, &q);
            receive(buf, bytes, 0, r, 0);
            MPI_Wait(&q, MPI_STATUS_IGNORE);
            free(out);
        }
    }
    t = MPI_Wtime() - t;

    printf("rank %d of %d on %s core %d: token seen %d times\n", rank, size, name, sched_getcpu(),
           rounds);
    fflush(stdout);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        printf("ring: ok, %d rounds of %d bytes over %d ranks, %.1f us per hop\n", rounds, bytes,
               size, t * 1e6 / rounds / size);
    free(buf);
    MPI_Finalize();
    return 0;
}
