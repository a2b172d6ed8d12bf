/* SPDX-License-Identifier: BSD-3-Clause */
/* From a reserved slice to a running QEMU. */
#include "keeper.h"

#include "torobus/boot.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define KERNEL_MIB 64u
/** Descriptors that QEMU gets: ivshmem, ctl, console, QMP, and its stderr at the end. */
#define NLINKS 5u

/** vCPUs and native ranks that this job has or will have on this host. */
static unsigned total_vcpus(const struct keeper *k, unsigned ncores)
{
    unsigned total = 0;

    for (unsigned i = 0; i < TOROBUS_MAX_GUESTS; i++)
        if (k->guest[i] && k->guest[i]->state != KEEPER_GUEST_DEAD)
            total += k->guest[i]->ncores ? k->guest[i]->ncores : ncores;
    return total + k->native.nranks;
}

static unsigned live_guests(const struct keeper *k)
{
    unsigned n = 0;

    for (unsigned i = 0; i < TOROBUS_MAX_GUESTS; i++)
        n += k->guest[i] && k->guest[i]->state != KEEPER_GUEST_DEAD;
    return n ? n : 1;
}

uint64_t keeper_spin_ns(const struct keeper *k, unsigned ncores)
{
    const unsigned vcpus = total_vcpus(k, ncores);

    /* Spinning takes the core from the one that is waited for. Else it has to last longer than a
     * doorbell between guests takes (some 300 us each way under TCG): with less, two ranks that
     * have once slept go on waking each other for every message. */
    return vcpus > k->host_cpus ? 5000 : 1000000;
}

/** What to do about the way in which QEMU ended; "" if its words say it all. */
static const char *remedy(const char *last, int status)
{
    if (strstr(last, "Cannot allocate memory"))
        return "; QEMU may not have the address space or memory it needs: see ulimit -v and the "
               "limits of the memory cgroup";
    if (strstr(last, "kvm"))
        return "; TOROBUS_ACCEL=tcg runs it without KVM";
    if (strstr(last, "qemu_thread_create"))
        return "; QEMU may not make the threads it needs: see ulimit -u, -v and -d, and the limits "
               "of the pids cgroup";
    if (strstr(last, "Too many open files"))
        return "; see ulimit -n";
    if (strstr(last, "PVH ELF Note") || strstr(last, "invalid kernel header") ||
        strstr(last, "could not load kernel"))
        return "; that is no kernel image of Torobus: see TOROBUS_KERNEL and toro-info --settings";
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return "; if nobody did that, the host or its memory cgroup had no memory left";
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS)
        return "; the host could not give the memory that it touched: see the limits of the memory "
               "cgroup";
    return "";
}

/** All of the guest's links are closed and QEMU is reaped: nothing more will come from it. */
static void check_gone(struct keeper_guest *g)
{
    struct keeper *k = g->keeper;
    char who[256];

    if (g->pid > 0 || g->ctl || g->console || g->errors || g->qmp)
        return;
    if (g->state == KEEPER_GUEST_DEAD)
        return;
    keeper_guest_who(g, who);
    if (g->state == KEEPER_GUEST_KEPT)
        keeper_log("guest %s: ended while it waited: %s", g->name, g->last);
    else if (g->state != KEEPER_GUEST_STOPPING)
        keeper_guest_fail(g, 128 + 9, "guest %s ended: %s%s", who, g->panic[0] ? g->panic : g->last,
                          g->panic[0] ? "" : remedy(g->last, g->wait_status));
    g->state = KEEPER_GUEST_DEAD;
    keeper_core_cancel(g);
    keeper_gdb_gone(g);
    keeper_ivshmem_leave(k, g->slice);
    keeper_region_retire(&k->region, g->slice);
    keeper_log("guest %s: gone", g->name);
    keeper_guest_release(g);
    keeper_check_idle(k);
}

