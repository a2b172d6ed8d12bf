/* SPDX-License-Identifier: BSD-3-Clause */
/* collectives: barrier, allgather(v), alltoall(v,w): every rank sends to and gets from all. */
#define _POSIX_C_SOURCE 200809L
#include "coll.h"

#include <stdlib.h>
#include <time.h>

#define FOR_EACH_CASE(c, k, t, ip, n)                                                              \
    for (int k = 0; k < (c)->ncounts; k++)                                                         \
        for (int coll_t = 0, n = (c)->counts[k]; (t = coll_type_for(c, k, coll_t)) != NULL;        \
             coll_t++)                                                                             \
            for (int ip = 0; ip < 2; ip++)                                                         \
                if (coll_in_place_for(c, k, ip) &&                                                 \
                    !coll_too_big(c, (size_t)n * t->extent * (size_t)(c)->size))

static const char *form(bool nb, bool in_place)
{
    return nb ? in_place ? "in place, nonblocking" : "nonblocking" : in_place ? "in place" : "";
}

/* Strict: while one rank has not come, nobody's Ibarrier may be done. It comes only after each
 * other rank has said that its request was still pending. */
static void ibarrier_case(struct coll *c, int late)
{
    MPI_Request q;
    int done = 0;

    if (c->rank == late) {
        for (int r = 0; r < c->size - 1; r++)
            MPI_Recv(NULL, 0, MPI_BYTE, MPI_ANY_SOURCE, 1, c->comm, MPI_STATUS_IGNORE);
        MPI_Ibarrier(c->comm, &q);
    } else {
        MPI_Ibarrier(c->comm, &q);
        for (int i = 0; i < 20 && !done; i++)
            MPI_Test(&q, &done, MPI_STATUS_IGNORE);
        if (done)
            coll_fail(c, "the barrier was over before rank %d came", late);
        MPI_Send(NULL, 0, MPI_BYTE, late, 1, c->comm);
    }
    MPI_Wait(&q, MPI_STATUS_IGNORE);
}

/* One rank comes 20 ms late; the others must see it in at least one of three tries (a rank that
 * was itself held up may come just as late). */
static void barrier_case(struct coll *c, int late)
{
    double longest = 0;

    for (int i = 0; i < 3; i++) {
        const struct timespec pause = {0, 20000000};
        double t;

        MPI_Barrier(c->comm);
        t = MPI_Wtime();
        if (c->rank == late)
            nanosleep(&pause, NULL);
        MPI_Barrier(c->comm);
        t = MPI_Wtime() - t;
        if (t > longest)
            longest = t;
    }
    if (longest < 0.01)
        coll_fail(c, "left the barrier after %.6f s, rank %d came after 0.02 s", longest, late);
}

void coll_barrier(struct coll *c, bool nb)
{
    int step = c->depth == COLL_QUICK ? c->size : c->depth == COLL_NORMAL ? (c->size + 1) / 2 : 1;

    for (int late = c->size - 1; late >= 0; late -= step) {
        coll_case(c, "%sbarrier, rank %d late", nb ? "i" : "", late);
        if (nb)
            ibarrier_case(c, late);
        else
            barrier_case(c, late);
    }
    coll_case(c, "%sbarrier in a row", nb ? "i" : "");
    for (int i = 0; i < (c->depth == COLL_FULL ? 200 : 20); i++)
        COLL_RUN(nb, MPI_Barrier, MPI_Ibarrier, c->comm);
}

