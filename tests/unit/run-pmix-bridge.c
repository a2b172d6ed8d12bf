/* SPDX-License-Identifier: BSD-3-Clause */
/* Not a test by itself: runs N processes of an MPI program on Linux with the kernel's PMIx server
 * behind a SOCK_SEQPACKET socket, for pmix/toro without a guest.
 *
 *     run-pmix-bridge N PROGRAM ARGS...
 *
 * Exit status: that of the first process that failed, 128 + signal for a signal. */
#define _GNU_SOURCE
#include "run-pmix-kernel.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t pid[K_RANKS];
static int conn[K_RANKS];
static int status_seen;
static char path[sizeof(((struct sockaddr_un *)0)->sun_path)];

static void unlink_socket(void)
{
    unlink(path);
}

static void launch(unsigned rank, char **argv)
{
    pid[rank] = fork();
    if (pid[rank] != 0)
        return;
    setenv("OMPI_MCA_pmix_toro_path", path, 1);
    setenv("OMPI_MCA_orte_local_daemon_uri", "65536.1;tcp://127.0.0.1:1", 1);
    setenv("OMPI_MCA_orte_bound_at_launch", "1", 1);
    setenv("OMPI_MCA_orte_create_session_dirs", "0", 1);
    setenv("OMPI_MCA_orte_launch", "1", 1);
    setenv("OMPI_MCA_ess", "^singleton", 1);
    execvp(argv[0], argv);
    perror(argv[0]);
    _exit(127);
}

static void accept_one(int lfd)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);
    int fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
        return;
    for (unsigned i = 0; i < K_RANKS; i++) {
        if (pid[i] == cred.pid && conn[i] < 0 && k_open_dev(i) == 0) {
            conn[i] = fd;
            return;
        }
    }
    close(fd);
}

static void hang_up(unsigned rank)
{
    close(conn[rank]);
    conn[rank] = -1;
    k_close(rank);
}

static void incoming(unsigned rank)
{
    static uint64_t buf[TOROBUS_PMIX_MSG_MAX / 8];
    long n = recv(conn[rank], buf, sizeof(buf), MSG_DONTWAIT);

    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        hang_up(rank);
        return;
    }
    if (n > 0 && (n = k_write(rank, buf, (size_t)n)) < 0)
        fprintf(stderr, "bridge: rank %u: message refused (%ld)\n", rank, -n);
}

static void outgoing(void)
{
    static uint64_t buf[TOROBUS_PMIX_MSG_MAX / 8];
    struct k_frame *f;
    long n;

    for (unsigned i = 0; i < K_RANKS; i++) {
        while (conn[i] >= 0 && (n = k_read(i, buf, sizeof(buf))) > 0)
            if (send(conn[i], buf, (size_t)n, MSG_NOSIGNAL) < 0)
                hang_up(i);
    }
    while ((f = k_frame()) != NULL)
        free(f);
    for (unsigned i = 0; i < K_RANKS; i++) {
        if (k_ended[i] && pid[i] > 0) {
            kill(pid[i], SIGKILL);
            if (!status_seen)
                status_seen = (int)(k_ended[i] - 1) & 255;
        }
    }
}

static unsigned reap(void)
{
    unsigned gone = 0;
    int st;

    for (unsigned i = 0; i < K_RANKS; i++) {
        if (pid[i] <= 0 || waitpid(pid[i], &st, WNOHANG) != pid[i])
            continue;
        pid[i] = 0;
        if (conn[i] >= 0)
            hang_up(i);
        k_end(i);
        gone++;
        st = WIFSIGNALED(st) ? 128 + WTERMSIG(st) : WEXITSTATUS(st);
        if (!status_seen)
            status_seen = st;
    }
    return gone;
}

int main(int argc, char **argv)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct pollfd pf[K_RANKS + 1];
    unsigned n, left;
    int lfd;

    if (argc < 3 || (n = (unsigned)atoi(argv[1])) < 1 || n > K_RANKS) {
        fprintf(stderr, "usage: %s N PROGRAM ARGS... (N up to %d)\n", argv[0], K_RANKS);
        return 2;
    }
    snprintf(path, sizeof(path), "/tmp/pmix-bridge.%d", (int)getpid());
    strcpy(sa.sun_path, path);
    lfd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (lfd < 0 || bind(lfd, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
        listen(lfd, K_RANKS) != 0) {
        perror(path);
        return 2;
    }
    atexit(unlink_socket);
    k_start(n, 0);
    for (unsigned i = 0; i < K_RANKS; i++)
        conn[i] = -1;
    for (unsigned i = 0; i < n; i++)
        launch(i, argv + 2);
    for (left = n; left > 0; left -= reap()) {
        for (unsigned i = 0; i <= K_RANKS; i++) {
            pf[i].fd = i == K_RANKS ? lfd : conn[i];
            pf[i].events = POLLIN;
            pf[i].revents = 0;
        }
        if (poll(pf, K_RANKS + 1, 20) < 0 && errno != EINTR)
            return 2;
        if (pf[K_RANKS].revents)
            accept_one(lfd);
        for (unsigned i = 0; i < K_RANKS; i++) {
            if (conn[i] >= 0 && conn[i] == pf[i].fd && pf[i].revents)
                incoming(i);
        }
        outgoing();
    }
    return status_seen;
}
