/* SPDX-License-Identifier: BSD-3-Clause */
/* collectives: datatypes, buffers with guards, values and their checks, failure. */
#include "coll.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD     64
#define UNTOUCHED 0xA5

struct pair {
    int i;
    double d;
};

struct coll_type coll_types[16];
int coll_ntypes, coll_nplain;

static struct coll_type *add(const char *name, MPI_Datatype mpi, size_t extent, size_t span)
{
    struct coll_type *t = &coll_types[coll_ntypes++];

    t->name = name;
    t->mpi = mpi;
    t->extent = extent;
    t->span = span;
    return t;
}

static void part(struct coll_type *t, size_t off, enum coll_kind kind)
{
    t->part[t->nparts].off = off;
    t->part[t->nparts++].kind = kind;
    t->size += coll_kind_size(kind);
}

void coll_types_init(void)
{
    static const struct {
        const char *name;
        MPI_Datatype mpi;
        enum coll_kind kind;
    } plain[] = {
        {"int", MPI_INT, K_INT},    {"char", MPI_CHAR, K_CHAR},    {"double", MPI_DOUBLE, K_DOUBLE},
        {"long", MPI_LONG, K_LONG}, {"float", MPI_FLOAT, K_FLOAT},
    };
    int lens[2] = {1, 2}, disps[2] = {3, 0};
    int one[2] = {1, 1};
    MPI_Aint offs[2] = {offsetof(struct pair, i), offsetof(struct pair, d)};
    MPI_Datatype kinds[2] = {MPI_INT, MPI_DOUBLE}, tmp, mpi;
    struct coll_type *t;

    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        size_t size = coll_kind_size(plain[i].kind);

        part(add(plain[i].name, plain[i].mpi, size, size), 0, plain[i].kind);
    }
    coll_nplain = coll_ntypes;

    /* an int, a hole, an int: elements abut (extent 12) */
    MPI_Type_vector(2, 1, 2, MPI_INT, &mpi);
    t = add("vector", mpi, 12, 12);
    part(t, 0, K_INT);
    part(t, 8, K_INT);

    /* the last int goes first, and one is left out */
    MPI_Type_indexed(2, lens, disps, MPI_INT, &mpi);
    t = add("indexed", mpi, 16, 16);
    part(t, 12, K_INT);
    part(t, 0, K_INT);
    part(t, 4, K_INT);

    MPI_Type_create_struct(2, one, offs, kinds, &tmp);
    MPI_Type_create_resized(tmp, 0, (MPI_Aint)sizeof(struct pair), &mpi);
    MPI_Type_free(&tmp);
    t = add("struct", mpi, sizeof(struct pair), sizeof(struct pair));
    part(t, offsetof(struct pair, i), K_INT);
    part(t, offsetof(struct pair, d), K_DOUBLE);

    /* a long with 12 bytes behind it that belong to nobody */
    MPI_Type_create_resized(MPI_LONG, 0, 20, &mpi);
    t = add("resized", mpi, 20, sizeof(long));
    part(t, 0, K_LONG);

    for (int i = coll_nplain; i < coll_ntypes; i++)
        MPI_Type_commit(&coll_types[i].mpi);
}

void coll_types_free(void)
{
    for (int i = coll_nplain; i < coll_ntypes; i++)
        MPI_Type_free(&coll_types[i].mpi);
}

void coll_case(struct coll *c, const char *fmt, ...)
{
    va_list ap;
    int n = snprintf(c->what, sizeof(c->what), "%s ", c->comm_name);

    va_start(ap, fmt);
    vsnprintf(c->what + n, sizeof(c->what) - (size_t)n, fmt, ap);
    va_end(ap);
    c->cases++;
    c->serial++;
}

void coll_fail(const struct coll *c, const char *fmt, ...)
{
    char text[512], host[MPI_MAX_PROCESSOR_NAME];
    va_list ap;
    int world, len;

    MPI_Comm_rank(MPI_COMM_WORLD, &world);
    MPI_Get_processor_name(host, &len);
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fprintf(stderr, "collectives: FAILED on rank %d of %d (world rank %d, %s), case: %s: %s\n",
            c->rank, c->size, world, host, c->what, text);
    fflush(stderr);
    MPI_Abort(MPI_COMM_WORLD, 1);
    abort();
}

