/* SPDX-License-Identifier: BSD-3-Clause */
/* orted-shim: what mpirun starts in the place of orted (orte_launch_agent). Takes a slice of the
 * bus region for its node, so that a job that does not fit fails at once, then runs the stock orted
 * with the same arguments. Either of the two takes the other along when it dies. */
#include "keeper.h"

#include "shim_attach.h"
#include "shim_config.h"
#include "shim_hello.h"
#include "shim_job.h"
#include "shim_msg.h"
#include "shim_path.h"
#include "shim_tmpdir.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef TOROBUS_VERSION
#define TOROBUS_VERSION "0.1.0"
#endif

/** How long the keeper may take to put everything away. */
#define LEAVE_MS 5000

static const char help[] =
    "Usage: orted-shim ORTED-ARGUMENTS...\n"
    "\n"
    "Started by mpirun in the place of orted (--mca orte_launch_agent orted-shim): reserves a "
    "guest\n"
    "for this node, then runs the orted of the same installation with the same arguments.\n"
    "The node's name is TOROBUS_NODE (set by toro-rsh), else the host's.\n"
    "\n"
    "  --help, --version\n";

static const int forwarded[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
                                SIGUSR2, SIGALRM, SIGTSTP, SIGCONT};

/** Where the value of an MCA parameter stands in orted's arguments ("-mca name value"). */
static char **mca_param(char **argv, const char *name)
{
    for (; argv[0] && argv[1] && argv[2]; argv++)
        if ((strcmp(argv[0], "-mca") == 0 || strcmp(argv[0], "--mca") == 0) &&
            strcmp(argv[1], name) == 0)
            return &argv[2];
    return NULL;
}

/**
 * Give this node's orted a directory of its own.
 *
 * @param[in,out] argv orted's arguments; replaced if one had to be added
 * @return the directory.
 */
static const char *own_tmpdir(int argc, char ***argv, const char *key, const char *node)
{
    static char path[SHIM_PATH_MAX];
    char **base = mca_param(*argv, "orte_tmpdir_base"), **more;
    const char *env = getenv("OMPI_MCA_orte_tmpdir_base");
    const char *from = env;

    if (!base)
        base = mca_param(*argv, "orte_remote_tmpdir_base");
    if (base)
        from = *base;
    if (!shim_tmpdir_name(from, key, node, path) || !shim_tmpdir_make(path))
        shim_die(SHIM_EXIT_FAIL, "cannot make the directory %s: %s", path, strerror(errno));
    if (base) {
        /* orted does not heed the "remote" one: it does not know yet that it is a daemon */
        base[-1] = "orte_tmpdir_base";
        base[0] = path;
        return path;
    }
    if (env) {
        if (setenv("OMPI_MCA_orte_tmpdir_base", path, 1) != 0)
            shim_die(SHIM_EXIT_FAIL, "no memory");
        return path;
    }
    /* argc may have become too large by a word that was taken out: the rest is NULL */
    more = calloc((size_t)argc + 4, sizeof(*more));
    if (!more)
        shim_die(SHIM_EXIT_FAIL, "no memory");
    for (argc = 0; (*argv)[argc]; argc++)
        more[argc] = (*argv)[argc];
    more[argc++] = "-mca";
    more[argc++] = "orte_tmpdir_base";
    more[argc++] = path;
    *argv = more;
    return path;
}

static void find_orted(char path[SHIM_PATH_MAX])
{
    const char *named = getenv("TOROBUS_ORTED"); /* by toro-rsh */
    char dir[SHIM_PATH_MAX];

    if (named && *named) {
        if (shim_path_find(named, path) == 0)
            return;
        shim_die(SHIM_EXIT_FAIL, "TOROBUS_ORTED=%s cannot be executed: it names no orted", named);
    }
    if (shim_path_own_dir(dir) && strlen(dir) < SHIM_PATH_MAX - 8) {
        strcpy(path, dir);
        strcat(path, "/orted");
        if (access(path, X_OK) == 0)
            return;
    }
    if (shim_path_find("orted", path) != 0)
        shim_die(SHIM_EXIT_FAIL, "no orted beside this program or in PATH; has the prefix moved?");
}

static pid_t start_orted(char *path, char **argv, const sigset_t *old)
{
    pid_t self = getpid(), pid = fork();

    if (pid < 0)
        shim_die(SHIM_EXIT_FAIL, "cannot start orted: %s", strerror(errno));
    if (pid > 0)
        return pid;
    /* the ranks' proxies watch orted, so killing it ends the node */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != self)
        _exit(SHIM_EXIT_FAIL);
    sigprocmask(SIG_SETMASK, old, NULL);
    argv[0] = path;
    execv(path, argv);
    shim_die(SHIM_EXIT_FAIL, "cannot execute %s: %s", path, strerror(errno));
}

/** Notes of the keeper about our guest, when no rank's proxy is there to print them. */
static bool keeper_frame(int fd)
{
    struct torobus_ctl_hdr h;
    char body[1400];

    if (!shim_read_frame(fd, &h, body, sizeof(body)))
        return false;
    if ((h.type == TOROBUS_CTL_NOTE && h.arg == 0) || h.type == TOROBUS_CTL_ERROR)
        shim_print_foreign(body, (unsigned)strlen(body));
    return true;
}

