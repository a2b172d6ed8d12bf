/* SPDX-License-Identifier: BSD-3-Clause */
/* Upcalls of the guest's PMIx server: queues between the loop, the worker and libpmix' thread.
 *
 * Requests of a rank are started in the order in which they came; each is answered exactly once, by
 * whichever thread learns its result. */
#include "proxy_pmix.h"

#include "shim_msg.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/** A message for the guest. */
struct outmsg {
    struct outmsg *next;
    uint32_t len;
    char bytes[];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct preq *first, **last; /**< requests for the worker */
    struct outmsg *out, **out_last;
    int wake; /**< eventfd: out is not empty */
    struct event *ev;
    struct proxy_pmix px;
    bool running;
} q = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .wake = -1};

static const struct {
    void (*run)(struct preq *r);
} ops[] = {
    [TOROBUS_PMIX_INIT] = {pmix_op_init},           [TOROBUS_PMIX_FINALIZE] = {pmix_op_finalize},
    [TOROBUS_PMIX_COMMIT] = {pmix_op_commit},       [TOROBUS_PMIX_GET] = {pmix_op_get},
    [TOROBUS_PMIX_FENCE] = {pmix_op_fence},         [TOROBUS_PMIX_ABORT] = {pmix_op_abort},
    [TOROBUS_PMIX_PUBLISH] = {pmix_op_publish},     [TOROBUS_PMIX_LOOKUP] = {pmix_op_lookup},
    [TOROBUS_PMIX_UNPUBLISH] = {pmix_op_unpublish}, [TOROBUS_PMIX_CONNECT] = {pmix_op_connect},
    [TOROBUS_PMIX_DISCONNECT] = {pmix_op_connect},  [TOROBUS_PMIX_SPAWN] = {pmix_op_spawn},
    [TOROBUS_PMIX_EVENT] = {pmix_op_event},         [TOROBUS_PMIX_LOG] = {pmix_op_log},
};

#define NOPS (sizeof(ops) / sizeof(ops[0]))

/** With -v -v: every message and when it passed. */
static void trace(const struct proxy *p, const struct torobus_pmix_hdr *h)
{
    static const char *const names[] = {"?",       "INIT",       "FINALIZE", "COMMIT", "GET",
                                        "FENCE",   "ABORT",      "PUBLISH",  "LOOKUP", "UNPUBLISH",
                                        "CONNECT", "DISCONNECT", "SPAWN",    "EVENT",  "LOG"};

    if (shim_msg_verbose() < 2)
        return;
    shim_step("rank %u: PMIx %s %s %u, %u bytes, status %d", p->world_rank,
              h->op < sizeof(names) / sizeof(names[0]) ? names[h->op] : "?",
              h->flags & TOROBUS_PMIX_F_REPLY ? "reply" : "request", h->id, h->len, h->status);
}

static void push_out(const struct torobus_pmix_hdr *h, const void *body)
{
    struct outmsg *m = malloc(sizeof(*m) + sizeof(*h) + h->len);
    const uint64_t one = 1;

    if (!m)
        shim_die(SHIM_EXIT_FAIL, "no memory for a PMIx message");
    m->next = NULL;
    m->len = (uint32_t)sizeof(*h) + h->len;
    memcpy(m->bytes, h, sizeof(*h));
    if (h->len)
        memcpy(m->bytes + sizeof(*h), body, h->len);
    pthread_mutex_lock(&q.lock);
    *q.out_last = m;
    q.out_last = &m->next;
    pthread_mutex_unlock(&q.lock);
    /* an eventfd counts to 2^64: the write cannot fail for want of room */
    if (write(q.wake, &one, sizeof(one)) != (ssize_t)sizeof(one))
        shim_die(SHIM_EXIT_FAIL, "eventfd: %s", strerror(errno));
}

void pmix_send_unsolicited(struct proxy_pmix *px, uint16_t op, struct pbuf *body)
{
    const struct torobus_pmix_hdr h = {.len = body->len, .op = op};

    (void)px;
    if (!body->failed)
        push_out(&h, body->p);
    pbuf_free(body);
}

static void preq_free(struct preq *r)
{
    if (r->info)
        PMIX_INFO_FREE(r->info, r->ninfo);
    if (r->procs)
        PMIX_PROC_FREE(r->procs, r->nprocs);
    for (char **k = r->keys; k && *k; k++)
        free(*k);
    free(r->keys);
    free(r->codes);
    if (r->apps)
        PMIX_APP_FREE(r->apps, r->napps);
    pbuf_free(&r->reply);
    free(r->body);
    free(r);
}

