/* SPDX-License-Identifier: BSD-3-Clause */
/* Queries: what this process knows, or can get, of its job. */
#include "pmix_toro.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opal/constants.h"

/* What a spawn heeds: ORTE's list, and that of toro-run -n. */
#define SPAWN_HOSTED                                                                               \
    OPAL_PMIX_HOST "," OPAL_PMIX_HOSTFILE "," OPAL_PMIX_ADD_HOST "," OPAL_PMIX_ADD_HOSTFILE        \
                   "," OPAL_PMIX_PREFIX "," OPAL_PMIX_WDIR "," OPAL_PMIX_MAPPER "," OPAL_PMIX_PPR  \
                   "," OPAL_PMIX_MAPBY "," OPAL_PMIX_RANKBY "," OPAL_PMIX_BINDTO
#define SPAWN_ALONE OPAL_PMIX_HOST "," OPAL_PMIX_WDIR

static void release(void *cbdata)
{
    opal_list_t *results = cbdata;
    opal_value_t *v;

    OPAL_LIST_FOREACH(v, results, opal_value_t)
    {
        if (OPAL_PTR == v->type && NULL != v->data.ptr) {
            OPAL_LIST_RELEASE(v->data.ptr);
            v->data.ptr = NULL;
        }
    }
    OPAL_LIST_RELEASE(results);
}

static opal_value_t *answer(opal_list_t *results, const char *key, opal_data_type_t type)
{
    opal_value_t *v = OBJ_NEW(opal_value_t);

    if (NULL != v) {
        v->key = strdup(key);
        v->type = type;
        opal_list_append(results, &v->super);
    }
    return v;
}

static void answer_string(opal_list_t *results, const char *key, const char *text)
{
    opal_value_t *v = answer(results, key, OPAL_STRING);

    if (NULL != v) {
        v->data.string = strdup(text);
    }
}

/* A value of a rank of the own job, without waiting for it. */
static opal_value_t *fact(opal_vpid_t vpid, const char *key)
{
    opal_process_name_t who = {.jobid = pmix_toro.name.jobid, .vpid = vpid};
    opal_value_t *v = NULL, *how = OBJ_NEW(opal_value_t);
    opal_list_t info;

    if (NULL == how) {
        return NULL;
    }
    OBJ_CONSTRUCT(&info, opal_list_t);
    how->key = strdup(OPAL_PMIX_OPTIONAL);
    how->type = OPAL_BOOL;
    how->data.flag = true;
    opal_list_append(&info, &how->super);
    if (OPAL_SUCCESS != pmix_toro_get(&who, key, &info, &v)) {
        v = NULL;
    }
    OPAL_LIST_DESTRUCT(&info);
    return v;
}

static uint32_t fact_u32(opal_vpid_t vpid, const char *key)
{
    opal_value_t *v = fact(vpid, key);
    uint32_t n = 0;

    if (NULL != v && OPAL_UINT32 == v->type) {
        n = v->data.uint32;
    }
    if (NULL != v) {
        OBJ_RELEASE(v);
    }
    return n;
}

static char *fact_string(opal_vpid_t vpid, const char *key)
{
    opal_value_t *v = fact(vpid, key);
    char *s = NULL;

    if (NULL != v && OPAL_STRING == v->type) {
        s = v->data.string;
        v->data.string = NULL;
    }
    if (NULL != v) {
        OBJ_RELEASE(v);
    }
    return s;
}

/* The program, if all ranks run the same. */
static char *program(void)
{
    char path[4096];
    ssize_t n;

    if (1 != fact_u32(OPAL_VPID_WILDCARD, OPAL_PMIX_JOB_NUM_APPS)) {
        return NULL;
    }
    n = readlink("/proc/self/exe", path, sizeof(path));
    return 0 >= n || (ssize_t)sizeof(path) <= n ? NULL : strndup(path, (size_t)n);
}

