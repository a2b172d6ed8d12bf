/* SPDX-License-Identifier: BSD-3-Clause */
/* toro-run -n: a job without mpirun, and those that it starts itself. The same keeper, all proxies
 * in this process. */
#include "family.h"
#include "run.h"

#include "shim_attach.h"
#include "shim_job.h"
#include "shim_msg.h"
#include "shim_path.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#define WHOLE_JOB UINT64_MAX

/** Between asking the ranks to end, ending them, and not waiting for them any longer. */
static const struct timeval patience = {.tv_sec = 1};
/** For the keeper to put everything away. */
static const struct timeval leave_limit = {.tv_sec = 5};
/** What Open MPI exits with when it hears that a peer has aborted: OPAL_ERR_PROC_ABORTED. */
#define HEARD_OF_ABORT ((uint8_t)-57)

struct alone {
    struct event_base *base;
    struct family family;
    const struct run_options *o;
    struct shim_sink out, err;
    char transports[40];
    pid_t keeper;
    int status;         /**< of the lowest rank that failed by itself */
    uint64_t status_of; /**< that rank, the job in front; or WHOLE_JOB (MPI_Abort, Ctrl-C) */
    int urgency;        /**< how hard the ranks have been asked to end */
    struct event *timer;
};

static uint64_t name_of(const struct family_rank *r)
{
    return (uint64_t)r->job->number << 32 | r->rank;
}

/** Whether all ranks of all jobs have ended, and have been let go by the keeper. */
static bool all_ended(const struct alone *a, bool gone)
{
    for (const struct family_job *j = a->family.jobs; j; j = j->next)
        if (j->nfinished < j->n || (gone && j->ngone < j->n))
            return false;
    return true;
}

static void finish_check(struct alone *a)
{
    if (all_ended(a, true))
        event_base_loopbreak(a->base);
}

static void press_job(struct family_job *j, int urgency)
{
    static const int how[] = {0, SIGTERM, SIGKILL};

    for (uint32_t i = 0; i < j->n; i++) {
        if (urgency < 3)
            proxy_signal(&j->rank[i].proxy, how[urgency]);
        else
            proxy_end(&j->rank[i].proxy, PROXY_SIGNALED + SIGKILL);
    }
}

static void press(struct alone *a)
{
    a->urgency++;
    for (struct family_job *j = a->family.jobs; j; j = j->next)
        press_job(j, a->urgency);
    if (a->urgency < 3)
        evtimer_add(a->timer, &patience);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct alone *a = arg;

    (void)fd;
    (void)what;
    if (all_ended(a, false))
        event_base_loopbreak(a->base); /* the keeper takes too long; it is dying anyway */
    else
        press(a);
}

/** How a rank's end counts. */
static void note_status(struct alone *a, const struct family_rank *r)
{
    const struct proxy *p = &r->proxy;
    /* what a rank that was told to end answers says nothing about it */
    bool told =
        a->urgency > 0 && (p->code == PROXY_SIGNALED + SIGTERM ||
                           p->code == PROXY_SIGNALED + SIGKILL || p->code == HEARD_OF_ABORT);

    if (a->status != 0 && (told || a->status_of == WHOLE_JOB || name_of(r) >= a->status_of))
        return;
    a->status = p->code > PROXY_SIGNALED ? 128 + p->code - PROXY_SIGNALED : p->code;
    a->status_of = name_of(r);
    if (p->code > PROXY_SIGNALED && a->urgency == 0)
        shim_error("rank %u on guest %s was ended by signal %d (%s)", p->world_rank, p->job->node,
                   p->code - PROXY_SIGNALED, strsignal(p->code - PROXY_SIGNALED));
}

static void on_end(struct proxy *p)
{
    struct family_rank *r = p->owner;
    struct family_job *j = r->job;
    struct alone *a = j->family->owner;
    bool counts = j->state == FAMILY_RUNNING || !*j->parent;
    /* the first job's kernel sees to that itself */
    bool improper = p->code == 0 && r->inited && *j->parent;

    j->nfinished++;
    proxy_leave(p);
    if (improper) {
        p->code = 1;
        if (a->urgency == 0)
            shim_error("rank %u on guest %s ended without MPI_Finalize; that ends the job",
                       p->world_rank, p->job->node);
    }
    if (p->code != 0 && counts)
        note_status(a, r);
    family_ended(r, p->code != 0 && counts);
    if (all_ended(a, false)) {
        evtimer_add(a->timer, &leave_limit);
        finish_check(a);
    } else if (p->code != 0 && counts && a->urgency == 0) {
        press(a);
    }
}

static void on_gone(struct proxy *p)
{
    struct family_rank *r = p->owner;

    r->job->ngone++;
    finish_check(r->job->family->owner);
}

static void on_started(struct proxy *p)
{
    family_started(p->owner);
}

static void on_pmix(struct proxy *p, const struct torobus_pmix_hdr *h, char *body)
{
    family_message(p->owner, h, body);
}

