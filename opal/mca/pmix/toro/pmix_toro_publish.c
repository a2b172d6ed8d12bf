/* SPDX-License-Identifier: BSD-3-Clause */
/* Publish, lookup, unpublish. */
#include "pmix_toro.h"

#include <stdlib.h>
#include <string.h>

#include "opal/constants.h"

/* Directives become arguments, everything else is data. */
static bool directive(pmix_toro_msg_t *m, const opal_value_t *v, uint16_t *flags, int *timeout)
{
    int64_t n = 0;

    if (0 == strcmp(v->key, OPAL_PMIX_RANGE)) {
        if (pmix_toro_value_int(v, &n)) {
            pmix_toro_msg_u8(m, TOROBUS_PMIX_K_RANGE, (uint8_t)n);
        }
    } else if (0 == strcmp(v->key, OPAL_PMIX_PERSISTENCE)) {
        if (pmix_toro_value_int(v, &n)) {
            pmix_toro_msg_u8(m, TOROBUS_PMIX_K_PERSIST, (uint8_t)n);
        }
    } else if (0 == strcmp(v->key, OPAL_PMIX_TIMEOUT)) {
        if (pmix_toro_value_int(v, &n) && 0 < n) {
            *timeout = INT32_MAX < n ? INT32_MAX : (int)n;
            pmix_toro_msg_u32(m, TOROBUS_PMIX_K_TIMEOUT, (uint32_t)*timeout);
        }
    } else if (0 == strcmp(v->key, OPAL_PMIX_WAIT)) {
        /* a flag, or how many to wait for: the server waits for all, which satisfies both */
        if (OPAL_BOOL != v->type || v->data.flag) {
            *flags |= TOROBUS_PMIX_F_WAIT;
        }
    } else {
        return false;
    }
    return true;
}

static int directives(pmix_toro_msg_t *m, opal_list_t *info)
{
    uint16_t flags = 0;
    opal_value_t *v;
    int timeout = 0;

    if (NULL != info) {
        OPAL_LIST_FOREACH(v, info, opal_value_t)
        {
            (void)directive(m, v, &flags, &timeout);
        }
    }
    if (NULL != m->buf) {
        ((struct torobus_pmix_hdr *)m->buf)->flags |= flags;
    }
    return timeout;
}

static int publish_message(pmix_toro_msg_t *m, opal_list_t *info)
{
    uint16_t flags = 0;
    opal_value_t *v;
    int timeout = 0;

    if (!pmix_toro_initialized()) {
        return OPAL_ERR_NOT_INITIALIZED;
    }
    if (NULL == info) {
        return OPAL_ERR_BAD_PARAM;
    }
    pmix_toro_msg_init(m, TOROBUS_PMIX_PUBLISH, 0);
    OPAL_LIST_FOREACH(v, info, opal_value_t)
    {
        if (!directive(m, v, &flags, &timeout)) {
            pmix_toro_value_pack(m, v, 0, pmix_toro.name.vpid);
        }
    }
    return OPAL_SUCCESS;
}

int pmix_toro_publish(opal_list_t *info)
{
    pmix_toro_msg_t m;
    int rc = publish_message(&m, info);

    return OPAL_SUCCESS == rc ? pmix_toro_chan_call(&m, 0, NULL) : rc;
}

int pmix_toro_publish_nb(opal_list_t *info, opal_pmix_op_cbfunc_t cbfunc, void *cbdata)
{
    pmix_toro_msg_t m;
    int rc = publish_message(&m, info);

    return OPAL_SUCCESS == rc ? pmix_toro_op_post(&m, cbfunc, cbdata) : rc;
}

static int unpublish_message(pmix_toro_msg_t *m, char **keys, opal_list_t *info)
{
    if (!pmix_toro_initialized()) {
        return OPAL_ERR_NOT_INITIALIZED;
    }
    pmix_toro_msg_init(m, TOROBUS_PMIX_UNPUBLISH, 0);
    (void)directives(m, info);
    for (; NULL != keys && NULL != *keys; ++keys) {
        pmix_toro_msg_add(m, *keys, TOROBUS_PMIX_T_NONE, 0, 0, NULL, 0);
    }
    return OPAL_SUCCESS;
}

int pmix_toro_unpublish(char **keys, opal_list_t *info)
{
    pmix_toro_msg_t m;
    int rc = unpublish_message(&m, keys, info);

    return OPAL_SUCCESS == rc ? pmix_toro_chan_call(&m, 0, NULL) : rc;
}

int pmix_toro_unpublish_nb(char **keys, opal_list_t *info, opal_pmix_op_cbfunc_t cbfunc,
                           void *cbdata)
{
    pmix_toro_msg_t m;
    int rc = unpublish_message(&m, keys, info);

    return OPAL_SUCCESS == rc ? pmix_toro_op_post(&m, cbfunc, cbdata) : rc;
}

