/* SPDX-License-Identifier: BSD-3-Clause */
/* toro-run -n: a job without mpirun. The same keeper, all proxies in this process. */
#include "run.h"

#include "shim_attach.h"
#include "shim_job.h"
#include "shim_msg.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

/** Job id of every stand-alone job: family 1, job 1. */
#define NSPACE    "65537"

#define WHOLE_JOB UINT32_MAX

/** Between asking the ranks to end, ending them, and not waiting for them any longer. */
static const struct timeval patience = {.tv_sec = 1};
/** For the keeper to put everything away. */
static const struct timeval leave_limit = {.tv_sec = 5};
/** What Open MPI exits with when it hears that a peer has aborted: OPAL_ERR_PROC_ABORTED. */
#define HEARD_OF_ABORT ((uint8_t)-57)

struct alone {
    struct event_base *base;
    struct proxy *proxy;
    struct shim_env *env;
    uint32_t n, nfinished, ngone;
    int status;         /**< of the lowest rank that failed by itself */
    uint32_t status_of; /**< that rank; or WHOLE_JOB (MPI_Abort, Ctrl-C) */
    int urgency;        /**< how hard the ranks have been asked to end */
    struct event *timer;
};

static void finish_check(struct alone *a)
{
    if (a->nfinished == a->n && a->ngone == a->n)
        event_base_loopbreak(a->base);
}

static void press(struct alone *a)
{
    static const int how[] = {0, SIGTERM, SIGKILL};

    a->urgency++;
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->urgency < 3)
            proxy_signal(&a->proxy[i], how[a->urgency]);
        else
            proxy_end(&a->proxy[i], PROXY_SIGNALED + SIGKILL);
    }
    if (a->urgency < 3)
        evtimer_add(a->timer, &patience);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct alone *a = arg;

    (void)fd;
    (void)what;
    if (a->nfinished == a->n)
        event_base_loopbreak(a->base); /* the keeper takes too long; it is dying anyway */
    else
        press(a);
}

static void on_end(struct proxy *p)
{
    struct alone *a = p->owner;

    /* what a rank that was told to end answers says nothing about it */
    bool told =
        a->urgency > 0 && (p->code == PROXY_SIGNALED + SIGTERM ||
                           p->code == PROXY_SIGNALED + SIGKILL || p->code == HEARD_OF_ABORT);

    a->nfinished++;
    proxy_leave(p);
    if (p->code != 0 &&
        (a->status == 0 || (!told && a->status_of != WHOLE_JOB && p->world_rank < a->status_of))) {
        a->status = p->code > PROXY_SIGNALED ? 128 + p->code - PROXY_SIGNALED : p->code;
        a->status_of = p->world_rank;
        if (p->code > PROXY_SIGNALED && a->urgency == 0)
            shim_error("rank %u on guest %s was ended by signal %d (%s)", p->world_rank,
                       p->job->node, p->code - PROXY_SIGNALED, strsignal(p->code - PROXY_SIGNALED));
    }
    if (a->nfinished == a->n) {
        evtimer_add(a->timer, &leave_limit);
        finish_check(a);
    } else if (p->code != 0 && a->urgency == 0) {
        press(a);
    }
}

static void on_gone(struct proxy *p)
{
    struct alone *a = p->owner;

    a->ngone++;
    finish_check(a);
}

static void on_abort(struct proxy *p, int status)
{
    struct alone *a = p->owner;

    /* when the job is ending already, this is an answer to that */
    if (a->urgency == 0) {
        a->status = status & 0xff ? status & 0xff : 1;
        a->status_of = WHOLE_JOB;
    }
    shim_error("rank %u called MPI_Abort with status %d", p->world_rank, status);
    if (a->urgency == 0)
        press(a);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
    static unsigned interrupts;
    struct alone *a = arg;
    bool ends = sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT;

    (void)what;
    if (ends && ++interrupts > 1) {
        a->status = a->status ? a->status : 128 + (int)sig;
        a->status_of = WHOLE_JOB;
        a->urgency = a->urgency < 1 ? 1 : a->urgency;
        press(a);
        return;
    }
    if (ends && a->nfinished == a->n) {
        event_base_loopbreak(a->base);
        return;
    }
    for (uint32_t i = 0; i < a->n; i++)
        proxy_signal(&a->proxy[i], (int)sig);
    if (sig == SIGTSTP)
        raise(SIGSTOP);
}

