/* SPDX-License-Identifier: BSD-3-Clause */
/* collectives: the neighbor forms, each on Cartesian grids and on distributed graphs. */
#include "coll.h"

#include <stdlib.h>

#define MAX_NEIGHBORS 8

/* A communicator with a topology, and who is next to this rank. */
struct hood {
    const char *name;
    MPI_Comm comm;
    int rank;
    int nin, nout;
    int in[MAX_NEIGHBORS], out[MAX_NEIGHBORS];
};

/* Grid of d dimensions. A dimension of one or two ranks is never periodic here: both neighbours
 * would be the same rank, and which of its blocks is which is not settled in MPI 3. */
static void make_cart(const struct coll *c, struct hood *h, int d, int periodic)
{
    int dims[3] = {0}, periods[3];

    MPI_Dims_create(c->size, d, dims);
    for (int i = 0; i < d; i++)
        periods[i] = periodic && dims[i] > 2;
    MPI_Cart_create(c->comm, d, dims, periods, 0, &h->comm);
    MPI_Comm_rank(h->comm, &h->rank);
    h->nin = h->nout = 2 * d;
    for (int i = 0; i < d; i++)
        MPI_Cart_shift(h->comm, i, 1, &h->in[2 * i], &h->in[2 * i + 1]);
    for (int i = 0; i < 2 * d; i++)
        h->out[i] = h->in[i];
}

/* Edges from r to r + 1, r + 3, r + 4 and r itself, all modulo the size, each once; the weight of
 * an edge is 100 * source + destination. */
static void make_graph(const struct coll *c, struct hood *h, bool adjacent)
{
    static const int step[4] = {1, 3, 4, 0};
    int n = 0, weighted, sources[4], dests[4], sweights[4], dweights[4];
    int in_weights[MAX_NEIGHBORS], out_weights[MAX_NEIGHBORS];

    for (int i = 0; i < 4; i++) {
        int to = (c->rank + step[i]) % c->size, seen = 0;

        for (int j = 0; j < n; j++)
            seen |= dests[j] == to;
        if (seen)
            continue;
        dests[n] = to;
        sources[n] = (c->rank + c->size - step[i] % c->size) % c->size;
        dweights[n] = 100 * c->rank + to;
        sweights[n] = 100 * sources[n] + c->rank;
        n++;
    }
    if (adjacent)
        MPI_Dist_graph_create_adjacent(c->comm, n, sources, sweights, n, dests, dweights,
                                       MPI_INFO_NULL, 0, &h->comm);
    else
        MPI_Dist_graph_create(c->comm, 1, &c->rank, &n, dests, dweights, MPI_INFO_NULL, 0,
                              &h->comm);
    MPI_Comm_rank(h->comm, &h->rank);
    MPI_Dist_graph_neighbors_count(h->comm, &h->nin, &h->nout, &weighted);
    if (h->nin != n || h->nout != n)
        coll_fail(c, "%s: %d sources and %d destinations, want %d of each", h->name, h->nin,
                  h->nout, n);
    MPI_Dist_graph_neighbors(h->comm, n, h->in, in_weights, n, h->out, out_weights);
    for (int i = 0; i < n; i++) { /* any order is right, but it must be the same set */
        int found = 0;

        for (int j = 0; j < n; j++)
            found += h->in[j] == sources[i] && in_weights[j] == sweights[i];
        for (int j = 0; j < n; j++)
            found += 10 * (h->out[j] == dests[i] && out_weights[j] == dweights[i]);
        if (found != 11)
            coll_fail(c, "%s: source %d listed %d times, destination %d listed %d times", h->name,
                      sources[i], found % 10, dests[i], found / 10);
    }
}

/* The k-th neighbourhood, or false at the end. */
static bool make(const struct coll *c, struct hood *h, int k)
{
    switch (k) {
    case 0:
        h->name = "cart";
        make_cart(c, h, 2, 0);
        return true;
    case 1:
        h->name = "dist_graph_adjacent";
        make_graph(c, h, true);
        return true;
    case 2:
        h->name = "torus";
        make_cart(c, h, c->size >= 8 ? 3 : 1, 1);
        return true;
    case 3:
        h->name = "dist_graph";
        make_graph(c, h, false);
        return true;
    default:
        return false;
    }
}

/* Counts and places for one direction; in reverse order and with a gap if asked. */
struct blocks {
    int counts[MAX_NEIGHBORS], displs[MAX_NEIGHBORS], total;
};

