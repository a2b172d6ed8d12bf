/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranks of a job without a host server may start further jobs, which run in guests of their own.
 * From the first attempt on the job is one of a family: toro-run, which starts the others, answers
 * what concerns more than this guest. It is told once what was committed and published so far, and
 * of everything new from then on. What ranks of this guest do among themselves stays here. */
#include "srv.h"

static bool hand_over_one(struct pmix_msg **m, const struct pmix_kv *kv)
{
    uint32_t at = (*m)->h.len;

    if (!toro_pmix_add_item(m, &kv->it))
        return false;
    ((struct torobus_pmix_item *)((char *)toro_pmix_body(*m) + at))->scope = kv->it.scope;
    return true;
}

struct handover {
    struct pmix_client *c;
    struct pmix_msg *m;
    bool lost;
};

static void hand_over_value(const struct pmix_kv *kv, void *arg)
{
    struct handover *u = arg;

    if (kv->owner != u->c || toro_pmix_key_starts(&kv->it, "pmix."))
        return;
    if (u->m && hand_over_one(&u->m, kv))
        return;
    /* the message is full: the next one goes on */
    if (u->m && u->m->h.len > 0) {
        u->m->h.flags = TOROBUS_PMIX_F_MORE;
        toro_pmix_upcall(u->c, u->m, 0);
        u->m = toro_pmix_msg_new(TOROBUS_PMIX_COMMIT, 0, 0, 1024);
    }
    if (!u->m || !hand_over_one(&u->m, kv))
        u->lost = true;
}

static void hand_over(struct pmix_client *c)
{
    struct handover u = {.c = c, .m = toro_pmix_msg_new(TOROBUS_PMIX_COMMIT, 0, 0, 1024)};

    toro_pmix_kv_each(hand_over_value, &u);
    if (u.m) {
        u.m->h.flags = c->committed ? 0 : TOROBUS_PMIX_F_MORE;
        toro_pmix_upcall(c, u.m, 0);
    }
    if (u.lost || !u.m)
        toro_printk(0, "pmix: no memory to pass on what rank %u has committed\n", c->rank);
}

void toro_pmix_family_open(struct pmix_client *c)
{
    if (toro_pmix.family || toro_pmix_is_hosted(c))
        return;
    toro_pmix.family = true;
    toro_pmix_publish_upload(c);
    for (unsigned i = 0; i < TORO_MAX_CORES; i++) {
        struct pmix_client *other = &toro_pmix.client[i];

        if (other->inited && (other->committed || other->kv_count > 0))
            hand_over(other);
    }
}

bool toro_pmix_asks(const struct pmix_client *c)
{
    return toro_pmix_is_hosted(c) || toro_pmix.family;
}
