/* SPDX-License-Identifier: BSD-3-Clause */
/* What ranks of one guest commit for those of another, and fences across guests. */
#include "family.h"

#include <stdlib.h>
#include <string.h>

struct family_value *family_value_new(struct family_rank *r, const struct torobus_pmix_item *it)
{
    uint32_t bytes = it->klen + it->vlen;
    struct family_value *v;

    if (r->count >= FAMILY_COUNT || bytes > FAMILY_BYTES - r->bytes)
        return NULL;
    v = calloc(1, sizeof(*v) + bytes);
    if (!v)
        return NULL;
    v->it = *it;
    memcpy(&v->it + 1, it + 1, bytes);
    memcpy(v->nspace, r->job->nspace, sizeof(v->nspace));
    r->count++;
    r->bytes += bytes;
    return v;
}

static bool same_key(const struct family_value *v, const struct torobus_pmix_item *it)
{
    return v->it.klen == it->klen && memcmp(&v->it + 1, it + 1, it->klen) == 0;
}

/** A new value in the place of an old one of that name. */
static bool keep(struct family_rank *r, const struct torobus_pmix_item *it)
{
    struct family_value *v, **p;

    for (p = &r->values; *p && !same_key(*p, it); p = &(*p)->next)
        ;
    if ((v = *p) != NULL) {
        *p = v->next;
        r->count--;
        r->bytes -= v->it.klen + v->it.vlen;
        free(v);
    }
    v = family_value_new(r, it);
    if (!v)
        return false;
    v->next = r->values;
    r->values = v;
    return true;
}

void family_commit(struct family_req *q)
{
    struct family_rank *r = q->from;
    struct family *f = r->job->family;
    const struct torobus_pmix_item *it;
    bool more = q->r.hdr.flags & TOROBUS_PMIX_F_MORE;
    int st = TOROBUS_PMIX_SUCCESS;

    for (uint32_t off = 0; st == TOROBUS_PMIX_SUCCESS && preq_next(&q->r, &off, &it);) {
        if (item_is_arg(it) || it->klen == 0 || it->scope > TOROBUS_PMIX_SCOPE_GLOBAL)
            st = TOROBUS_PMIX_ERR_BAD_PARAM;
        /* ranks of other guests are all that ever ask here */
        else if (it->scope != TOROBUS_PMIX_SCOPE_LOCAL && !keep(r, it))
            st = TOROBUS_PMIX_ERR_NOMEM;
    }
    family_reply(q, st);
    if (more)
        return;
    r->committed = true;
    family_data_wake(f, r);
}

/** Answer a GET if it can be. @return false if it has to wait. */
static bool serve_get(struct family_req *q, const struct torobus_pmix_item *key)
{
    struct family_rank *of = q->of;
    const struct family_value *v;
    struct pbuf *b = &q->r.reply;

    for (v = of->values; v && !same_key(v, key); v = v->next)
        ;
    if (v) {
        pbuf_item(b, TOROBUS_PMIX_K_NSPACE, of->rank, TOROBUS_PMIX_T_STRING, of->job->nspace,
                  (uint32_t)strlen(of->job->nspace));
        pbuf_copy(b, &v->it, of->rank);
        family_reply(q, TOROBUS_PMIX_SUCCESS);
        return true;
    }
    if (of->committed || of->ended ||
        (q->r.hdr.flags & (TOROBUS_PMIX_F_OPTIONAL | TOROBUS_PMIX_F_IMMEDIATE))) {
        family_reply(q, TOROBUS_PMIX_ERR_NOT_FOUND);
        return true;
    }
    return false;
}

/** The item that a GET asks for. */
static const struct torobus_pmix_item *asked(const struct family_req *q)
{
    const struct torobus_pmix_item *it;

    for (uint32_t off = 0; preq_next(&q->r, &off, &it);)
        if (!item_is_arg(it) && it->klen > 0)
            return it;
    return NULL;
}

void family_get(struct family_req *q)
{
    struct family *f = q->from->job->family;
    const struct torobus_pmix_item *ns = preq_find(&q->r, TOROBUS_PMIX_K_NSPACE), *it = asked(q);
    struct family_job *j = q->from->job;

    if (ns)
        j = family_find_job(f, torobus_pmix_item_value(ns), ns->vlen);
    if (!it) {
        family_reply(q, TOROBUS_PMIX_ERR_BAD_PARAM);
        return;
    }
    if (!j || (it->rank != TOROBUS_PMIX_RANK_WILDCARD && it->rank >= j->n)) {
        family_reply(q, TOROBUS_PMIX_ERR_NOT_FOUND);
        return;
    }
    if (it->rank == TOROBUS_PMIX_RANK_WILDCARD ||
        (it->klen >= 5 && memcmp(torobus_pmix_item_key(it), "pmix.", 5) == 0)) {
        pbuf_item(&q->r.reply, TOROBUS_PMIX_K_NSPACE, 0, TOROBUS_PMIX_T_STRING, j->nspace,
                  (uint32_t)strlen(j->nspace));
        family_reply(q, family_info(&q->r.reply, j, it->rank, torobus_pmix_item_key(it), it->klen)
                            ? TOROBUS_PMIX_SUCCESS
                            : TOROBUS_PMIX_ERR_NOT_FOUND);
        return;
    }
    q->of = &j->rank[it->rank];
    if (!serve_get(q, it))
        family_park(f, q);
}

