/* SPDX-License-Identifier: BSD-3-Clause */
/* What MPI does through PMIx beside starting up. One line per finding; exit status 1 if one is bad.
 *
 *     pmix-names names      publish, look up, take back; what must fail does
 *     pmix-names threads    the same from four threads of each rank at once
 *     pmix-names connect    halves of the world meet over a published port (two ranks or more)
 *     pmix-names spawn      two children that talk to their parents (two ranks) */
#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rank, size, bad;

static void check(int good, const char *what)
{
    if (!good) {
        printf("rank %d: BAD: %s\n", rank, what);
        bad = 1;
    }
}

static int error_class(int rc)
{
    int c = MPI_SUCCESS;

    MPI_Error_class(rc, &c);
    return c;
}

static int round_trip(const char *name, const char *port)
{
    char got[MPI_MAX_PORT_NAME] = "";

    return MPI_Publish_name(name, MPI_INFO_NULL, port) == MPI_SUCCESS &&
           MPI_Lookup_name(name, MPI_INFO_NULL, got) == MPI_SUCCESS && strcmp(got, port) == 0 &&
           MPI_Unpublish_name(name, MPI_INFO_NULL, port) == MPI_SUCCESS;
}

static void names(void)
{
    char port[MPI_MAX_PORT_NAME] = "", mine[64];

    snprintf(mine, sizeof(mine), "mine-%d", rank);
    check(round_trip(mine, "here"), "a name of one's own");
    check(error_class(MPI_Lookup_name("nowhere", MPI_INFO_NULL, port)) == MPI_ERR_NAME,
          "a name that nobody published");
    if (rank == 0)
        check(MPI_Publish_name("shared", MPI_INFO_NULL, "door") == MPI_SUCCESS, "publish");
    MPI_Barrier(MPI_COMM_WORLD);
    check(MPI_Lookup_name("shared", MPI_INFO_NULL, port) == MPI_SUCCESS && !strcmp(port, "door"),
          "everybody finds it");
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0)
        check(MPI_Unpublish_name("shared", MPI_INFO_NULL, "door") == MPI_SUCCESS, "unpublish");
    MPI_Barrier(MPI_COMM_WORLD);
    check(error_class(MPI_Lookup_name("shared", MPI_INFO_NULL, port)) == MPI_ERR_NAME,
          "afterwards nobody does");
}

static void *thread(void *arg)
{
    char name[64], port[64];

    for (int i = 0; i < 25; i++) {
        snprintf(name, sizeof(name), "t-%d-%ld-%d", rank, (long)arg, i);
        snprintf(port, sizeof(port), "p-%d-%ld-%d", rank, (long)arg, i);
        check(round_trip(name, port), name);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t t[4];

    for (long i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, thread, (void *)i);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
}

static void exchange(MPI_Comm inter, int peer)
{
    int out = 1000 + rank, in = -1;

    MPI_Sendrecv(&out, 1, MPI_INT, peer, 5, &in, 1, MPI_INT, peer, 5, inter, MPI_STATUS_IGNORE);
    check(in >= 1000, "a message over the new communicator");
    MPI_Comm_disconnect(&inter);
}

static void connect(void)
{
    char port[MPI_MAX_PORT_NAME];
    MPI_Comm half, inter;
    int me, peers;

    MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &half);
    MPI_Comm_rank(half, &me);
    if (rank == 0) {
        MPI_Open_port(MPI_INFO_NULL, port);
        MPI_Publish_name("meet", MPI_INFO_NULL, port);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank % 2 == 0) {
        MPI_Comm_accept(port, MPI_INFO_NULL, 0, half, &inter);
    } else {
        if (me == 0)
            MPI_Lookup_name("meet", MPI_INFO_NULL, port);
        MPI_Comm_connect(port, MPI_INFO_NULL, 0, half, &inter);
    }
    MPI_Comm_remote_size(inter, &peers);
    check(peers == size - (size + 1 - rank % 2) / 2, "all of the other half are there");
    if (me < size / 2)
        exchange(inter, me);
    else
        MPI_Comm_disconnect(&inter);
    if (rank == 0) {
        MPI_Unpublish_name("meet", MPI_INFO_NULL, port);
        MPI_Close_port(port);
    }
    MPI_Comm_free(&half);
}

/* Another job, by a name at an ompi-server: "accept" waits, "reach" comes. */
static void other_job(int accepts)
{
    char port[MPI_MAX_PORT_NAME] = "";
    MPI_Info global;
    MPI_Comm inter;
    int rc;

    MPI_Info_create(&global);
    MPI_Info_set(global, "ompi_global_scope", "true");
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    if (accepts) {
        check(MPI_Open_port(MPI_INFO_NULL, port) == MPI_SUCCESS, "a port");
        check(MPI_Publish_name("torobus-elsewhere", global, port) == MPI_SUCCESS, "published");
        printf("published\n");
        fflush(stdout);
        rc = MPI_Comm_accept(port, MPI_INFO_NULL, 0, MPI_COMM_SELF, &inter);
        MPI_Unpublish_name("torobus-elsewhere", global, port);
    } else {
        check(MPI_Lookup_name("torobus-elsewhere", global, port) == MPI_SUCCESS, "found");
        rc = MPI_Comm_connect(port, MPI_INFO_NULL, 0, MPI_COMM_SELF, &inter);
    }
    printf("%s: class %d\n", accepts ? "accept" : "reach", error_class(rc));
    if (rc == MPI_SUCCESS)
        exchange(inter, 0);
    MPI_Info_free(&global);
}

static void spawn(char **argv)
{
    MPI_Comm parent, children;
    int n, codes[2] = {-1, -1};

    MPI_Comm_get_parent(&parent);
    if (parent != MPI_COMM_NULL) {
        MPI_Comm_remote_size(parent, &n);
        check(size == 2 && n == 2, "two children of two parents");
        printf("child %d\n", rank);
        exchange(parent, rank);
        return;
    }
    check(MPI_Comm_spawn(argv[0], argv + 1, 2, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &children,
                         codes) == MPI_SUCCESS,
          "spawn");
    MPI_Comm_remote_size(children, &n);
    check(n == 2 && codes[0] == MPI_SUCCESS && codes[1] == MPI_SUCCESS, "two came");
    exchange(children, rank);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int provided, all;

    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    check(provided == MPI_THREAD_MULTIPLE, "threads");
    if (strcmp(what, "names") == 0)
        names();
    else if (strcmp(what, "threads") == 0)
        threads();
    else if (strcmp(what, "connect") == 0 && size > 1)
        connect();
    else if (strcmp(what, "spawn") == 0 && size == 2)
        spawn(argv);
    else if (strcmp(what, "accept") == 0 || strcmp(what, "reach") == 0)
        other_job(what[0] == 'a');
    else
        check(0, "no such part, or too few ranks for it");
    MPI_Allreduce(&bad, &all, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    if (rank == 0 && !all)
        printf("%s: fine on %d ranks\n", what, size);
    MPI_Finalize();
    return all;
}
