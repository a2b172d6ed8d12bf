/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests to the ranks' proxies and what comes back from them. */
#include "srv.h"

#include <toro/ctl.h>
#include <toro/mutex.h>

struct upcall {
    struct toro_list link;
    struct pmix_client *c;
    uint32_t uid, id;
    uint16_t op;
    bool get;
    struct pmix_job *job;
    uint32_t rank;
};

static struct toro_list upcalls;
static struct toro_mutex sending;

static void queue(unsigned index, struct pmix_msg *m)
{
    m->index = index;
    toro_list_push(&toro_pmix.out, &m->link);
    atomic_fetch_add_explicit(&toro_pmix.nout, 1, memory_order_relaxed);
}

static struct upcall *begin(struct pmix_client *c, struct pmix_msg *m, uint32_t id)
{
    struct upcall *u = toro_kzalloc(sizeof(*u));

    if (!u) {
        toro_pmix_reply(c, m->h.op, id, TOROBUS_PMIX_ERR_NOMEM);
        toro_kfree(m);
        return NULL;
    }
    if (++toro_pmix.next_id == 0)
        toro_pmix.next_id = 1;
    u->c = c;
    u->uid = toro_pmix.next_id;
    u->id = id;
    u->op = m->h.op;
    c->nwaits++;
    toro_list_push(&upcalls, &u->link);
    m->h.id = u->uid;
    queue(c->index, m);
    return u;
}

void toro_pmix_upcall(struct pmix_client *c, struct pmix_msg *m, uint32_t id)
{
    (void)begin(c, m, id);
}

void toro_pmix_upcall_get(struct pmix_client *c, struct pmix_msg *m, uint32_t id,
                          struct pmix_job *job, uint32_t rank)
{
    struct upcall *u = begin(c, m, id);

    if (u) {
        u->get = true;
        u->job = job;
        u->rank = rank;
    }
}

bool toro_pmix_fetching(const struct pmix_job *job, uint32_t rank)
{
    toro_list_each(&upcalls, l)
    {
        const struct upcall *u = toro_list_entry(l, struct upcall, link);

        if (u->get && u->job == job && u->rank == rank)
            return true;
    }
    return false;
}

void toro_pmix_notice(unsigned index, struct pmix_msg *m)
{
    m->h.id = 0;
    queue(index, m);
}

void toro_pmix_flush(void)
{
    struct toro_list *l;
    struct pmix_msg *m;

    /* whoever queues comes here afterwards: a stale zero means that somebody else is on his way */
    while (atomic_load_explicit(&toro_pmix.nout, memory_order_relaxed) != 0) {
        toro_mutex_lock(&sending);
        toro_spin_lock(&toro_pmix.lock);
        l = toro_list_pop(&toro_pmix.out);
        if (l)
            atomic_fetch_sub_explicit(&toro_pmix.nout, 1, memory_order_relaxed);
        toro_spin_unlock(&toro_pmix.lock);
        if (l) {
            m = toro_list_entry(l, struct pmix_msg, link);
            if (toro_ctl_send(TOROBUS_CTL_PMIX, m->index, 0, &m->h,
                              (uint32_t)sizeof(m->h) + m->h.len))
                toro_printk(0, "pmix: cannot reach the proxy of rank %u\n", m->index);
            toro_kfree(m);
        }
        toro_mutex_unlock(&sending);
    }
}

static void drop(struct upcall *u)
{
    toro_list_del(&u->link);
    u->c->nwaits--;
    toro_kfree(u);
}

