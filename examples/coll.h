/* SPDX-License-Identifier: BSD-3-Clause */
/* collectives: what its files share. Each case sends values that are a function of (case, source,
 * destination, index), so every receiver can compute alone what it must have got. */
#ifndef COLL_H
#define COLL_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** How much to do. */
enum coll_depth { COLL_QUICK, COLL_NORMAL, COLL_FULL };

/** Where a test runs: one communicator and what is to be tried on it. */
struct coll {
    MPI_Comm comm;
    int rank, size;
    const char *comm_name;
    enum coll_depth depth;
    const int *counts; /**< elements per block to try */
    int ncounts;
    long cases;      /**< cases done so far on this rank */
    uint32_t serial; /**< of the case in this test: the same on all ranks of comm */
    char what[160];  /**< the case at hand, for the message of a failure */
};

/** Kinds of plain elements. */
enum coll_kind { K_CHAR, K_INT, K_LONG, K_FLOAT, K_DOUBLE };

/** A datatype: its plain parts, so that it can be filled and checked without MPI. */
struct coll_type {
    const char *name;
    MPI_Datatype mpi;
    size_t size;   /**< bytes of payload per element */
    size_t extent; /**< bytes from one element to the next */
    size_t span;   /**< bytes that the last element takes */
    int nparts;
    struct {
        size_t off;
        enum coll_kind kind;
    } part[4];
};

/** A reduction: operator, datatype and the model of both. */
struct coll_red {
    const char *name;
    MPI_Datatype mpi;
    MPI_Op op;
    size_t size;
    int model; /**< enum model of coll_ops.c */
    enum coll_kind kind;
};

/** Plain and derived datatypes; [0 .. coll_nplain) are plain. */
extern struct coll_type coll_types[];
extern int coll_ntypes, coll_nplain;

/** Reductions. */
extern struct coll_red coll_reds[];
extern int coll_nreds;

void coll_types_init(void);
void coll_types_free(void);
void coll_reds_init(void);
void coll_reds_free(void);

/** Name the case that starts; a failure will show it. */
void coll_case(struct coll *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Say what is wrong in which case on which rank, and end the job with status 1. */
void coll_fail(const struct coll *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), noreturn));

/** Memory for @p n elements between guard bytes, all 0xA5; never NULL. */
char *coll_new(const struct coll *c, const struct coll_type *t, size_t n);
char *coll_new_bytes(const struct coll *c, size_t bytes);

/** Check the guard bytes, then free. */
void coll_del(const struct coll *c, char *buf);

/** The seed of the values that go from src to dst in the case at hand. */
uint32_t coll_seed(const struct coll *c, int src, int dst);

/** Fill n elements with the values of a seed; the gaps are left alone. */
void coll_fill(char *buf, const struct coll_type *t, int n, uint32_t seed);

/** Fail unless n elements hold the values of a seed and the gaps between them are untouched. */
void coll_check(const struct coll *c, const char *buf, const struct coll_type *t, int n,
                uint32_t seed, const char *where);

/** Fail unless n elements, gaps included, are as coll_new() made them. */
void coll_check_untouched(const struct coll *c, const char *buf, const struct coll_type *t, int n,
                          const char *where);

/** Write or compare one plain value; the model is a 64-bit integer that every kind can hold. */
void coll_put(void *at, enum coll_kind kind, int64_t v);
size_t coll_kind_size(enum coll_kind kind);
void coll_text(const void *at, enum coll_kind kind, char *out, size_t len);

/** Contribution of a rank to element i of a reduction over n ranks. */
void coll_red_fill(char *buf, const struct coll_red *r, int count, int rank, int n, int first);

/** Fail unless buf holds the reduction of ranks lo .. hi - 1 out of n; first: index of buf[0]. */
void coll_red_check(const struct coll *c, const char *buf, const struct coll_red *r, int count,
                    int lo, int hi, int n, int first);

/** True if a case of this size is to be skipped on this communicator (memory, time). */
bool coll_too_big(const struct coll *c, size_t bytes_per_rank);

/** Elements of block (a, b) in the v-forms: 0 .. base + 2, unlike for each pair. */
int coll_vcount(int base, int a, int b);

/** The t-th type for a count: all types for small counts, some for large ones; NULL at the end. */
const struct coll_type *coll_type_for(const struct coll *c, int count_index, int t);
const struct coll_red *coll_red_for(const struct coll *c, int count_index, int t);

/** True if the k-th count is to be tried with (without) MPI_IN_PLACE. */
bool coll_in_place_for(const struct coll *c, int count_index, bool in_place);

/** The k-th root to try, or -1 at the end. */
int coll_root_for(const struct coll *c, int count_index, int k);

/** Call the blocking form, or the nonblocking one and wait for it. */
#define COLL_RUN(nonblocking, call, icall, ...)                                                    \
    do {                                                                                           \
        if (nonblocking) {                                                                         \
            MPI_Request coll_q;                                                                    \
            icall(__VA_ARGS__, &coll_q);                                                           \
            MPI_Wait(&coll_q, MPI_STATUS_IGNORE);                                                  \
        } else {                                                                                   \
            call(__VA_ARGS__);                                                                     \
        }                                                                                          \
    } while (0)

/* The tests: one function per collective for both its forms. */
typedef void coll_test(struct coll *c, bool nonblocking);

coll_test coll_barrier, coll_bcast, coll_gather, coll_gatherv, coll_scatter, coll_scatterv;
coll_test coll_allgather, coll_allgatherv, coll_alltoall, coll_alltoallv, coll_alltoallw;
coll_test coll_reduce, coll_allreduce, coll_reduce_scatter, coll_reduce_scatter_block;
coll_test coll_scan, coll_exscan;
coll_test coll_neighbor_allgather, coll_neighbor_allgatherv, coll_neighbor_alltoall;
coll_test coll_neighbor_alltoallv, coll_neighbor_alltoallw;
coll_test coll_overlap, coll_inter;

#endif
