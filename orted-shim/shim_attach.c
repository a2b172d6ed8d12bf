/* SPDX-License-Identifier: BSD-3-Clause */
/* The way from a client to its job's keeper. Binding the abstract address is the one atomic step:
 * the winner listens and hands the listening socket to the keeper it starts, the losers connect.
 * The address vanishes with the last copy of the socket, so a dead keeper never blocks a new one.
 */
#include "shim_attach.h"

#include "shim_job.h"
#include "shim_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KEEPER_LISTEN_FD 3
#define TRIES            200
#define TRY_PAUSE_MS     10

bool shim_attach_is_keeper(int argc, char **argv)
{
    return argc == 3 && strcmp(argv[1], SHIM_KEEPER_FLAG) == 0;
}

/** Child of start_keeper(): nothing of the caller's terminal, pipes or signals stays. */
static void become_keeper(const char *key, int listenfd)
{
    char *argv[] = {"torobus-keeper", SHIM_KEEPER_FLAG, (char *)key, NULL};
    const char *log = getenv("TOROBUS_KEEPER_LOG");
    int null, logfd = -1;
    sigset_t none;

    setsid();
    for (int s = 1; s < NSIG; s++)
        if (s != SIGKILL && s != SIGSTOP)
            signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    null = open("/dev/null", O_RDWR);
    if (log && *log)
        logfd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (dup2(listenfd, KEEPER_LISTEN_FD) < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
        dup2(logfd >= 0 ? logfd : null, 2) < 0)
        _exit(1);
    if (listenfd == KEEPER_LISTEN_FD)
        fcntl(KEEPER_LISTEN_FD, F_SETFD, 0);
    close_range(KEEPER_LISTEN_FD + 1, ~0u, 0);
    execv("/proc/self/exe", argv);
    _exit(1);
}

static bool same_user(int fd)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == getuid();
}

/** @return 0 with *out set, or an errno value. */
static int try_connect(const struct sockaddr_un *sa, socklen_t len, int *out)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int e = 0;

    if (fd < 0)
        return errno;
    if (connect(fd, (const struct sockaddr *)sa, len) != 0)
        e = errno;
    else if (!same_user(fd))
        e = EPERM;
    if (e)
        close(fd);
    else
        *out = fd;
    return e;
}

/** @return 0 if this process now has started the keeper, or an errno value. */
static int start_keeper(const char *key, const struct sockaddr_un *sa, socklen_t len, pid_t *pid)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    pid_t child;
    int e = 0;

    if (fd < 0)
        return errno;
    if (bind(fd, (const struct sockaddr *)sa, len) != 0 || listen(fd, 128) != 0) {
        e = errno;
        close(fd);
        return e;
    }
    child = fork();
    if (child == 0)
        become_keeper(key, fd);
    if (child < 0)
        e = errno;
    else if (pid)
        *pid = child;
    close(fd);
    return e;
}

int shim_attach(const char *key, bool start, pid_t *pid, char err[256])
{
    const struct timespec pause = {.tv_nsec = TRY_PAUSE_MS * 1000000L};
    struct sockaddr_un sa;
    socklen_t len = shim_job_address(key, &sa);
    int fd = -1, e = 0;
    bool asked = false;
    uint64_t keep;

    if (pid)
        *pid = -1;
    for (int i = 0; i < TRIES; i++) {
        e = try_connect(&sa, len, &fd);
        if (e == 0)
            return fd;
        if (e == EPERM) {
            snprintf(err, 256, "the keeper of job %s belongs to another user", key);
            return -1;
        }
        if (e != ECONNREFUSED && e != EAGAIN)
            break;
        if (e == ECONNREFUSED && !start)
            break;
        if (e == ECONNREFUSED && !asked && shim_pool_seconds(&keep, err) && keep > 0) {
            asked = true;
            if (shim_pool_adopt(key))
                continue;
        }
        if (e == ECONNREFUSED) {
            /* the keeper cannot say so itself */
            int null = open("/dev/null", O_RDWR | O_CLOEXEC);

            if (null < 0) {
                snprintf(err, 256, "cannot open /dev/null: %s; everybody has to be able to",
                         strerror(errno));
                return -1;
            }
            close(null);
            e = start_keeper(key, &sa, len, pid);
            if (e == 0)
                continue;
            if (e != EADDRINUSE)
                break;
        }
        /* bound by another who does not listen yet, or its backlog is full */
        nanosleep(&pause, NULL);
    }
    snprintf(err, 256, start ? "cannot start the keeper of job %s: %s" : "no keeper of job %s: %s",
             key, strerror(e));
    return -1;
}