static int by_address(const void *a, const void *b)
{
    const struct family_rank *x = *(struct family_rank *const *)a,
                             *y = *(struct family_rank *const *)b;

    return x < y ? -1 : x > y;
}

static bool add_proc(struct family_req *q, struct family_rank *r, uint32_t *room)
{
    if (q->nprocs == *room) {
        uint32_t more = *room ? 2 * *room : 16;
        struct family_rank **p = realloc(q->procs, more * sizeof(struct family_rank *));

        if (!p)
            return false;
        q->procs = p;
        *room = more;
    }
    q->procs[q->nprocs++] = r;
    return true;
}

/** Who takes part; each once, in one order. */
static int participants(struct family_req *q)
{
    struct family *f = q->from->job->family;
    const struct torobus_pmix_item *it;
    uint32_t room = 0, n = 0;
    bool any = false, ok = true;

    for (uint32_t off = 0; preq_next(&q->r, &off, &it);) {
        struct family_job *j;

        if (!item_is(it, TOROBUS_PMIX_K_PROC))
            continue;
        any = true;
        j = family_find_job(f, torobus_pmix_item_value(it), it->vlen);
        if (!j || (it->rank != TOROBUS_PMIX_RANK_WILDCARD && it->rank >= j->n))
            return TOROBUS_PMIX_ERR_NOT_FOUND;
        for (uint32_t i = 0; ok && i < j->n; i++)
            if (i == it->rank || it->rank == TOROBUS_PMIX_RANK_WILDCARD)
                ok = add_proc(q, &j->rank[i], &room);
    }
    for (uint32_t i = 0; ok && !any && i < q->from->job->n; i++)
        ok = add_proc(q, &q->from->job->rank[i], &room);
    if (!ok)
        return TOROBUS_PMIX_ERR_NOMEM;
    qsort(q->procs, q->nprocs, sizeof(struct family_rank *), by_address);
    for (uint32_t i = 0; i < q->nprocs; i++)
        if (i == 0 || q->procs[i] != q->procs[n - 1])
            q->procs[n++] = q->procs[i];
    q->nprocs = n;
    for (uint32_t i = 0; i < n; i++)
        if (q->procs[i] == q->from)
            return TOROBUS_PMIX_SUCCESS;
    return TOROBUS_PMIX_ERR_BAD_PARAM;
}

static bool same_fence(const struct family_req *a, const struct family_req *b)
{
    return a->r.hdr.op == b->r.hdr.op && a->nprocs == b->nprocs && a->nprocs > 0 &&
           memcmp(a->procs, b->procs, a->nprocs * sizeof(struct family_rank *)) == 0;
}

/** The oldest request of each participant for this fence: are all there? */
static struct family_req *entered(struct family *f, const struct family_req *q,
                                  const struct family_rank *r)
{
    for (struct family_req *o = f->waiting; o; o = o->next)
        if (o->from == r && same_fence(o, q))
            return o;
    return NULL;
}

static bool gone(const struct family_req *q, const struct family_rank *r)
{
    for (uint32_t i = 0; i < q->nprocs; i++)
        if (r ? q->procs[i] == r : q->procs[i]->ended)
            return true;
    return false;
}

void family_fence(struct family_req *q)
{
    struct family *f = q->from->job->family;
    int st = participants(q);

    if (st == TOROBUS_PMIX_SUCCESS && gone(q, NULL))
        st = TOROBUS_PMIX_ERR_UNREACH;
    if (st != TOROBUS_PMIX_SUCCESS) {
        family_reply(q, st);
        return;
    }
    for (uint32_t i = 0; i < q->nprocs; i++) {
        if (q->procs[i] != q->from && !entered(f, q, q->procs[i])) {
            family_park(f, q);
            return;
        }
    }
    /* (none of its own waits: that one would have been complete before) */
    for (uint32_t i = 0; i < q->nprocs; i++) {
        struct family_req *o = entered(f, q, q->procs[i]);

        if (o)
            family_reply(o, TOROBUS_PMIX_SUCCESS);
    }
    family_reply(q, TOROBUS_PMIX_SUCCESS);
}

void family_data_wake(struct family *f, struct family_rank *r)
{
    struct family_req *q, *next;

    for (q = f->waiting; q; q = next) {
        const struct torobus_pmix_item *key = q->of == r ? asked(q) : NULL;

        next = q->next;
        if (key)
            (void)serve_get(q, key);
        else if (r->ended && q->nprocs > 0 && gone(q, r))
            family_reply(q, TOROBUS_PMIX_ERR_UNREACH);
    }
}