char *coll_new_bytes(const struct coll *c, size_t bytes)
{
    char *mem = malloc(bytes + 3 * GUARD);

    if (mem == NULL)
        coll_fail(c, "no memory for %zu bytes", bytes);
    memset(mem, UNTOUCHED, bytes + 3 * GUARD);
    memcpy(mem, &bytes, sizeof(bytes));
    return mem + 2 * GUARD;
}

char *coll_new(const struct coll *c, const struct coll_type *t, size_t n)
{
    return coll_new_bytes(c, n * t->extent);
}

void coll_del(const struct coll *c, char *buf)
{
    char *mem = buf - 2 * GUARD;
    size_t bytes;

    memcpy(&bytes, mem, sizeof(bytes));
    for (int i = 0; i < GUARD; i++) {
        if ((unsigned char)buf[i - GUARD] != UNTOUCHED)
            coll_fail(c, "byte %d before a buffer of %zu bytes was overwritten", GUARD - i, bytes);
        if ((unsigned char)buf[bytes + (size_t)i] != UNTOUCHED)
            coll_fail(c, "byte %d behind a buffer of %zu bytes was overwritten", i, bytes);
    }
    free(mem);
}

uint32_t coll_seed(const struct coll *c, int src, int dst)
{
    return c->serial * 2654435761u + (uint32_t)src * 40503u + (uint32_t)dst * 2246822519u + 1u;
}

size_t coll_kind_size(enum coll_kind kind)
{
    switch (kind) {
    case K_CHAR:
        return 1;
    case K_INT:
        return sizeof(int);
    case K_LONG:
        return sizeof(long);
    case K_FLOAT:
        return sizeof(float);
    case K_DOUBLE:
        return sizeof(double);
    }
    return 0;
}

/* Value i of a seed. */
static inline uint32_t value(uint32_t seed, uint32_t i)
{
    uint32_t h = seed ^ (i * 0x9e3779b1u);

    h ^= h >> 15;
    return h * 0x85ebca6bu;
}

/* The value as each kind holds it: exactly, so that equality is the test. */
#define AS_CHAR(v)   ((char)((v) >> 24))
#define AS_INT(v)    ((int)(v))
#define AS_LONG(v)   ((long)(((uint64_t)(v) << 32) | ~(v)))
#define AS_FLOAT(v)  ((float)((v) >> 8))
#define AS_DOUBLE(v) ((double)(v)*1.5)

#define FOR_KIND(kind, DO)                                                                         \
    switch (kind) {                                                                                \
    case K_CHAR:                                                                                   \
        DO(char, AS_CHAR) break;                                                                   \
    case K_INT:                                                                                    \
        DO(int, AS_INT) break;                                                                     \
    case K_LONG:                                                                                   \
        DO(long, AS_LONG) break;                                                                   \
    case K_FLOAT:                                                                                  \
        DO(float, AS_FLOAT) break;                                                                 \
    case K_DOUBLE:                                                                                 \
        DO(double, AS_DOUBLE) break;                                                               \
    }

void coll_fill(char *buf, const struct coll_type *t, int n, uint32_t seed)
{
#define FILL(ctype, as)                                                                            \
    for (int i = 0; i < n; i++) {                                                                  \
        ctype v = as(value(pseed, (uint32_t)i));                                                   \
        memcpy(at + (size_t)i * t->extent, &v, sizeof(v));                                         \
    }
    for (int p = 0; p < t->nparts; p++) {
        uint32_t pseed = seed + (uint32_t)p * 77u;
        char *at = buf + t->part[p].off;

        FOR_KIND(t->part[p].kind, FILL)
    }
}

void coll_text(const void *at, enum coll_kind kind, char *out, size_t len)
{
    long l;
    int i;
    float f;
    double d;

    switch (kind) {
    case K_CHAR:
        snprintf(out, len, "%d", *(const signed char *)at);
        break;
    case K_INT:
        memcpy(&i, at, sizeof(i));
        snprintf(out, len, "%d", i);
        break;
    case K_LONG:
        memcpy(&l, at, sizeof(l));
        snprintf(out, len, "%ld", l);
        break;
    case K_FLOAT:
        memcpy(&f, at, sizeof(f));
        snprintf(out, len, "%.9g", (double)f);
        break;
    case K_DOUBLE:
        memcpy(&d, at, sizeof(d));
        snprintf(out, len, "%.17g", d);
        break;
    }
}

