/* SPDX-License-Identifier: BSD-3-Clause */
/* torobench: what its files share. A test is three functions, prepare, round and check; the main
 * loop (main.c) calls them for every size and round and makes the table. */
#ifndef TOROBENCH_H
#define TOROBENCH_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Exit status of a test that this system cannot do; not a failure. */
#define TB_EXIT_SKIP 77

/** What a test is run with: one size at a time. */
struct tb {
    int rank, ranks;
    int window;     /**< messages in flight in bandwidth tests */
    size_t bytes;   /**< of one message */
    int slots;      /**< blocks that a window of one-sided operations goes to */
    char *out, *in; /**< page-aligned; in is poisoned before each round */
    uint64_t seed;  /**< of this round; the same on all ranks */
    int stamp;      /**< what the first byte must be, or -1: as the pattern says */
    MPI_Win win;
    char *base;  /**< this rank's part of win */
    bool create; /**< MPI_Win_create in the place of MPI_Win_allocate */
};

/** What a figure says, and how it is printed. */
enum tb_unit { TB_US, TB_MBS };

/** Whose time counts: the first rank's, the average of all, or the slowest one's. */
enum tb_who { TB_FIRST, TB_AVERAGE, TB_SLOWEST };

/** How many blocks of the message's size a buffer has. */
enum tb_blocks { TB_NONE, TB_ONE, TB_RANKS, TB_SLOTS };

struct tb_test {
    const char *name, *title;
    enum tb_unit unit;
    enum tb_who who;
    int min_ranks;   /**< 1 to 2 */
    bool pairs;      /**< the number of ranks must be even */
    size_t min, max; /**< sizes when the user names none; max 0: this test has no sizes */
    size_t multiple; /**< sizes are multiples of it */
    enum tb_blocks out, in, win;
    /** Copies of a message that one step of a round moves, for bandwidth; NULL: one. */
    int (*moved)(const struct tb *t);
    /** Make buffers ready for t->seed; not timed. */
    void (*prepare)(struct tb *t);
    /** Do the operation @p batch times; the seconds that one took on this rank. */
    double (*round)(struct tb *t, int batch);
    /** Compare what arrived; not timed. NULL: nothing arrives. */
    void (*check)(struct tb *t, int batch);
};

extern const struct tb_test tb_pt2pt_tests[], tb_rma_tests[], tb_coll_tests[], tb_floor_tests[];

/** Seconds. Reads the TSC, so that the clock source of a guest's kernel plays no part. */
double tb_now(void);
/** Find out how fast the TSC is; before the first tb_now(). With ticks each counts as 1 us. */
void tb_clock_init(bool ticks);

/** The seed of what goes from a rank to another in this round. */
uint64_t tb_seed(const struct tb *t, int src, int dst);
/** Write the pattern of a seed. */
void tb_fill(char *buf, size_t bytes, uint64_t seed);
/** End the job with an error unless the pattern (and the stamp, if there is one) is there. */
void tb_expect(const struct tb *t, const char *buf, size_t bytes, uint64_t seed, const char *what);
/** Say what is wrong and end the job. */
void tb_fail(const struct tb *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), noreturn));
/** Say why this test cannot be done here and end the job with TB_EXIT_SKIP; on all ranks. */
void tb_skip(const struct tb *t, const char *why) __attribute__((noreturn));

/** Make or free the window of the one-sided tests. */
void tb_win_open(struct tb *t, size_t bytes);
void tb_win_close(struct tb *t);

#endif
