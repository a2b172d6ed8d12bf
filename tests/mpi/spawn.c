/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs that start jobs. One line per finding; exit status 1 if one is bad.
 *
 *     spawn multiple    two programs in one job, with arguments of their own
 *     spawn bad DIR     what cannot be started is an error, and life goes on; DIR: another
 * directory spawn full        no guest is left: an error, and life goes on spawn family children
 * have children, and names are common to all spawn outlive     the parent ends, the child goes on
 *     spawn fails       a child that left ends with status 3
 *     spawn aborts      a child calls MPI_Abort(9)
 *     spawn dies        a child is killed by a signal
 *     spawn leaves      a child ends without MPI_Finalize */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int rank, size, bad;
static MPI_Comm parent;

static void check(int good, const char *what)
{
    if (!good) {
        printf("rank %d of %s: BAD: %s\n", rank, parent == MPI_COMM_NULL ? "parents" : "children",
               what);
        bad = 1;
    }
}

static void say(const char *what)
{
    printf("%s\n", what);
    fflush(stdout);
}

/* One child (or more) that is told what to do. */
static int spawn_info(char *prog, const char *part, MPI_Info info, MPI_Comm *children)
{
    char *argv[] = {(char *)part, NULL};
    int rc, class;

    rc = MPI_Comm_spawn(prog, argv, 1, info, 0, MPI_COMM_SELF, children, MPI_ERRCODES_IGNORE);
    MPI_Error_class(rc, &class);
    return class;
}

static int spawn(char *prog, const char *part, MPI_Comm *children)
{
    return spawn_info(prog, part, MPI_INFO_NULL, children);
}

static void greet(MPI_Comm other)
{
    int out = 7, in = 0;

    MPI_Sendrecv(&out, 1, MPI_INT, 0, 1, &in, 1, MPI_INT, 0, 1, other, MPI_STATUS_IGNORE);
    check(in == 7, "a greeting");
}

static int appnum(void)
{
    int *v, flag;

    MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_APPNUM, &v, &flag);
    return flag ? *v : -1;
}

/* Everybody in one communicator, in an order that both sides know. */
static void merge(MPI_Comm inter, int high, int want)
{
    MPI_Comm all;
    int n, sum, me;

    MPI_Intercomm_merge(inter, high, &all);
    MPI_Comm_size(all, &n);
    MPI_Comm_rank(all, &me);
    MPI_Allreduce(&me, &sum, 1, MPI_INT, MPI_SUM, all);
    check(n == want && sum == want * (want - 1) / 2, "all in one communicator");
    MPI_Comm_free(&all);
}

static void multiple(char **argv)
{
    char *first[] = {"one", "a b", NULL}, *second[] = {"two", NULL};
    char *cmds[] = {argv[0], argv[0]}, **args[] = {first, second};
    int n[] = {1, 2}, codes[3] = {-1, -1, -1}, children_n;
    MPI_Info infos[] = {MPI_INFO_NULL, MPI_INFO_NULL};
    MPI_Comm children;

    check(MPI_Comm_spawn_multiple(2, cmds, args, n, infos, 0, MPI_COMM_WORLD, &children, codes) ==
              MPI_SUCCESS,
          "spawn_multiple");
    MPI_Comm_remote_size(children, &children_n);
    check(children_n == 3 && codes[0] == 0 && codes[2] == 0, "three came");
    merge(children, 0, size + 3);
    MPI_Comm_disconnect(&children);
}

static void of_multiple(int argc, char **argv, int app)
{
    int n;

    MPI_Comm_remote_size(parent, &n);
    check(size == 3 && appnum() == app && app == (rank > 0), "place in the application");
    check(app == 1 ? argc == 2 : argc == 3 && !strcmp(argv[2], "a b"), "arguments");
    merge(parent, 1, 3 + n);
    MPI_Comm_disconnect(&parent);
}

static void refused(char **argv, const char *prog, const char *key, const char *value,
                    const char *what)
{
    MPI_Info info = MPI_INFO_NULL;
    MPI_Comm children;

    if (key) {
        MPI_Info_create(&info);
        MPI_Info_set(info, key, value);
    }
    check(spawn_info((char *)(prog ? prog : argv[0]), "greet", info, &children) == MPI_ERR_SPAWN,
          what);
    if (key)
        MPI_Info_free(&info);
}

static void errors(char **argv, char *dir)
{
    MPI_Info info;
    MPI_Comm children;

    refused(argv, "/nowhere/no-such-program", NULL, NULL, "no such program");
    refused(argv, "no-such-program", NULL, NULL, "no such program in PATH");
    refused(argv, "/etc/passwd", NULL, NULL, "not a program");
    refused(argv, NULL, "wdir", "/nowhere", "no such directory");
    refused(argv, NULL, "host", "no-such-host", "no such host");
    MPI_Info_create(&info);
    MPI_Info_set(info, "wdir", dir);
    MPI_Info_set(info, "env", "SPAWN_TEST=yes");
    check(spawn_info(argv[0], "where", info, &children) == MPI_SUCCESS, "afterwards it works");
    greet(children);
    MPI_Comm_disconnect(&children);
    MPI_Info_free(&info);
}

