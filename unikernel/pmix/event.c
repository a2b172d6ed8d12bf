/* SPDX-License-Identifier: BSD-3-Clause */
/* Events that one rank tells others. */
#include "srv.h"

/* Copy of a request as its receivers get it. */
static struct pmix_msg *letter(const struct pmix_client *from, const struct pmix_msg *m)
{
    struct pmix_msg *out = toro_pmix_msg_new(TOROBUS_PMIX_EVENT, 0, 0, m->h.len + 64);
    const struct torobus_pmix_item *it;
    bool ok = out != NULL, who = false;

    PMIX_EACH(m, it)
    {
        if (toro_pmix_key_is(it, TOROBUS_PMIX_K_RANGE))
            continue;
        who |= toro_pmix_key_is(it, TOROBUS_PMIX_K_PROC);
        ok = ok && toro_pmix_add_item(&out, it);
    }
    if (ok && !who)
        ok = toro_pmix_add_str(&out, TOROBUS_PMIX_K_PROC, TOROBUS_PMIX_T_PROC, from->rank,
                               from->job->nspace, from->job->nslen);
    if (ok)
        return out;
    toro_kfree(out);
    return NULL;
}

static int32_t tell(const struct pmix_client *from, const struct pmix_msg *m)
{
    for (unsigned i = 0; i < TORO_MAX_CORES; i++) {
        struct pmix_client *c = &toro_pmix.client[i];
        struct pmix_msg *out;

        if (c == from || !c->inited || c->job != from->job)
            continue;
        out = letter(from, m);
        if (!out)
            return TOROBUS_PMIX_ERR_NOMEM;
        toro_pmix_deliver(c, out);
    }
    return TOROBUS_PMIX_SUCCESS;
}

bool toro_pmix_event(struct pmix_client *c, const struct pmix_msg *m)
{
    const struct torobus_pmix_item *it = toro_pmix_find(m, TOROBUS_PMIX_K_RANGE);
    uint8_t range = it && it->vlen == 1 ? *(const uint8_t *)torobus_pmix_item_value(it)
                                        : (uint8_t)RANGE_SESSION;
    bool all_here = c->job->npeers > 0 && c->job->npeers == c->job->size;
    int32_t st = TOROBUS_PMIX_SUCCESS;
    uint32_t status;

    if (m->h.flags & TOROBUS_PMIX_F_WATCH) {
        if (toro_pmix_is_hosted(c))
            return false;
        toro_pmix_reply(c, TOROBUS_PMIX_EVENT, m->h.id, TOROBUS_PMIX_SUCCESS);
        return true;
    }
    if (!toro_pmix_u32(toro_pmix_find(m, TOROBUS_PMIX_K_STATUS), &status) ||
        range > RANGE_PROC_LOCAL)
        st = TOROBUS_PMIX_ERR_BAD_PARAM;
    else if (range == RANGE_RM || range == RANGE_CUSTOM)
        st = TOROBUS_PMIX_ERR_NOT_SUPPORTED;
    else if (range != RANGE_PROC_LOCAL && range != RANGE_LOCAL && toro_pmix_asks(c) &&
             !(range == RANGE_NAMESPACE && all_here))
        return false;
    else if (range != RANGE_PROC_LOCAL)
        st = tell(c, m);
    toro_pmix_reply(c, TOROBUS_PMIX_EVENT, m->h.id, st);
    return true;
}
