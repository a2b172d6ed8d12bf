/* SPDX-License-Identifier: BSD-3-Clause */
/* Commit and get. What a rank of this guest has committed is answered here; values of other ranks
 * come from the proxy once and stay. */
#include "srv.h"

struct waiting {
    struct toro_list link;
    struct pmix_client *c;
    struct pmix_job *job;
    uint32_t rank;
    struct pmix_msg *m; /**< the request */
    const struct torobus_pmix_item *key;
    bool facts; /**< for what the host knows of all ranks */
};

static struct toro_list waiting;

void toro_pmix_get_init(void)
{
    toro_list_init(&waiting);
}

static void drop(struct waiting *w)
{
    toro_list_del(&w->link);
    w->c->nwaits--;
    toro_kfree(w->m);
    toro_kfree(w);
}

static void answer(struct pmix_client *c, uint32_t id, const struct torobus_pmix_item *it)
{
    struct pmix_msg *m = toro_pmix_msg_new(0, 0, 0, 64 + it->klen + it->vlen);

    if (m && toro_pmix_add_item(&m, it)) {
        toro_pmix_reply_msg(c, TOROBUS_PMIX_GET, id, m);
        return;
    }
    toro_kfree(m);
    toro_pmix_reply(c, TOROBUS_PMIX_GET, id, TOROBUS_PMIX_ERR_NOMEM);
}

/* A value that c may see: REMOTE ones are not for ranks of the same node. */
static const struct pmix_kv *visible(const struct pmix_client *c, struct pmix_job *job,
                                     uint32_t rank, const struct torobus_pmix_item *key)
{
    const struct pmix_kv *kv = toro_pmix_kv_get(job, rank, torobus_pmix_item_key(key), key->klen);

    if (kv && kv->it.scope == TOROBUS_PMIX_SCOPE_REMOTE && !(job == c->job && rank == c->rank) &&
        toro_pmix_pos(job, rank) >= 0)
        return NULL;
    return kv;
}

static void not_found(struct pmix_client *c, struct pmix_msg *m)
{
    toro_pmix_reply(c, TOROBUS_PMIX_GET, m->h.id, TOROBUS_PMIX_ERR_NOT_FOUND);
    toro_kfree(m);
}

static struct waiting *park(struct pmix_client *c, struct pmix_job *job, uint32_t rank,
                            struct pmix_msg *m, const struct torobus_pmix_item *key)
{
    struct waiting *w = toro_kzalloc(sizeof(*w));

    if (!w) {
        toro_pmix_reply(c, TOROBUS_PMIX_GET, m->h.id, TOROBUS_PMIX_ERR_NOMEM);
        toro_kfree(m);
        return NULL;
    }
    w->c = c;
    w->job = job;
    w->rank = rank;
    w->m = m;
    w->key = key;
    c->nwaits++;
    toro_list_push(&waiting, &w->link);
    return w;
}

static struct pmix_client *member(const struct pmix_job *job, uint32_t rank)
{
    for (unsigned i = 0; i < TORO_MAX_CORES; i++) {
        struct pmix_client *c = &toro_pmix.client[i];

        if (c->file && c->job == job && c->rank == rank)
            return c;
    }
    return NULL;
}

/* What the host's server says of other ranks from the start. A directive that only allows to look
 * at what is there already does not keep us from asking: a rank that is a process has it there. */
static bool is_fact(const struct pmix_client *c, const struct pmix_job *job, uint32_t rank,
                    const struct torobus_pmix_item *key)
{
    return job == c->job && toro_pmix_is_hosted(c) && rank != c->rank && rank < PMIX_RANK_FACTS &&
           toro_pmix_key_starts(key, "pmix.");
}

/* The facts of all ranks at once: who asks first does it for all. */
static void fetch_facts(struct pmix_client *c, struct pmix_job *job, uint32_t rank,
                        struct pmix_msg *m, const struct torobus_pmix_item *key)
{
    bool asked = toro_pmix_fetching(job, PMIX_RANK_FACTS);
    struct waiting *w = park(c, job, rank, m, key);
    struct pmix_msg *up;

    if (!w)
        return;
    w->facts = true;
    if (asked)
        return;
    up = toro_pmix_msg_new(TOROBUS_PMIX_GET, TOROBUS_PMIX_F_OPTIONAL | TOROBUS_PMIX_F_FACTS, 0,
                           64 + key->klen);
    if (up && toro_pmix_add_item(&up, key)) {
        toro_pmix_upcall_get(c, up, 0, job, PMIX_RANK_FACTS);
        return;
    }
    toro_kfree(up);
    toro_pmix_reply(c, TOROBUS_PMIX_GET, m->h.id, TOROBUS_PMIX_ERR_NOMEM);
    drop(w);
}

