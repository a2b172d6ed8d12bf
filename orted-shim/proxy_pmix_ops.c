/* SPDX-License-Identifier: BSD-3-Clause */
/* Data exchange: COMMIT, GET, FENCE, CONNECT, DISCONNECT, and the end of the job: ABORT. */
#include "proxy_pmix.h"

#include "shim_msg.h"

#include <stdlib.h>
#include <string.h>

bool pmix_started(struct preq *r, pmix_status_t rc)
{
    if (rc == PMIX_SUCCESS)
        return true;
    preq_done(r, pmix_toro_status(rc));
    return false;
}

void pmix_on_op(pmix_status_t status, void *arg)
{
    preq_done(arg, pmix_toro_status(status));
}

static pmix_scope_t scope(uint8_t s)
{
    switch (s) {
    case TOROBUS_PMIX_SCOPE_LOCAL:
        return PMIX_LOCAL;
    case TOROBUS_PMIX_SCOPE_REMOTE:
        return PMIX_REMOTE;
    case TOROBUS_PMIX_SCOPE_GLOBAL:
        return PMIX_GLOBAL;
    default:
        return PMIX_SCOPE_UNDEF;
    }
}

static pmix_status_t put(const struct torobus_pmix_item *it)
{
    char key[PMIX_MAX_KEYLEN + 1];
    pmix_value_t v;
    pmix_status_t rc;

    if (item_is_arg(it) || !item_key(it, key, sizeof(key)) || scope(it->scope) == PMIX_SCOPE_UNDEF)
        return PMIX_ERR_BAD_PARAM;
    rc = pmix_item_to_value(it, &v);
    if (rc == PMIX_SUCCESS)
        rc = PMIx_Put(scope(it->scope), key, &v);
    PMIX_VALUE_DESTRUCT(&v);
    return rc;
}

void pmix_op_commit(struct preq *r)
{
    const struct torobus_pmix_item *it;
    pmix_status_t rc = PMIX_SUCCESS, last = PMIX_SUCCESS;

    /* one value that the server does not take must not cost the others */
    for (uint32_t off = 0; preq_next(r, &off, &it);) {
        pmix_status_t one = put(it);

        if (one != PMIX_SUCCESS) {
            shim_step("PMIx: a value of type %u cannot be put: %s", it->type,
                      PMIx_Error_string(one));
            rc = one;
        }
    }
    if (!(r->hdr.flags & TOROBUS_PMIX_F_MORE))
        last = PMIx_Commit();
    preq_done(r, pmix_toro_status(rc == PMIX_SUCCESS ? last : rc));
}

/** Thread: libpmix'. */
static void on_value(pmix_status_t status, pmix_value_t *v, void *arg)
{
    struct preq *r = arg;
    int s = pmix_toro_status(status);

    if (s == TOROBUS_PMIX_SUCCESS && !v)
        s = TOROBUS_PMIX_ERR_NOT_FOUND;
    /* libpmix 4 with the server of orted 4.1 (PMIx 3): the first question about a rank of another
     * node fetches its values (direct modex), but only the second one finds them */
    if (s == TOROBUS_PMIX_ERR_NOT_FOUND && !r->again && r->target.rank < PMIX_RANK_VALID) {
        r->again = true;
        if (PMIx_Get_nb(&r->target, r->key, r->info, r->ninfo, on_value, r) == PMIX_SUCCESS)
            return;
    }
    /* the same pair knows the node of such a rank only by its name: the rank's proxy has put it */
    if (s == TOROBUS_PMIX_ERR_NOT_FOUND && !r->by_proxy && r->target.rank < PMIX_RANK_VALID &&
        strcmp(r->key, PMIX_NODEID) == 0) {
        r->by_proxy = true;
        if (PMIx_Get_nb(&r->target, PROXY_PMIX_NODEID, r->info, r->ninfo, on_value, r) ==
            PMIX_SUCCESS)
            return;
    }
    if (s == TOROBUS_PMIX_SUCCESS && r->has_nspace)
        pbuf_item(&r->reply, TOROBUS_PMIX_K_NSPACE, r->target.rank, TOROBUS_PMIX_T_STRING,
                  r->target.nspace, (uint32_t)strlen(r->target.nspace));
    if (s == TOROBUS_PMIX_SUCCESS && !pmix_value_to_item(&r->reply, r->key, r->target.rank, v) &&
        !r->reply.failed)
        s = TOROBUS_PMIX_ERR_NOT_SUPPORTED;
    preq_done(r, s);
}

