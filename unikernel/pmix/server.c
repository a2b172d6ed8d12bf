/* SPDX-License-Identifier: BSD-3-Clause */
/* The PMIx server of the guest: what each request leads to, and the end of a rank. */
#include "srv.h"

struct pmix_srv toro_pmix;

void toro_pmix_init(void)
{
    toro_list_init(&toro_pmix.jobs);
    for (unsigned i = 0; i < TORO_MAX_CORES; i++) {
        toro_pmix.client[i].index = i;
        toro_list_init(&toro_pmix.client[i].queue);
        toro_waitq_init(&toro_pmix.client[i].wq);
    }
    toro_pmix_kvs_init();
    toro_pmix_fence_init();
    toro_pmix_get_init();
    toro_pmix_publish_init();
    toro_pmix_upcall_init();
    toro_pmix_farewell_init();
    if (toro_pmix_dev_register())
        toro_panic("pmix: cannot register /dev/toro-pmix");
}

bool toro_pmix_pending(const struct toro_proc *p)
{
    const struct pmix_client *c = p->pmix;

    return c && atomic_load_explicit(&c->nqueued, memory_order_acquire) != 0;
}

static void init(struct pmix_client *c, struct pmix_msg *m)
{
    const struct torobus_pmix_item *it = toro_pmix_find(m, TOROBUS_PMIX_K_ATTENTION);
    uint32_t id = m->h.id;

    if (it && it->vlen == sizeof(c->attention)) {
        toro_memcpy(&c->attention, torobus_pmix_item_value(it), sizeof(c->attention));
        if (c->attention % sizeof(uint32_t))
            c->attention = 0;
    }
    if (c->inited || !toro_pmix_is_hosted(c)) {
        toro_kfree(m);
        toro_pmix_inited(c, id, c->inited ? TOROBUS_PMIX_SUCCESS : toro_pmix_standalone(c));
        return;
    }
    m->h.len = 0; /* nothing in it concerns the proxy */
    toro_pmix_upcall(c, m, id);
}

void toro_pmix_inited(struct pmix_client *c, uint32_t id, int32_t status)
{
    struct pmix_msg *m;
    uint8_t hosted;
    bool ok;

    if (status != TOROBUS_PMIX_SUCCESS) {
        toro_pmix_reply(c, TOROBUS_PMIX_INIT, id, status);
        return;
    }
    c->inited = true;
    c->finalized = false;
    hosted = toro_pmix_is_hosted(c);
    m = toro_pmix_msg_new(0, 0, 0, 2048);
    ok = m &&
         toro_pmix_add_str(&m, TOROBUS_PMIX_K_NSPACE, TOROBUS_PMIX_T_STRING, 0, c->job->nspace,
                           c->job->nslen) &&
         toro_pmix_add_str(&m, TOROBUS_PMIX_K_RANK, TOROBUS_PMIX_T_U32, 0, &c->rank,
                           sizeof(c->rank)) &&
         toro_pmix_add_str(&m, TOROBUS_PMIX_K_HOSTED, TOROBUS_PMIX_T_BOOL, 0, &hosted, 1) &&
         toro_pmix_kv_all(c->job, TOROBUS_PMIX_RANK_WILDCARD, true, &m) &&
         toro_pmix_kv_all(c->job, c->rank, true, &m);
    if (!ok) {
        toro_kfree(m);
        toro_pmix_reply(c, TOROBUS_PMIX_INIT, id, TOROBUS_PMIX_ERR_NOMEM);
        return;
    }
    toro_pmix_reply_msg(c, TOROBUS_PMIX_INIT, id, m);
}

void toro_pmix_rank_gone(struct pmix_job *j, uint32_t rank)
{
    int pos = toro_pmix_pos(j, rank);

    if (pos >= 0) {
        j->gone |= 1ull << pos;
        toro_pmix_fence_gone(j, (uint32_t)pos);
    }
    toro_pmix_get_wake(j, rank);
}

void toro_pmix_finalized(struct pmix_client *c, uint32_t id, int32_t status)
{
    if (status == TOROBUS_PMIX_SUCCESS) {
        c->finalized = true;
        c->inited = false;
        c->committed = false;
        toro_pmix_rank_gone(c->job, c->rank);
    }
    toro_pmix_reply(c, TOROBUS_PMIX_FINALIZE, id, status);
}

/* Without a host server the kernel is the one that ends the job. */
static void abort_here(struct pmix_client *c, const struct pmix_msg *m, struct pmix_after *after)
{
    const struct torobus_pmix_item *it;
    int pos;

    PMIX_EACH(m, it)
    {
        if (toro_pmix_key_is(it, TOROBUS_PMIX_K_MSG)) {
            uint32_t n = TORO_MIN(it->vlen, (uint32_t)sizeof(after->msg) - 1);

            toro_memcpy(after->msg, torobus_pmix_item_value(it), n);
            after->msg[n] = '\0';
        } else if (toro_pmix_key_is(it, TOROBUS_PMIX_K_PROC)) {
            pos = toro_pmix_pos(c->job, it->rank);
            if (it->rank == TOROBUS_PMIX_RANK_WILDCARD)
                after->end = ~0ull;
            else if (pos >= 0)
                after->end |= 1ull << pos; /* standalone: position = local index */
        }
    }
    if (!after->end)
        after->end = ~0ull;
    after->status = (uint32_t)m->h.status & 0xff;
    after->index = c->index;
    toro_pmix_reply(c, TOROBUS_PMIX_ABORT, m->h.id, TOROBUS_PMIX_SUCCESS);
}

