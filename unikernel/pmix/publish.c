/* SPDX-License-Identifier: BSD-3-Clause */
/* Publish, lookup, unpublish where no host server stands behind the guest. */
#include "srv.h"

/* Values of PMIx (and OPAL). */
enum { PERSIST_FIRST_READ = 1, PERSIST_PROC = 2, PERSIST_APP = 3 };

struct published {
    struct toro_list link;
    struct pmix_client *owner; /**< NULL once the publisher is gone */
    char nspace[TOROBUS_PMIX_NSPACE_MAX + 1];
    uint32_t nslen;
    uint8_t range, persist;
    struct pmix_msg *m; /**< holds the one item */
    const struct torobus_pmix_item *it;
};

struct lookup {
    struct toro_list link;
    struct pmix_client *c;
    struct pmix_msg *m;
};

static struct toro_list published, lookups;

void toro_pmix_publish_init(void)
{
    toro_list_init(&published);
    toro_list_init(&lookups);
}

static void drop(struct published *p)
{
    if (p->owner) {
        p->owner->kv_bytes -= p->it->klen + p->it->vlen;
        p->owner->kv_count--;
    }
    toro_list_del(&p->link);
    toro_kfree(p->m);
    toro_kfree(p);
}

static bool same_job(const struct published *p, const struct pmix_client *c)
{
    return p->nslen == c->job->nslen && toro_memcmp(p->nspace, c->job->nspace, p->nslen) == 0;
}

static bool visible(const struct published *p, const struct pmix_client *c)
{
    switch (p->range) {
    case RANGE_RM:
        return false;
    case RANGE_NAMESPACE:
        return same_job(p, c);
    case RANGE_PROC_LOCAL:
        return p->owner == c;
    default:
        return true; /* local, session, global: one guest is all there is */
    }
}

static struct published *find(const struct pmix_client *c, const struct torobus_pmix_item *key)
{
    toro_list_each(&published, l)
    {
        struct published *p = toro_list_entry(l, struct published, link);

        if (p->it->klen == key->klen && visible(p, c) &&
            toro_memcmp(torobus_pmix_item_key(p->it), torobus_pmix_item_key(key), key->klen) == 0)
            return p;
    }
    return NULL;
}

static uint8_t byte_arg(const struct pmix_msg *m, const char *key, uint8_t dflt)
{
    const struct torobus_pmix_item *it = toro_pmix_find(m, key);

    return it && it->vlen == 1 ? *(const uint8_t *)torobus_pmix_item_value(it) : dflt;
}

static bool is_data(const struct torobus_pmix_item *it)
{
    return it->klen > 0 && !toro_pmix_key_starts(it, "toro.");
}

static int32_t add(struct pmix_client *c, const struct torobus_pmix_item *it, uint8_t range,
                   uint8_t persist)
{
    struct published *p = toro_kzalloc(sizeof(*p));
    uint32_t bytes = it->klen + it->vlen;

    if (!p || c->kv_count >= PMIX_KV_COUNT || bytes > PMIX_KV_BYTES - c->kv_bytes) {
        toro_kfree(p);
        return TOROBUS_PMIX_ERR_NOMEM;
    }
    p->m = toro_pmix_msg_new(0, 0, 0, 64 + bytes);
    if (!p->m || !toro_pmix_add_item(&p->m, it)) {
        toro_kfree(p->m);
        toro_kfree(p);
        return TOROBUS_PMIX_ERR_NOMEM;
    }
    p->it = toro_pmix_body(p->m);
    ((struct torobus_pmix_item *)toro_pmix_body(p->m))->rank = c->rank;
    p->owner = c;
    p->nslen = c->job->nslen;
    toro_memcpy(p->nspace, c->job->nspace, p->nslen);
    p->range = range;
    p->persist = persist;
    c->kv_bytes += bytes;
    c->kv_count++;
    toro_list_push(&published, &p->link);
    return TOROBUS_PMIX_SUCCESS;
}

