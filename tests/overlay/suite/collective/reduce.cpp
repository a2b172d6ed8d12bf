// SPDX-License-Identifier: BSD-3-Clause
// C++: a reduction, with exceptions and streams, which need the C++ library.
#include "util.h"

#include <iostream>
#include <mpi.h>
#include <numeric>
#include <stdexcept>
#include <vector>

static double sum_of(const std::vector<double> &v)
{
    double sum = 0, all = 0;

    if (v.empty())
        throw std::invalid_argument("nothing to add");
    sum = std::accumulate(v.begin(), v.end(), 0.0);
    MPI_Allreduce(&sum, &all, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    return all;
}

int main(int argc, char **argv)
{
    int rank, size;
    bool thrown = false;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    try {
        sum_of(std::vector<double>());
    } catch (const std::invalid_argument &) {
        thrown = true;
    }
    if (!thrown || sum_of(std::vector<double>(10, rank + 1.0)) != 5.0 * size * (size + 1))
        die("wrong sum");
    if (rank == 0)
        std::cout << "reduce: ok" << std::endl;
    MPI_Finalize();
    return 0;
}
