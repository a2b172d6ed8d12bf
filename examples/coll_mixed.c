/* SPDX-License-Identifier: BSD-3-Clause */
/* collectives: several nonblocking ones under way at once; intercommunicators. */
#include "coll.h"

#include <stdlib.h>

/* Six kinds at once on two communicators, with traffic between two ranks in the middle of it. */
static void overlap_case(struct coll *c, MPI_Comm other, int n)
{
    const struct coll_type *t = &coll_types[0];
    const struct coll_red *r = &coll_reds[0];
    int root = c->size / 2, next = (c->rank + 1) % c->size,
        prev = (c->rank + c->size - 1) % c->size;
    size_t block = (size_t)n * t->extent;
    char *b = coll_new(c, t, (size_t)n), *ain = coll_new_bytes(c, (size_t)n * r->size);
    char *aout = coll_new_bytes(c, (size_t)n * r->size), *pin = coll_new(c, t, (size_t)n);
    char *pout = coll_new(c, t, (size_t)n), *gout = coll_new(c, t, (size_t)n * c->size);
    char *tin = coll_new(c, t, (size_t)n * c->size), *tout = coll_new(c, t, (size_t)n * c->size);
    MPI_Request q[8];

    if (c->rank == root)
        coll_fill(b, t, n, coll_seed(c, root, 1));
    coll_red_fill(ain, r, n, c->rank, c->size, 0);
    coll_fill(pin, t, n, coll_seed(c, c->rank, 2));
    for (int d = 0; d < c->size; d++)
        coll_fill(tin + block * d, t, n, coll_seed(c, c->rank, d));

    MPI_Ibcast(b, n, t->mpi, root, c->comm, &q[0]);
    MPI_Iallreduce(ain, aout, n, r->mpi, r->op, c->comm, &q[1]);
    MPI_Ibarrier(other, &q[2]);
    MPI_Irecv(pout, n, t->mpi, prev, 3, c->comm, &q[3]);
    MPI_Ialltoall(tin, n, t->mpi, tout, n, t->mpi, other, &q[4]);
    MPI_Isend(pin, n, t->mpi, next, 3, c->comm, &q[5]);
    MPI_Iallgather(pin, n, t->mpi, gout, n, t->mpi, c->comm, &q[6]);
    MPI_Ibarrier(c->comm, &q[7]);
    MPI_Waitall(8, q, MPI_STATUSES_IGNORE);

    coll_check(c, b, t, n, coll_seed(c, root, 1), "bcast");
    coll_red_check(c, aout, r, n, 0, c->size, c->size, 0);
    coll_check(c, pout, t, n, coll_seed(c, prev, 2), "from the rank before");
    for (int s = 0; s < c->size; s++) {
        coll_check(c, gout + block * s, t, n, coll_seed(c, s, 2), "allgather");
        coll_check(c, tout + block * s, t, n, coll_seed(c, s, c->rank), "alltoall");
    }
    coll_del(c, b);
    coll_del(c, ain);
    coll_del(c, aout);
    coll_del(c, pin);
    coll_del(c, pout);
    coll_del(c, gout);
    coll_del(c, tin);
    coll_del(c, tout);
}

void coll_overlap(struct coll *c, bool nb)
{
    MPI_Comm other;

    (void)nb;
    MPI_Comm_dup(c->comm, &other);
    for (int k = 0; k < c->ncounts; k++) {
        if (coll_too_big(c, (size_t)c->counts[k] * sizeof(int) * c->size))
            continue;
        coll_case(c, "eight operations at once, int count %d", c->counts[k]);
        overlap_case(c, other, c->counts[k]);
    }
    MPI_Comm_free(&other);
}

/* One count between the even and the odd ranks; c is the own half, far the size of the other. */
static void inter_case(struct coll *c, MPI_Comm inter, int half, int far, int n, bool nb)
{
    const struct coll_type *t = &coll_types[n % coll_ntypes];
    const struct coll_red *r = &coll_reds[n % coll_nreds];
    size_t block = (size_t)n * t->extent;
    char *in = coll_new(c, t, (size_t)n), *out = coll_new(c, t, (size_t)n * far);
    char *rin = coll_new_bytes(c, (size_t)n * r->size), *rout = coll_new_bytes(c, n * r->size);
    int root = half == 0 ? c->rank == 0 ? MPI_ROOT : MPI_PROC_NULL : 0;

    COLL_RUN(nb, MPI_Barrier, MPI_Ibarrier, inter);

    /* rank 0 of the even half sends to all of the odd half */
    if (root == MPI_ROOT || half == 1) {
        if (root == MPI_ROOT)
            coll_fill(in, t, n, coll_seed(c, 0, 5));
    }
    COLL_RUN(nb, MPI_Bcast, MPI_Ibcast, in, n, t->mpi, root, inter);
    if (half == 1)
        coll_check(c, in, t, n, coll_seed(c, 0, 5), "bcast");

    coll_fill(in, t, n, coll_seed(c, c->rank, half));
    COLL_RUN(nb, MPI_Allgather, MPI_Iallgather, in, n, t->mpi, out, n, t->mpi, inter);
    for (int s = 0; s < far; s++)
        coll_check(c, out + block * s, t, n, coll_seed(c, s, 1 - half), "allgather");

    /* the sum of the other half; ranks are counted in both halves as they stand there */
    coll_red_fill(rin, r, n, c->rank, far + c->size, 0);
    COLL_RUN(nb, MPI_Allreduce, MPI_Iallreduce, rin, rout, n, r->mpi, r->op, inter);
    coll_red_check(c, rout, r, n, 0, far, far + c->size, 0);

    coll_del(c, in);
    coll_del(c, out);
    coll_del(c, rin);
    coll_del(c, rout);
}

void coll_inter(struct coll *c, bool nb)
{
    struct coll mine = *c;
    int half = c->rank % 2, far;
    MPI_Comm inter;

    if (c->size < 2) /* nobody on the other side */
        return;
    MPI_Comm_split(c->comm, half, c->rank, &mine.comm);
    MPI_Comm_rank(mine.comm, &mine.rank);
    MPI_Comm_size(mine.comm, &mine.size);
    MPI_Intercomm_create(mine.comm, 0, c->comm, 1 - half, 6, &inter);
    MPI_Comm_remote_size(inter, &far);
    for (int k = 0; k < c->ncounts; k++) {
        int n = c->counts[k];

        if (n == 0 || coll_too_big(c, (size_t)n * 20 * c->size))
            continue;
        coll_case(&mine, "%sintercommunicator, count %d", nb ? "nonblocking, " : "", n);
        inter_case(&mine, inter, half, far, n, nb);
    }
    c->cases = mine.cases;
    c->serial = mine.serial;
    MPI_Comm_free(&inter);
    MPI_Comm_free(&mine.comm);
}