static void on_exit_event(evutil_socket_t fd, short what, void *arg)
{
    struct keeper_guest *g = arg;
    int status;

    (void)fd;
    (void)what;
    if (waitpid(g->pid, &status, WNOHANG) != g->pid)
        return;
    keeper_log("guest %s: QEMU ended, status %#x", g->name, (unsigned)status);
    event_del(g->exit_ev);
    close(g->pidfd);
    g->pid = 0;
    keeper_bind_forget(g);
    g->pidfd = -1;
    if (g->boot_timer)
        evtimer_del(g->boot_timer);
    if (g->stop_timer)
        evtimer_del(g->stop_timer);
    if (!g->last[0]) {
        if (WIFSIGNALED(status))
            snprintf(g->last, sizeof(g->last), "QEMU was killed by signal %d (%s)",
                     WTERMSIG(status), strsignal(WTERMSIG(status)));
        else if (WEXITSTATUS(status) == 2 * TOROBUS_EXIT_OK + 1)
            snprintf(g->last, sizeof(g->last), "the kernel powered off unasked");
        else if (WEXITSTATUS(status) == 2 * TOROBUS_EXIT_PANIC + 1)
            snprintf(g->last, sizeof(g->last), "the kernel panicked, its console says why");
        else
            snprintf(g->last, sizeof(g->last), "QEMU exited with status %d", WEXITSTATUS(status));
    }
    g->wait_status = status;
    check_gone(g);
}

/** QEMU's reason for stopping a guest; the state of the processor follows in many lines. */
static bool says_why(const char *line)
{
    return strncmp(line, "KVM internal error", 18) == 0 ||
           strncmp(line, "error: kvm run failed", 21) == 0;
}

/** One line that QEMU or the kernel's console printed. */
static void take_lines(struct keeper_guest *g, struct evbuffer *in, bool qemu, bool rest)
{
    size_t n;
    char *line;

    for (;;) {
        line = evbuffer_readln(in, &n, EVBUFFER_EOL_ANY);
        if (!line && (rest || evbuffer_get_length(in) > 4096) && evbuffer_get_length(in) > 0) {
            n = evbuffer_get_length(in) < 1024 ? evbuffer_get_length(in) : 1024;
            line = calloc(1, n + 1);
            if (line)
                evbuffer_remove(in, line, n);
        }
        if (!line)
            return;
        keeper_log("guest %s: %s: %s", g->name, qemu ? "qemu" : "console", line);
        if (*line && qemu && !g->why)
            snprintf(g->last, sizeof(g->last), "QEMU says: %.230s", line);
        g->why |= qemu && says_why(line);
        /* what QEMU prints while it is being ended is of no use to anyone */
        if (*line && g->state != KEEPER_GUEST_STOPPING && !qemu)
            keeper_guest_note(g, "%s: %s", g->name, line);
        free(line);
    }
}

static void on_text(struct bufferevent *bev, void *arg)
{
    struct keeper_guest *g = arg;

    take_lines(g, bufferevent_get_input(bev), bev == g->errors, false);
}

static void drain(struct keeper_guest *g, struct bufferevent *bev)
{
    struct evbuffer *all = bev ? evbuffer_new() : NULL;

    if (!all)
        return;
    evbuffer_add_buffer(all, bufferevent_get_input(bev));
    while (evbuffer_read(all, bufferevent_getfd(bev), 4096) > 0)
        ;
    take_lines(g, all, bev == g->errors, true);
    evbuffer_free(all);
}

void keeper_console_drain(struct keeper_guest *g)
{
    drain(g, g->console);
}

void keeper_errors_drain(struct keeper_guest *g)
{
    drain(g, g->errors);
}

static void on_text_event(struct bufferevent *bev, short what, void *arg)
{
    struct keeper_guest *g = arg;
    bool qemu = bev == g->errors;

    if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
        return;
    take_lines(g, bufferevent_get_input(bev), qemu, true);
    if (qemu)
        g->errors = NULL;
    else
        g->console = NULL;
    bufferevent_free(bev);
    check_gone(g);
}

