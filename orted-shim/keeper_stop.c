/* SPDX-License-Identifier: BSD-3-Clause */
/* Stopped processes (SIGSTOP, Ctrl-Z). A stopped QEMU is named to the user, since its job only
 * seems to hang. A stopped proxy stops its rank: mpirun forwards SIGTSTP as SIGSTOP, which nobody
 * can catch, so the keeper looks at its proxies now and then. */
#include "keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/** How often the keeper looks whether proxies are stopped. */
static const struct timeval period = {.tv_usec = 400000};

/** State letter of a process in /proc, 0 if it cannot be told. */
static char state_of(pid_t pid)
{
    char path[40], text[256];
    const char *p;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    /* "pid (name) S ...": the name may hold anything */
    p = strrchr(text, ')');
    return p && p[1] == ' ' ? p[2] : 0;
}

static void look_at(struct keeper_client *c)
{
    char s = state_of(c->pid);
    bool stopped = s == 'T';

    if (s == 0 || stopped == c->stopped)
        return;
    c->stopped = stopped;
    keeper_log("guest %s: proxy of rank %u is %s", c->guest->name, c->rank,
               stopped ? "stopped" : "running again");
    keeper_guest_send(c->guest, TOROBUS_CTL_SIGNAL, c->rank, stopped ? SIGSTOP : SIGCONT, NULL, 0);
}

static void on_period(evutil_socket_t fd, short what, void *arg)
{
    struct keeper *k = arg;

    (void)fd;
    (void)what;
    for (struct keeper_client *c = k->clients; c; c = c->next)
        if (c->kind == KEEPER_CLIENT_RANK && c->guest && c->guest->state == KEEPER_GUEST_UP &&
            c->guest->rank[c->rank] == c && !c->guest->ended[c->rank])
            look_at(c);
}

static void on_child(evutil_socket_t sig, short what, void *arg)
{
    struct keeper *k = arg;

    (void)sig;
    (void)what;
    for (unsigned i = 0; i < TOROBUS_MAX_GUESTS; i++) {
        struct keeper_guest *g = k->guest[i];
        siginfo_t si = {.si_pid = 0};

        if (!g || g->pid <= 0 || g->state >= KEEPER_GUEST_STOPPING)
            continue;
        /* its exit is noticed, and reaped, elsewhere */
        if (waitid(P_PID, (id_t)g->pid, &si, WSTOPPED | WCONTINUED | WNOHANG) != 0 ||
            si.si_pid != g->pid)
            continue;
        if (si.si_code == CLD_STOPPED)
            keeper_guest_note(g,
                              "guest %s is stopped by signal %d: its ranks wait until QEMU (pid "
                              "%d) gets SIGCONT",
                              g->name, si.si_status, (int)g->pid);
        else if (si.si_code == CLD_CONTINUED)
            keeper_guest_note(g, "guest %s goes on", g->name);
    }
}

bool keeper_stop_watch(struct keeper *k)
{
    k->child_ev = evsignal_new(k->base, SIGCHLD, on_child, k);
    k->period_ev = event_new(k->base, -1, EV_PERSIST, on_period, k);
    return k->child_ev && k->period_ev && event_add(k->child_ev, NULL) == 0 &&
           event_add(k->period_ev, &period) == 0;
}
