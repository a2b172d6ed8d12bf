/* SPDX-License-Identifier: BSD-3-Clause */
/* pi: integrates 4 / (1 + x^2) over [0, 1] by the midpoint rule, the intervals dealt out to the
 * ranks, and fails if the result is further from pi than the rule's own error allows.
 *
 * usage: pi [INTERVALS]     (default: 2000000) */
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    const double pi = 3.14159265358979323846;
    long n = 2000000;
    int rank, size;
    double sum = 0, part, total, err, bound, t;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (argc > 1) {
        char *end;

        n = strtol(argv[1], &end, 0);
        if (*argv[1] == '\0' || *end != '\0' || n < 1) {
            if (rank == 0)
                fprintf(stderr, "pi: '%s' is no number of intervals\nusage: pi [INTERVALS]\n",
                        argv[1]);
            MPI_Finalize();
            return 2;
        }
    }
    MPI_Bcast(&n, 1, MPI_LONG, 0, MPI_COMM_WORLD);

    t = MPI_Wtime();
    for (long i = rank; i < n; i += size) {
        double x = ((double)i + 0.5) / (double)n;

        sum += 4.0 / (1.0 + x * x);
    }
    part = sum / (double)n;
    MPI_Allreduce(&part, &total, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    t = MPI_Wtime() - t;

    /* the midpoint rule's error is h^2 / 24 * max |f''|, and |f''| <= 8 here; then rounding */
    err = fabs(total - pi);
    bound = 8.0 / 24.0 / ((double)n * (double)n) + 1e-15 * sqrt((double)n) + 1e-14;
    if (rank == 0)
        printf("pi is about %.16f, error %.1e, %ld intervals on %d ranks, %.3f s\n", total, err, n,
               size, t);
    if (!(err <= bound)) {
        fprintf(stderr, "pi: rank %d: error %.3e is more than %.3e\n", rank, err, bound);
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    MPI_Finalize();
    return 0;
}