static void on_qmp_event(struct bufferevent *bev, short what, void *arg)
{
    struct keeper_guest *g = arg;

    if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) || (what & BEV_EVENT_WRITING))
        return;
    keeper_qmp_read(bev, g);
    g->qmp = NULL;
    bufferevent_free(bev);
    check_gone(g);
}

void keeper_ctl_event(struct bufferevent *bev, short what, void *arg)
{
    struct keeper_guest *g = arg;

    if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
        return;
    if (what & BEV_EVENT_WRITING) {
        /* it takes nothing any more, but its last frames may still be unread */
        bufferevent_disable(bev, EV_WRITE);
        return;
    }
    keeper_ctl_read(bev, g);
    g->ctl = NULL;
    bufferevent_free(bev);
    check_gone(g);
}

static void on_boot_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct keeper_guest *g = arg;

    (void)fd;
    (void)what;
    keeper_guest_fail(g, 1,
                      "guest %s did not report in within %" PRIu64
                      " s; a slow machine needs a longer --timeout (TOROBUS_BOOT_TIMEOUT), -v -v "
                      "shows the kernel's steps",
                      g->name, g->boot_limit_s);
}

static void on_stop_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    keeper_guest_kill(arg);
}

/** Make a link to QEMU: a bufferevent here, a descriptor there. */
static struct bufferevent *make_link(struct keeper_guest *g, int *qemu_fd)
{
    struct bufferevent *bev;
    int sv[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) != 0)
        return NULL;
    evutil_make_socket_nonblocking(sv[0]);
    bev = bufferevent_socket_new(g->keeper->base, sv[0], BEV_OPT_CLOSE_ON_FREE);
    if (!bev) {
        close(sv[0]);
        close(sv[1]);
        return NULL;
    }
    *qemu_fd = sv[1];
    return bev;
}

static void close_all(int *fd, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (fd[i] >= 0)
            close(fd[i]);
}

static void drop_links(struct keeper_guest *g)
{
    struct bufferevent **all[] = {&g->ctl, &g->console, &g->errors, &g->qmp};

    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (*all[i])
            bufferevent_free(*all[i]);
        *all[i] = NULL;
    }
}

/** @return false with a line in err; the caller undoes. */
static bool start_qemu(struct keeper_guest *g, const struct keeper_settings *s, int fd[NLINKS],
                       char err[512])
{
    struct keeper *k = g->keeper;
    struct shim_qemu_config c = {.qemu = k->qemu,
                                 .kernel = k->kernel,
                                 .firmware = k->firmware,
                                 .name = g->uname,
                                 .accel = k->accel,
                                 .fs = s->fs,
                                 .guest = g->slice,
                                 .ncores = g->ncores,
                                 .vectors = k->region.sb.ports_per_guest,
                                 .kernel_mib = KERNEL_MIB,
                                 .caches = k->caches,
                                 .host_cpus = k->host_cpus,
                                 .log = s->log,
                                 .hoard = k->region.huge == SHIM_HUGE_TLB,
                                 .spin_ns = s->spin_ns};
    char gdb[SHIM_PATH_MAX];
    struct shim_argv args;
    char *text;

    c.root = s->root[0] ? s->root : NULL;
    if (s->gdb && !keeper_gdb_socket(g, gdb, err))
        return false;
    c.gdb = s->gdb ? gdb : NULL;
    if (c.spin_ns == UINT64_MAX)
        c.spin_ns = keeper_spin_ns(k, g->ncores);
    g->ctl = make_link(g, &fd[1]);
    g->console = make_link(g, &fd[2]);
    g->qmp = make_link(g, &fd[3]);
    g->errors = make_link(g, &fd[4]);
    if (!g->ctl || !g->console || !g->qmp || !g->errors ||
        !keeper_ivshmem_join(k, g->slice, g->ncores, &fd[0])) {
        snprintf(err, 512, "guest %s: no descriptors for its links: %s; see ulimit -n", g->name,
                 strerror(errno));
        return false;
    }
    c.ivshmem_fd = fd[0];
    c.ctl_fd = fd[1];
    c.console_fd = fd[2];
    c.qmp_fd = fd[3];
    if (!shim_qemu_argv(&c, &args)) {
        snprintf(err, 512, "guest %s: no memory", g->name);
        return false;
    }
    text = shim_argv_format(&args);
    keeper_log("guest %s: %s", g->name, text ? text : "?");
    free(text);
    clock_gettime(CLOCK_MONOTONIC, &g->born);
    g->pid = keeper_qemu_spawn(g, args.v, fd, NLINKS - 1, fd[NLINKS - 1], &g->pidfd);
    shim_argv_free(&args);
    if (g->pid < 0) {
        g->pid = 0;
        snprintf(err, 512, "guest %s: cannot start QEMU: %s; see ulimit -%c", g->name,
                 strerror(errno), errno == EMFILE ? 'n' : 'u');
        return false;
    }
    return true;
}

