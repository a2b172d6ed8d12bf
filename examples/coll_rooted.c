/* SPDX-License-Identifier: BSD-3-Clause */
/* collectives: bcast, gather(v), scatter(v): one rank has, or gets, everything. */
#include "coll.h"

#include <stdlib.h>

#define FOR_EACH_CASE(c, k, t, root)                                                               \
    for (int k = 0; k < (c)->ncounts; k++)                                                         \
        for (int coll_t = 0; (t = coll_type_for(c, k, coll_t)) != NULL; coll_t++)                  \
            for (int coll_r = 0; (root = coll_root_for(c, k, coll_r)) >= 0; coll_r++)

static const char *place(bool in_place)
{
    return in_place ? " in place" : "";
}

void coll_bcast(struct coll *c, bool nb)
{
    const struct coll_type *t;
    int root;

    FOR_EACH_CASE(c, k, t, root)
    {
        int n = c->counts[k];
        char *buf;

        coll_case(c, "%sbcast %s count %d root %d", nb ? "i" : "", t->name, n, root);
        buf = coll_new(c, t, (size_t)n);
        if (c->rank == root)
            coll_fill(buf, t, n, coll_seed(c, root, 0));
        COLL_RUN(nb, MPI_Bcast, MPI_Ibcast, buf, n, t->mpi, root, c->comm);
        coll_check(c, buf, t, n, coll_seed(c, root, 0), "buffer");
        coll_del(c, buf);
    }
}

static void gather_case(struct coll *c, bool nb, const struct coll_type *t, int n, int root,
                        bool ip)
{
    bool me = c->rank == root;
    char *in = coll_new(c, t, (size_t)n), *out = coll_new(c, t, me ? (size_t)n * c->size : 0);
    size_t block = (size_t)n * t->extent;

    coll_fill(in, t, n, coll_seed(c, c->rank, root));
    if (me && ip)
        coll_fill(out + block * root, t, n, coll_seed(c, root, root));
    COLL_RUN(nb, MPI_Gather, MPI_Igather, me && ip ? MPI_IN_PLACE : in, n, t->mpi, me ? out : NULL,
             n, t->mpi, root, c->comm);
    coll_check(c, in, t, n, coll_seed(c, c->rank, root), "send buffer");
    for (int s = 0; me && s < c->size; s++)
        coll_check(c, out + block * s, t, n, coll_seed(c, s, root), "received");
    coll_del(c, in);
    coll_del(c, out);
}

void coll_gather(struct coll *c, bool nb)
{
    const struct coll_type *t;
    int root;

    FOR_EACH_CASE(c, k, t, root)
    {
        int n = c->counts[k];

        if (coll_too_big(c, (size_t)n * t->extent * c->size))
            continue;
        for (int ip = 0; ip < 2; ip++) {
            if (!coll_in_place_for(c, k, ip))
                continue;
            coll_case(c, "%sgather%s %s count %d root %d", nb ? "i" : "", place(ip), t->name, n,
                      root);
            gather_case(c, nb, t, n, root, ip);
        }
    }
}

static void scatter_case(struct coll *c, bool nb, const struct coll_type *t, int n, int root,
                         bool ip)
{
    bool me = c->rank == root;
    char *in = coll_new(c, t, me ? (size_t)n * c->size : 0), *out = coll_new(c, t, (size_t)n);
    size_t block = (size_t)n * t->extent;

    for (int d = 0; me && d < c->size; d++)
        coll_fill(in + block * d, t, n, coll_seed(c, root, d));
    COLL_RUN(nb, MPI_Scatter, MPI_Iscatter, me ? in : NULL, n, t->mpi,
             me && ip ? MPI_IN_PLACE : out, n, t->mpi, root, c->comm);
    if (me && ip)
        coll_check_untouched(c, out, t, n, "receive buffer not given");
    else
        coll_check(c, out, t, n, coll_seed(c, root, c->rank), "received");
    for (int d = 0; me && d < c->size; d++)
        coll_check(c, in + block * d, t, n, coll_seed(c, root, d), "send buffer");
    coll_del(c, in);
    coll_del(c, out);
}

