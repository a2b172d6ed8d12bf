/* SPDX-License-Identifier: BSD-3-Clause */
/* collectives: reductions and a model of each that is computed locally. */
#include "coll.h"

#include <stdio.h>
#include <string.h>

enum model {
    M_SUM,
    M_PROD,
    M_MAX,
    M_MIN,
    M_BAND,
    M_BOR,
    M_BXOR,
    M_LAND,
    M_LOR,
    M_MINLOC,
    M_AFFINE
};

/* MPI_DOUBLE_INT */
struct double_int {
    double v;
    int where;
};

/* x -> a x + b in 32-bit arithmetic; composition is associative and does not commute. */
struct affine {
    unsigned a, b;
};

struct coll_red coll_reds[48];
int coll_nreds;

static MPI_Datatype affine_type;
static MPI_Op affine_op;

/* first, then second */
static struct affine compose(struct affine first, struct affine second)
{
    struct affine r = {second.a * first.a, second.a * first.b + second.b};

    return r;
}

static void affine_fn(void *in, void *inout, int *len, MPI_Datatype *type)
{
    struct affine *a = in, *b = inout;

    (void)type;
    for (int i = 0; i < *len; i++)
        b[i] = compose(a[i], b[i]);
}

static void add(const char *name, MPI_Datatype mpi, MPI_Op op, size_t size, enum model m,
                enum coll_kind kind)
{
    struct coll_red *r = &coll_reds[coll_nreds++];

    r->name = name;
    r->mpi = mpi;
    r->op = op;
    r->size = size;
    r->model = (int)m;
    r->kind = kind;
}

void coll_reds_init(void)
{
#define ADD(kind, ctype, mpi, op, m) add(#ctype " " #op, mpi, op, sizeof(ctype), m, kind)
#define ADD_INTEGER(kind, ctype, mpi)                                                              \
    ADD(kind, ctype, mpi, MPI_SUM, M_SUM);                                                         \
    ADD(kind, ctype, mpi, MPI_BAND, M_BAND);                                                       \
    ADD(kind, ctype, mpi, MPI_MAX, M_MAX);                                                         \
    ADD(kind, ctype, mpi, MPI_LAND, M_LAND);                                                       \
    ADD(kind, ctype, mpi, MPI_PROD, M_PROD);                                                       \
    ADD(kind, ctype, mpi, MPI_BOR, M_BOR);                                                         \
    ADD(kind, ctype, mpi, MPI_MIN, M_MIN);                                                         \
    ADD(kind, ctype, mpi, MPI_LOR, M_LOR);                                                         \
    ADD(kind, ctype, mpi, MPI_BXOR, M_BXOR)
#define ADD_REAL(kind, ctype, mpi)                                                                 \
    ADD(kind, ctype, mpi, MPI_SUM, M_SUM);                                                         \
    ADD(kind, ctype, mpi, MPI_MAX, M_MAX);                                                         \
    ADD(kind, ctype, mpi, MPI_PROD, M_PROD);                                                       \
    ADD(kind, ctype, mpi, MPI_MIN, M_MIN)

    MPI_Type_contiguous(2, MPI_UNSIGNED, &affine_type);
    MPI_Type_commit(&affine_type);
    MPI_Op_create(affine_fn, 0, &affine_op);

    ADD_INTEGER(K_INT, int, MPI_INT);
    ADD_REAL(K_DOUBLE, double, MPI_DOUBLE);
    add("affine, not commutative", affine_type, affine_op, sizeof(struct affine), M_AFFINE, K_INT);
    add("double_int MPI_MINLOC", MPI_DOUBLE_INT, MPI_MINLOC, sizeof(struct double_int), M_MINLOC,
        K_DOUBLE);
    ADD_INTEGER(K_LONG, long, MPI_LONG);
    ADD_INTEGER(K_CHAR, signed char, MPI_SIGNED_CHAR);
    ADD_REAL(K_FLOAT, float, MPI_FLOAT);
}

void coll_reds_free(void)
{
    MPI_Op_free(&affine_op);
    MPI_Type_free(&affine_type);
}

static inline unsigned hash(int rank, int i)
{
    unsigned h = (unsigned)rank * 0x9e3779b1u + (unsigned)i * 0x85ebca77u;

    h ^= h >> 13;
    return (h * 0xc2b2ae3du) >> 8;
}

