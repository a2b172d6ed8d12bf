/* SPDX-License-Identifier: BSD-3-Clause */
/* Fence, connect and disconnect among ranks of this guest. Anything with a participant elsewhere is
 * the host's: each rank's request goes to its own proxy, as each of them is a client of the host
 * server. */
#include "srv.h"

struct fence {
    struct toro_list link;
    struct pmix_job *job;
    uint16_t op;
    uint64_t want, in; /**< positions in job->peers */
    struct {
        struct pmix_client *c;
        uint32_t id;
    } who[TORO_MAX_CORES]; /**< by position */
};

static struct toro_list fences;

void toro_pmix_fence_init(void)
{
    toro_list_init(&fences);
}

static void finish(struct fence *f, int32_t status)
{
    toro_list_del(&f->link);
    for (unsigned i = 0; i < TORO_MAX_CORES; i++) {
        if (f->in & 1ull << i) {
            f->who[i].c->nwaits--;
            toro_pmix_reply(f->who[i].c, f->op, f->who[i].id, status);
        }
    }
    toro_kfree(f);
}

/* The participants as positions. @return false if one is not on this guest. */
static bool participants(const struct pmix_client *c, const struct pmix_msg *m, uint64_t *want)
{
    const struct pmix_job *j = c->job;
    uint64_t all = j->npeers == 64 ? ~0ull : (1ull << j->npeers) - 1;
    const struct torobus_pmix_item *it;
    bool any = false;
    int pos;

    *want = 0;
    PMIX_EACH(m, it)
    {
        if (!toro_pmix_key_is(it, TOROBUS_PMIX_K_PROC))
            continue;
        any = true;
        if (it->vlen != j->nslen || toro_memcmp(torobus_pmix_item_value(it), j->nspace, j->nslen))
            return false;
        if (it->rank == TOROBUS_PMIX_RANK_WILDCARD) {
            if (j->size != j->npeers)
                return false;
            *want |= all;
            continue;
        }
        pos = toro_pmix_pos(j, it->rank);
        if (pos < 0)
            return false;
        *want |= 1ull << pos;
    }
    if (!any) {
        *want = all;
        return j->size == j->npeers;
    }
    return true;
}

/* The oldest round of the same participants that c has not entered yet. */
static struct fence *round_of(const struct pmix_client *c, uint16_t op, uint64_t want)
{
    toro_list_each(&fences, l)
    {
        struct fence *f = toro_list_entry(l, struct fence, link);

        if (f->job == c->job && f->op == op && f->want == want && !(f->in & 1ull << c->pos))
            return f;
    }
    return NULL;
}

bool toro_pmix_fence(struct pmix_client *c, const struct pmix_msg *m)
{
    struct fence *f;
    uint64_t want;

    if (c->job->npeers == 0 || !participants(c, m, &want)) {
        if (toro_pmix_asks(c))
            return false;
        toro_pmix_reply(c, m->h.op, m->h.id, TOROBUS_PMIX_ERR_NOT_FOUND);
        return true;
    }
    if (!(want & 1ull << c->pos)) {
        toro_pmix_reply(c, m->h.op, m->h.id, TOROBUS_PMIX_ERR_BAD_PARAM);
        return true;
    }
    if (m->h.op != TOROBUS_PMIX_FENCE && toro_pmix_is_hosted(c))
        return false; /* the host's server keeps account of who is connected */
    if (want & c->job->gone) {
        toro_pmix_reply(c, m->h.op, m->h.id, TOROBUS_PMIX_ERR_UNREACH);
        return true;
    }
    f = round_of(c, m->h.op, want);
    if (!f) {
        f = toro_kzalloc(sizeof(*f));
        if (!f) {
            toro_pmix_reply(c, m->h.op, m->h.id, TOROBUS_PMIX_ERR_NOMEM);
            return true;
        }
        f->job = c->job;
        f->op = m->h.op;
        f->want = want;
        toro_list_push(&fences, &f->link);
    }
    f->in |= 1ull << c->pos;
    f->who[c->pos].c = c;
    f->who[c->pos].id = m->h.id;
    c->nwaits++;
    if (f->in == f->want)
        finish(f, TOROBUS_PMIX_SUCCESS);
    return true;
}

static void leave(struct fence *f, struct pmix_client *c)
{
    f->in &= ~(1ull << c->pos);
    c->nwaits--;
    if (!f->in) {
        toro_list_del(&f->link);
        toro_kfree(f);
    }
}

void toro_pmix_fence_leave(struct pmix_client *c)
{
    toro_list_each_safe(&fences, l, next)
    {
        struct fence *f = toro_list_entry(l, struct fence, link);

        if (f->job == c->job && (f->in & 1ull << c->pos))
            leave(f, c);
    }
}

void toro_pmix_fence_gone(struct pmix_job *job, uint32_t pos)
{
    toro_list_each_safe(&fences, l, next)
    {
        struct fence *f = toro_list_entry(l, struct fence, link);

        if (f->job == job && (f->want & 1ull << pos))
            finish(f, TOROBUS_PMIX_ERR_UNREACH);
    }
}

bool toro_pmix_fence_cancel(struct pmix_client *c, uint32_t id)
{
    toro_list_each(&fences, l)
    {
        struct fence *f = toro_list_entry(l, struct fence, link);

        if (f->job == c->job && (f->in & 1ull << c->pos) && f->who[c->pos].id == id) {
            leave(f, c);
            return true;
        }
    }
    return false;
}