bool keeper_boot(struct keeper_guest *g, unsigned nranks, const struct keeper_settings *s,
                 char err[512])
{
    struct timeval limit = {.tv_sec = (time_t)s->boot_timeout_s};
    struct keeper *k = g->keeper;
    unsigned ncores = nranks * s->cores;
    int fd[NLINKS] = {-1, -1, -1, -1, -1};
    char per_rank[32];
    uint64_t mem;
    bool ok;

    snprintf(per_rank, sizeof(per_rank), "%" PRIu64 "K", s->mem_per_rank / 1024 * nranks);
    if (!keeper_region_mem_limit(&k->region, live_guests(k),
                                 s->mem[0] || !s->mem_per_rank ? s->mem : per_rank, &mem, err))
        return false;
    g->ncores = ncores;
    g->nranks = nranks;
    g->settings = *s;
    keeper_region_reserve(&k->region, g->slice, g->uname, ncores, mem);
    keeper_region_state(&k->region, g->slice, TOROBUS_SLICE_BOOTING);
    ok = start_qemu(g, s, fd, err);
    close_all(fd, NLINKS);
    if (ok) {
        g->exit_ev = event_new(k->base, g->pidfd, EV_READ | EV_PERSIST, on_exit_event, g);
        g->boot_timer = evtimer_new(k->base, on_boot_timeout, g);
        g->stop_timer = evtimer_new(k->base, on_stop_timeout, g);
        ok = g->exit_ev && g->boot_timer && g->stop_timer;
        if (!ok)
            snprintf(err, 512, "guest %s: no memory", g->name);
    }
    if (!ok) {
        keeper_gdb_gone(g);
        keeper_guest_kill(g);
        drop_links(g);
        keeper_ivshmem_leave(k, g->slice);
        keeper_region_state(&k->region, g->slice, TOROBUS_SLICE_FREE);
        g->ncores = g->nranks = 0;
        return false;
    }
    g->state = KEEPER_GUEST_BOOTING;
    g->boot_limit_s = s->boot_timeout_s;
    event_add(g->exit_ev, NULL);
    evtimer_add(g->boot_timer, &limit);
    bufferevent_setcb(g->ctl, keeper_ctl_read, NULL, keeper_ctl_event, g);
    bufferevent_setcb(g->console, on_text, NULL, on_text_event, g);
    bufferevent_setcb(g->errors, on_text, NULL, on_text_event, g);
    bufferevent_setcb(g->qmp, keeper_qmp_read, NULL, on_qmp_event, g);
    bufferevent_enable(g->ctl, EV_READ | EV_WRITE);
    bufferevent_enable(g->console, EV_READ);
    bufferevent_enable(g->errors, EV_READ);
    bufferevent_enable(g->qmp, EV_READ | EV_WRITE);
    return true;
}
