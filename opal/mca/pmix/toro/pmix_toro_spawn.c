/* SPDX-License-Identifier: BSD-3-Clause */
/* Spawn, and the log. */
#include "pmix_toro.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opal/constants.h"
#include "opal/dss/dss.h"

static void infos(pmix_toro_msg_t *m, opal_list_t *info)
{
    opal_value_t *v;

    OPAL_LIST_FOREACH(v, info, opal_value_t)
    {
        pmix_toro_value_pack(m, v, 0, TOROBUS_PMIX_RANK_WILDCARD);
    }
}

static int spawn_message(pmix_toro_msg_t *m, opal_list_t *job_info, opal_list_t *apps)
{
    opal_pmix_app_t *app;

    if (!pmix_toro_initialized()) {
        return OPAL_ERR_NOT_INITIALIZED;
    }
    if (NULL == apps || 0 == opal_list_get_size(apps)) {
        return OPAL_ERR_BAD_PARAM;
    }
    pmix_toro_msg_init(m, TOROBUS_PMIX_SPAWN, 0);
    if (NULL != job_info) {
        infos(m, job_info);
    }
    OPAL_LIST_FOREACH(app, apps, opal_pmix_app_t)
    {
        pmix_toro_msg_u32(m, TOROBUS_PMIX_K_APP, (uint32_t)app->maxprocs);
        if (NULL != app->cmd) {
            pmix_toro_msg_str(m, TOROBUS_PMIX_K_CMD, app->cmd);
        }
        for (char **a = app->argv; NULL != a && NULL != *a; ++a) {
            pmix_toro_msg_str(m, TOROBUS_PMIX_K_ARG, *a);
        }
        for (char **e = app->env; NULL != e && NULL != *e; ++e) {
            pmix_toro_msg_str(m, TOROBUS_PMIX_K_ENV, *e);
        }
        if (NULL != app->cwd) {
            pmix_toro_msg_str(m, TOROBUS_PMIX_K_CWD, app->cwd);
        }
        infos(m, &app->info);
    }
    return OPAL_SUCCESS;
}

static int spawn_result(const struct torobus_pmix_hdr *h, opal_jobid_t *jobid)
{
    pmix_toro_item_t item;
    uint32_t off = 0;

    while (pmix_toro_next(h, &off, &item)) {
        if (pmix_toro_item_is(&item, TOROBUS_PMIX_K_NSPACE)) {
            *jobid = pmix_toro_jobid_n(item.val, item.vlen);
            return OPAL_SUCCESS;
        }
    }
    return OPAL_ERROR;
}

int pmix_toro_spawn(opal_list_t *job_info, opal_list_t *apps, opal_jobid_t *jobid)
{
    struct torobus_pmix_hdr *h = NULL;
    opal_jobid_t child = OPAL_JOBID_INVALID;
    pmix_toro_msg_t m;
    int rc = spawn_message(&m, job_info, apps);

    if (OPAL_SUCCESS != rc) {
        return rc;
    }
    rc = pmix_toro_chan_call(&m, 0, &h);
    if (OPAL_SUCCESS == rc) {
        rc = spawn_result(h, &child);
    }
    free(h);
    if (OPAL_SUCCESS == rc && NULL != jobid) {
        *jobid = child;
    }
    return rc;
}

typedef struct {
    opal_pmix_spawn_cbfunc_t cbfunc;
    void *cbdata;
} spawn_op_t;

static void spawn_reply(int rc, const struct torobus_pmix_hdr *h, void *cbdata)
{
    opal_jobid_t child = OPAL_JOBID_INVALID;
    spawn_op_t *op = cbdata;

    if (OPAL_SUCCESS == rc) {
        rc = pmix_toro_rc(h->status);
    }
    if (OPAL_SUCCESS == rc) {
        rc = spawn_result(h, &child);
    }
    op->cbfunc(rc, child, op->cbdata);
    free(op);
}

