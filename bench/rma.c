/* SPDX-License-Identifier: BSD-3-Clause */
/* torobench: one-sided operations of rank 0 on the memory of rank 1, in one passive epoch, each
 * step ended by MPI_Win_flush. Meanwhile the target waits in a barrier. */
#include "torobench.h"

#include <string.h>

static bool origin(const struct tb *t)
{
    return t->rank == 0;
}

void tb_win_open(struct tb *t, size_t bytes)
{
    if (t->create) {
        MPI_Alloc_mem((MPI_Aint)bytes, MPI_INFO_NULL, &t->base);
        MPI_Win_create(t->base, (MPI_Aint)bytes, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &t->win);
    } else {
        MPI_Win_allocate((MPI_Aint)bytes, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &t->base, &t->win);
    }
    MPI_Win_lock_all(0, t->win);
}

void tb_win_close(struct tb *t)
{
    MPI_Win_unlock_all(t->win);
    MPI_Win_free(&t->win);
    if (t->create)
        MPI_Free_mem(t->base);
}

static uint64_t slot_seed(const struct tb *t, int slot)
{
    return tb_seed(t, slot, 0);
}

/* Both sides write all that will be moved, or overwritten. */
static void prepare_slots(struct tb *t, int slots)
{
    t->stamp = -1;
    for (int j = 0; j < slots; j++) {
        char *out = t->out + (size_t)j * t->bytes, *in = t->in + (size_t)j * t->bytes;

        if (origin(t)) {
            tb_fill(out, t->bytes, slot_seed(t, j));
            tb_fill(in, t->bytes, ~t->seed);
        }
    }
    MPI_Win_sync(t->win);
}

static void prepare_put(struct tb *t)
{
    if (!origin(t))
        tb_fill(t->base, t->bytes * (size_t)t->slots, ~t->seed);
    prepare_slots(t, t->slots);
}

static void prepare_get(struct tb *t)
{
    if (!origin(t))
        for (int j = 0; j < t->slots; j++)
            tb_fill(t->base + (size_t)j * t->bytes, t->bytes, slot_seed(t, j));
    prepare_slots(t, t->slots);
}

static void prepare_zero(struct tb *t)
{
    if (!origin(t))
        memset(t->base, 0, t->bytes * (size_t)t->slots);
    prepare_slots(t, t->slots);
}

static void check_put(struct tb *t, int n)
{
    MPI_Win_sync(t->win);
    if (!origin(t))
        for (int j = 0; j < n; j++)
            tb_expect(t, t->base + (size_t)j * t->bytes, t->bytes, slot_seed(t, j), "put");
}

static void check_get(struct tb *t, int n)
{
    if (origin(t))
        for (int j = 0; j < n; j++)
            tb_expect(t, t->in + (size_t)j * t->bytes, t->bytes, slot_seed(t, j), "got");
}

/* Every word of the target is the origin's times the number of operations on its slot. */
static void check_acc(struct tb *t, int n, uint64_t times)
{
    MPI_Win_sync(t->win);
    for (int j = 0; j < n && !origin(t); j++) {
        char *at = t->base + (size_t)j * t->bytes;

        tb_fill(t->out, t->bytes, slot_seed(t, j)); /* the target's is free for this */
        for (size_t i = 0; i < t->bytes; i += 8) {
            uint64_t is, want;

            memcpy(&is, at + i, 8);
            memcpy(&want, t->out + i, 8);
            if (is != want * times)
                tb_fail(t, "accumulated: wrong data at byte %zu of %zu", i, t->bytes);
        }
    }
}

static void put_one(struct tb *t, int slot)
{
    const size_t at = (size_t)slot * t->bytes;

    MPI_Put(t->out + at, (int)t->bytes, MPI_CHAR, 1, (MPI_Aint)at, (int)t->bytes, MPI_CHAR, t->win);
}

static void get_one(struct tb *t, int slot)
{
    const size_t at = (size_t)slot * t->bytes;

    MPI_Get(t->in + at, (int)t->bytes, MPI_CHAR, 1, (MPI_Aint)at, (int)t->bytes, MPI_CHAR, t->win);
}

static void acc_one(struct tb *t, int slot)
{
    const size_t at = (size_t)slot * t->bytes;
    const int n = (int)(t->bytes / 8);

    MPI_Accumulate(t->out + at, n, MPI_UINT64_T, 1, (MPI_Aint)at, n, MPI_UINT64_T, MPI_SUM, t->win);
}

static double timed(struct tb *t, int batch, int each, void (*one)(struct tb *, int))
{
    const double start = tb_now();

    if (!origin(t))
        return 0;
    for (int i = 0; i < batch; i++) {
        for (int j = 0; j < each; j++)
            one(t, j % t->slots);
        MPI_Win_flush(1, t->win);
    }
    return (tb_now() - start) / batch;
}

static double put_latency(struct tb *t, int batch)
{
    return timed(t, batch, 1, put_one);
}

static double get_latency(struct tb *t, int batch)
{
    return timed(t, batch, 1, get_one);
}

