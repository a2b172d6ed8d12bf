/* SPDX-License-Identifier: BSD-3-Clause */
/* No sender starves another at one receiver. All ranks but 0 fill their rings and go on sending
 * while rank 0 looks away; then messages must come in turns, and all of them, in order. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EACH 4000
/* Messages in a ring by default, and the most that one turn takes from one (poll_budget). */
#define RING 128
#define TURN 32

static void fail(const char *what, int rank, int n)
{
    printf("btl-fair: %s %d: %d\n", what, rank, n);
    fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

int main(int argc, char **argv)
{
    int rank, n, last = 0, run = 0, longest = 0, *next, *early;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &n);
    next = calloc((size_t)n, sizeof(*next));
    early = calloc((size_t)n, sizeof(*early));
    /* rings are there */
    if (rank == 0)
        for (int i = 1; i < n; i++)
            MPI_Recv(&last, 1, MPI_INT, i, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    else
        MPI_Send(&rank, 1, MPI_INT, 0, 1, MPI_COMM_WORLD);
    MPI_Barrier(MPI_COMM_WORLD);
    last = 0;
    if (rank != 0) {
        for (int i = 0; i < EACH; i++)
            MPI_Send(&i, 1, MPI_INT, 0, 0, MPI_COMM_WORLD);
    } else {
        sleep(1);
        for (int i = 0; i < EACH * (n - 1); i++) {
            MPI_Status st;
            int is;

            MPI_Recv(&is, 1, MPI_INT, MPI_ANY_SOURCE, 0, MPI_COMM_WORLD, &st);
            if (is != next[st.MPI_SOURCE]++)
                fail("a message is lost or out of order, from rank", st.MPI_SOURCE, is);
            /* While every ring still holds what it held at the start. */
            if (i < (n - 1) * RING / 2) {
                early[st.MPI_SOURCE]++;
                run = st.MPI_SOURCE == last ? run + 1 : 1;
                longest = run > longest ? run : longest;
                last = st.MPI_SOURCE;
            }
        }
        for (int i = 1; i < n; i++)
            if (early[i] < RING / 4)
                fail("starved at the start, with so many messages taken: rank", i, early[i]);
        if (longest > 2 * TURN)
            fail("too many in one turn, of", n - 1, longest);
        printf("btl-fair: all right, %d senders, longest turn %d\n", n - 1, longest);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    free(next);
    free(early);
    MPI_Finalize();
    return 0;
}