static void set_blocks(struct blocks *b, int n, bool reversed)
{
    b->total = 0;
    for (int i = 0; i < n; i++) {
        int k = reversed ? n - 1 - i : i;

        b->displs[k] = b->total;
        b->total += b->counts[k] + (reversed ? 1 : 0);
    }
}

static void check_blocks(const struct coll *c, const struct hood *h, const struct coll_type *t,
                         const char *out, const struct blocks *b, bool to_me)
{
    for (int i = 0; i < h->nin; i++) {
        const char *at = out + b->displs[i] * t->extent;

        if (h->in[i] == MPI_PROC_NULL)
            coll_check_untouched(c, at, t, b->counts[i], "block of no neighbour");
        else
            coll_check(c, at, t, b->counts[i], coll_seed(c, h->in[i], to_me ? h->rank : 0),
                       "received");
    }
}

typedef void one_case(struct coll *c, const struct hood *h, const struct coll_type *t, int n,
                      bool nb);

static void all_cases(struct coll *c, bool nb, const char *name, one_case *run)
{
    struct hood h;

    for (int k = 0; make(c, &h, k); k++) {
        for (int i = 0; i < c->ncounts; i++) {
            const struct coll_type *t = coll_type_for(c, i, 0);
            int n = c->counts[i];

            if (coll_too_big(c, (size_t)n * t->extent * MAX_NEIGHBORS))
                continue;
            coll_case(c, "%s%s on a %s, %s count %d", nb ? "nonblocking " : "", name, h.name,
                      t->name, n);
            run(c, &h, t, n, nb);
        }
        MPI_Comm_free(&h.comm);
    }
}

static void allgather_case(struct coll *c, const struct hood *h, const struct coll_type *t, int n,
                           bool nb)
{
    char *in = coll_new(c, t, (size_t)n), *out = coll_new(c, t, (size_t)n * h->nin);
    struct blocks b;

    for (int i = 0; i < h->nin; i++)
        b.counts[i] = n;
    set_blocks(&b, h->nin, false);
    coll_fill(in, t, n, coll_seed(c, h->rank, 0));
    COLL_RUN(nb, MPI_Neighbor_allgather, MPI_Ineighbor_allgather, in, n, t->mpi, out, n, t->mpi,
             h->comm);
    check_blocks(c, h, t, out, &b, false);
    coll_del(c, in);
    coll_del(c, out);
}

static void allgatherv_case(struct coll *c, const struct hood *h, const struct coll_type *t, int n,
                            bool nb)
{
    int own = coll_vcount(n, h->rank, 5);
    char *in = coll_new(c, t, (size_t)own), *out;
    struct blocks b;

    for (int i = 0; i < h->nin; i++)
        b.counts[i] = h->in[i] < 0 ? n : coll_vcount(n, h->in[i], 5);
    set_blocks(&b, h->nin, true);
    out = coll_new(c, t, (size_t)b.total);
    coll_fill(in, t, own, coll_seed(c, h->rank, 0));
    COLL_RUN(nb, MPI_Neighbor_allgatherv, MPI_Ineighbor_allgatherv, in, own, t->mpi, out, b.counts,
             b.displs, t->mpi, h->comm);
    check_blocks(c, h, t, out, &b, false);
    coll_del(c, in);
    coll_del(c, out);
}

static void alltoall_case(struct coll *c, const struct hood *h, const struct coll_type *t, int n,
                          bool nb)
{
    char *in = coll_new(c, t, (size_t)n * h->nout), *out = coll_new(c, t, (size_t)n * h->nin);
    struct blocks b;

    for (int i = 0; i < h->nin; i++)
        b.counts[i] = n;
    set_blocks(&b, h->nin, false);
    for (int i = 0; i < h->nout; i++)
        coll_fill(in + (size_t)i * n * t->extent, t, n, coll_seed(c, h->rank, h->out[i]));
    COLL_RUN(nb, MPI_Neighbor_alltoall, MPI_Ineighbor_alltoall, in, n, t->mpi, out, n, t->mpi,
             h->comm);
    check_blocks(c, h, t, out, &b, true);
    coll_del(c, in);
    coll_del(c, out);
}