void coll_allgather(struct coll *c, bool nb)
{
    const struct coll_type *t;

    FOR_EACH_CASE(c, k, t, ip, n)
    {
        size_t block = (size_t)n * t->extent;
        char *in, *out;

        coll_case(c, "allgather %s count %d %s", t->name, n, form(nb, ip));
        in = coll_new(c, t, (size_t)n);
        out = coll_new(c, t, (size_t)n * c->size);
        coll_fill(ip ? out + block * c->rank : in, t, n, coll_seed(c, c->rank, 0));
        COLL_RUN(nb, MPI_Allgather, MPI_Iallgather, ip ? MPI_IN_PLACE : in, n, t->mpi, out, n,
                 t->mpi, c->comm);
        for (int s = 0; s < c->size; s++)
            coll_check(c, out + block * s, t, n, coll_seed(c, s, 0), "received");
        coll_del(c, in);
        coll_del(c, out);
    }
}

void coll_allgatherv(struct coll *c, bool nb)
{
    const struct coll_type *t;
    int *counts = malloc(2 * sizeof(int) * c->size), *displs = counts + c->size;

    FOR_EACH_CASE(c, k, t, ip, base)
    {
        int total = 0, n;
        char *in, *out;

        coll_case(c, "allgatherv %s base %d %s", t->name, base, form(nb, ip));
        for (int r = c->size - 1; r >= 0; r--) {
            counts[r] = coll_vcount(base, r, 1);
            displs[r] = total;
            total += counts[r] + 1;
        }
        n = counts[c->rank];
        in = coll_new(c, t, (size_t)n);
        out = coll_new(c, t, (size_t)total);
        coll_fill(ip ? out + displs[c->rank] * t->extent : in, t, n, coll_seed(c, c->rank, 0));
        COLL_RUN(nb, MPI_Allgatherv, MPI_Iallgatherv, ip ? MPI_IN_PLACE : in, n, t->mpi, out,
                 counts, displs, t->mpi, c->comm);
        for (int s = 0; s < c->size; s++) {
            char *block = out + displs[s] * t->extent;

            coll_check(c, block, t, counts[s], coll_seed(c, s, 0), "received");
            coll_check_untouched(c, block + counts[s] * t->extent, t, 1, "element between blocks");
        }
        coll_del(c, in);
        coll_del(c, out);
    }
    free(counts);
}

void coll_alltoall(struct coll *c, bool nb)
{
    const struct coll_type *t;

    FOR_EACH_CASE(c, k, t, ip, n)
    {
        size_t block = (size_t)n * t->extent;
        char *in, *out;

        coll_case(c, "alltoall %s count %d %s", t->name, n, form(nb, ip));
        in = coll_new(c, t, (size_t)n * c->size);
        out = coll_new(c, t, (size_t)n * c->size);
        for (int d = 0; d < c->size; d++)
            coll_fill((ip ? out : in) + block * d, t, n, coll_seed(c, c->rank, d));
        COLL_RUN(nb, MPI_Alltoall, MPI_Ialltoall, ip ? MPI_IN_PLACE : in, n, t->mpi, out, n, t->mpi,
                 c->comm);
        for (int s = 0; s < c->size; s++)
            coll_check(c, out + block * s, t, n, coll_seed(c, s, c->rank), "received");
        coll_del(c, in);
        coll_del(c, out);
    }
}

/* Elements from a to b. In place the two directions must agree, and each rank keeps at least one
 * for itself: Open MPI 4.1's ialltoallv and ialltoallw lose count of their tags, and hang later, if
 * one rank has nothing at all in place while others have something. */
static int pair_count(int base, int a, int b, bool in_place)
{
    int n = in_place && a > b ? coll_vcount(base, b, a) : coll_vcount(base, a, b);

    return in_place && a == b && n == 0 ? 1 : n;
}

