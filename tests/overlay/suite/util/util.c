/* SPDX-License-Identifier: BSD-3-Clause */
/* What the programs of the suite share. */
#include "util.h"

#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <time.h>

double now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

void die(const char *what)
{
    fprintf(stderr, "suite: %s\n", what);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

void spread(const double *v, int n, double *mean, double *deviation)
{
    double sum = 0, squares = 0;

    for (int i = 0; i < n; i++) {
        sum += v[i];
        squares += v[i] * v[i];
    }
    *mean = sum / n;
    *deviation = sqrt(fabs(squares / n - *mean * *mean));
}