/* Bytes of an extent that no part covers. */
static void check_gaps(const struct coll *c, const char *buf, const struct coll_type *t, int n,
                       const char *where)
{
    unsigned char covered[32] = {0};

    for (int p = 0; p < t->nparts; p++)
        memset(covered + t->part[p].off, 1, coll_kind_size(t->part[p].kind));
    for (int i = 0; i < n; i++)
        for (size_t b = 0; b < t->extent; b++)
            if (!covered[b] && (unsigned char)buf[(size_t)i * t->extent + b] != UNTOUCHED)
                coll_fail(c, "%s: byte %zu in the gap of element %d was overwritten", where, b, i);
}

void coll_check(const struct coll *c, const char *buf, const struct coll_type *t, int n,
                uint32_t seed, const char *where)
{
#define CHECK(ctype, as)                                                                           \
    for (int i = 0; i < n; i++) {                                                                  \
        ctype v = as(value(pseed, (uint32_t)i));                                                   \
        if (memcmp(at + (size_t)i * t->extent, &v, sizeof(v)) != 0) {                              \
            coll_text(at + (size_t)i * t->extent, t->part[p].kind, got, sizeof(got));              \
            coll_text(&v, t->part[p].kind, want, sizeof(want));                                    \
            coll_fail(c, "%s: index %d of %d: got %s, want %s", where, i, n, got, want);           \
        }                                                                                          \
    }
    char got[40], want[40];

    for (int p = 0; p < t->nparts; p++) {
        uint32_t pseed = seed + (uint32_t)p * 77u;
        const char *at = buf + t->part[p].off;

        FOR_KIND(t->part[p].kind, CHECK)
    }
    if (t->size != t->extent)
        check_gaps(c, buf, t, n, where);
}

void coll_check_untouched(const struct coll *c, const char *buf, const struct coll_type *t, int n,
                          const char *where)
{
    for (size_t b = 0; b < (size_t)n * t->extent; b++)
        if ((unsigned char)buf[b] != UNTOUCHED)
            coll_fail(c, "%s: byte %zu was overwritten", where, b);
}

void coll_put(void *at, enum coll_kind kind, int64_t v)
{
#define PUT(ctype, as)                                                                             \
    {                                                                                              \
        ctype x = (ctype)v;                                                                        \
        memcpy(at, &x, sizeof(x));                                                                 \
    }
    FOR_KIND(kind, PUT)
}

bool coll_too_big(const struct coll *c, size_t bytes_per_rank)
{
    static const size_t limit[] = {256u << 10, 2u << 20, 16u << 20};

    return bytes_per_rank > limit[c->depth];
}

int coll_vcount(int base, int a, int b)
{
    int k = a * 7 + b * 3;

    return base > 20 ? base - 10 + k % 13 : k % (base + 3);
}

const struct coll_type *coll_type_for(const struct coll *c, int count_index, int t)
{
    int count = c->counts[count_index];

    if (c->depth == COLL_FULL && count <= 5000)
        return t < coll_ntypes ? &coll_types[t] : NULL;
    if (c->depth == COLL_NORMAL && count <= 100) /* one plain and one derived type */
        return t == 0   ? &coll_types[count_index % coll_nplain]
               : t == 1 ? &coll_types[coll_nplain + count_index % (coll_ntypes - coll_nplain)]
                        : NULL;
    return t == 0 ? &coll_types[count_index % (count <= 5000 ? coll_ntypes : coll_nplain)] : NULL;
}

const struct coll_red *coll_red_for(const struct coll *c, int count_index, int t)
{
    int count = c->counts[count_index];

    if (c->depth == COLL_FULL && count <= 5000)
        return t < coll_nreds ? &coll_reds[t] : NULL;
    if (c->depth == COLL_NORMAL && count <= 100)
        return t < 3 ? &coll_reds[(count_index + t * (coll_nreds / 3)) % coll_nreds] : NULL;
    return t == 0 ? &coll_reds[(count_index * 5) % coll_nreds] : NULL;
}

bool coll_in_place_for(const struct coll *c, int count_index, bool in_place)
{
    return c->depth == COLL_FULL || (count_index % 3 == 1) == in_place;
}

int coll_root_for(const struct coll *c, int count_index, int k)
{
    if (c->depth == COLL_FULL && c->counts[count_index] <= 100)
        return k < c->size ? k : -1;
    return k == 0 ? count_index % c->size : -1;
}