static double acc_latency(struct tb *t, int batch)
{
    return timed(t, batch, 1, acc_one);
}

static double put_bw(struct tb *t, int batch)
{
    return timed(t, batch, t->window, put_one);
}

static double get_bw(struct tb *t, int batch)
{
    return timed(t, batch, t->window, get_one);
}

static double acc_bw(struct tb *t, int batch)
{
    return timed(t, batch, t->window, acc_one);
}

static void check_put_latency(struct tb *t, int batch)
{
    (void)batch;
    check_put(t, 1);
}

static void check_get_latency(struct tb *t, int batch)
{
    (void)batch;
    check_get(t, 1);
}

static void check_acc_latency(struct tb *t, int batch)
{
    check_acc(t, 1, (uint64_t)batch);
}

static void check_put_bw(struct tb *t, int batch)
{
    (void)batch;
    check_put(t, t->slots);
}

static void check_get_bw(struct tb *t, int batch)
{
    (void)batch;
    check_get(t, t->slots);
}

static void check_acc_bw(struct tb *t, int batch)
{
    /* the first slots get one more when the window is no multiple of their number */
    const int more = t->window % t->slots;

    if (more == 0)
        check_acc(t, t->slots, (uint64_t)(batch * (t->window / t->slots)));
    else
        check_acc(t, more, (uint64_t)(batch * (t->window / t->slots + 1)));
}

/* Each fetches what the one before has left. */
static double fetch_op(struct tb *t, int batch)
{
    const uint64_t one = 1;
    uint64_t got = 0, i;
    const double start = tb_now();
    double took;

    if (!origin(t))
        return 0;
    for (i = 0; i < (uint64_t)batch; i++) {
        MPI_Fetch_and_op(&one, &got, MPI_UINT64_T, 1, 0, MPI_SUM, t->win);
        MPI_Win_flush(1, t->win);
        if (got != i)
            tb_fail(t, "fetched %llu, not %llu", (unsigned long long)got, (unsigned long long)i);
    }
    took = tb_now() - start;
    return took / batch;
}

static double cas(struct tb *t, int batch)
{
    uint64_t got = 0, i;
    const double start = tb_now();

    if (!origin(t))
        return 0;
    for (i = 0; i < (uint64_t)batch; i++) {
        const uint64_t next = i + 1;

        MPI_Compare_and_swap(&next, &i, &got, MPI_UINT64_T, 1, 0, t->win);
        MPI_Win_flush(1, t->win);
        if (got != i)
            tb_fail(t, "compared with %llu, found %llu", (unsigned long long)i,
                    (unsigned long long)got);
    }
    return (tb_now() - start) / batch;
}

static void check_count(struct tb *t, int batch)
{
    uint64_t is;

    MPI_Win_sync(t->win);
    if (origin(t))
        return;
    memcpy(&is, t->base, 8);
    if (is != (uint64_t)batch)
        tb_fail(t, "counted %llu, not %d", (unsigned long long)is, batch);
}

static int window(const struct tb *t)
{
    return t->window;
}

#define KIND .min_ranks = 2, .who = TB_FIRST, .out = TB_SLOTS, .in = TB_SLOTS, .win = TB_SLOTS
#define LAT  KIND, .unit = TB_US, .min = 1, .max = 4 << 20
#define BW   KIND, .unit = TB_MBS, .min = 1, .max = 4 << 20, .moved = window

const struct tb_test tb_rma_tests[] = {
    {LAT, .name = "put_latency", .title = "MPI_Put Latency Test", .prepare = prepare_put,
     .round = put_latency, .check = check_put_latency},
    {BW, .name = "put_bw", .title = "MPI_Put Bandwidth Test", .prepare = prepare_put,
     .round = put_bw, .check = check_put_bw},
    {LAT, .name = "get_latency", .title = "MPI_Get Latency Test", .prepare = prepare_get,
     .round = get_latency, .check = check_get_latency},
    {BW, .name = "get_bw", .title = "MPI_Get Bandwidth Test", .prepare = prepare_get,
     .round = get_bw, .check = check_get_bw},
    {LAT, .name = "acc_latency", .title = "MPI_Accumulate Latency Test", .multiple = 8,
     .prepare = prepare_zero, .round = acc_latency, .check = check_acc_latency},
    {BW, .name = "acc_bw", .title = "MPI_Accumulate Bandwidth Test", .multiple = 8,
     .prepare = prepare_zero, .round = acc_bw, .check = check_acc_bw},
    {KIND, .name = "fop_latency", .title = "MPI_Fetch_and_op Latency Test", .unit = TB_US, .min = 8,
     .max = 8, .multiple = 8, .prepare = prepare_zero, .round = fetch_op, .check = check_count},
    {KIND, .name = "cas_latency", .title = "MPI_Compare_and_swap Latency Test", .unit = TB_US,
     .min = 8, .max = 8, .multiple = 8, .prepare = prepare_zero, .round = cas,
     .check = check_count},
    {.name = NULL},
};