void coll_alltoallv(struct coll *c, bool nb)
{
    const struct coll_type *t;
    int *scounts = malloc(4 * sizeof(int) * c->size), *sdispls = scounts + c->size;
    int *rcounts = sdispls + c->size, *rdispls = rcounts + c->size;

    FOR_EACH_CASE(c, k, t, ip, base)
    {
        int stotal = 0, rtotal = 0;
        char *in, *out;

        coll_case(c, "alltoallv %s base %d %s", t->name, base, form(nb, ip));
        for (int r = 0; r < c->size; r++) {
            scounts[r] = pair_count(base, c->rank, r, ip);
            sdispls[r] = stotal;
            stotal += scounts[r];
        }
        for (int r = c->size - 1; r >= 0; r--) {
            rcounts[r] = pair_count(base, r, c->rank, ip);
            rdispls[r] = rtotal;
            rtotal += rcounts[r] + 1;
        }
        in = coll_new(c, t, (size_t)stotal);
        out = coll_new(c, t, (size_t)rtotal);
        for (int d = 0; d < c->size; d++)
            coll_fill(ip ? out + rdispls[d] * t->extent : in + sdispls[d] * t->extent, t,
                      scounts[d], coll_seed(c, c->rank, d));
        COLL_RUN(nb, MPI_Alltoallv, MPI_Ialltoallv, ip ? MPI_IN_PLACE : in, scounts, sdispls,
                 t->mpi, out, rcounts, rdispls, t->mpi, c->comm);
        for (int s = 0; s < c->size; s++) {
            char *block = out + rdispls[s] * t->extent;

            coll_check(c, block, t, rcounts[s], coll_seed(c, s, c->rank), "received");
            coll_check_untouched(c, block + rcounts[s] * t->extent, t, 1, "element between blocks");
        }
        coll_del(c, in);
        coll_del(c, out);
    }
    free(scounts);
}

void coll_alltoallw(struct coll *c, bool nb)
{
    const struct coll_type *t;
    int *ints = malloc(4 * sizeof(int) * c->size);
    int *scounts = ints, *sdispls = ints + c->size;
    int *rcounts = sdispls + c->size, *rdispls = rcounts + c->size;
    MPI_Datatype *stypes = malloc(2 * sizeof(MPI_Datatype) * c->size), *rtypes = stypes + c->size;
    const struct coll_type **skinds = malloc(2 * sizeof(*skinds) * c->size);
    const struct coll_type **rkinds = skinds + c->size;

    FOR_EACH_CASE(c, k, t, ip, base)
    {
        size_t stotal = 0, rtotal = 0;
        int shift = (int)(t - coll_types);
        char *in, *out;

        if (coll_too_big(c, (size_t)base * 20 * c->size))
            continue;
        coll_case(c, "alltoallw base %d first type %s %s", base, t->name, form(nb, ip));
        for (int r = 0; r < c->size; r++) { /* the type depends on the pair, as the count does */
            skinds[r] = rkinds[r] = &coll_types[(shift + r + c->rank) % coll_ntypes];
            stypes[r] = rtypes[r] = skinds[r]->mpi;
            scounts[r] = pair_count(base, c->rank, r, ip);
            rcounts[r] = pair_count(base, r, c->rank, ip);
            sdispls[r] = (int)stotal;
            rdispls[r] = (int)rtotal;
            stotal += (scounts[r] * skinds[r]->extent + 15) / 8 * 8;
            rtotal += (rcounts[r] * rkinds[r]->extent + 31) / 8 * 8;
        }
        in = coll_new_bytes(c, stotal);
        out = coll_new_bytes(c, rtotal);
        for (int d = 0; d < c->size; d++)
            coll_fill(ip ? out + rdispls[d] : in + sdispls[d], skinds[d], scounts[d],
                      coll_seed(c, c->rank, d));
        COLL_RUN(nb, MPI_Alltoallw, MPI_Ialltoallw, ip ? MPI_IN_PLACE : in, scounts, sdispls,
                 stypes, out, rcounts, rdispls, rtypes, c->comm);
        for (int s = 0; s < c->size; s++)
            coll_check(c, out + rdispls[s], rkinds[s], rcounts[s], coll_seed(c, s, c->rank),
                       "received");
        coll_del(c, in);
        coll_del(c, out);
    }
    free(skinds);
    free(stypes);
    free(ints);
}