static void on_abort(struct family_rank *r, int status)
{
    struct alone *a = r->job->family->owner;

    /* when the job is ending already, this is an answer to that */
    if (a->urgency == 0) {
        a->status = status & 0xff ? status & 0xff : 1;
        a->status_of = WHOLE_JOB;
    }
    shim_error("rank %u called MPI_Abort with status %d", r->rank, status);
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
    if (ends && all_ended(a, false)) {
        event_base_loopbreak(a->base);
        return;
    }
    for (struct family_job *j = a->family.jobs; j; j = j->next)
        for (uint32_t i = 0; i < j->n; i++)
            proxy_signal(&j->rank[i].proxy, (int)sig);
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

/** The rank's environment: toro-run's, what its application adds, and its place. */
static bool environment(struct alone *a, struct family_rank *r)
{
    const struct family_app *app = &r->job->app[r->app];
    const struct shim_rank_place place = {.world_rank = r->rank,
                                          .world_size = r->job->n,
                                          .local_rank = r->rank,
                                          .local_size = r->job->n,
                                          .app = r->app,
                                          .nspace = r->job->nspace,
                                          .transports = a->transports};
    bool ok = shim_env_copy(&r->env, a->o->env.v);

    for (unsigned i = 0; ok && i < app->env.n; i++) {
        char *eq = strchr(app->env.v[i], '=');

        *eq = '\0';
        ok = shim_env_set(&r->env, app->env.v[i], eq + 1, true);
        *eq = '=';
    }
    return ok && shim_env_for_rank(&r->env, &place);
}

static void start_rank(struct alone *a, struct family_rank *r, int fd)
{
    bool first = !*r->job->parent;

    if (!environment(a, r))
        shim_die(SHIM_EXIT_FAIL, "no memory");
    r->proxy = (struct proxy){.base = a->base,
                              .job = &r->job->app[r->app].job,
                              .rank = r->rank,
                              .world_rank = r->rank,
                              .env = r->env.v,
                              .on_end = on_end,
                              .on_gone = on_gone,
                              .on_started = on_started,
                              .on_pmix = on_pmix,
                              .owner = r};
    if (!proxy_start(&r->proxy, fd, &a->out, &a->err, first && r->rank == 0))
        shim_die(SHIM_EXIT_FAIL, "no memory");
}

static bool start_job(struct family_job *j, char err[256])
{
    struct alone *a = j->family->owner;
    bool first = !*j->parent;
    int fd[TOROBUS_MAX_CORES];

    /* all or none */
    for (uint32_t i = 0; i < j->n; i++) {
        fd[i] = shim_attach(a->family.model->key, first, first && i == 0 ? &a->keeper : NULL, err);
        if (fd[i] < 0) {
            while (i > 0)
                close(fd[--i]);
            return false;
        }
    }
    if (!first)
        a->out.by_lines = a->err.by_lines = true;
    for (uint32_t i = 0; i < j->n; i++)
        start_rank(a, &j->rank[i], fd[i]);
    return true;
}

/** It could not be started: none of its ranks is to stay. */
static void drop_job(struct family_job *j)
{
    press_job(j, 3);
}

static bool ending(const struct family *f)
{
    return ((const struct alone *)f->owner)->urgency > 0;
}

/** Wait for the keeper that we started, so that nothing of the job is left when we end. */
static void reap_keeper(pid_t pid)
{
    for (int i = 0; pid > 0 && i < 200 && waitpid(pid, NULL, WNOHANG) == 0; i++)
        usleep(5000);
}

int run_alone(const struct run_options *o, struct proxy_job *job)
{
    struct alone a = {.o = o, .keeper = -1};
    struct family_job *j;
    char msg[256], err[512];

    /* before something fails for it that cannot say why */
    if (!shim_path_nofile(err))
        shim_die(SHIM_EXIT_FAIL, "%s", err);
    a.base = event_base_new();
    if (!shim_job_key_random(job->key))
        shim_die(SHIM_EXIT_FAIL, "no random bytes: %s", strerror(errno));
    random_transports(a.transports);
    job->world_size = job->local_size = o->n;
    run_bind(o, job);
    a.family = (struct family){.base = a.base,
                               .model = job,
                               .start = start_job,
                               .drop = drop_job,
                               .abort = on_abort,
                               .ending = ending,
                               .owner = &a};
    j = family_job_new(&a.family, o->n, 1);
    a.timer = a.base ? evtimer_new(a.base, on_timer, &a) : NULL;
    if (!j || !a.timer || !shim_sink_open(&a.out, a.base, STDOUT_FILENO, o->n > 1) ||
        !shim_sink_open(&a.err, a.base, STDERR_FILENO, o->n > 1))
        shim_die(SHIM_EXIT_FAIL, "no memory or descriptors");
    j->app[0].job = *job;
    j->app[0].n = o->n;
    for (uint32_t i = 0; i < o->n; i++)
        j->rank[i].app_rank = i;
    for (const int *s = run_signals; *s; s++)
        event_add(evsignal_new(a.base, *s, on_signal, &a), NULL);
    if (!start_job(j, msg))
        shim_die(SHIM_EXIT_FAIL, "%s", msg);
    event_base_dispatch(a.base);
    if (o->keep_s == 0)
        reap_keeper(a.keeper);
    if (a.status == 0 && (a.out.error || a.err.error))
        a.status = SHIM_EXIT_FAIL; /* output is lost, and the line that says so was printed */
    shim_step("ends with status %d", a.status);
    return a.status;
}