/* What a rank of n gives for element i: such that no kind overflows with 64 ranks. */
static int64_t give(const struct coll_red *r, int rank, int n, int i)
{
    unsigned h = hash(rank, i);

    switch (r->model) {
    case M_SUM:
        return r->kind == K_CHAR ? (int64_t)(h & 1u) : (int64_t)(h & 0xffu);
    case M_PROD: /* at most four ranks give 2, the others 1 */
        return rank % (n / 4 + 1) == i % (n / 4 + 1) ? 2 : 1;
    case M_MAX:
    case M_MIN:
        return (int64_t)(h % 201u) - 100;
    case M_BAND:
        return 0x7f & ~(1 << (h % 7u));
    case M_BOR:
        return h % 3u == 0 ? 1 << (h % 7u) : 0;
    case M_BXOR:
        return h & 0x7fu;
    case M_LAND: /* one rank has a zero in every third element */
        return i % 3 == 0 && rank == i % n ? 0 : rank + 1;
    case M_LOR:
        return i % 3 == 0 && rank == i % n ? 5 : 0;
    default:
        return 0;
    }
}

static int64_t fold(const struct coll_red *r, int64_t a, int64_t b)
{
    switch (r->model) {
    case M_SUM:
        return a + b;
    case M_PROD:
        return a * b;
    case M_MAX:
        return a > b ? a : b;
    case M_MIN:
        return a < b ? a : b;
    case M_BAND:
        return a & b;
    case M_BOR:
        return a | b;
    case M_BXOR:
        return a ^ b;
    case M_LAND:
        return a && b;
    case M_LOR:
        return a || b;
    default:
        return 0;
    }
}

static struct affine give_affine(int rank, int i)
{
    unsigned h = hash(rank, i);
    struct affine f = {(h & 0xffffu) | 1u, h >> 4};

    return f;
}

void coll_red_fill(char *buf, const struct coll_red *r, int count, int rank, int n, int first)
{
    for (int i = 0; i < count; i++) {
        char *at = buf + (size_t)i * r->size;

        if (r->model == M_AFFINE) {
            struct affine f = give_affine(rank, first + i);

            memcpy(at, &f, sizeof(f));
        } else if (r->model == M_MINLOC) {
            struct double_int d;

            memset(&d, 0, sizeof(d));
            d.v = hash(rank, first + i) % 16u; /* few values: ties are frequent */
            d.where = rank;
            memcpy(at, &d, sizeof(d));
        } else {
            coll_put(at, r->kind, give(r, rank, n, first + i));
        }
    }
}

static void wrong(const struct coll *c, int i, int count, const char *got, const char *want)
{
    coll_fail(c, "index %d of %d: got %s, want %s", i, count, got, want);
}

static void check_affine(const struct coll *c, const char *buf, int count, int lo, int hi,
                         int first)
{
    char got_text[40], want_text[40];

    for (int i = 0; i < count; i++) {
        struct affine got, want = give_affine(lo, first + i);

        for (int k = lo + 1; k < hi; k++)
            want = compose(want, give_affine(k, first + i));
        memcpy(&got, buf + (size_t)i * sizeof(got), sizeof(got));
        if (got.a != want.a || got.b != want.b) {
            snprintf(got_text, sizeof(got_text), "(%u, %u)", got.a, got.b);
            snprintf(want_text, sizeof(want_text), "(%u, %u)", want.a, want.b);
            wrong(c, i, count, got_text, want_text);
        }
    }
}

static void check_minloc(const struct coll *c, const char *buf, int count, int lo, int hi,
                         int first)
{
    char got_text[40], want_text[40];

    for (int i = 0; i < count; i++) {
        struct double_int got, want = {hash(lo, first + i) % 16u, lo};

        for (int k = lo + 1; k < hi; k++) {
            double v = hash(k, first + i) % 16u;

            if (v < want.v) {
                want.v = v;
                want.where = k;
            }
        }
        memcpy(&got, buf + (size_t)i * sizeof(got), sizeof(got));
        if (got.v != want.v || got.where != want.where) {
            snprintf(got_text, sizeof(got_text), "(%g, rank %d)", got.v, got.where);
            snprintf(want_text, sizeof(want_text), "(%g, rank %d)", want.v, want.where);
            wrong(c, i, count, got_text, want_text);
        }
    }
}

void coll_red_check(const struct coll *c, const char *buf, const struct coll_red *r, int count,
                    int lo, int hi, int n, int first)
{
    char got_text[40], want_text[40];

    if (r->model == M_AFFINE) {
        check_affine(c, buf, count, lo, hi, first);
        return;
    }
    if (r->model == M_MINLOC) {
        check_minloc(c, buf, count, lo, hi, first);
        return;
    }
    for (int i = 0; i < count; i++) {
        int64_t want = give(r, lo, n, first + i);
        char bytes[8];

        for (int k = lo + 1; k < hi; k++)
            want = fold(r, want, give(r, k, n, first + i));
        coll_put(bytes, r->kind, want);
        if (memcmp(buf + (size_t)i * r->size, bytes, r->size) != 0) {
            coll_text(buf + (size_t)i * r->size, r->kind, got_text, sizeof(got_text));
            coll_text(bytes, r->kind, want_text, sizeof(want_text));
            wrong(c, i, count, got_text, want_text);
        }
    }
}