/** Wait for orted, passing signals on. @return its wait status. */
static int supervise(pid_t orted, int sigfd, int keeper)
{
    struct pollfd pfd[2] = {{.fd = sigfd, .events = POLLIN}, {.fd = keeper, .events = POLLIN}};
    int status;

    for (;;) {
        struct signalfd_siginfo si;

        if (poll(pfd, 2, -1) < 0 && errno != EINTR)
            shim_die(SHIM_EXIT_FAIL, "poll: %s", strerror(errno));
        if (pfd[1].revents && !keeper_frame(keeper)) {
            shim_error("the keeper is gone, its guests with it");
            pfd[1].fd = -1; /* the ranks' proxies have noticed too and end the job */
        }
        if (!(pfd[0].revents & POLLIN) || read(sigfd, &si, sizeof(si)) != (ssize_t)sizeof(si))
            continue;
        if (si.ssi_signo != SIGCHLD)
            kill(orted, (int)si.ssi_signo);
        else if (waitpid(orted, &status, WNOHANG) == orted)
            return status;
    }
}

/** Let go of the slice and wait until the keeper has put away what was ours. */
static void leave(int keeper)
{
    struct pollfd pfd = {.fd = keeper, .events = POLLIN};
    char drop[512];

    shutdown(keeper, SHUT_WR);
    while (poll(&pfd, 1, LEAVE_MS) > 0 && read(keeper, drop, sizeof(drop)) > 0)
        ;
    close(keeper);
}

/** mpirun asks for it when it starts all nodes itself: it waits for the agent to end. */
static void daemonize_if_asked(char **argv)
{
    char **w = argv;
    bool asked = false;

    for (char **r = argv; *r; r++) {
        if (strcmp(*r, "--daemonize") == 0)
            asked = true;
        else
            *w++ = *r;
    }
    *w = NULL;
    if (!asked)
        return;
    switch (fork()) {
    case -1:
        shim_die(SHIM_EXIT_FAIL, "cannot become a daemon: %s", strerror(errno));
    case 0:
        setsid();
        return;
    default:
        _exit(0);
    }
}

/** The keeper's address, and the name that the node's guest has there. */
static void name_job(const char *uri, const char *node, char key[SHIM_KEY_LEN + 1], char guest[64])
{
    uint32_t family = (uint32_t)strtoul(uri, NULL, 10); /* mpirun's own job: family << 16 */

    memcpy(guest, node, 64);
    switch (shim_job_group(key)) {
    case 0:
        shim_job_key(uri, key);
        return;
    case 1:
        if (family == 0 || !shim_job_guest(guest, family | 1))
            shim_die(SHIM_EXIT_FAIL,
                     "node %s cannot be in a group: its name is too long, or mpirun "
                     "does not tell its job",
                     node);
        return;
    default:
        shim_die(SHIM_EXIT_USAGE,
                 "TOROBUS_GROUP=%s is impossible: give 1 to 63 of A-Z a-z 0-9 . _ -",
                 getenv("TOROBUS_GROUP"));
    }
}

int main(int argc, char **argv)
{
    char key[SHIM_KEY_LEN + 1], node[64], guest[64], path[SHIM_PATH_MAX];
    const char *tmpdir;
    char **uri;
    sigset_t set, old;
    int keeper, sigfd, status;
    pid_t orted;

    if (shim_attach_is_keeper(argc, argv))
        return keeper_main(argv[2]);
    shim_msg_init(argv[0]);
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return fflush(stdout) == 0 ? 0 : SHIM_EXIT_FAIL;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("orted-shim (Torobus) " TOROBUS_VERSION);
        return fflush(stdout) == 0 ? 0 : SHIM_EXIT_FAIL;
    }
    shim_config_need();
    uri = mca_param(argv, "orte_hnp_uri");
    if (!uri)
        shim_die(SHIM_EXIT_USAGE, "no -mca orte_hnp_uri given: mpirun starts this program, see "
                                  "orted-shim --help");
    if (!shim_node_name(node))
        shim_die(SHIM_EXIT_FAIL,
                 "TOROBUS_NODE or this host's name cannot be the name of a guest: set TOROBUS_NODE "
                 "to 1 to 63 of A-Z a-z 0-9 . _ -");
    find_orted(path);
    name_job(*uri, node, key, guest);
    keeper = shim_hello(key, TOROBUS_CTL_ATTACH_NODE, TOROBUS_CTL_NOBODY, 0, guest, 0, NULL, 0);
    daemonize_if_asked(argv);
    tmpdir = own_tmpdir(argc, &argv, key, guest);

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (unsigned i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
        sigaddset(&set, forwarded[i]);
    sigprocmask(SIG_BLOCK, &set, &old);
    sigfd = signalfd(-1, &set, SFD_CLOEXEC);
    if (sigfd < 0)
        shim_die(SHIM_EXIT_FAIL, "signalfd: %s", strerror(errno));
    /* orted's PMIx server looks for its node by name among the job's, and the host's own name may
     * be one of those: that of mpirun's node */
    if (setenv("PMIX_HOSTNAME", node, 1) != 0)
        shim_die(SHIM_EXIT_FAIL, "no memory");
    orted = start_orted(path, argv, &old);
    status = supervise(orted, sigfd, keeper);
    shim_tmpdir_remove(tmpdir);
    leave(keeper);
    if (WIFSIGNALED(status)) {
        shim_error("orted on node %s was ended by signal %d (%s)", node, WTERMSIG(status),
                   strsignal(WTERMSIG(status)));
        return 128 + WTERMSIG(status);
    }
    return WEXITSTATUS(status);
}
