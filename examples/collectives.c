/* SPDX-License-Identifier: BSD-3-Clause */
/* collectives: runs every MPI-3 collective in many forms and checks each result against one that is
 * computed locally. Works for 1 to 64 ranks. The first wrong element ends the job with status 1 and
 * a message that names rank, case, index, what came and what was wanted.
 *
 * usage: collectives [--quick | --full] [--only NAME]... [--list] */
#include "coll.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    coll_test *run;
    bool nonblocking;
} tests[] = {
#define BOTH(name)                                                                                 \
    {#name, coll_##name, false},                                                                   \
    {                                                                                              \
        "i" #name, coll_##name, true                                                               \
    }
    BOTH(barrier),
    BOTH(bcast),
    BOTH(gather),
    BOTH(gatherv),
    BOTH(scatter),
    BOTH(scatterv),
    BOTH(allgather),
    BOTH(allgatherv),
    BOTH(alltoall),
    BOTH(alltoallv),
    BOTH(alltoallw),
    BOTH(reduce),
    BOTH(allreduce),
    BOTH(reduce_scatter),
    BOTH(reduce_scatter_block),
    BOTH(scan),
    BOTH(exscan),
    BOTH(neighbor_allgather),
    BOTH(neighbor_allgatherv),
    BOTH(neighbor_alltoall),
    BOTH(neighbor_alltoallv),
    BOTH(neighbor_alltoallw),
    {"overlap", coll_overlap, true},
    BOTH(inter),
};
#define NTESTS ((int)(sizeof(tests) / sizeof(tests[0])))

static const char *only[NTESTS];
static int nonly, rank, size;

static const int quick_counts[] = {0, 1, 7, 1000, 9001};
static const int normal_counts[] = {0, 1, 2, 3, 7, 16, 100, 1023, 4099, 20000, 75000};
static const int full_counts[] = {0,    1,    2,    3,     4,     7,     8,     15,     16,    17,
                                  64,   100,  255,  256,   257,   1000,  1023,  1024,   1025,  2047,
                                  4099, 8191, 8193, 16384, 20000, 32769, 65537, 131072, 270000};
static const int few_counts[] = {0, 1, 5, 1500};

static void usage(const char *wrong)
{
    if (rank == 0)
        fprintf(stderr,
                "collectives: bad argument '%s'\n"
                "usage: collectives [--quick | --full] [--only NAME]... [--list]\n",
                wrong);
    MPI_Finalize();
    exit(2);
}

static enum coll_depth options(int argc, char **argv)
{
    enum coll_depth depth = COLL_NORMAL;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            depth = COLL_QUICK;
        } else if (strcmp(argv[i], "--full") == 0) {
            depth = COLL_FULL;
        } else if (strcmp(argv[i], "--list") == 0) {
            for (int t = 0; rank == 0 && t < NTESTS; t++)
                puts(tests[t].name);
            MPI_Finalize();
            exit(0);
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            int known = 0;

            i++;
            for (int t = 0; t < NTESTS; t++)
                known |= strcmp(argv[i], tests[t].name) == 0;
            if (!known || nonly == NTESTS)
                usage(argv[i]);
            only[nonly++] = argv[i];
        } else {
            usage(argv[i]);
        }
    }
    return depth;
}

static bool wanted(const char *name)
{
    for (int i = 0; i < nonly; i++)
        if (strcmp(only[i], name) == 0)
            return true;
    return nonly == 0;
}

static struct coll on(MPI_Comm comm, const char *name, enum coll_depth depth)
{
    struct coll c = {.comm = comm, .comm_name = name, .depth = depth};

    MPI_Comm_rank(comm, &c.rank);
    MPI_Comm_size(comm, &c.size);
    c.counts = few_counts;
    c.ncounts = sizeof(few_counts) / sizeof(few_counts[0]);
    return c;
}

int main(int argc, char **argv)
{
    MPI_Comm split, reversed, dup;
    struct coll where[4];
    int nwhere;
    enum coll_depth depth;
    long all = 0;
    double t;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    depth = options(argc, argv);
    coll_types_init();
    coll_reds_init();

    MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &split);
    MPI_Comm_split(MPI_COMM_WORLD, 0, -rank, &reversed);
    MPI_Comm_dup(MPI_COMM_WORLD, &dup);
    where[0] = on(MPI_COMM_WORLD, "world:", depth);
    where[1] = on(split, rank % 2 ? "odd ranks:" : "even ranks:", depth);
    where[2] = on(reversed, "reversed:", depth);
    where[3] = on(dup, "dup:", depth);
    nwhere = depth == COLL_QUICK ? 2 : 4;
#define COUNTS(list) (where[0].counts = list, where[0].ncounts = sizeof(list) / sizeof(list[0]))
    if (depth == COLL_QUICK)
        COUNTS(quick_counts);
    else if (depth == COLL_NORMAL)
        COUNTS(normal_counts);
    else
        COUNTS(full_counts);

    t = MPI_Wtime();
    for (int i = 0; i < NTESTS; i++) {
        long cases = 0;

        if (!wanted(tests[i].name))
            continue;
        for (int w = 0; w < nwhere; w++) {
            where[w].cases = where[w].serial = 0;
            tests[i].run(&where[w], tests[i].nonblocking);
            cases += where[w].cases;
        }
        MPI_Barrier(MPI_COMM_WORLD); /* nobody failed */
        if (rank == 0) {
            printf("%s: ok (%ld cases)\n", tests[i].name, cases);
            fflush(stdout);
        }
        all += cases;
    }
    t = MPI_Wtime() - t;
    if (rank == 0)
        printf("collectives: all ok, %ld cases on %d ranks in %.2f s\n", all, size, t);

    MPI_Comm_free(&dup);
    MPI_Comm_free(&reversed);
    MPI_Comm_free(&split);
    coll_reds_free();
    coll_types_free();
    MPI_Finalize();
    return 0;
}
