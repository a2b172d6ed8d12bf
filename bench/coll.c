/* SPDX-License-Identifier: BSD-3-Clause */
/* torobench: collectives on all ranks, root 0. Those that no rank can leave before all have come
 * are timed in a batch; in the others the ranks would run ahead of each other, so each call is
 * timed alone, with a barrier between. The figure is the average over the ranks. */
#include "torobench.h"

#include <string.h>

static bool root(const struct tb *t)
{
    return t->rank == 0;
}

static char *block(const struct tb *t, char *buf, int i)
{
    return buf + (size_t)i * t->bytes;
}

static int count(const struct tb *t)
{
    return (int)t->bytes;
}

static void poison(struct tb *t, int blocks)
{
    t->stamp = -1;
    for (int i = 0; i < blocks; i++)
        tb_fill(block(t, t->in, i), t->bytes, ~t->seed);
}

/* One block out: from this rank to anyone. */
static void prepare_one(struct tb *t)
{
    tb_fill(t->out, t->bytes, tb_seed(t, t->rank, 0));
    poison(t, t->ranks);
}

/* A block to each rank. */
static void prepare_each(struct tb *t)
{
    for (int i = 0; i < t->ranks; i++)
        tb_fill(block(t, t->out, i), t->bytes, tb_seed(t, t->rank, i));
    poison(t, t->ranks);
}

static void prepare_bcast(struct tb *t)
{
    poison(t, 1);
    if (root(t))
        tb_fill(t->in, t->bytes, tb_seed(t, 0, 0));
}

/* Small whole numbers: sums of floats stay exact. */
static float number(const struct tb *t, size_t i)
{
    return (float)((t->seed + i) % 1000);
}

static void prepare_sum(struct tb *t)
{
    poison(t, 1);
    for (size_t i = 0; i * 4 < t->bytes; i++)
        ((float *)(void *)t->out)[i] = number(t, i) + (float)t->rank;
}

static void check_sum(struct tb *t, int batch)
{
    const float ranks = (float)t->ranks;

    (void)batch;
    for (size_t i = 0; i * 4 < t->bytes; i++) {
        if (((float *)(void *)t->in)[i] != number(t, i) * ranks + ranks * (ranks - 1) / 2)
            tb_fail(t, "reduced: wrong value %zu of %zu", i, t->bytes / 4);
    }
}

static void check_sum_root(struct tb *t, int batch)
{
    if (root(t))
        check_sum(t, batch);
}

static void check_bcast(struct tb *t, int batch)
{
    (void)batch;
    tb_expect(t, t->in, t->bytes, tb_seed(t, 0, 0), "broadcast");
}

static void check_gathered(struct tb *t, int batch)
{
    (void)batch;
    for (int i = 0; i < t->ranks; i++)
        tb_expect(t, block(t, t->in, i), t->bytes, tb_seed(t, i, 0), "gathered");
}

static void check_gathered_root(struct tb *t, int batch)
{
    if (root(t))
        check_gathered(t, batch);
}

static void check_scattered(struct tb *t, int batch)
{
    (void)batch;
    tb_expect(t, t->in, t->bytes, tb_seed(t, 0, t->rank), "scattered");
}

static void check_exchanged(struct tb *t, int batch)
{
    (void)batch;
    for (int i = 0; i < t->ranks; i++)
        tb_expect(t, block(t, t->in, i), t->bytes, tb_seed(t, i, t->rank), "exchanged");
}

#define TOGETHER(name, call)                                                                       \
    static double name(struct tb *t, int batch)                                                    \
    {                                                                                              \
        const double start = tb_now();                                                             \
                                                                                                   \
        (void)t;                                                                                   \
        for (int i = 0; i < batch; i++)                                                            \
            call;                                                                                  \
        return (tb_now() - start) / batch;                                                         \
    }

#define ALONE(name, call)                                                                          \
    static double name(struct tb *t, int batch)                                                    \
    {                                                                                              \
        double sum = 0;                                                                            \
                                                                                                   \
        for (int i = 0; i < batch; i++) {                                                          \
            const double start = tb_now();                                                         \
                                                                                                   \
            call;                                                                                  \
            sum += tb_now() - start;                                                               \
            MPI_Barrier(MPI_COMM_WORLD);                                                           \
        }                                                                                          \
        return sum / batch;                                                                        \
    }

TOGETHER(barrier, MPI_Barrier(MPI_COMM_WORLD))
TOGETHER(allreduce, MPI_Allreduce(t->out, t->in, count(t) / 4, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD))
TOGETHER(allgather,
         MPI_Allgather(t->out, count(t), MPI_CHAR, t->in, count(t), MPI_CHAR, MPI_COMM_WORLD))
TOGETHER(alltoall,
         MPI_Alltoall(t->out, count(t), MPI_CHAR, t->in, count(t), MPI_CHAR, MPI_COMM_WORLD))
ALONE(bcast, MPI_Bcast(t->in, count(t), MPI_CHAR, 0, MPI_COMM_WORLD))
ALONE(reduce, MPI_Reduce(t->out, t->in, count(t) / 4, MPI_FLOAT, MPI_SUM, 0, MPI_COMM_WORLD))
ALONE(gather, MPI_Gather(t->out, count(t), MPI_CHAR, t->in, count(t), MPI_CHAR, 0, MPI_COMM_WORLD))
ALONE(scatter,
      MPI_Scatter(t->out, count(t), MPI_CHAR, t->in, count(t), MPI_CHAR, 0, MPI_COMM_WORLD))

static void nothing(struct tb *t)
{
    t->stamp = -1;
}

#define KIND     .min_ranks = 2, .unit = TB_US, .who = TB_AVERAGE
#define SIZES(m) KIND, .min = (m), .max = 1 << 20, .multiple = (m) == 4 ? 4 : 1

const struct tb_test tb_coll_tests[] = {
    {KIND, .name = "barrier", .title = "MPI Barrier Latency Test", .prepare = nothing,
     .round = barrier},
    {SIZES(1), .name = "bcast", .title = "MPI Broadcast Latency Test", .in = TB_ONE,
     .prepare = prepare_bcast, .round = bcast, .check = check_bcast},
    {SIZES(4), .name = "reduce", .title = "MPI Reduce Latency Test", .out = TB_ONE, .in = TB_ONE,
     .prepare = prepare_sum, .round = reduce, .check = check_sum_root},
    {SIZES(4), .name = "allreduce", .title = "MPI Allreduce Latency Test", .out = TB_ONE,
     .in = TB_ONE, .prepare = prepare_sum, .round = allreduce, .check = check_sum},
    {SIZES(1), .name = "gather", .title = "MPI Gather Latency Test", .out = TB_ONE, .in = TB_RANKS,
     .prepare = prepare_one, .round = gather, .check = check_gathered_root},
    {SIZES(1), .name = "scatter", .title = "MPI Scatter Latency Test", .out = TB_RANKS,
     .in = TB_RANKS, .prepare = prepare_each, .round = scatter, .check = check_scattered},
    {SIZES(1), .name = "allgather", .title = "MPI Allgather Latency Test", .out = TB_ONE,
     .in = TB_RANKS, .prepare = prepare_one, .round = allgather, .check = check_gathered},
    {SIZES(1), .name = "alltoall", .title = "MPI All-to-All Personalized Exchange Latency Test",
     .out = TB_RANKS, .in = TB_RANKS, .prepare = prepare_each, .round = alltoall,
     .check = check_exchanged},
    {.name = NULL},
};