static void random_transports(char text[40])
{
    uint64_t r[2] = {0, 0};

    if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
        shim_die(SHIM_EXIT_FAIL, "no random bytes: %s", strerror(errno));
    snprintf(text, 40, "%016" PRIx64 "-%016" PRIx64, r[0], r[1]);
}

static void start_rank(struct alone *a, const struct run_options *o, struct proxy_job *job,
                       uint32_t i, const char *transports, int fd, struct shim_sink *out,
                       struct shim_sink *err)
{
    struct proxy *p = &a->proxy[i];
    const struct shim_rank_place place = {.world_rank = i,
                                          .world_size = a->n,
                                          .local_rank = i,
                                          .local_size = a->n,
                                          .nspace = NSPACE,
                                          .transports = transports};

    if (!shim_env_copy(&a->env[i], o->env.v) || !shim_env_for_rank(&a->env[i], &place))
        shim_die(SHIM_EXIT_FAIL, "no memory");
    *p = (struct proxy){.base = a->base,
                        .job = job,
                        .rank = i,
                        .world_rank = i,
                        .env = a->env[i].v,
                        .on_end = on_end,
                        .on_gone = on_gone,
                        .on_abort = on_abort,
                        .owner = a};
    if (!proxy_start(p, fd, out, err, i == 0))
        shim_die(SHIM_EXIT_FAIL, "no memory");
}

/** Wait for the keeper that we started, so that nothing of the job is left when we end. */
static void reap_keeper(pid_t pid)
{
    for (int i = 0; pid > 0 && i < 200 && waitpid(pid, NULL, WNOHANG) == 0; i++)
        usleep(5000);
}

int run_alone(const struct run_options *o, struct proxy_job *job)
{
    struct alone a = {.n = o->n, .base = event_base_new()};
    struct shim_sink out, err;
    char transports[40], msg[256];
    pid_t keeper = -1;

    if (!shim_job_key_random(job->key))
        shim_die(SHIM_EXIT_FAIL, "no random bytes: %s", strerror(errno));
    random_transports(transports);
    job->world_size = job->local_size = o->n;
    run_bind(o, job);
    a.proxy = calloc(o->n, sizeof(*a.proxy));
    a.env = calloc(o->n, sizeof(*a.env));
    a.timer = a.base ? evtimer_new(a.base, on_timer, &a) : NULL;
    if (!a.proxy || !a.env || !a.timer || !shim_sink_open(&out, a.base, STDOUT_FILENO, o->n > 1) ||
        !shim_sink_open(&err, a.base, STDERR_FILENO, o->n > 1))
        shim_die(SHIM_EXIT_FAIL, "no memory or descriptors");
    for (const int *s = run_signals; *s; s++)
        event_add(evsignal_new(a.base, *s, on_signal, &a), NULL);
    for (uint32_t i = 0; i < o->n; i++) {
        int fd = shim_attach(job->key, true, i == 0 ? &keeper : NULL, msg);

        if (fd < 0)
            shim_die(SHIM_EXIT_FAIL, "%s", msg);
        start_rank(&a, o, job, i, transports, fd, &out, &err);
    }
    event_base_dispatch(a.base);
    if (o->keep_s == 0)
        reap_keeper(keeper);
    if (a.status == 0 && (out.error || err.error))
        a.status = SHIM_EXIT_FAIL; /* output is lost, and the line that says so was printed */
    shim_step("ends with status %d", a.status);
    return a.status;
}