/* Answer a lookup if it can be. @return false if it has to wait. */
static bool serve(struct pmix_client *c, const struct pmix_msg *m)
{
    const struct torobus_pmix_item *it;
    struct pmix_msg *out;
    uint32_t hits = 0, misses = 0;
    struct published *p;
    bool ok = true;

    PMIX_EACH(m, it)
    {
        if (is_data(it)) {
            if (find(c, it))
                hits++;
            else
                misses++;
        }
    }
    if (misses && (m->h.flags & TOROBUS_PMIX_F_WAIT))
        return false;
    if (!hits) {
        toro_pmix_reply(c, TOROBUS_PMIX_LOOKUP, m->h.id, TOROBUS_PMIX_ERR_NOT_FOUND);
        return true;
    }
    out = toro_pmix_msg_new(0, 0, 0, 256);
    PMIX_EACH(m, it)
    {
        p = is_data(it) ? find(c, it) : NULL;
        if (!p || !ok || !out)
            continue;
        ok = toro_pmix_add_str(&out, TOROBUS_PMIX_K_NSPACE, TOROBUS_PMIX_T_STRING, 0, p->nspace,
                               p->nslen) &&
             toro_pmix_add_item(&out, p->it);
    }
    if (!out || !ok) {
        toro_kfree(out);
        toro_pmix_reply(c, TOROBUS_PMIX_LOOKUP, m->h.id, TOROBUS_PMIX_ERR_NOMEM);
        return true;
    }
    PMIX_EACH(m, it)
    {
        p = is_data(it) ? find(c, it) : NULL;
        if (p && p->persist == PERSIST_FIRST_READ)
            drop(p);
    }
    toro_pmix_reply_msg(c, TOROBUS_PMIX_LOOKUP, m->h.id, out);
    return true;
}

static void drop_lookup(struct lookup *w)
{
    toro_list_del(&w->link);
    w->c->nwaits--;
    toro_kfree(w->m);
    toro_kfree(w);
}

void toro_pmix_publish(struct pmix_client *c, const struct pmix_msg *m)
{
    uint8_t range = byte_arg(m, TOROBUS_PMIX_K_RANGE, 0);
    uint8_t persist = byte_arg(m, TOROBUS_PMIX_K_PERSIST, PERSIST_APP);
    const struct torobus_pmix_item *it;
    int32_t st = TOROBUS_PMIX_SUCCESS;
    bool any = false;

    PMIX_EACH(m, it)
    {
        any |= is_data(it);
        if (is_data(it) && find(c, it))
            st = TOROBUS_PMIX_ERR_EXISTS;
    }
    if (!any)
        st = TOROBUS_PMIX_ERR_BAD_PARAM;
    PMIX_EACH(m, it)
    {
        if (st == TOROBUS_PMIX_SUCCESS && is_data(it))
            st = add(c, it, range, persist);
    }
    toro_pmix_reply(c, TOROBUS_PMIX_PUBLISH, m->h.id, st);
    toro_list_each_safe(&lookups, l, next)
    {
        struct lookup *w = toro_list_entry(l, struct lookup, link);

        if (serve(w->c, w->m))
            drop_lookup(w);
    }
}

void toro_pmix_lookup(struct pmix_client *c, const struct pmix_msg *m)
{
    const struct torobus_pmix_item *it;
    struct pmix_msg *copy;
    struct lookup *w;
    bool any = false;

    PMIX_EACH(m, it)
    {
        any |= is_data(it);
    }
    if (!any) {
        toro_pmix_reply(c, TOROBUS_PMIX_LOOKUP, m->h.id, TOROBUS_PMIX_ERR_BAD_PARAM);
        return;
    }
    if (serve(c, m))
        return;
    w = toro_kzalloc(sizeof(*w));
    copy = toro_pmix_msg_new(m->h.op, m->h.flags, m->h.id, m->h.len);
    if (!w || !copy) {
        toro_kfree(w);
        toro_kfree(copy);
        toro_pmix_reply(c, TOROBUS_PMIX_LOOKUP, m->h.id, TOROBUS_PMIX_ERR_NOMEM);
        return;
    }
    toro_memcpy(toro_pmix_body(copy), m + 1, m->h.len);
    copy->h.len = m->h.len;
    w->c = c;
    w->m = copy;
    c->nwaits++;
    toro_list_push(&lookups, &w->link);
}

