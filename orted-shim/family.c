/* SPDX-License-Identifier: BSD-3-Clause */
/* The family's jobs, requests of their ranks, and what becomes of both. */
#include "family.h"

#include "shim_msg.h"

#include <pmix_common.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct family_job *family_job_new(struct family *f, uint32_t n, uint32_t napps)
{
    struct family_job *j = calloc(1, sizeof(*j));

    if (!j)
        return NULL;
    j->rank = calloc(n, sizeof(*j->rank));
    j->app = calloc(napps, sizeof(*j->app));
    if (!j->rank || !j->app) {
        free(j->rank);
        free(j->app);
        free(j);
        return NULL;
    }
    j->family = f;
    j->number = ++f->last_number;
    j->n = n;
    j->napps = napps;
    snprintf(j->nspace, sizeof(j->nspace), "%u", FAMILY_JOBID(j->number));
    for (uint32_t i = 0; i < n; i++) {
        j->rank[i].job = j;
        j->rank[i].rank = i;
    }
    j->next = f->jobs;
    f->jobs = j;
    return j;
}

static void free_values(struct family_value *v)
{
    struct family_value *next;

    for (; v; v = next) {
        next = v->next;
        free(v);
    }
}

static void job_free(struct family_job *j)
{
    for (uint32_t i = 0; i < j->n; i++) {
        free_values(j->rank[i].values);
        shim_env_free(&j->rank[i].env);
        proxy_close(&j->rank[i].proxy);
    }
    for (uint32_t i = 0; i < j->napps; i++) {
        shim_env_free(&j->app[i].env);
        for (char **a = j->app[i].argv; a && *a; a++)
            free(*a);
        free(j->app[i].argv);
    }
    free(j->rank);
    free(j->app);
    free(j);
}

void family_sweep(struct family *f)
{
    struct family_job **p = &f->jobs;

    while (*p) {
        struct family_job *j = *p;

        bool done = j->number > 1 && j->ngone == j->n && j->nfinished == j->n;

        /* a thread may still be about to take a lock for one of them */
        for (uint32_t i = 0; i < j->n; i++)
            done &= j->rank[i].proxy.locks == NULL;
        if (done) {
            *p = j->next;
            job_free(j);
        } else {
            p = &j->next;
        }
    }
}

struct family_job *family_find_job(struct family *f, const char *nspace, size_t len)
{
    for (struct family_job *j = f->jobs; j; j = j->next)
        if (strlen(j->nspace) == len && memcmp(j->nspace, nspace, len) == 0)
            return j;
    return NULL;
}

struct family_rank *family_find(struct family *f, const char *nspace, size_t len, uint32_t rank)
{
    struct family_job *j = family_find_job(f, nspace, len);

    return j && rank < j->n ? &j->rank[rank] : NULL;
}

static void send_message(struct family_rank *r, const struct torobus_pmix_hdr *h, const void *body)
{
    char *m = malloc(sizeof(*h) + h->len);

    if (!m)
        shim_die(SHIM_EXIT_FAIL, "no memory for a PMIx message");
    memcpy(m, h, sizeof(*h));
    if (h->len)
        memcpy(m + sizeof(*h), body, h->len);
    proxy_send(&r->proxy, TOROBUS_CTL_PMIX, 0, m, (uint32_t)sizeof(*h) + h->len);
    free(m);
}

static void req_free(struct family_req *q)
{
    if (q->timer)
        event_free(q->timer);
    pbuf_free(&q->r.reply);
    free(q->r.body);
    free(q->procs);
    free(q);
}

static void unpark(struct family_req *q)
{
    for (struct family_req **p = &q->from->job->family->waiting; *p; p = &(*p)->next) {
        if (*p == q) {
            *p = q->next;
            q->from->nwaits--;
            return;
        }
    }
}