/* Fill entries of `data` from the reply; with add, append an entry per found item instead.
 * @return OPAL_ERR_NOT_FOUND if nothing was found. */
static int lookup_result(const struct torobus_pmix_hdr *h, opal_list_t *data, bool add)
{
    opal_jobid_t jobid = pmix_toro.name.jobid;
    int rc = OPAL_ERR_NOT_FOUND, one;
    opal_pmix_pdata_t *d, *hit;
    pmix_toro_item_t item;
    uint32_t off = 0;

    while (pmix_toro_next(h, &off, &item)) {
        if (pmix_toro_item_is(&item, TOROBUS_PMIX_K_NSPACE)) {
            jobid = pmix_toro_jobid_n(item.val, item.vlen);
            continue;
        }
        hit = NULL;
        if (add) {
            if (NULL == (hit = OBJ_NEW(opal_pmix_pdata_t))) {
                return OPAL_ERR_OUT_OF_RESOURCE;
            }
            opal_list_append(data, &hit->super);
            hit->value.key = pmix_toro_item_keydup(&item);
        } else {
            OPAL_LIST_FOREACH(d, data, opal_pmix_pdata_t)
            {
                if (pmix_toro_item_is(&item, d->value.key)) {
                    hit = d;
                    break;
                }
            }
        }
        if (NULL == hit) {
            continue;
        }
        hit->proc.jobid = jobid;
        hit->proc.vpid = pmix_toro_vpid(item.it->rank);
        one = pmix_toro_value_unpack(&hit->value, &item);
        if (OPAL_SUCCESS != one) {
            return one;
        }
        rc = OPAL_SUCCESS;
    }
    return rc;
}

int pmix_toro_lookup(opal_list_t *data, opal_list_t *info)
{
    struct torobus_pmix_hdr *h = NULL;
    opal_pmix_pdata_t *d;
    pmix_toro_msg_t m;
    int rc, timeout;

    if (!pmix_toro_initialized()) {
        return OPAL_ERR_NOT_INITIALIZED;
    }
    if (NULL == data || 0 == opal_list_get_size(data)) {
        return OPAL_ERR_BAD_PARAM;
    }
    pmix_toro_msg_init(&m, TOROBUS_PMIX_LOOKUP, 0);
    timeout = directives(&m, info);
    OPAL_LIST_FOREACH(d, data, opal_pmix_pdata_t)
    {
        pmix_toro_msg_add(&m, d->value.key, TOROBUS_PMIX_T_NONE, 0, 0, NULL, 0);
    }
    rc = pmix_toro_chan_call(&m, timeout, &h);
    if (OPAL_SUCCESS == rc) {
        rc = lookup_result(h, data, false);
    }
    free(h);
    return rc;
}

typedef struct {
    opal_pmix_lookup_cbfunc_t cbfunc;
    void *cbdata;
} lookup_op_t;

static void lookup_reply(int rc, const struct torobus_pmix_hdr *h, void *cbdata)
{
    lookup_op_t *op = cbdata;
    opal_list_t found;

    OBJ_CONSTRUCT(&found, opal_list_t);
    if (OPAL_SUCCESS == rc) {
        rc = pmix_toro_rc(h->status);
    }
    if (OPAL_SUCCESS == rc) {
        rc = lookup_result(h, &found, true);
    }
    op->cbfunc(rc, OPAL_SUCCESS == rc ? &found : NULL, op->cbdata);
    OPAL_LIST_DESTRUCT(&found);
    free(op);
}

int pmix_toro_lookup_nb(char **keys, opal_list_t *info, opal_pmix_lookup_cbfunc_t cbfunc,
                        void *cbdata)
{
    pmix_toro_msg_t m;
    lookup_op_t *op;
    int rc;

    if (!pmix_toro_initialized()) {
        return OPAL_ERR_NOT_INITIALIZED;
    }
    if (NULL == keys || NULL == *keys || NULL == cbfunc) {
        return OPAL_ERR_BAD_PARAM;
    }
    if (NULL == (op = malloc(sizeof(*op)))) {
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    op->cbfunc = cbfunc;
    op->cbdata = cbdata;
    pmix_toro_msg_init(&m, TOROBUS_PMIX_LOOKUP, 0);
    (void)directives(&m, info);
    for (; NULL != *keys; ++keys) {
        pmix_toro_msg_add(&m, *keys, TOROBUS_PMIX_T_NONE, 0, 0, NULL, 0);
    }
    rc = pmix_toro_chan_post(&m, lookup_reply, op);
    if (OPAL_SUCCESS != rc) {
        free(op);
    }
    return rc;
}
