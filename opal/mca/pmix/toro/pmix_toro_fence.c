/* SPDX-License-Identifier: BSD-3-Clause */
/* Fence, connect, disconnect: requests that name participants and answer with a status. */
#include "pmix_toro.h"

#include <stdlib.h>

#include "opal/constants.h"

typedef struct {
    opal_pmix_op_cbfunc_t cbfunc;
    void *cbdata;
} op_t;

/* With an asynchronous modex the application runs on meanwhile, and must not be held up. */
static bool waits(void)
{
    return !opal_pmix_base_async_modex;
}

static void fence_reply(int rc, const struct torobus_pmix_hdr *h, void *cbdata)
{
    if (waits()) {
        pmix_toro_chan_fences(-1);
    }
    pmix_toro_op_reply(rc, h, cbdata);
}

void *pmix_toro_op_new(opal_pmix_op_cbfunc_t cbfunc, void *cbdata)
{
    op_t *op = malloc(sizeof(*op));

    if (NULL != op) {
        op->cbfunc = cbfunc;
        op->cbdata = cbdata;
    }
    return op;
}

void pmix_toro_op_reply(int rc, const struct torobus_pmix_hdr *h, void *cbdata)
{
    op_t *op = cbdata;

    if (NULL != op->cbfunc) {
        op->cbfunc(NULL == h ? rc : pmix_toro_rc(h->status), op->cbdata);
    }
    free(op);
}

static int post_op(pmix_toro_msg_t *m, pmix_toro_reply_fn_t reply, opal_pmix_op_cbfunc_t cbfunc,
                   void *cbdata)
{
    void *op = pmix_toro_op_new(cbfunc, cbdata);
    int rc;

    if (NULL == op) {
        pmix_toro_msg_free(m);
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    rc = pmix_toro_chan_post(m, reply, op);
    if (OPAL_SUCCESS != rc) {
        free(op);
    }
    return rc;
}

int pmix_toro_op_post(pmix_toro_msg_t *m, opal_pmix_op_cbfunc_t cbfunc, void *cbdata)
{
    return post_op(m, pmix_toro_op_reply, cbfunc, cbdata);
}

static int call(uint16_t op, uint16_t flags, opal_list_t *procs)
{
    pmix_toro_msg_t m;

    if (!pmix_toro_initialized()) {
        return OPAL_ERR_NOT_INITIALIZED;
    }
    pmix_toro_msg_init(&m, op, flags);
    pmix_toro_msg_procs(&m, procs);
    return pmix_toro_chan_call(&m, 0, NULL);
}

static int post(uint16_t op, uint16_t flags, opal_list_t *procs, opal_pmix_op_cbfunc_t cbfunc,
                void *cbdata)
{
    pmix_toro_msg_t m;

    if (!pmix_toro_initialized()) {
        return OPAL_ERR_NOT_INITIALIZED;
    }
    if (NULL == cbfunc) {
        return OPAL_ERR_BAD_PARAM;
    }
    pmix_toro_msg_init(&m, op, flags);
    pmix_toro_msg_procs(&m, procs);
    return pmix_toro_op_post(&m, cbfunc, cbdata);
}

int pmix_toro_fence(opal_list_t *procs, int collect_data)
{
    return call(TOROBUS_PMIX_FENCE, 0 != collect_data ? TOROBUS_PMIX_F_COLLECT : 0, procs);
}

int pmix_toro_fence_nb(opal_list_t *procs, int collect_data, opal_pmix_op_cbfunc_t cbfunc,
                       void *cbdata)
{
    pmix_toro_msg_t m;
    int rc;

    if (!pmix_toro_initialized()) {
        return OPAL_ERR_NOT_INITIALIZED;
    }
    if (NULL == cbfunc) {
        return OPAL_ERR_BAD_PARAM;
    }
    pmix_toro_msg_init(&m, TOROBUS_PMIX_FENCE, 0 != collect_data ? TOROBUS_PMIX_F_COLLECT : 0);
    pmix_toro_msg_procs(&m, procs);
    if (waits()) {
        pmix_toro_chan_fences(1);
    }
    rc = post_op(&m, fence_reply, cbfunc, cbdata);
    if (OPAL_SUCCESS != rc && waits()) {
        pmix_toro_chan_fences(-1);
    }
    return rc;
}

int pmix_toro_connect(opal_list_t *procs)
{
    return NULL == procs ? OPAL_ERR_BAD_PARAM : call(TOROBUS_PMIX_CONNECT, 0, procs);
}

int pmix_toro_connect_nb(opal_list_t *procs, opal_pmix_op_cbfunc_t cbfunc, void *cbdata)
{
    return NULL == procs ? OPAL_ERR_BAD_PARAM
                         : post(TOROBUS_PMIX_CONNECT, 0, procs, cbfunc, cbdata);
}

int pmix_toro_disconnect(opal_list_t *procs)
{
    return NULL == procs ? OPAL_ERR_BAD_PARAM : call(TOROBUS_PMIX_DISCONNECT, 0, procs);
}

int pmix_toro_disconnect_nb(opal_list_t *procs, opal_pmix_op_cbfunc_t cbfunc, void *cbdata)
{
    return NULL == procs ? OPAL_ERR_BAD_PARAM
                         : post(TOROBUS_PMIX_DISCONNECT, 0, procs, cbfunc, cbdata);
}