/* No value here. Who could have it? */
static void elsewhere(struct pmix_client *c, struct pmix_job *job, uint32_t rank,
                      struct pmix_msg *m, const struct torobus_pmix_item *key)
{
    bool now = m->h.flags & (TOROBUS_PMIX_F_OPTIONAL | TOROBUS_PMIX_F_IMMEDIATE);
    int pos = job ? toro_pmix_pos(job, rank) : -1;
    const struct pmix_client *other;

    if (pos >= 0 && !toro_pmix_key_starts(key, "pmix.")) {
        other = member(job, rank);
        if (now || (other && other->committed) || (job->gone & 1ull << pos))
            not_found(c, m);
        else
            (void)park(c, job, rank, m, key);
        return;
    }
    if (job && !job->facts && is_fact(c, job, rank, key)) {
        fetch_facts(c, job, rank, m, key);
        return;
    }
    /* without a host server all ranks of the own job are here */
    if (!(job ? toro_pmix_is_hosted(c) : toro_pmix_asks(c)) ||
        (m->h.flags & TOROBUS_PMIX_F_OPTIONAL)) {
        not_found(c, m);
        return;
    }
    if (job && pos < 0 && rank != TOROBUS_PMIX_RANK_WILDCARD && toro_pmix_fetching(job, rank)) {
        (void)park(c, job, rank, m, key); /* the answer to the other one may hold this key too */
        return;
    }
    toro_pmix_upcall_get(c, m, m->h.id, job, rank);
}

void toro_pmix_get(struct pmix_client *c, struct pmix_msg *m)
{
    const struct torobus_pmix_item *it, *key = NULL, *ns = NULL;
    struct pmix_job *job = c->job;
    const struct pmix_kv *kv;

    PMIX_EACH(m, it)
    {
        if (toro_pmix_key_is(it, TOROBUS_PMIX_K_NSPACE))
            ns = it;
        else if (!toro_pmix_key_starts(it, "toro.") && !key)
            key = it;
    }
    if (!key || key->klen == 0 || key->rank == PMIX_RANK_FACTS) {
        toro_pmix_reply(c, TOROBUS_PMIX_GET, m->h.id, TOROBUS_PMIX_ERR_BAD_PARAM);
        toro_kfree(m);
        return;
    }
    if (ns)
        job = toro_pmix_job_find(torobus_pmix_item_value(ns), ns->vlen);
    kv = job ? visible(c, job, key->rank, key) : NULL;
    if (kv) {
        answer(c, m->h.id, &kv->it);
        toro_kfree(m);
    } else {
        elsewhere(c, job, key->rank, m, key);
    }
}

/* Ask once more for those that waited for facts. */
static void facts_known(struct pmix_job *job)
{
    toro_list_each_safe(&waiting, l, next)
    {
        struct waiting *w = toro_list_entry(l, struct waiting, link);
        struct pmix_client *c = w->c;
        struct pmix_msg *m = w->m;

        if (w->job != job || !w->facts)
            continue;
        w->m = NULL;
        drop(w);
        toro_pmix_get(c, m); /* (what it parks now does not wait for facts) */
    }
}

void toro_pmix_get_fetched(struct pmix_client *c, uint32_t id, struct pmix_job *job, uint32_t rank,
                           struct pmix_msg *m)
{
    const struct torobus_pmix_item *it;
    bool facts = rank == PMIX_RANK_FACTS;

    /* keep what came along, for the other ranks of this guest */
    if (m->h.status == TOROBUS_PMIX_SUCCESS && job) {
        PMIX_EACH(m, it)
        {
            if (facts ? toro_pmix_from_host(it) && it->rank < PMIX_RANK_FACTS
                      : it->rank == rank && !toro_pmix_key_starts(it, "toro."))
                (void)toro_pmix_kv_put(job, NULL, true, it);
        }
    }
    toro_pmix_reply_msg(c, TOROBUS_PMIX_GET, id, m);
    if (!job)
        return;
    if (facts) {
        job->facts = true;
        facts_known(job);
        return;
    }
    toro_list_each_safe(&waiting, l, next)
    {
        struct waiting *w = toro_list_entry(l, struct waiting, link);
        const struct pmix_kv *kv;

        if (w->job != job || w->rank != rank || toro_pmix_pos(job, rank) >= 0)
            continue;
        kv = visible(w->c, job, rank, w->key);
        if (kv) {
            answer(w->c, w->m->h.id, &kv->it);
        } else {
            toro_pmix_upcall_get(w->c, w->m, w->m->h.id, job, rank);
            w->m = NULL;
        }
        drop(w);
    }
}