void preq_done(struct preq *r, int status)
{
    struct torobus_pmix_hdr h = {
        .op = r->hdr.op, .flags = TOROBUS_PMIX_F_REPLY, .id = r->hdr.id, .status = status};

    if (r->reply.failed)
        h.status = TOROBUS_PMIX_ERR_NOMEM;
    else if (status == TOROBUS_PMIX_SUCCESS)
        h.len = r->reply.len;
    push_out(&h, r->reply.p);
    preq_free(r);
}

static void *worker(void *arg)
{
    (void)arg;
    for (;;) {
        struct preq *r;

        pthread_mutex_lock(&q.lock);
        while (!q.first)
            pthread_cond_wait(&q.work, &q.lock);
        r = q.first;
        q.first = r->next;
        if (!q.first)
            q.last = &q.first;
        pthread_mutex_unlock(&q.lock);
        if (r->hdr.op != TOROBUS_PMIX_INIT && !q.px.inited)
            preq_done(r, TOROBUS_PMIX_ERR_UNREACH);
        else
            ops[r->hdr.op].run(r);
    }
    return NULL;
}

/** Loop thread: send what the other threads have put out. */
static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct proxy *p = arg;
    struct outmsg *m, *next;
    uint64_t n;

    (void)what;
    if (read(fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
        return;
    pthread_mutex_lock(&q.lock);
    m = q.out;
    q.out = NULL;
    q.out_last = &q.out;
    pthread_mutex_unlock(&q.lock);
    for (; m; m = next) {
        struct torobus_pmix_hdr h;

        next = m->next;
        memcpy(&h, m->bytes, sizeof(h));
        trace(p, &h);
        proxy_send(p, TOROBUS_CTL_PMIX, 0, m->bytes, m->len);
        free(m);
    }
}

/** Start the worker with all signals blocked: they belong to the loop. */
static bool start(struct proxy *p)
{
    sigset_t all, old;
    pthread_t t;

    q.last = &q.first;
    q.out_last = &q.out;
    q.px.proxy = p;
    q.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (q.wake < 0)
        return false;
    q.ev = event_new(p->base, q.wake, EV_READ | EV_PERSIST, on_wake, p);
    if (!q.ev || event_add(q.ev, NULL) != 0)
        return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    q.running = pthread_create(&t, NULL, worker, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (q.running)
        pthread_detach(t);
    return q.running;
}

/** Whether a message is whole and all its items are. */
static bool well_formed(const struct torobus_pmix_hdr *h, const char *body, uint32_t len)
{
    const struct torobus_pmix_item *it;
    uint32_t off = 0;
    int r;

    if (h->len != len - sizeof(*h) || h->flags & TOROBUS_PMIX_F_REPLY || h->op >= NOPS ||
        !ops[h->op].run)
        return false;
    while ((r = torobus_pmix_next(body, h->len, &off, &it)) == TOROBUS_OK)
        ;
    return r == TOROBUS_AGAIN;
}

void proxy_pmix_message(struct proxy *p, void *frame, uint32_t len)
{
    struct torobus_pmix_hdr h;
    struct preq *r;

    if (len >= sizeof(h))
        memcpy(&h, frame, sizeof(h));
    if (len < sizeof(h) || !well_formed(&h, (char *)frame + sizeof(h), len)) {
        shim_error("rank %u: guest %s sent a broken PMIx message", p->world_rank, p->job->node);
        free(frame);
        proxy_end(p, SHIM_EXIT_FAIL);
        return;
    }
    trace(p, &h);
    /* items are 8-byte aligned behind the header, which is 16 bytes long */
    memmove(frame, (char *)frame + sizeof(h), h.len);
    if (p->on_pmix) {
        p->on_pmix(p, &h, frame);
        return;
    }
    r = calloc(1, sizeof(*r));
    if (!r || (!q.running && !start(p)))
        shim_die(SHIM_EXIT_FAIL, "no memory or thread for PMIx");
    r->px = &q.px;
    r->hdr = h;
    r->body = frame;
    pthread_mutex_lock(&q.lock);
    *q.last = r;
    q.last = &r->next;
    pthread_cond_signal(&q.work);
    pthread_mutex_unlock(&q.lock);
}