/* m answers u. */
static void reply(struct upcall *u, struct pmix_msg *m)
{
    struct pmix_client *c = u->c;
    struct upcall was = *u;

    drop(u);
    if (m->h.op != was.op) {
        toro_printk(0, "pmix: proxy of rank %u answers op %u with op %u\n", c->index, was.op,
                    m->h.op);
        m->h.status = TOROBUS_PMIX_ERROR;
        m->h.len = 0;
    }
    switch (was.op) {
    case TOROBUS_PMIX_INIT:
        toro_pmix_inited(
            c, was.id, m->h.status == TOROBUS_PMIX_SUCCESS ? toro_pmix_hosted(c, m) : m->h.status);
        break;
    case TOROBUS_PMIX_GET:
        toro_pmix_get_fetched(c, was.id, was.job, was.rank, m);
        return;
    case TOROBUS_PMIX_COMMIT:
        if (m->h.status != TOROBUS_PMIX_SUCCESS)
            toro_printk(0, "pmix: the host does not take what rank %u commits (%d)\n", c->rank,
                        m->h.status);
        break;
    case TOROBUS_PMIX_FINALIZE:
        toro_pmix_finalized(c, was.id, m->h.status);
        break;
    default:
        toro_pmix_reply_msg(c, was.op, was.id, m);
        return;
    }
    toro_kfree(m);
}

static void message(unsigned index, struct pmix_msg *m)
{
    struct pmix_client *c = &toro_pmix.client[index];

    if (m->h.flags & TOROBUS_PMIX_F_REPLY) {
        toro_list_each(&upcalls, l)
        {
            struct upcall *u = toro_list_entry(l, struct upcall, link);

            if (u->c == c && u->uid == m->h.id) {
                reply(u, m);
                return;
            }
        }
        toro_kfree(m); /* of a request that was given up */
        return;
    }
    if (c->inited && (m->h.op == TOROBUS_PMIX_EVENT || m->h.op == TOROBUS_PMIX_LOG)) {
        m->h.id = 0;
        toro_pmix_deliver(c, m);
        return;
    }
    toro_kfree(m);
}

/* Trust: h was checked by the ctl channel, the message in body is checked here. */
static void on_ctl(const struct torobus_ctl_hdr *h, const void *body)
{
    struct pmix_msg *m;

    if (h->rank >= TORO_MAX_CORES || h->len < sizeof(m->h) || h->len > TOROBUS_PMIX_MSG_MAX) {
        toro_printk(0, "pmix: impossible frame for rank %u ignored\n", h->rank);
        return;
    }
    m = toro_pmix_msg_new(0, 0, 0, h->len - (uint32_t)sizeof(m->h));
    if (!m) {
        toro_printk(0, "pmix: no memory for a message to rank %u\n", h->rank);
        return;
    }
    toro_memcpy(&m->h, body, h->len);
    if (m->h.len != h->len - sizeof(m->h) || !toro_pmix_check(&m->h, toro_pmix_body(m))) {
        toro_printk(0, "pmix: damaged message for rank %u ignored\n", h->rank);
        toro_kfree(m);
        return;
    }
    toro_spin_lock(&toro_pmix.lock);
    message(h->rank, m);
    toro_spin_unlock(&toro_pmix.lock);
    toro_pmix_flush();
}

void toro_pmix_upcall_init(void)
{
    toro_list_init(&upcalls);
    toro_list_init(&toro_pmix.out);
    toro_mutex_init(&sending);
    toro_ctl_register(TOROBUS_CTL_PMIX, on_ctl);
}

/* Nobody waits for this one's answer any more; others may have relied on it. */
static void give_up(struct upcall *u)
{
    struct upcall was = *u;

    drop(u);
    if (was.get && was.job)
        toro_pmix_get_again(was.job, was.rank);
}

void toro_pmix_upcall_end(struct pmix_client *c)
{
    toro_list_each_safe(&upcalls, l, next)
    {
        struct upcall *u = toro_list_entry(l, struct upcall, link);

        if (u->c == c)
            give_up(u); /* (new ones come behind all there are) */
    }
}

void toro_pmix_upcall_forget(struct pmix_job *job)
{
    toro_list_each(&upcalls, l)
    {
        struct upcall *u = toro_list_entry(l, struct upcall, link);

        if (u->job == job)
            u->job = NULL;
    }
}

bool toro_pmix_upcall_cancel(struct pmix_client *c, uint32_t id)
{
    toro_list_each(&upcalls, l)
    {
        struct upcall *u = toro_list_entry(l, struct upcall, link);

        if (u->c == c && u->id == id) {
            give_up(u);
            return true;
        }
    }
    return false;
}
