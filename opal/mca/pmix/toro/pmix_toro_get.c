/* SPDX-License-Identifier: BSD-3-Clause */
/* Get: from what is known here, else from the server. */
#include "pmix_toro.h"

#include <stdlib.h>
#include <string.h>

#include "opal/constants.h"

/* Directives of a get. */
typedef struct {
    uint16_t flags;
    int timeout;
} directives_t;

static directives_t read_directives(opal_list_t *info)
{
    directives_t d = {.flags = 0, .timeout = 0};
    opal_value_t *v;
    int64_t n;

    if (NULL == info) {
        return d;
    }
    OPAL_LIST_FOREACH(v, info, opal_value_t)
    {
        if (0 == strcmp(v->key, OPAL_PMIX_OPTIONAL) && pmix_toro_value_true(v)) {
            d.flags |= TOROBUS_PMIX_F_OPTIONAL;
        } else if (0 == strcmp(v->key, OPAL_PMIX_IMMEDIATE) && pmix_toro_value_true(v)) {
            d.flags |= TOROBUS_PMIX_F_IMMEDIATE;
        } else if (0 == strcmp(v->key, OPAL_PMIX_TIMEOUT) && pmix_toro_value_int(v, &n) && 0 < n) {
            d.timeout = INT32_MAX < n ? INT32_MAX : (int)n;
        }
    }
    return d;
}

/* What needs no server: own identity, the store, and what INIT has shown to be absent. */
static int get_here(const opal_process_name_t *proc, const char *key, uint16_t flags,
                    opal_value_t **val)
{
    opal_process_name_t all = {.jobid = pmix_toro.name.jobid, .vpid = OPAL_VPID_WILDCARD};
    opal_value_t *v;

    if (NULL == proc && (0 == strcmp(key, OPAL_PMIX_JOBID) || 0 == strcmp(key, OPAL_PMIX_RANK))) {
        if (NULL == (v = OBJ_NEW(opal_value_t))) {
            return OPAL_ERR_OUT_OF_RESOURCE;
        }
        v->key = strdup(key);
        if (0 == strcmp(key, OPAL_PMIX_JOBID)) {
            v->type = OPAL_UINT32;
            v->data.uint32 = pmix_toro.name.jobid;
        } else {
            v->type = OPAL_INT;
            v->data.integer = (int)pmix_toro.name.vpid;
        }
        *val = v;
        return OPAL_SUCCESS;
    }
    if (NULL == proc) {
        proc = &all;
    }
    if (NULL != (v = pmix_toro_kvs_fetch(proc, key))) {
        *val = v;
        return OPAL_SUCCESS;
    }
    if (proc->jobid == pmix_toro.name.jobid) {
        /* a job-level key may be asked of the own rank, and a rank's own of the job */
        if (proc->vpid == pmix_toro.name.vpid) {
            v = pmix_toro_kvs_fetch(&all, key);
        } else if (OPAL_VPID_WILDCARD == proc->vpid) {
            v = pmix_toro_kvs_fetch(&pmix_toro.name, key);
        }
        if (NULL != v) {
            *val = v;
            return OPAL_SUCCESS;
        }
        if (0 != (flags & TOROBUS_PMIX_F_OPTIONAL) &&
            (OPAL_VPID_WILDCARD == proc->vpid || proc->vpid == pmix_toro.name.vpid)) {
            return OPAL_ERR_NOT_FOUND;
        }
    }
    return OPAL_ERR_TAKE_NEXT_OPTION;
}

static void get_message(pmix_toro_msg_t *m, const opal_process_name_t *proc, const char *key,
                        const directives_t *d)
{
    opal_process_name_t all = {.jobid = pmix_toro.name.jobid, .vpid = OPAL_VPID_WILDCARD};
    const char *ns;

    if (NULL == proc) {
        proc = &all;
    }
    pmix_toro_msg_init(m, TOROBUS_PMIX_GET, d->flags);
    if (proc->jobid != pmix_toro.name.jobid) {
        /* a server asked about a job that is not there waits for it to come */
        if (NULL == (ns = pmix_toro_known_nspace(proc->jobid))) {
            m->rc = OPAL_ERR_NOT_FOUND;
            return;
        }
        pmix_toro_msg_str(m, TOROBUS_PMIX_K_NSPACE, ns);
    }
    if (0 < d->timeout) {
        pmix_toro_msg_u32(m, TOROBUS_PMIX_K_TIMEOUT, (uint32_t)d->timeout);
    }
    pmix_toro_msg_add(m, key, TOROBUS_PMIX_T_NONE, 0, pmix_toro_rank(proc->vpid), NULL, 0);
}