static void alltoallv_case(struct coll *c, const struct hood *h, const struct coll_type *t, int n,
                           bool nb)
{
    struct blocks s, r;
    char *in, *out;

    for (int i = 0; i < h->nout; i++)
        s.counts[i] = h->out[i] < 0 ? n : coll_vcount(n, h->rank, h->out[i]);
    for (int i = 0; i < h->nin; i++)
        r.counts[i] = h->in[i] < 0 ? n : coll_vcount(n, h->in[i], h->rank);
    set_blocks(&s, h->nout, false);
    set_blocks(&r, h->nin, true);
    in = coll_new(c, t, (size_t)s.total);
    out = coll_new(c, t, (size_t)r.total);
    for (int i = 0; i < h->nout; i++)
        coll_fill(in + s.displs[i] * t->extent, t, s.counts[i], coll_seed(c, h->rank, h->out[i]));
    COLL_RUN(nb, MPI_Neighbor_alltoallv, MPI_Ineighbor_alltoallv, in, s.counts, s.displs, t->mpi,
             out, r.counts, r.displs, t->mpi, h->comm);
    check_blocks(c, h, t, out, &r, true);
    coll_del(c, in);
    coll_del(c, out);
}

/* The type between two ranks. */
static const struct coll_type *pair_type(int a, int b)
{
    return &coll_types[(a < 0 || b < 0 ? 0 : a + 2 * b) % coll_ntypes];
}

static void alltoallw_case(struct coll *c, const struct hood *h, const struct coll_type *t, int n,
                           bool nb)
{
    int scounts[MAX_NEIGHBORS], rcounts[MAX_NEIGHBORS];
    MPI_Aint sdispls[MAX_NEIGHBORS], rdispls[MAX_NEIGHBORS];
    MPI_Datatype stypes[MAX_NEIGHBORS], rtypes[MAX_NEIGHBORS];
    size_t stotal = 0, rtotal = 0;
    char *in, *out;

    (void)t;
    for (int i = 0; i < h->nout; i++) {
        const struct coll_type *k = pair_type(h->rank, h->out[i]);

        scounts[i] = h->out[i] < 0 ? n : coll_vcount(n, h->rank, h->out[i]);
        sdispls[i] = (MPI_Aint)stotal;
        stypes[i] = k->mpi;
        stotal += (scounts[i] * k->extent + 15) / 8 * 8;
    }
    for (int i = h->nin - 1; i >= 0; i--) {
        const struct coll_type *k = pair_type(h->in[i], h->rank);

        rcounts[i] = h->in[i] < 0 ? n : coll_vcount(n, h->in[i], h->rank);
        rdispls[i] = (MPI_Aint)rtotal;
        rtypes[i] = k->mpi;
        rtotal += (rcounts[i] * k->extent + 31) / 8 * 8;
    }
    in = coll_new_bytes(c, stotal);
    out = coll_new_bytes(c, rtotal);
    for (int i = 0; i < h->nout; i++)
        coll_fill(in + sdispls[i], pair_type(h->rank, h->out[i]), scounts[i],
                  coll_seed(c, h->rank, h->out[i]));
    COLL_RUN(nb, MPI_Neighbor_alltoallw, MPI_Ineighbor_alltoallw, in, scounts, sdispls, stypes, out,
             rcounts, rdispls, rtypes, h->comm);
    for (int i = 0; i < h->nin; i++) {
        const struct coll_type *k = pair_type(h->in[i], h->rank);

        if (h->in[i] == MPI_PROC_NULL)
            coll_check_untouched(c, out + rdispls[i], k, rcounts[i], "block of no neighbour");
        else
            coll_check(c, out + rdispls[i], k, rcounts[i], coll_seed(c, h->in[i], h->rank),
                       "received");
    }
    coll_del(c, in);
    coll_del(c, out);
}

void coll_neighbor_allgather(struct coll *c, bool nb)
{
    all_cases(c, nb, "neighbor_allgather", allgather_case);
}

void coll_neighbor_allgatherv(struct coll *c, bool nb)
{
    all_cases(c, nb, "neighbor_allgatherv", allgatherv_case);
}

void coll_neighbor_alltoall(struct coll *c, bool nb)
{
    all_cases(c, nb, "neighbor_alltoall", alltoall_case);
}

void coll_neighbor_alltoallv(struct coll *c, bool nb)
{
    all_cases(c, nb, "neighbor_alltoallv", alltoallv_case);
}

void coll_neighbor_alltoallw(struct coll *c, bool nb)
{
    all_cases(c, nb, "neighbor_alltoallw", alltoallw_case);
}