/* The job that a query is about; the own one is all that is known here. */
static bool about_own_job(opal_pmix_query_t *q)
{
    opal_value_t *v;

    OPAL_LIST_FOREACH(v, &q->qualifiers, opal_value_t)
    {
        if (0 == strcmp(v->key, OPAL_PMIX_PROCID) && OPAL_NAME == v->type) {
            return v->data.name.jobid == pmix_toro.name.jobid;
        }
    }
    return false;
}

/* Pids of other ranks are not known, and 0, as a server has it for those of other nodes. */
static void processes(opal_list_t *results, const char *key, bool local)
{
    uint32_t n = fact_u32(OPAL_VPID_WILDCARD, OPAL_PMIX_JOB_SIZE);
    char *here = fact_string(pmix_toro.name.vpid, OPAL_PMIX_HOSTNAME), *exe = program();
    opal_value_t *v = answer(results, key, OPAL_PTR), *p;
    opal_list_t *table = OBJ_NEW(opal_list_t);

    if (NULL != v) {
        v->data.ptr = table;
    }
    for (uint32_t i = 0; NULL != v && NULL != table && i < n; ++i) {
        char *host = fact_string(i, OPAL_PMIX_HOSTNAME);

        if ((local && (NULL == host || NULL == here || 0 != strcmp(host, here))) ||
            NULL == (p = OBJ_NEW(opal_value_t))) {
            free(host);
            continue;
        }
        p->type = OPAL_PROC_INFO;
        memset(&p->data.pinfo, 0, sizeof(p->data.pinfo));
        p->data.pinfo.name.jobid = pmix_toro.name.jobid;
        p->data.pinfo.name.vpid = i;
        p->data.pinfo.hostname = host;
        p->data.pinfo.executable_name = NULL == exe ? NULL : strdup(exe);
        p->data.pinfo.pid = i == pmix_toro.name.vpid ? getpid() : 0;
        opal_list_append(table, &p->super);
    }
    if (NULL == v && NULL != table) {
        OBJ_RELEASE(table);
    }
    free(here);
    free(exe);
}

static void one_key(opal_list_t *results, opal_pmix_query_t *q, const char *key)
{
    if (0 == strcmp(key, OPAL_PMIX_QUERY_NAMESPACES)) {
        answer_string(results, key, pmix_toro.nspace);
    } else if (0 == strcmp(key, OPAL_PMIX_QUERY_SPAWN_SUPPORT)) {
        answer_string(results, key, pmix_toro.hosted ? SPAWN_HOSTED : SPAWN_ALONE);
    } else if (0 == strcmp(key, OPAL_PMIX_QUERY_PROC_TABLE) && about_own_job(q)) {
        processes(results, key, false);
    } else if (0 == strcmp(key, OPAL_PMIX_QUERY_LOCAL_PROC_TABLE) && about_own_job(q)) {
        processes(results, key, true);
    }
}

void pmix_toro_query(opal_list_t *queries, opal_pmix_info_cbfunc_t cbfunc, void *cbdata)
{
    opal_list_t *results;
    opal_pmix_query_t *q;
    size_t asked = 0, found;
    int rc = OPAL_SUCCESS;

    if (NULL == cbfunc) {
        return;
    }
    if (!pmix_toro_initialized()) {
        rc = OPAL_ERR_NOT_INITIALIZED;
    } else if (NULL == queries || 0 == opal_list_get_size(queries)) {
        rc = OPAL_ERR_BAD_PARAM;
    }
    if (OPAL_SUCCESS != rc || NULL == (results = OBJ_NEW(opal_list_t))) {
        cbfunc(OPAL_SUCCESS == rc ? OPAL_ERR_OUT_OF_RESOURCE : rc, NULL, cbdata, NULL, NULL);
        return;
    }
    OPAL_LIST_FOREACH(q, queries, opal_pmix_query_t)
    {
        for (char **k = q->keys; NULL != k && NULL != *k; ++k, ++asked) {
            one_key(results, q, *k);
        }
    }
    found = opal_list_get_size(results);
    rc = 0 == found ? OPAL_ERR_NOT_FOUND : asked > found ? OPAL_ERR_PARTIAL_SUCCESS : OPAL_SUCCESS;
    cbfunc(rc, results, cbdata, release, results);
}