/* The asked item of a reply as a new value, which the store keeps too. */
static int get_result(const struct torobus_pmix_hdr *h, const opal_process_name_t *proc,
                      const char *key, opal_value_t **val)
{
    opal_process_name_t all = {.jobid = pmix_toro.name.jobid, .vpid = OPAL_VPID_WILDCARD};
    int rc = pmix_toro_rc(h->status);
    pmix_toro_item_t item;
    uint32_t off = 0;
    opal_value_t *v;

    while (OPAL_SUCCESS == rc && pmix_toro_next(h, &off, &item)) {
        if (!pmix_toro_item_is(&item, key)) {
            continue;
        }
        if (NULL == (v = OBJ_NEW(opal_value_t))) {
            return OPAL_ERR_OUT_OF_RESOURCE;
        }
        v->key = pmix_toro_item_keydup(&item);
        rc = NULL == v->key ? OPAL_ERR_OUT_OF_RESOURCE : pmix_toro_value_unpack(v, &item);
        if (OPAL_SUCCESS != rc) {
            OBJ_RELEASE(v);
            return rc;
        }
        (void)pmix_toro_kvs_store(NULL == proc ? &all : proc, v);
        *val = v;
        return OPAL_SUCCESS;
    }
    return OPAL_SUCCESS == rc ? OPAL_ERR_NOT_FOUND : rc;
}

int pmix_toro_get(const opal_process_name_t *proc, const char *key, opal_list_t *info,
                  opal_value_t **val)
{
    struct torobus_pmix_hdr *h = NULL;
    directives_t d = read_directives(info);
    pmix_toro_msg_t m;
    int rc;

    *val = NULL;
    if (!pmix_toro_initialized()) {
        return OPAL_ERR_NOT_INITIALIZED;
    }
    if (NULL == key) {
        return OPAL_ERR_NOT_SUPPORTED;
    }
    rc = get_here(proc, key, d.flags, val);
    if (OPAL_ERR_TAKE_NEXT_OPTION != rc) {
        return rc;
    }
    get_message(&m, proc, key, &d);
    rc = pmix_toro_chan_call(&m, d.timeout, &h);
    if (OPAL_SUCCESS == rc) {
        rc = get_result(h, proc, key, val);
    }
    free(h);
    return rc;
}

typedef struct {
    opal_process_name_t proc;
    opal_pmix_value_cbfunc_t cbfunc;
    void *cbdata;
    char key[];
} get_op_t;

static void get_reply(int rc, const struct torobus_pmix_hdr *h, void *cbdata)
{
    get_op_t *op = cbdata;
    opal_value_t *v = NULL;

    if (OPAL_SUCCESS == rc) {
        rc = get_result(h, &op->proc, op->key, &v);
    }
    op->cbfunc(rc, v, op->cbdata);
    if (NULL != v) {
        OBJ_RELEASE(v);
    }
    free(op);
}

int pmix_toro_get_nb(const opal_process_name_t *proc, const char *key, opal_list_t *info,
                     opal_pmix_value_cbfunc_t cbfunc, void *cbdata)
{
    directives_t d = read_directives(info);
    opal_value_t *v = NULL;
    pmix_toro_msg_t m;
    get_op_t *op;
    int rc;

    if (!pmix_toro_initialized()) {
        return OPAL_ERR_NOT_INITIALIZED;
    }
    if (NULL == key || NULL == cbfunc) {
        return NULL == cbfunc ? OPAL_ERR_BAD_PARAM : OPAL_ERR_NOT_SUPPORTED;
    }
    rc = get_here(proc, key, d.flags, &v);
    if (OPAL_ERR_TAKE_NEXT_OPTION != rc) {
        cbfunc(rc, v, cbdata);
        if (NULL != v) {
            OBJ_RELEASE(v);
        }
        return OPAL_SUCCESS;
    }
    if (NULL == (op = malloc(sizeof(*op) + strlen(key) + 1))) {
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    op->proc.jobid = NULL == proc ? pmix_toro.name.jobid : proc->jobid;
    op->proc.vpid = NULL == proc ? OPAL_VPID_WILDCARD : proc->vpid;
    op->cbfunc = cbfunc;
    op->cbdata = cbdata;
    strcpy(op->key, key);
    get_message(&m, proc, key, &d);
    rc = pmix_toro_chan_post(&m, get_reply, op);
    if (OPAL_SUCCESS != rc) {
        free(op);
    }
    return rc;
}
