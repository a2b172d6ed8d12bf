/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting QEMU so that it can never outlive the keeper. */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/** What QEMU may see of the environment: where to find and to write things, and our own settings.
 */
static bool passes(const char *var)
{
    static const char *const names[] = {
        "PATH=", "HOME=", "TMPDIR=", "LANG=", "LC_ALL=", "TOROBUS_"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(var, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static void child(const struct keeper_guest *g, char *const argv[], const int *keep, unsigned nkeep,
                  int errfd, pid_t keeper)
{
    const struct rlimit nocore = {0, 0};
    unsigned n = 0;
    sigset_t none;
    int null;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper)
        _exit(1); /* it died before the line above */
    for (int s = 1; s < NSIG; s++)
        if (s != SIGKILL && s != SIGSTOP)
            signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* a core file of QEMU would be the whole region */
    setrlimit(RLIMIT_CORE, &nocore);
    keeper_numa_enter(g);
    null = open("/dev/null", O_RDWR);
    if (null < 0)
        dprintf(errfd, "cannot open /dev/null: %s\n", strerror(errno));
    if (dup2(null, 0) < 0 || dup2(errfd, 1) < 0 || dup2(errfd, 2) < 0)
        _exit(1);
    for (unsigned i = 0; i < nkeep; i++)
        if (fcntl(keep[i], F_SETFD, 0) != 0)
            _exit(1);
    for (char **e = environ; *e; e++)
        if (passes(*e))
            environ[n++] = *e;
    environ[n] = NULL;
    execv(argv[0], argv);
    dprintf(2, "cannot execute %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

pid_t keeper_qemu_spawn(struct keeper_guest *g, char *const argv[], const int *keep, unsigned nkeep,
                        int errfd, int *pidfd)
{
    pid_t self = getpid(), pid = fork();

    if (pid == 0)
        child(g, argv, keep, nkeep, errfd, self);
    if (pid < 0)
        return -1;
    *pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (*pidfd < 0) {
        int e = errno;

        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        errno = e;
        return -1;
    }
    return pid;
}