void toro_pmix_unpublish(struct pmix_client *c, const struct pmix_msg *m)
{
    const struct torobus_pmix_item *it;
    bool named = false;

    PMIX_EACH(m, it)
    {
        struct published *p = is_data(it) ? find(c, it) : NULL;

        named |= is_data(it);
        if (p && p->owner == c)
            drop(p);
    }
    toro_list_each_safe(&published, l, next)
    {
        struct published *p = toro_list_entry(l, struct published, link);

        if (!named && p->owner == c)
            drop(p);
    }
    toro_pmix_reply(c, TOROBUS_PMIX_UNPUBLISH, m->h.id, TOROBUS_PMIX_SUCCESS);
}

void toro_pmix_publish_end(struct pmix_client *c)
{
    toro_list_each_safe(&lookups, l, next)
    {
        struct lookup *w = toro_list_entry(l, struct lookup, link);

        if (w->c == c)
            drop_lookup(w);
    }
    toro_list_each_safe(&published, l, next)
    {
        struct published *p = toro_list_entry(l, struct published, link);

        if (p->owner != c) {
            if (p->persist == PERSIST_APP && c->job && c->job->clients == 1 && same_job(p, c))
                drop(p);
        } else if (p->persist == PERSIST_PROC || p->range == RANGE_PROC_LOCAL ||
                   (p->persist == PERSIST_APP && c->job && c->job->clients == 1)) {
            drop(p);
        } else {
            p->owner = NULL;
        }
    }
}

void toro_pmix_publish_clear(void)
{
    toro_list_each_safe(&published, l, next)
    {
        drop(toro_list_entry(l, struct published, link));
    }
}

static void upload(struct pmix_client *c, struct published *p)
{
    struct pmix_msg *m = p->m;

    p->m = NULL;
    if (toro_pmix_add_str(&m, TOROBUS_PMIX_K_RANGE, TOROBUS_PMIX_T_U8, 0, &p->range, 1) &&
        toro_pmix_add_str(&m, TOROBUS_PMIX_K_PERSIST, TOROBUS_PMIX_T_U8, 0, &p->persist, 1)) {
        m->h.op = TOROBUS_PMIX_PUBLISH;
        toro_pmix_upcall(p->owner ? p->owner : c, m, 0);
    } else {
        toro_printk(0, "pmix: no memory to pass on what rank %u has published\n", c->rank);
        toro_kfree(m);
    }
}

void toro_pmix_publish_upload(struct pmix_client *c)
{
    toro_list_each_safe(&published, l, next)
    {
        struct published *p = toro_list_entry(l, struct published, link);

        if (p->owner) {
            p->owner->kv_bytes -= p->it->klen + p->it->vlen;
            p->owner->kv_count--;
        }
        upload(c, p);
        toro_list_del(&p->link);
        toro_kfree(p);
    }
    toro_list_each_safe(&lookups, l, next)
    {
        struct lookup *w = toro_list_entry(l, struct lookup, link);

        toro_pmix_upcall(w->c, w->m, w->m->h.id);
        w->m = NULL;
        drop_lookup(w);
    }
}

bool toro_pmix_lookup_cancel(struct pmix_client *c, uint32_t id)
{
    toro_list_each(&lookups, l)
    {
        struct lookup *w = toro_list_entry(l, struct lookup, link);

        if (w->c == c && w->m->h.id == id) {
            drop_lookup(w);
            return true;
        }
    }
    return false;
}
