/* SPDX-License-Identifier: BSD-3-Clause */
/* hello: one line per rank: who it is, where it runs, and which MPI library it was linked with. */
#define _GNU_SOURCE
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    char name[MPI_MAX_PROCESSOR_NAME], version[MPI_MAX_LIBRARY_VERSION_STRING];
    int rank, size, len;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Get_processor_name(name, &len);
    MPI_Get_library_version(version, &len);
    version[strcspn(version, ",\n")] = '\0';

    printf("hello from rank %d of %d on %s core %d, %s\n", rank, size, name, sched_getcpu(),
           version);
    MPI_Finalize();
    return 0;
}
