/* SPDX-License-Identifier: BSD-3-Clause */
/* Published names of a family, as the kernel keeps them for a job alone (unikernel/pmix/publish.c).
 */
#include "family.h"

#include <stdlib.h>
#include <string.h>

static bool is_data(const struct torobus_pmix_item *it)
{
    return it->klen > 0 && !item_is_arg(it);
}

static bool visible(const struct family_value *v, const struct family_rank *r)
{
    switch (v->range) {
    case PMIX_RANGE_RM:
        return false;
    case PMIX_RANGE_LOCAL: /* each job has a guest of its own */
    case PMIX_RANGE_NAMESPACE:
        return strcmp(v->nspace, r->job->nspace) == 0;
    case PMIX_RANGE_PROC_LOCAL:
        return v->owner == r;
    default:
        return true;
    }
}

static struct family_value **find(struct family *f, const struct family_rank *r,
                                  const struct torobus_pmix_item *key)
{
    struct family_value **p;

    for (p = &f->published; *p; p = &(*p)->next)
        if ((*p)->it.klen == key->klen && visible(*p, r) &&
            memcmp(&(*p)->it + 1, key + 1, key->klen) == 0)
            break;
    return p;
}

static void drop(struct family_value **p)
{
    struct family_value *v = *p;

    if (v->owner) {
        v->owner->count--;
        v->owner->bytes -= v->it.klen + v->it.vlen;
    }
    *p = v->next;
    free(v);
}

static int add(struct family *f, struct family_rank *r, const struct torobus_pmix_item *it,
               uint8_t range, uint8_t persist)
{
    struct family_value *v = family_value_new(r, it);

    if (!v)
        return TOROBUS_PMIX_ERR_NOMEM;
    v->it.rank = r->rank;
    v->owner = r;
    v->range = range;
    v->persist = persist;
    v->next = f->published;
    f->published = v;
    return TOROBUS_PMIX_SUCCESS;
}

/** Answer a LOOKUP if it can be. @return false if it has to wait. */
static bool serve(struct family *f, struct family_req *q)
{
    const struct torobus_pmix_item *it;
    uint32_t hits = 0, misses = 0;

    for (uint32_t off = 0; preq_next(&q->r, &off, &it);) {
        if (is_data(it)) {
            if (*find(f, q->from, it))
                hits++;
            else
                misses++;
        }
    }
    if (misses && (q->r.hdr.flags & TOROBUS_PMIX_F_WAIT))
        return false;
    for (uint32_t off = 0; hits && preq_next(&q->r, &off, &it);) {
        const struct family_value *v = is_data(it) ? *find(f, q->from, it) : NULL;

        if (!v)
            continue;
        pbuf_item(&q->r.reply, TOROBUS_PMIX_K_NSPACE, v->it.rank, TOROBUS_PMIX_T_STRING, v->nspace,
                  (uint32_t)strlen(v->nspace));
        pbuf_copy(&q->r.reply, &v->it, v->it.rank);
    }
    for (uint32_t off = 0; hits && !q->r.reply.failed && preq_next(&q->r, &off, &it);) {
        struct family_value **p = is_data(it) ? find(f, q->from, it) : NULL;

        if (p && *p && (*p)->persist == PMIX_PERSIST_FIRST_READ)
            drop(p);
    }
    family_reply(q, hits ? TOROBUS_PMIX_SUCCESS : TOROBUS_PMIX_ERR_NOT_FOUND);
    return true;
}

static void wake(struct family *f)
{
    struct family_req *q, *next;

    for (q = f->waiting; q; q = next) {
        next = q->next;
        if (q->r.hdr.op == TOROBUS_PMIX_LOOKUP)
            (void)serve(f, q);
    }
}

void family_publish(struct family_req *q)
{
    struct family_rank *r = q->from;
    struct family *f = r->job->family;
    uint8_t range = (uint8_t)preq_u32(&q->r, TOROBUS_PMIX_K_RANGE, PMIX_RANGE_SESSION);
    uint8_t persist = (uint8_t)preq_u32(&q->r, TOROBUS_PMIX_K_PERSIST, PMIX_PERSIST_APP);
    const struct torobus_pmix_item *it;
    int st = TOROBUS_PMIX_SUCCESS;
    bool any = false;

    for (uint32_t off = 0; preq_next(&q->r, &off, &it);) {
        any |= is_data(it);
        if (is_data(it) && *find(f, r, it))
            st = TOROBUS_PMIX_ERR_EXISTS;
    }
    if (!any)
        st = TOROBUS_PMIX_ERR_BAD_PARAM;
    for (uint32_t off = 0; st == TOROBUS_PMIX_SUCCESS && preq_next(&q->r, &off, &it);)
        if (is_data(it))
            st = add(f, r, it, range, persist);
    family_reply(q, st);
    wake(f);
}

void family_lookup(struct family_req *q)
{
    struct family *f = q->from->job->family;
    const struct torobus_pmix_item *it;
    bool any = false;

    for (uint32_t off = 0; preq_next(&q->r, &off, &it);)
        any |= is_data(it);
    if (!any)
        family_reply(q, TOROBUS_PMIX_ERR_BAD_PARAM);
    else if (!serve(f, q))
        family_park(f, q);
}

void family_unpublish(struct family_req *q)
{
    struct family_rank *r = q->from;
    struct family *f = r->job->family;
    const struct torobus_pmix_item *it;
    bool named = false;

    for (uint32_t off = 0; preq_next(&q->r, &off, &it);) {
        struct family_value **p = is_data(it) ? find(f, r, it) : NULL;

        named |= is_data(it);
        if (p && *p && (*p)->owner == r)
            drop(p);
    }
    for (struct family_value **p = &f->published; *p && !named;) {
        if ((*p)->owner == r)
            drop(p);
        else
            p = &(*p)->next;
    }
    family_reply(q, TOROBUS_PMIX_SUCCESS);
}

void family_names_gone(struct family_rank *r, bool last)
{
    struct family *f = r->job->family;
    struct family_value **p = &f->published;

    while (*p) {
        struct family_value *v = *p;
        bool ours = v->owner == r;
        bool of_job =
            last && v->persist == PMIX_PERSIST_APP && strcmp(v->nspace, r->job->nspace) == 0;

        if (of_job ||
            (ours && (v->persist == PMIX_PERSIST_PROC || v->range == PMIX_RANGE_PROC_LOCAL))) {
            drop(p);
            continue;
        }
        if (ours) {
            v->owner = NULL;
            r->count--;
            r->bytes -= v->it.klen + v->it.vlen;
        }
        p = &v->next;
    }
}
