/* SPDX-License-Identifier: BSD-3-Clause */
/* collectives: reduce, allreduce, reduce_scatter(_block), scan, exscan. */
#include "coll.h"

#include <stdlib.h>

#define FOR_EACH_CASE(c, k, r, ip, n)                                                              \
    for (int k = 0; k < (c)->ncounts; k++)                                                         \
        for (int coll_t = 0, n = (c)->counts[k]; (r = coll_red_for(c, k, coll_t)) != NULL;         \
             coll_t++)                                                                             \
            for (int ip = 0; ip < 2; ip++)                                                         \
                if (coll_in_place_for(c, k, ip) && !coll_too_big(c, (size_t)n * (r)->size))

static const char *form(bool nb, bool in_place)
{
    return nb ? in_place ? "in place, nonblocking" : "nonblocking" : in_place ? "in place" : "";
}

void coll_reduce(struct coll *c, bool nb)
{
    const struct coll_red *r;
    int root;

    FOR_EACH_CASE(c, k, r, ip, n)
    {
        for (int i = 0; (root = coll_root_for(c, k, i)) >= 0; i++) {
            bool me = c->rank == root;
            char *in, *out;

            coll_case(c, "reduce %s count %d root %d %s", r->name, n, root, form(nb, ip));
            in = coll_new_bytes(c, (size_t)n * r->size);
            out = coll_new_bytes(c, me ? (size_t)n * r->size : 0);
            coll_red_fill(me && ip ? out : in, r, n, c->rank, c->size, 0);
            COLL_RUN(nb, MPI_Reduce, MPI_Ireduce, me && ip ? MPI_IN_PLACE : in, me ? out : NULL, n,
                     r->mpi, r->op, root, c->comm);
            if (me)
                coll_red_check(c, out, r, n, 0, c->size, c->size, 0);
            coll_del(c, in);
            coll_del(c, out);
        }
    }
}

void coll_allreduce(struct coll *c, bool nb)
{
    const struct coll_red *r;

    FOR_EACH_CASE(c, k, r, ip, n)
    {
        char *in, *out;

        coll_case(c, "allreduce %s count %d %s", r->name, n, form(nb, ip));
        in = coll_new_bytes(c, (size_t)n * r->size);
        out = coll_new_bytes(c, (size_t)n * r->size);
        coll_red_fill(ip ? out : in, r, n, c->rank, c->size, 0);
        COLL_RUN(nb, MPI_Allreduce, MPI_Iallreduce, ip ? MPI_IN_PLACE : in, out, n, r->mpi, r->op,
                 c->comm);
        coll_red_check(c, out, r, n, 0, c->size, c->size, 0);
        if (!ip)
            coll_red_check(c, in, r, n, c->rank, c->rank + 1, c->size, 0);
        coll_del(c, in);
        coll_del(c, out);
    }
}

void coll_scan(struct coll *c, bool nb)
{
    const struct coll_red *r;

    FOR_EACH_CASE(c, k, r, ip, n)
    {
        char *in, *out;

        coll_case(c, "scan %s count %d %s", r->name, n, form(nb, ip));
        in = coll_new_bytes(c, (size_t)n * r->size);
        out = coll_new_bytes(c, (size_t)n * r->size);
        coll_red_fill(ip ? out : in, r, n, c->rank, c->size, 0);
        COLL_RUN(nb, MPI_Scan, MPI_Iscan, ip ? MPI_IN_PLACE : in, out, n, r->mpi, r->op, c->comm);
        coll_red_check(c, out, r, n, 0, c->rank + 1, c->size, 0);
        coll_del(c, in);
        coll_del(c, out);
    }
}

void coll_exscan(struct coll *c, bool nb)
{
    const struct coll_red *r;

    FOR_EACH_CASE(c, k, r, ip, n)
    {
        char *in, *out;

        coll_case(c, "exscan %s count %d %s", r->name, n, form(nb, ip));
        in = coll_new_bytes(c, (size_t)n * r->size);
        out = coll_new_bytes(c, (size_t)n * r->size);
        coll_red_fill(ip ? out : in, r, n, c->rank, c->size, 0);
        COLL_RUN(nb, MPI_Exscan, MPI_Iexscan, ip ? MPI_IN_PLACE : in, out, n, r->mpi, r->op,
                 c->comm);
        if (c->rank > 0) /* on rank 0 the result is undefined */
            coll_red_check(c, out, r, n, 0, c->rank, c->size, 0);
        coll_del(c, in);
        coll_del(c, out);
    }
}

void coll_reduce_scatter_block(struct coll *c, bool nb)
{
    const struct coll_red *r;

    FOR_EACH_CASE(c, k, r, ip, n)
    {
        int all = n * c->size;
        char *in, *out;

        if (coll_too_big(c, (size_t)all * r->size))
            continue;
        coll_case(c, "reduce_scatter_block %s count %d %s", r->name, n, form(nb, ip));
        in = coll_new_bytes(c, (size_t)all * r->size);
        out = coll_new_bytes(c, (size_t)(ip ? all : n) * r->size);
        coll_red_fill(ip ? out : in, r, all, c->rank, c->size, 0);
        COLL_RUN(nb, MPI_Reduce_scatter_block, MPI_Ireduce_scatter_block, ip ? MPI_IN_PLACE : in,
                 out, n, r->mpi, r->op, c->comm);
        coll_red_check(c, out, r, n, 0, c->size, c->size, c->rank * n);
        coll_del(c, in);
        coll_del(c, out);
    }
}

void coll_reduce_scatter(struct coll *c, bool nb)
{
    const struct coll_red *r;
    int *counts = malloc(sizeof(int) * c->size);

    FOR_EACH_CASE(c, k, r, ip, base)
    {
        int all = 0, first = 0, n;
        char *in, *out;

        if (coll_too_big(c, (size_t)base * r->size * c->size))
            continue;
        coll_case(c, "reduce_scatter %s base %d %s", r->name, base, form(nb, ip));
        for (int i = 0; i < c->size; i++) {
            counts[i] = coll_vcount(base, i, 2);
            if (i < c->rank)
                first += counts[i];
            all += counts[i];
        }
        n = counts[c->rank];
        in = coll_new_bytes(c, (size_t)all * r->size);
        out = coll_new_bytes(c, (size_t)(ip ? all : n) * r->size);
        coll_red_fill(ip ? out : in, r, all, c->rank, c->size, 0);
        COLL_RUN(nb, MPI_Reduce_scatter, MPI_Ireduce_scatter, ip ? MPI_IN_PLACE : in, out, counts,
                 r->mpi, r->op, c->comm);
        coll_red_check(c, out, r, n, 0, c->size, c->size, first);
        coll_del(c, in);
        coll_del(c, out);
    }
    free(counts);
}
