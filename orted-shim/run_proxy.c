/* SPDX-License-Identifier: BSD-3-Clause */
/* toro-run as a launcher's child: the proxy of one rank. */
#include "run.h"

#include "shim_attach.h"
#include "shim_job.h"
#include "shim_msg.h"
#include "shim_parse.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/** For the keeper to put everything away when this was the last rank. */
static const struct timeval leave_limit = {.tv_sec = 4};

static struct event *leave_timer;

static void on_end(struct proxy *p)
{
    proxy_leave(p);
    evtimer_add(leave_timer, &leave_limit);
}

static void leave(const struct proxy *p)
{
    /* output that could not be written is a failure; the line that says so was printed */
    bool lost = p->out.sink->error || p->err.sink->error;

    proxy_exit(p->code == 0 && lost ? SHIM_EXIT_FAIL : p->code);
}

static void on_gone(struct proxy *p)
{
    if (p->state == PROXY_FINISHED)
        leave(p);
}

static void on_leave_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    leave(arg);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
    struct proxy *p = arg;

    (void)what;
    /* the rank has ended, only its output was still on the way */
    if (p->state >= PROXY_ENDED && (sig == SIGTERM || sig == SIGINT || sig == SIGHUP))
        proxy_exit(p->code);
    proxy_signal(p, (int)sig);
}

static void on_parent_gone(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    /* nobody waits for us any more; the keeper ends the rank when it sees us go */
    _exit(SHIM_EXIT_FAIL);
}

/** Jobs after the first (MPI_Comm_spawn, a DVM's next job) get guests of their own. */
static void name_guest(struct proxy_job *job)
{
    const char *ns = getenv("PMIX_NAMESPACE");
    bool group = shim_job_group((char[SHIM_KEY_LEN + 1]){0}) > 0;
    char node[64];
    uint64_t id = 0;

    memcpy(node, job->node, sizeof(node));
    /* Open MPI's job ids: family << 16 | number; 1 is what mpirun was told to run */
    if (!ns || !shim_parse_u64(ns, 0, UINT32_MAX, &id)) {
        if (group)
            shim_die(SHIM_EXIT_FAIL, "only jobs of mpirun can be in a group (TOROBUS_GROUP)");
        return;
    }
    if (!group && (id & 0xffff) <= 1)
        return;
    if (!shim_job_guest(job->node, (uint32_t)(group ? id : id & 0xffff)))
        shim_die(SHIM_EXIT_FAIL, "the node's name is too long: %s", node);
}

static void watch_parent(struct event_base *base)
{
    pid_t parent = getppid();
    struct event *ev;
    int fd;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    fd = (int)syscall(SYS_pidfd_open, parent, 0);
    if (fd < 0 || getppid() != parent)
        _exit(SHIM_EXIT_FAIL); /* it is gone already */
    ev = event_new(base, fd, EV_READ, on_parent_gone, NULL);
    if (!ev || event_add(ev, NULL) != 0)
        shim_die(SHIM_EXIT_FAIL, "no memory");
}

void run_proxy(const struct run_options *o, struct proxy_job *job)
{
    struct event_base *base = event_base_new();
    struct shim_env env;
    struct shim_sink out, err;
    struct proxy p = {
        .base = base, .job = job, .on_end = on_end, .on_gone = on_gone, .owner = NULL};
    struct shim_rank_place place = {0};
    char msg[256];
    int fd;

    if (!base)
        shim_die(SHIM_EXIT_FAIL, "no memory");
    watch_parent(base);
    run_place(&place);
    p.world_rank = place.world_rank;
    p.rank = place.local_rank;
    job->world_size = place.world_size;
    job->local_size = place.local_size;
    if (!shim_job_key_env(job->key))
        shim_die(SHIM_EXIT_FAIL, "the launcher does not tell its address");
    name_guest(job);
    run_bind(o, job);
    job->flags |= TOROBUS_START_HOSTED;
    if (!shim_env_copy(&env, o->env.v) || !shim_env_for_rank(&env, &place))
        shim_die(SHIM_EXIT_FAIL, "no memory");
    p.env = env.v;
    leave_timer = evtimer_new(base, on_leave_timeout, &p);
    if (!leave_timer || !shim_sink_open(&out, base, STDOUT_FILENO, false) ||
        !shim_sink_open(&err, base, STDERR_FILENO, false))
        shim_die(SHIM_EXIT_FAIL, "no memory or descriptors");
    for (const int *s = run_signals; *s; s++)
        event_add(evsignal_new(base, *s, on_signal, &p), NULL);
    fd = shim_attach(job->key, true, NULL, msg);
    if (fd < 0)
        shim_die(SHIM_EXIT_FAIL, "%s", msg);
    /* every rank has a stdin: the launcher gives /dev/null to those that get no input */
    if (!proxy_start(&p, fd, &out, &err, true))
        shim_die(SHIM_EXIT_FAIL, "no memory");
    event_base_dispatch(base);
    proxy_exit(p.state >= PROXY_ENDED ? p.code : SHIM_EXIT_FAIL);
}
