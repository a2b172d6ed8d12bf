/* SPDX-License-Identifier: BSD-3-Clause */
/* stencil: heat in a square plate, by Jacobi steps on a grid that is cut into blocks over a
 * Cartesian communicator; halos are exchanged with the four neighbours in each step. The checksum
 * over all cells depends on size and steps only, never on the number of ranks. With -o the
 * temperature is gathered on rank 0 and written as a picture (PGM, 8 bits).
 *
 * usage: stencil [--size N] [--steps N] [-o FILE.pgm]     (defaults: 256, 200, no picture) */
#include <inttypes.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct grid {
    MPI_Comm comm;
    int rank, size;
    int dims[2], coord[2];
    int n;             /* cells along a side of the whole plate */
    int rows, cols;    /* own cells, without halo */
    int row0, col0;    /* global index of the own first cell */
    double *now, *old; /* (rows + 2) x (cols + 2) */
    MPI_Datatype column;
    int north, south, west, east;
};

static void die(int rank, const char *what)
{
    fprintf(stderr, "stencil: rank %d: %s\n", rank, what);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

/* Part k of n cells cut in p nearly equal parts. */
static void cut(int n, int p, int k, int *first, int *count)
{
    *first = (int)((int64_t)n * k / p);
    *count = (int)((int64_t)n * (k + 1) / p) - *first;
}

static double *at(const struct grid *g, double *field, int r, int c)
{
    return field + (size_t)r * ((size_t)g->cols + 2) + (size_t)c;
}

/* Fixed temperature outside the plate: hot in the middle of the north side, warm on the west. */
static double edge(int n, int r, int c)
{
    if (r < 0)
        return c > n / 4 && c < 3 * n / 4 ? 1.0 : 0.25;
    if (c < 0)
        return 0.5;
    return 0.0;
}

static void set_up(struct grid *g)
{
    size_t cells;

    cut(g->n, g->dims[0], g->coord[0], &g->row0, &g->rows);
    cut(g->n, g->dims[1], g->coord[1], &g->col0, &g->cols);
    cells = ((size_t)g->rows + 2) * ((size_t)g->cols + 2);
    g->now = calloc(cells, sizeof(double));
    g->old = calloc(cells, sizeof(double));
    if (g->now == NULL || g->old == NULL)
        die(g->rank, "no memory for the grid; use a smaller --size");
    for (int r = 0; r < g->rows + 2; r++) {
        for (int c = 0; c < g->cols + 2; c++) {
            int gr = g->row0 + r - 1, gc = g->col0 + c - 1;

            if (gr < 0 || gc < 0 || gr >= g->n || gc >= g->n)
                *at(g, g->now, r, c) = *at(g, g->old, r, c) = edge(g->n, gr, gc);
        }
    }
    MPI_Type_vector(g->rows, 1, g->cols + 2, MPI_DOUBLE, &g->column);
    MPI_Type_commit(&g->column);
    MPI_Cart_shift(g->comm, 0, 1, &g->north, &g->south);
    MPI_Cart_shift(g->comm, 1, 1, &g->west, &g->east);
}

static void exchange(struct grid *g)
{
    MPI_Request q[8];
    double *f = g->now;

    MPI_Irecv(at(g, f, 0, 1), g->cols, MPI_DOUBLE, g->north, 0, g->comm, &q[0]);
    MPI_Irecv(at(g, f, g->rows + 1, 1), g->cols, MPI_DOUBLE, g->south, 1, g->comm, &q[1]);
    MPI_Irecv(at(g, f, 1, 0), 1, g->column, g->west, 2, g->comm, &q[2]);
    MPI_Irecv(at(g, f, 1, g->cols + 1), 1, g->column, g->east, 3, g->comm, &q[3]);
    MPI_Isend(at(g, f, g->rows, 1), g->cols, MPI_DOUBLE, g->south, 0, g->comm, &q[4]);
    MPI_Isend(at(g, f, 1, 1), g->cols, MPI_DOUBLE, g->north, 1, g->comm, &q[5]);
    MPI_Isend(at(g, f, 1, g->cols), 1, g->column, g->east, 2, g->comm, &q[6]);
    MPI_Isend(at(g, f, 1, 1), 1, g->column, g->west, 3, g->comm, &q[7]);
    MPI_Waitall(8, q, MPI_STATUSES_IGNORE);
}

static void step(struct grid *g)
{
    double *t = g->old;

    exchange(g);
    g->old = g->now;
    g->now = t;
    for (int r = 1; r <= g->rows; r++) {
        const double *up = at(g, g->old, r - 1, 0), *mid = at(g, g->old, r, 0);
        const double *down = at(g, g->old, r + 1, 0);
        double *out = at(g, g->now, r, 0);

        for (int c = 1; c <= g->cols; c++)
            out[c] = 0.25 * ((up[c] + down[c]) + (mid[c - 1] + mid[c + 1]));
    }
}

/* A sum of hashes of (global place, bits): integers, so the order of summing does not matter. */
static uint64_t checksum(const struct grid *g)
{
    uint64_t sum = 0, all = 0;

    for (int r = 1; r <= g->rows; r++) {
        for (int c = 1; c <= g->cols; c++) {
            uint64_t place =
                (uint64_t)(g->row0 + r - 1) * (uint64_t)g->n + (uint64_t)(g->col0 + c - 1);
            uint64_t bits;

            memcpy(&bits, at(g, g->now, r, c), sizeof(bits));
            bits = (bits ^ (place * 0x9e3779b97f4a7c15u)) * 0xff51afd7ed558ccdu;
            sum += bits ^ (bits >> 29);
        }
    }
    MPI_Allreduce(&sum, &all, 1, MPI_UINT64_T, MPI_SUM, g->comm);
    return all;
}

/* Every rank sends its block as bytes; rank 0 receives each straight into its place. */
static void picture(const struct grid *g, const char *file)
{
    unsigned char *block = malloc((size_t)g->rows * (size_t)g->cols + 1), *all;
    MPI_Request q;
    FILE *f;

    if (block == NULL)
        die(g->rank, "no memory for the picture");
    for (int r = 0; r < g->rows; r++)
        for (int c = 0; c < g->cols; c++)
            block[(size_t)r * (size_t)g->cols + (size_t)c] =
                (unsigned char)(*at(g, g->now, r + 1, c + 1) * 255.0 + 0.5);
    MPI_Isend(block, g->rows * g->cols, MPI_UNSIGNED_CHAR, 0, 9, g->comm, &q);
    if (g->rank == 0) {
        all = malloc((size_t)g->n * (size_t)g->n);
        if (all == NULL)
            die(0, "no memory for the picture");
        for (int k = 0; k < g->size; k++) {
            int xy[2], whole[2] = {g->n, g->n}, part[2], first[2];
            MPI_Datatype place;

            MPI_Cart_coords(g->comm, k, 2, xy);
            cut(g->n, g->dims[0], xy[0], &first[0], &part[0]);
            cut(g->n, g->dims[1], xy[1], &first[1], &part[1]);
            MPI_Type_create_subarray(2, whole, part, first, MPI_ORDER_C, MPI_UNSIGNED_CHAR, &place);
            MPI_Type_commit(&place);
            MPI_Recv(all, 1, place, k, 9, g->comm, MPI_STATUS_IGNORE);
            MPI_Type_free(&place);
        }
        f = fopen(file, "wb");
        if (f == NULL || fprintf(f, "P5\n%d %d\n255\n", g->n, g->n) < 0 ||
            fwrite(all, (size_t)g->n, (size_t)g->n, f) != (size_t)g->n || fclose(f) != 0) {
            perror(file);
            die(0, "cannot write the picture");
        }
        free(all);
    }
    MPI_Wait(&q, MPI_STATUS_IGNORE);
    free(block);
}

static int usage(int rank, const char *arg)
{
    if (rank == 0)
        fprintf(stderr,
                "stencil: bad argument '%s'\nusage: stencil [--size N] [--steps N] [-o FILE]\n",
                arg);
    MPI_Finalize();
    return 2;
}

int main(int argc, char **argv)
{
    struct grid g = {.n = 256};
    int periods[2] = {0, 0}, steps = 200;
    const char *file = NULL;
    uint64_t sum;
    double t;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &g.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &g.size);
    for (int i = 1; i < argc; i += 2) {
        char *end = "";
        long v = 0;

        if (i + 1 == argc)
            return usage(g.rank, argv[i]);
        if (strcmp(argv[i], "-o") == 0) {
            file = argv[i + 1];
            continue;
        }
        v = strtol(argv[i + 1], &end, 0);
        if (*end != '\0' || v < 1 || v > 32768)
            return usage(g.rank, argv[i + 1]);
        if (strcmp(argv[i], "--size") == 0)
            g.n = (int)v;
        else if (strcmp(argv[i], "--steps") == 0)
            steps = (int)v;
        else
            return usage(g.rank, argv[i]);
    }

    MPI_Dims_create(g.size, 2, g.dims);
    if (g.n < g.dims[0] || g.n < g.dims[1])
        return usage(g.rank, "--size smaller than the number of ranks along a side");
    MPI_Cart_create(MPI_COMM_WORLD, 2, g.dims, periods, 1, &g.comm);
    MPI_Comm_rank(g.comm, &g.rank);
    MPI_Cart_coords(g.comm, g.rank, 2, g.coord);
    set_up(&g);

    MPI_Barrier(g.comm);
    t = MPI_Wtime();
    for (int s = 0; s < steps; s++)
        step(&g);
    sum = checksum(&g);
    t = MPI_Wtime() - t;
    if (file != NULL)
        picture(&g, file);
    if (g.rank == 0) {
        printf("stencil: size %d, steps %d, checksum %016" PRIx64 "\n", g.n, steps, sum);
        printf("stencil: %d x %d ranks, %.3f s, %.1f million cells per second\n", g.dims[0],
               g.dims[1], t, (double)g.n * g.n * steps / t / 1e6);
    }
    MPI_Type_free(&g.column);
    free(g.now);
    free(g.old);
    MPI_Comm_free(&g.comm);
    MPI_Finalize();
    return 0;
}
