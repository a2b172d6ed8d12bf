/* SPDX-License-Identifier: BSD-3-Clause */
/* torobench: the floors, what the machine can do without any MPI: a copy of memory by one rank, and
 * one cache line that goes to and fro between two. */
#include "torobench.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void prepare_copy(struct tb *t)
{
    t->stamp = -1;
    tb_fill(t->out, t->bytes, tb_seed(t, 0, 0));
    tb_fill(t->in, t->bytes, ~t->seed);
}

/* As many copies between the same two buffers as the bandwidth test has messages in flight. */
static double copy(struct tb *t, int batch)
{
    const double start = tb_now();

    for (int i = 0; i < batch; i++) {
        for (int j = 0; j < t->window; j++) {
            memcpy(t->in, t->out, t->bytes);
            __asm__ volatile("" : : "r"(t->in), "r"(t->out) : "memory");
        }
    }
    return (tb_now() - start) / batch;
}

static void check_copy(struct tb *t, int batch)
{
    (void)batch;
    tb_expect(t, t->in, t->bytes, tb_seed(t, 0, 0), "copied");
}

static int window(const struct tb *t)
{
    return t->window;
}

/* The two lines; each is written by one rank and read by the other. */
static struct line {
    _Alignas(128) _Atomic uint64_t word;
} own_line, *lines[2];

/* Ranks of Torobus guests share one address space, also across guests: an address is enough there.
 * Linux processes need a window. */
static void find_lines(struct tb *t)
{
    if (access("/dev/torobus", F_OK) == 0) {
        uint64_t addresses[2], mine = (uintptr_t)&own_line;
        MPI_Comm two;

        MPI_Comm_split(MPI_COMM_WORLD, t->rank < 2 ? 0 : 1, 0, &two);
        if (t->rank < 2) {
            MPI_Allgather(&mine, 1, MPI_UINT64_T, addresses, 1, MPI_UINT64_T, two);
            for (int i = 0; i < 2; i++)
                lines[i] = (struct line *)(uintptr_t)addresses[i];
        }
        MPI_Comm_free(&two);
    } else {
        static MPI_Win win;
        MPI_Comm node;
        int n;
        void *mine;

        MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
        MPI_Comm_size(node, &n);
        if (n != t->ranks)
            tb_skip(t, "the ranks share no memory");
        MPI_Win_allocate_shared(sizeof(struct line), 1, MPI_INFO_NULL, node, &mine, &win);
        for (int i = 0; i < 2; i++) {
            MPI_Aint size;
            int unit;

            MPI_Win_shared_query(win, i, &size, &unit, &lines[i]);
        }
        MPI_Comm_free(&node);
    }
}

static void prepare_lines(struct tb *t)
{
    t->stamp = -1;
    if (!lines[0])
        find_lines(t);
    if (t->rank < 2)
        atomic_store(&lines[t->rank]->word, 0);
}

static double pingline(struct tb *t, int batch)
{
    _Atomic uint64_t *mine, *peers;
    const double start = tb_now();

    if (t->rank > 1)
        return 0;
    mine = &lines[t->rank]->word;
    peers = &lines[1 - t->rank]->word;
    for (uint64_t i = 1; i <= (uint64_t)batch; i++) {
        if (t->rank == 0)
            atomic_store_explicit(mine, i, memory_order_release);
        while (atomic_load_explicit(peers, memory_order_acquire) != i)
            __builtin_ia32_pause();
        if (t->rank == 1)
            atomic_store_explicit(mine, i, memory_order_release);
    }
    return (tb_now() - start) / batch / 2;
}

const struct tb_test tb_floor_tests[] = {
    {.name = "memcpy",
     .title = "memcpy Bandwidth, one rank",
     .unit = TB_MBS,
     .who = TB_FIRST,
     .min_ranks = 1,
     .min = 1,
     .max = 4 << 20,
     .out = TB_ONE,
     .in = TB_ONE,
     .moved = window,
     .prepare = prepare_copy,
     .round = copy,
     .check = check_copy},
    {.name = "pingline",
     .title = "Cache Line Ping-Pong Latency, without MPI",
     .unit = TB_US,
     .who = TB_FIRST,
     .min_ranks = 2,
     .prepare = prepare_lines,
     .round = pingline},
    {.name = NULL},
};
