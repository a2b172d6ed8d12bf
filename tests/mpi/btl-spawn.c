/* SPDX-License-Identifier: BSD-3-Clause */
/* One child after the other, each gone before the next one comes: it gets the port, and perhaps the
 * memory, that the last one had. Each exchanges messages of all kinds with the parent. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHILDREN = 3, MESSAGES = 50, MAX = 100000 };

static void fail(const char *what, int a, int b)
{
    printf("btl-spawn: %s (%d, %d)\n", what, a, b);
    fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static void exchange(MPI_Comm peer, int mine, int theirs)
{
    char *out = malloc(MAX), *in = malloc(MAX);

    if (out == NULL || in == NULL)
        fail("out of memory", 0, 0);
    for (int i = 0; i < MESSAGES; i++) {
        const int n = i % 10 == 9 ? MAX : 1 + i * 20;

        memset(out, mine + i, (size_t)n);
        MPI_Sendrecv(out, n, MPI_CHAR, 0, i, in, n, MPI_CHAR, 0, i, peer, MPI_STATUS_IGNORE);
        for (int k = 0; k < n; k++)
            if (in[k] != (char)(theirs + i))
                fail("wrong data", i, k);
    }
    free(out);
    free(in);
}

int main(int argc, char **argv)
{
    MPI_Comm parent, child;

    MPI_Init(&argc, &argv);
    MPI_Comm_get_parent(&parent);
    if (parent != MPI_COMM_NULL) {
        exchange(parent, 50, 1);
        MPI_Comm_disconnect(&parent);
        MPI_Finalize();
        return 0;
    }
    for (int c = 0; c < CHILDREN; c++) {
        MPI_Comm_spawn(argv[0], MPI_ARGV_NULL, 1, MPI_INFO_NULL, 0, MPI_COMM_SELF, &child,
                       MPI_ERRCODES_IGNORE);
        exchange(child, 1, 50);
        MPI_Comm_disconnect(&child);
        printf("btl-spawn: child %d was here\n", c + 1);
        fflush(stdout);
    }
    printf("btl-spawn: all right\n");
    MPI_Finalize();
    return 0;
}