/* The rank's own part of a commit for the host: job-level names are not a rank's to publish there.
 */
static void forward(struct pmix_client *c, const struct pmix_msg *m)
{
    struct pmix_msg *up = toro_pmix_msg_new(TOROBUS_PMIX_COMMIT, m->h.flags, 0, m->h.len);
    const struct torobus_pmix_item *it;

    if (!up) {
        toro_printk(0, "pmix: no memory to pass on what rank %u commits\n", c->rank);
        return;
    }
    PMIX_EACH(m, it)
    {
        if (!toro_pmix_key_starts(it, "pmix.") && !toro_pmix_key_starts(it, "toro.")) {
            uint32_t at = up->h.len;

            (void)toro_pmix_add_item(&up, it); /* fits: it came out of such a message */
            ((struct torobus_pmix_item *)((char *)toro_pmix_body(up) + at))->scope = it->scope;
        }
    }
    toro_pmix_upcall(c, up, 0);
}

void toro_pmix_commit(struct pmix_client *c, struct pmix_msg *m)
{
    struct torobus_pmix_item *own;
    const struct torobus_pmix_item *it;
    int32_t st = TOROBUS_PMIX_SUCCESS;

    PMIX_EACH(m, it)
    {
        own = (struct torobus_pmix_item *)(uintptr_t)it;
        own->rank = c->rank; /* nobody commits for another */
        if (own->scope > TOROBUS_PMIX_SCOPE_GLOBAL || toro_pmix_key_starts(it, "toro."))
            st = TOROBUS_PMIX_ERR_BAD_PARAM;
        else
            st = toro_pmix_kv_put(c->job, c, false, it);
        if (st != TOROBUS_PMIX_SUCCESS)
            break;
    }
    if (st == TOROBUS_PMIX_SUCCESS && toro_pmix_asks(c))
        forward(c, m);
    toro_pmix_reply(c, TOROBUS_PMIX_COMMIT, m->h.id, st);
    if (st == TOROBUS_PMIX_SUCCESS && !(m->h.flags & TOROBUS_PMIX_F_MORE)) {
        c->committed = true;
        toro_pmix_get_wake(c->job, c->rank);
    }
    toro_kfree(m);
}

void toro_pmix_get_wake(struct pmix_job *job, uint32_t rank)
{
    toro_list_each_safe(&waiting, l, next)
    {
        struct waiting *w = toro_list_entry(l, struct waiting, link);
        const struct pmix_kv *kv;

        if (w->job != job || w->rank != rank)
            continue;
        kv = visible(w->c, w->job, w->rank, w->key);
        if (kv)
            answer(w->c, w->m->h.id, &kv->it);
        else
            toro_pmix_reply(w->c, TOROBUS_PMIX_GET, w->m->h.id, TOROBUS_PMIX_ERR_NOT_FOUND);
        drop(w);
    }
}

void toro_pmix_get_again(struct pmix_job *job, uint32_t rank)
{
    struct toro_list mine;

    toro_list_init(&mine);
    toro_list_each_safe(&waiting, it, next)
    {
        const struct waiting *w = toro_list_entry(it, struct waiting, link);

        if (w->job == job && (w->facts ? rank == PMIX_RANK_FACTS
                                       : w->rank == rank && toro_pmix_pos(job, rank) < 0)) {
            toro_list_del(it);
            toro_list_push(&mine, it);
        }
    }
    /* one of them asks, and the others are put behind it again */
    while (!toro_list_empty(&mine)) {
        struct waiting *w = toro_list_entry(mine.next, struct waiting, link);
        struct pmix_client *c = w->c;
        struct pmix_msg *m = w->m;

        w->m = NULL;
        drop(w);
        toro_pmix_get(c, m);
    }
}

void toro_pmix_get_forget(struct pmix_job *job)
{
    toro_list_each_safe(&waiting, l, next)
    {
        struct waiting *w = toro_list_entry(l, struct waiting, link);

        if (w->job == job) {
            toro_pmix_reply(w->c, TOROBUS_PMIX_GET, w->m->h.id, TOROBUS_PMIX_ERR_NOT_FOUND);
            drop(w);
        }
    }
}

void toro_pmix_get_end(struct pmix_client *c)
{
    toro_list_each_safe(&waiting, l, next)
    {
        struct waiting *w = toro_list_entry(l, struct waiting, link);

        if (w->c == c)
            drop(w);
    }
}

bool toro_pmix_get_cancel(struct pmix_client *c, uint32_t id)
{
    toro_list_each(&waiting, l)
    {
        struct waiting *w = toro_list_entry(l, struct waiting, link);

        if (w->c == c && w->m->h.id == id) {
            drop(w);
            return true;
        }
    }
    return false;
}