void pmix_op_get(struct preq *r)
{
    const struct torobus_pmix_item *it, *what = NULL, *ns = preq_find(r, TOROBUS_PMIX_K_NSPACE);
    int timeout = (int)preq_u32(r, TOROBUS_PMIX_K_TIMEOUT, 0);

    for (uint32_t off = 0; !what && preq_next(r, &off, &it);)
        if (!item_is_arg(it))
            what = it;
    if (!what || !item_key(what, r->key, sizeof(r->key)) || (ns && ns->vlen > PMIX_MAX_NSLEN)) {
        preq_done(r, TOROBUS_PMIX_ERR_BAD_PARAM);
        return;
    }
    if (r->hdr.flags & TOROBUS_PMIX_F_FACTS) {
        pmix_gather_facts(r);
        preq_done(r, TOROBUS_PMIX_SUCCESS);
        return;
    }
    PMIX_PROC_LOAD(&r->target, r->px->me.nspace, what->rank);
    if (ns) {
        r->has_nspace = true;
        memset(r->target.nspace, 0, sizeof(r->target.nspace));
        memcpy(r->target.nspace, torobus_pmix_item_value(ns), ns->vlen);
    }
    if (!pmix_started(r, preq_info_room(r, 3)))
        return;
    if (r->hdr.flags & TOROBUS_PMIX_F_OPTIONAL)
        preq_info(r, PMIX_OPTIONAL, NULL, PMIX_BOOL);
    if (r->hdr.flags & TOROBUS_PMIX_F_IMMEDIATE)
        preq_info(r, PMIX_IMMEDIATE, NULL, PMIX_BOOL);
    if (timeout > 0)
        preq_info(r, PMIX_TIMEOUT, &timeout, PMIX_INT);
    pmix_started(r, PMIx_Get_nb(&r->target, r->key, r->info, r->ninfo, on_value, r));
}

void pmix_op_fence(struct preq *r)
{
    if (!pmix_started(r, preq_procs(r)) || !pmix_started(r, preq_info_room(r, 1)))
        return;
    if (r->hdr.flags & TOROBUS_PMIX_F_COLLECT)
        preq_info(r, PMIX_COLLECT_DATA, NULL, PMIX_BOOL);
    pmix_started(r, PMIx_Fence_nb(r->procs, r->nprocs, r->info, r->ninfo, pmix_on_op, r));
}

void pmix_op_connect(struct preq *r)
{
    if (!pmix_started(r, preq_procs(r)))
        return;
    if (r->nprocs == 0) {
        preq_done(r, TOROBUS_PMIX_ERR_BAD_PARAM);
        return;
    }
    if (r->hdr.op == TOROBUS_PMIX_CONNECT)
        pmix_started(r, PMIx_Connect_nb(r->procs, r->nprocs, NULL, 0, pmix_on_op, r));
    else
        pmix_started(r, PMIx_Disconnect_nb(r->procs, r->nprocs, NULL, 0, pmix_on_op, r));
}

void pmix_op_abort(struct preq *r)
{
    const struct torobus_pmix_item *it = preq_find(r, TOROBUS_PMIX_K_MSG);
    char *msg = it ? item_string(it) : NULL;
    pmix_status_t rc = preq_procs(r);

    if (rc == PMIX_SUCCESS)
        rc = PMIx_Abort(r->hdr.status, msg ? msg : "", r->procs, r->nprocs);
    free(msg);
    preq_done(r, pmix_toro_status(rc));
}
