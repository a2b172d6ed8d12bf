/* SPDX-License-Identifier: BSD-3-Clause */
/* torobench: messages between two ranks and between pairs of ranks. Rank r of the first half talks
 * to rank r + half. */
#include "torobench.h"

#include <stdlib.h>

enum { TAG_DATA = 1, TAG_ACK = 2 };

static int half(const struct tb *t)
{
    return t->ranks / 2;
}

static bool first_half(const struct tb *t)
{
    return t->rank < half(t);
}

static int mate(const struct tb *t)
{
    return first_half(t) ? t->rank + half(t) : t->rank - half(t);
}

static void prepare(struct tb *t)
{
    t->stamp = -1;
    tb_fill(t->out, t->bytes, tb_seed(t, t->rank, mate(t)));
    tb_fill(t->in, t->bytes, ~t->seed);
}

static void check(struct tb *t, int batch)
{
    (void)batch;
    tb_expect(t, t->in, t->bytes, tb_seed(t, mate(t), t->rank), "received");
}

/* In a one-way test nothing arrives in the first half. */
static void check_one_way(struct tb *t, int batch)
{
    if (!first_half(t))
        check(t, batch);
}

static double latency(struct tb *t, int batch)
{
    const int n = (int)t->bytes, peer = mate(t);
    const double start = tb_now();

    for (int i = 0; i < batch; i++) {
        if (n > 0)
            *(volatile char *)t->out = (char)i; /* a message is seldom the same twice */
        if (first_half(t)) {
            MPI_Send(t->out, n, MPI_CHAR, peer, TAG_DATA, MPI_COMM_WORLD);
            MPI_Recv(t->in, n, MPI_CHAR, peer, TAG_DATA, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        } else {
            MPI_Recv(t->in, n, MPI_CHAR, peer, TAG_DATA, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            MPI_Send(t->out, n, MPI_CHAR, peer, TAG_DATA, MPI_COMM_WORLD);
        }
    }
    t->stamp = (unsigned char)(batch - 1);
    return (tb_now() - start) / batch / 2;
}

static MPI_Request *requests(const struct tb *t)
{
    static MPI_Request *q;

    if (!q)
        q = malloc(sizeof(*q) * 2 * (size_t)t->window);
    if (!q)
        tb_fail(t, "no memory");
    return q;
}

/* A window of messages, then one word back when all are there. */
static double bandwidth(struct tb *t, int batch)
{
    const int n = (int)t->bytes, peer = mate(t);
    MPI_Request *q = requests(t);
    char ack = 0;
    const double start = tb_now();

    for (int i = 0; i < batch; i++) {
        for (int j = 0; j < t->window; j++) {
            if (first_half(t))
                MPI_Isend(t->out, n, MPI_CHAR, peer, TAG_DATA, MPI_COMM_WORLD, &q[j]);
            else
                MPI_Irecv(t->in, n, MPI_CHAR, peer, TAG_DATA, MPI_COMM_WORLD, &q[j]);
        }
        MPI_Waitall(t->window, q, MPI_STATUSES_IGNORE);
        if (first_half(t))
            MPI_Recv(&ack, 1, MPI_CHAR, peer, TAG_ACK, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        else
            MPI_Send(&ack, 1, MPI_CHAR, peer, TAG_ACK, MPI_COMM_WORLD);
    }
    return (tb_now() - start) / batch;
}

static double both_ways(struct tb *t, int batch)
{
    const int n = (int)t->bytes, peer = mate(t), w = t->window;
    MPI_Request *q = requests(t);
    char ack = 0;
    const double start = tb_now();

    for (int i = 0; i < batch; i++) {
        for (int j = 0; j < w; j++)
            MPI_Irecv(t->in, n, MPI_CHAR, peer, TAG_DATA, MPI_COMM_WORLD, &q[j]);
        for (int j = 0; j < w; j++)
            MPI_Isend(t->out, n, MPI_CHAR, peer, TAG_DATA, MPI_COMM_WORLD, &q[w + j]);
        MPI_Waitall(2 * w, q, MPI_STATUSES_IGNORE);
        MPI_Sendrecv_replace(&ack, 1, MPI_CHAR, peer, TAG_ACK, peer, TAG_ACK, MPI_COMM_WORLD,
                             MPI_STATUS_IGNORE);
    }
    return (tb_now() - start) / batch;
}

static int window(const struct tb *t)
{
    return t->window;
}

static int window_twice(const struct tb *t)
{
    return 2 * t->window;
}

static int window_pairs(const struct tb *t)
{
    return half(t) * t->window;
}

#define KIND .pairs = true, .min_ranks = 2, .out = TB_ONE, .in = TB_ONE, .prepare = prepare

const struct tb_test tb_pt2pt_tests[] = {
    {KIND, .name = "latency", .title = "MPI Latency Test", .unit = TB_US, .who = TB_FIRST, .min = 0,
     .max = 4 << 20, .round = latency, .check = check},
    {KIND, .name = "multi_lat", .title = "MPI Multi Latency Test", .unit = TB_US, .who = TB_AVERAGE,
     .min = 0, .max = 4 << 20, .round = latency, .check = check},
    {KIND, .name = "bw", .title = "MPI Bandwidth Test", .unit = TB_MBS, .who = TB_FIRST, .min = 1,
     .max = 4 << 20, .moved = window, .round = bandwidth, .check = check_one_way},
    {KIND, .name = "bibw", .title = "MPI Bi-Directional Bandwidth Test", .unit = TB_MBS,
     .who = TB_SLOWEST, .min = 1, .max = 4 << 20, .moved = window_twice, .round = both_ways,
     .check = check},
    {KIND, .name = "mbw_mr", .title = "MPI Multiple Bandwidth / Message Rate Test", .unit = TB_MBS,
     .who = TB_SLOWEST, .min = 1, .max = 4 << 20, .moved = window_pairs, .round = bandwidth,
     .check = check_one_way},
    {.name = NULL},
};