int pmix_toro_spawn_nb(opal_list_t *job_info, opal_list_t *apps, opal_pmix_spawn_cbfunc_t cbfunc,
                       void *cbdata)
{
    pmix_toro_msg_t m;
    spawn_op_t *op;
    int rc;

    if (NULL == cbfunc) {
        return OPAL_ERR_BAD_PARAM;
    }
    rc = spawn_message(&m, job_info, apps);
    if (OPAL_SUCCESS != rc) {
        return rc;
    }
    if (NULL == (op = malloc(sizeof(*op)))) {
        pmix_toro_msg_free(&m);
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    op->cbfunc = cbfunc;
    op->cbdata = cbdata;
    rc = pmix_toro_chan_post(&m, spawn_reply, op);
    if (OPAL_SUCCESS != rc) {
        free(op);
    }
    return rc;
}

static void print(int fd, const char *s, size_t n)
{
    ssize_t w;

    for (; 0 < n && 0 < (w = write(fd, s, n)); s += w, n -= (size_t)w) {
    }
}

/* The blob of ORTE's show_help: file name, topic, flag, text. */
static void print_help(const opal_byte_object_t *bo)
{
    char *file = NULL, *topic = NULL, *text = NULL;
    opal_buffer_t buf;
    int8_t have = 0;
    int32_t n = 1;
    void *copy = malloc(0 < bo->size ? (size_t)bo->size : 1);

    if (NULL == copy) {
        return;
    }
    memcpy(copy, bo->bytes, (size_t)bo->size);
    OBJ_CONSTRUCT(&buf, opal_buffer_t);
    opal_dss.load(&buf, copy, bo->size); /* takes copy over */
    if (OPAL_SUCCESS == opal_dss.unpack(&buf, &file, &n, OPAL_STRING) &&
        OPAL_SUCCESS == (n = 1, opal_dss.unpack(&buf, &topic, &n, OPAL_STRING)) &&
        OPAL_SUCCESS == (n = 1, opal_dss.unpack(&buf, &have, &n, OPAL_INT8)) && 0 != have &&
        OPAL_SUCCESS == (n = 1, opal_dss.unpack(&buf, &text, &n, OPAL_STRING)) && NULL != text) {
        print(STDERR_FILENO, text, strlen(text));
    }
    free(file);
    free(topic);
    free(text);
    OBJ_DESTRUCT(&buf);
}

/* No RTE takes the message: it goes where it would have ended up, the user's terminal. */
static int print_here(opal_list_t *info)
{
    int rc = OPAL_ERR_NOT_SUPPORTED;
    opal_value_t *v;

    OPAL_LIST_FOREACH(v, info, opal_value_t)
    {
        if (0 == strcmp(v->key, OPAL_PMIX_LOG_MSG) && OPAL_BYTE_OBJECT == v->type) {
            print_help(&v->data.bo);
        } else if (0 == strcmp(v->key, OPAL_PMIX_LOG_STDERR) && OPAL_STRING == v->type) {
            print(STDERR_FILENO, v->data.string, strlen(v->data.string));
        } else if (0 == strcmp(v->key, OPAL_PMIX_LOG_STDOUT) && OPAL_STRING == v->type) {
            print(STDOUT_FILENO, v->data.string, strlen(v->data.string));
        } else {
            continue;
        }
        rc = OPAL_SUCCESS;
    }
    return rc;
}

/* Blocking in spite of its callback: show_help waits for that without driving opal_progress. */
void pmix_toro_log(opal_list_t *info, opal_pmix_op_cbfunc_t cbfunc, void *cbdata)
{
    int rc = OPAL_ERR_NOT_SUPPORTED;
    pmix_toro_msg_t m;

    if (NULL == info) {
        rc = OPAL_ERR_BAD_PARAM;
    } else if (pmix_toro_initialized() && pmix_toro.hosted) {
        pmix_toro_msg_init(&m, TOROBUS_PMIX_LOG, 0);
        infos(&m, info);
        rc = pmix_toro_chan_call(&m, 10, NULL);
    }
    if (OPAL_SUCCESS != rc && NULL != info) {
        rc = print_here(info);
    }
    if (NULL != cbfunc) {
        cbfunc(rc, cbdata);
    }
}