static void where(void)
{
    const char *v = getenv("SPAWN_TEST");
    char cwd[4096] = "";

    check(v && !strcmp(v, "yes"), "a variable");
    printf("child in %s\n", getcwd(cwd, sizeof(cwd)) ? cwd : "?");
    fflush(stdout);
    greet(parent);
    MPI_Comm_disconnect(&parent);
}

static void full(char **argv)
{
    MPI_Comm children;

    check(spawn(argv[0], "greet", &children) == MPI_ERR_SPAWN, "no guest is left");
    check(spawn(argv[0], "greet", &children) == MPI_ERR_SPAWN, "still none");
}

static void family(char **argv)
{
    char port[MPI_MAX_PORT_NAME] = "";
    MPI_Comm children;

    check(MPI_Publish_name("before", MPI_INFO_NULL, "old") == MPI_SUCCESS, "publish");
    check(spawn(argv[0], "middle", &children) == MPI_SUCCESS, "a child");
    greet(children);
    greet(children);
    check(MPI_Lookup_name("of a child", MPI_INFO_NULL, port) == MPI_SUCCESS && !strcmp(port, "new"),
          "a child's name");
    MPI_Unpublish_name("before", MPI_INFO_NULL, "old");
    greet(children);
    MPI_Comm_disconnect(&children);
}

static void middle(char **argv)
{
    char port[MPI_MAX_PORT_NAME] = "";
    MPI_Comm children;

    greet(parent);
    check(MPI_Lookup_name("before", MPI_INFO_NULL, port) == MPI_SUCCESS && !strcmp(port, "old"),
          "a name from before");
    check(MPI_Publish_name("of a child", MPI_INFO_NULL, "new") == MPI_SUCCESS, "publish");
    greet(parent);
    greet(parent);
    check(MPI_Lookup_name("before", MPI_INFO_NULL, port) != MPI_SUCCESS, "it is gone");
    check(spawn(argv[0], "greet", &children) == MPI_SUCCESS, "a grandchild");
    greet(children);
    MPI_Comm_disconnect(&children);
    MPI_Comm_disconnect(&parent);
    say("three generations");
}

/* A child says goodbye first, so that it is nobody's peer any more. */
static void apart(char **argv, const char *part)
{
    MPI_Comm children;

    check(spawn(argv[0], part, &children) == MPI_SUCCESS, "spawn");
    greet(children);
    MPI_Comm_disconnect(&children);
}

static int child(int argc, char **argv, const char *part)
{
    if (!strcmp(part, "one") || !strcmp(part, "two")) {
        of_multiple(argc, argv, part[0] == 't');
        return bad;
    }
    if (!strcmp(part, "where")) {
        where();
        return bad;
    }
    if (!strcmp(part, "middle")) {
        middle(argv);
        return bad;
    }
    greet(parent);
    MPI_Comm_disconnect(&parent);
    sleep(1); /* the parent has something to say first */
    if (!strcmp(part, "outlive")) {
        sleep(1);
        say("the child is still here");
    } else if (!strcmp(part, "fails")) {
        bad = 3;
    } else if (!strcmp(part, "aborts")) {
        MPI_Abort(MPI_COMM_WORLD, 9);
    } else if (!strcmp(part, "dies")) {
        raise(SIGKILL);
    } else if (!strcmp(part, "leaves")) {
        _exit(0);
    }
    return bad;
}

int main(int argc, char **argv)
{
    const char *part = argc > 1 ? argv[1] : "";

    MPI_Init(&argc, &argv);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm_get_parent(&parent);
    if (parent != MPI_COMM_NULL) {
        bad = child(argc, argv, part);
        MPI_Finalize();
        return bad;
    }
    if (!strcmp(part, "multiple"))
        multiple(argv);
    else if (!strcmp(part, "bad") && argc > 2)
        errors(argv, argv[2]);
    else if (!strcmp(part, "full"))
        full(argv);
    else if (!strcmp(part, "family"))
        family(argv);
    else
        apart(argv, part);
    if (!bad && rank == 0) {
        printf("%s: fine\n", part);
        fflush(stdout);
    }
    /* one that is to be ended by its child's end */
    if (!strcmp(part, "fails") || !strcmp(part, "aborts") || !strcmp(part, "dies") ||
        !strcmp(part, "leaves"))
        sleep(30);
    MPI_Finalize();
    return bad;
}