void family_reply(struct family_req *q, int status)
{
    struct torobus_pmix_hdr h = {
        .op = q->r.hdr.op, .flags = TOROBUS_PMIX_F_REPLY, .id = q->r.hdr.id, .status = status};

    if (q->parked)
        unpark(q);
    if (q->r.reply.failed)
        h.status = TOROBUS_PMIX_ERR_NOMEM;
    else if (status == TOROBUS_PMIX_SUCCESS)
        h.len = q->r.reply.len;
    if (q->from && !q->from->ended)
        send_message(q->from, &h, q->r.reply.p);
    req_free(q);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    family_reply(arg, TOROBUS_PMIX_ERR_TIMEOUT);
}

void family_park(struct family *f, struct family_req *q)
{
    const struct timeval limit = {.tv_sec = preq_u32(&q->r, TOROBUS_PMIX_K_TIMEOUT, 0) & INT32_MAX};
    struct family_req **p;

    if (q->from->nwaits >= FAMILY_WAITS) {
        family_reply(q, TOROBUS_PMIX_ERR_NOMEM);
        return;
    }
    if (limit.tv_sec > 0 &&
        (!(q->timer = evtimer_new(f->base, on_timeout, q)) || evtimer_add(q->timer, &limit) != 0)) {
        family_reply(q, TOROBUS_PMIX_ERR_NOMEM);
        return;
    }
    q->from->nwaits++;
    q->parked = true;
    for (p = &f->waiting; *p; p = &(*p)->next)
        ;
    *p = q;
}

/** The kernel of a guest that has "a host server" waits for an answer to each of these. */
static void leave(struct family_req *q)
{
    q->from->inited = false;
    family_reply(q, TOROBUS_PMIX_SUCCESS);
}

/** With id 0 the first job's kernel has ended its ranks already. */
static void end_all(struct family_req *q)
{
    struct family_rank *r = q->from;
    const struct torobus_pmix_item *it = preq_find(&q->r, TOROBUS_PMIX_K_MSG);
    int status = q->r.hdr.status;

    if (q->r.hdr.id != 0 && it && it->vlen > 0 &&
        !(it->vlen == 3 && memcmp(torobus_pmix_item_value(it), "N/A", 3) == 0))
        shim_print_foreign(torobus_pmix_item_value(it), it->vlen);
    family_reply(q, TOROBUS_PMIX_SUCCESS);
    r->job->family->abort(r, status);
}

/** A rank tells the others of its job, or those of all jobs. (What was meant for its guest only,
 * the guest's kernel has done.) */
static void tell_others(struct family_req *q)
{
    const uint32_t range = preq_u32(&q->r, TOROBUS_PMIX_K_RANGE, PMIX_RANGE_SESSION);
    const struct torobus_pmix_item *it;
    struct torobus_pmix_hdr h = {.op = TOROBUS_PMIX_EVENT};
    struct pbuf b = {0};

    for (uint32_t off = 0; preq_next(&q->r, &off, &it);)
        if (!item_is(it, TOROBUS_PMIX_K_RANGE))
            pbuf_copy(&b, it, it->rank);
    if (!preq_find(&q->r, TOROBUS_PMIX_K_PROC))
        pbuf_item(&b, TOROBUS_PMIX_K_PROC, q->from->rank, TOROBUS_PMIX_T_PROC, q->from->job->nspace,
                  (uint32_t)strlen(q->from->job->nspace));
    h.len = b.len;
    for (struct family_job *j = q->from->job->family->jobs; j && !b.failed; j = j->next)
        for (uint32_t i = 0; i < j->n; i++)
            if (&j->rank[i] != q->from && (range != PMIX_RANGE_NAMESPACE || j == q->from->job) &&
                !j->rank[i].ended && j->rank[i].proxy.state == PROXY_RUNNING)
                send_message(&j->rank[i], &h, b.p);
    family_reply(q, b.failed ? TOROBUS_PMIX_ERR_NOMEM : TOROBUS_PMIX_SUCCESS);
    pbuf_free(&b);
}