void toro_pmix_finish(const struct pmix_after *after)
{
    struct pmix_msg *m;
    struct toro_proc *p;

    if (!after->end)
        return;
    p = toro_proc(after->index);
    if (p && after->msg[0] && toro_strcmp(after->msg, "N/A") != 0)
        toro_proc_complain(p, "rank %u ends the job: %s\n", p->world_rank, after->msg);
    m = toro_pmix_msg_new(TOROBUS_PMIX_ABORT, 0, 0, 0);
    if (m) {
        m->h.status = (int32_t)after->status;
        toro_spin_lock(&toro_pmix.lock);
        toro_pmix_notice(after->index, m);
        toro_spin_unlock(&toro_pmix.lock);
        toro_pmix_flush();
    }
    for (unsigned i = 0; i < TORO_MAX_CORES; i++) {
        p = toro_proc(i);
        if (p && (after->end & 1ull << i))
            toro_proc_end(p, after->status);
    }
}

static void cancel(struct pmix_client *c, uint32_t id)
{
    if (id == 0)
        return;
    (void)(toro_pmix_get_cancel(c, id) || toro_pmix_lookup_cancel(c, id) ||
           toro_pmix_fence_cancel(c, id) || toro_pmix_upcall_cancel(c, id));
}

/* Answered here, or by the host. m is used up. */
static void serve_or_ask(struct pmix_client *c, struct pmix_msg *m, struct pmix_after *after)
{
    bool hosted = toro_pmix_is_hosted(c), asks = toro_pmix_asks(c);

    switch (m->h.op) {
    case TOROBUS_PMIX_COMMIT:
        toro_pmix_commit(c, m);
        return;
    case TOROBUS_PMIX_GET:
        toro_pmix_get(c, m);
        return;
    case TOROBUS_PMIX_FENCE:
    case TOROBUS_PMIX_CONNECT:
    case TOROBUS_PMIX_DISCONNECT:
        hosted = !toro_pmix_fence(c, m);
        break;
    case TOROBUS_PMIX_FINALIZE:
        if (!hosted)
            toro_pmix_finalized(c, m->h.id, TOROBUS_PMIX_SUCCESS);
        break;
    case TOROBUS_PMIX_ABORT:
        if (!hosted)
            abort_here(c, m, after);
        break;
    case TOROBUS_PMIX_PUBLISH:
        hosted = asks;
        if (!asks)
            toro_pmix_publish(c, m);
        break;
    case TOROBUS_PMIX_LOOKUP:
        hosted = asks;
        if (!asks)
            toro_pmix_lookup(c, m);
        break;
    case TOROBUS_PMIX_UNPUBLISH:
        hosted = asks;
        if (!asks)
            toro_pmix_unpublish(c, m);
        break;
    case TOROBUS_PMIX_SPAWN:
        toro_pmix_family_open(c);
        hosted = true;
        break;
    case TOROBUS_PMIX_EVENT:
        hosted = !toro_pmix_event(c, m);
        break;
    case TOROBUS_PMIX_LOG:
        if (!hosted)
            toro_pmix_reply(c, m->h.op, m->h.id, TOROBUS_PMIX_ERR_NOT_SUPPORTED);
        break;
    default:
        toro_pmix_reply(c, m->h.op, m->h.id, TOROBUS_PMIX_ERR_NOT_SUPPORTED);
        hosted = false;
    }
    if (hosted)
        toro_pmix_upcall(c, m, m->h.id);
    else
        toro_kfree(m);
}

void toro_pmix_request(struct pmix_client *c, struct pmix_msg *m, struct pmix_after *after)
{
    if (m->h.op == TOROBUS_PMIX_INIT) {
        init(c, m);
    } else if (m->h.op == TOROBUS_PMIX_CANCEL) {
        cancel(c, m->h.id);
        toro_kfree(m);
    } else if (!c->inited) {
        toro_pmix_reply(c, m->h.op, m->h.id, TOROBUS_PMIX_ERR_BAD_PARAM);
        toro_kfree(m);
    } else {
        serve_or_ask(c, m, after);
    }
}

void toro_pmix_client_end(struct pmix_client *c, struct pmix_farewell *later)
{
    struct pmix_farewell now = {.due = false}, *bye = later ? later : &now;
    struct toro_list *l;

    bye->hosted = toro_pmix_is_hosted(c);
    bye->aborted = c->inited;
    bye->job = c->job;
    bye->rank = c->rank;
    if (c->inited || c->finalized)
        toro_pmix.ended |= 1ull << c->index;
    if (c->job)
        toro_pmix_fence_leave(c);
    toro_pmix_get_end(c);
    toro_pmix_publish_end(c);
    toro_pmix_upcall_end(c);
    if (atomic_load_explicit(&toro_pmix.nout, memory_order_relaxed) != 0)
        toro_pmix_flush_soon(); /* others ask what this one has asked for them */
    toro_pmix_kv_disown(c);
    while ((l = toro_list_pop(&c->queue)) != NULL)
        toro_kfree(toro_list_entry(l, struct pmix_msg, link));
    atomic_store_explicit(&c->nqueued, 0, memory_order_release);
    c->queued_bytes = c->nwaits = c->kv_bytes = c->kv_count = 0;
    c->attention = 0;
    c->inited = c->finalized = c->committed = false;
    c->job = NULL;
    c->file = NULL;
    toro_wake(&c->wq, UINT32_MAX);
    if (!later)
        toro_pmix_say_goodbye(&now);
}