void coll_scatter(struct coll *c, bool nb)
{
    const struct coll_type *t;
    int root;

    FOR_EACH_CASE(c, k, t, root)
    {
        int n = c->counts[k];

        if (coll_too_big(c, (size_t)n * t->extent * c->size))
            continue;
        for (int ip = 0; ip < 2; ip++) {
            if (!coll_in_place_for(c, k, ip))
                continue;
            coll_case(c, "%sscatter%s %s count %d root %d", nb ? "i" : "", place(ip), t->name, n,
                      root);
            scatter_case(c, nb, t, n, root, ip);
        }
    }
}

/* Blocks of unlike length in reverse order of rank, with one element between that is nobody's. */
static int layout(const struct coll *c, int base, int root, int *counts, int *displs)
{
    int at = 0;

    for (int r = c->size - 1; r >= 0; r--) {
        counts[r] = coll_vcount(base, r, root);
        displs[r] = at;
        at += counts[r] + 1;
    }
    return at;
}

static void gatherv_case(struct coll *c, bool nb, const struct coll_type *t, int base, int root,
                         bool ip)
{
    bool me = c->rank == root;
    int *counts = malloc(2 * sizeof(int) * c->size), *displs = counts + c->size;
    int total = layout(c, base, root, counts, displs), n = counts[c->rank];
    char *in = coll_new(c, t, (size_t)n), *out = coll_new(c, t, me ? (size_t)total : 0);

    coll_fill(in, t, n, coll_seed(c, c->rank, root));
    if (me && ip)
        coll_fill(out + displs[root] * t->extent, t, n, coll_seed(c, root, root));
    COLL_RUN(nb, MPI_Gatherv, MPI_Igatherv, me && ip ? MPI_IN_PLACE : in, n, t->mpi,
             me ? out : NULL, me ? counts : NULL, me ? displs : NULL, t->mpi, root, c->comm);
    for (int s = 0; me && s < c->size; s++) {
        char *block = out + displs[s] * t->extent;

        coll_check(c, block, t, counts[s], coll_seed(c, s, root), "received");
        coll_check_untouched(c, block + counts[s] * t->extent, t, 1, "element between blocks");
    }
    coll_del(c, in);
    coll_del(c, out);
    free(counts);
}

void coll_gatherv(struct coll *c, bool nb)
{
    const struct coll_type *t;
    int root;

    FOR_EACH_CASE(c, k, t, root)
    {
        int n = c->counts[k];

        if (coll_too_big(c, (size_t)n * t->extent * c->size))
            continue;
        for (int ip = 0; ip < 2; ip++) {
            if (!coll_in_place_for(c, k, ip))
                continue;
            coll_case(c, "%sgatherv%s %s base %d root %d", nb ? "i" : "", place(ip), t->name, n,
                      root);
            gatherv_case(c, nb, t, n, root, ip);
        }
    }
}

static void scatterv_case(struct coll *c, bool nb, const struct coll_type *t, int base, int root,
                          bool ip)
{
    bool me = c->rank == root;
    int *counts = malloc(2 * sizeof(int) * c->size), *displs = counts + c->size;
    int total = layout(c, base, root, counts, displs), n = counts[c->rank];
    char *in = coll_new(c, t, me ? (size_t)total : 0), *out = coll_new(c, t, (size_t)n);

    for (int d = 0; me && d < c->size; d++)
        coll_fill(in + displs[d] * t->extent, t, counts[d], coll_seed(c, root, d));
    COLL_RUN(nb, MPI_Scatterv, MPI_Iscatterv, me ? in : NULL, me ? counts : NULL,
             me ? displs : NULL, t->mpi, me && ip ? MPI_IN_PLACE : out, n, t->mpi, root, c->comm);
    if (me && ip)
        coll_check_untouched(c, out, t, n, "receive buffer not given");
    else
        coll_check(c, out, t, n, coll_seed(c, root, c->rank), "received");
    coll_del(c, in);
    coll_del(c, out);
    free(counts);
}

void coll_scatterv(struct coll *c, bool nb)
{
    const struct coll_type *t;
    int root;

    FOR_EACH_CASE(c, k, t, root)
    {
        int n = c->counts[k];

        if (coll_too_big(c, (size_t)n * t->extent * c->size))
            continue;
        for (int ip = 0; ip < 2; ip++) {
            if (!coll_in_place_for(c, k, ip))
                continue;
            coll_case(c, "%sscatterv%s %s base %d root %d", nb ? "i" : "", place(ip), t->name, n,
                      root);
            scatterv_case(c, nb, t, n, root, ip);
        }
    }
}