void family_message(struct family_rank *r, const struct torobus_pmix_hdr *h, char *body)
{
    struct family_req *q = calloc(1, sizeof(*q));

    if (!q)
        shim_die(SHIM_EXIT_FAIL, "no memory for a PMIx request");
    q->from = r;
    q->r.hdr = *h;
    q->r.body = body;
    switch (h->op) {
    case TOROBUS_PMIX_INIT:
        family_init(q);
        return;
    case TOROBUS_PMIX_FINALIZE:
        leave(q);
        return;
    case TOROBUS_PMIX_COMMIT:
        family_commit(q);
        return;
    case TOROBUS_PMIX_GET:
        family_get(q);
        return;
    case TOROBUS_PMIX_FENCE:
    case TOROBUS_PMIX_CONNECT:
    case TOROBUS_PMIX_DISCONNECT:
        family_fence(q);
        return;
    case TOROBUS_PMIX_ABORT:
        end_all(q);
        return;
    case TOROBUS_PMIX_PUBLISH:
        family_publish(q);
        return;
    case TOROBUS_PMIX_LOOKUP:
        family_lookup(q);
        return;
    case TOROBUS_PMIX_UNPUBLISH:
        family_unpublish(q);
        return;
    case TOROBUS_PMIX_SPAWN:
        family_spawn(q);
        return;
    case TOROBUS_PMIX_EVENT:
        if (h->flags & TOROBUS_PMIX_F_WATCH)
            family_reply(q, TOROBUS_PMIX_SUCCESS); /* everybody hears of everything */
        else
            tell_others(q);
        return;
    default:
        /* LOG: the rank prints it itself */
        family_reply(q, TOROBUS_PMIX_ERR_NOT_SUPPORTED);
    }
}

void family_started(struct family_rank *r)
{
    struct family_job *j = r->job;

    if (++j->nstarted < j->n || j->state != FAMILY_STARTING)
        return;
    j->state = FAMILY_RUNNING;
    if (j->spawn)
        family_spawned(j, TOROBUS_PMIX_SUCCESS);
}

/** The first job's kernel tells its own ranks of each other. */
static void tell(struct family_rank *to, const struct family_rank *gone)
{
    struct torobus_pmix_hdr h = {.op = TOROBUS_PMIX_EVENT};
    struct pbuf b = {0};

    if (to == gone || to->ended || to->proxy.state != PROXY_RUNNING ||
        (to->job == gone->job && to->job->number == 1))
        return;
    pbuf_u32(&b, TOROBUS_PMIX_K_STATUS, 0, TOROBUS_PMIX_T_S32,
             (uint32_t)TOROBUS_PMIX_EV_PROC_ABORTED);
    pbuf_item(&b, TOROBUS_PMIX_K_PROC, gone->rank, TOROBUS_PMIX_T_PROC, gone->job->nspace,
              (uint32_t)strlen(gone->job->nspace));
    h.len = b.len;
    if (!b.failed)
        send_message(to, &h, b.p);
    pbuf_free(&b);
}

/** What the rank itself waits for is forgotten. */
static void forget_requests(struct family_rank *r)
{
    struct family *f = r->job->family;
    struct family_req **p = &f->waiting, *q;

    while ((q = *p) != NULL) {
        if (q->from == r) {
            *p = q->next;
            req_free(q);
        } else {
            p = &q->next;
        }
    }
    for (struct family_job *j = f->jobs; j; j = j->next)
        if (j->spawn && j->spawn->from == r)
            j->spawn->from = NULL;
}

void family_ended(struct family_rank *r, bool aborted)
{
    struct family_job *j = r->job;
    struct family *f = j->family;
    bool last = true;

    if (r->ended)
        return;
    r->ended = true;
    r->inited = false;
    forget_requests(r);
    family_data_wake(f, r);
    for (uint32_t i = 0; i < j->n; i++)
        last &= j->rank[i].ended;
    family_names_gone(r, last);
    for (struct family_job *o = f->jobs; o && aborted; o = o->next)
        for (uint32_t i = 0; i < o->n; i++)
            tell(&o->rank[i], r);
    if (j->state == FAMILY_STARTING && j->spawn)
        family_spawned(j, TOROBUS_PMIX_ERROR);
}
