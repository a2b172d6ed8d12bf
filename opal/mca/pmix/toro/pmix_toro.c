/* SPDX-License-Identifier: BSD-3-Clause */
/* The module, and those of its members that need no server. */
#include "pmix_toro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opal/constants.h"
#include "opal/util/argv.h"

pmix_toro_t pmix_toro = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *toro_get_version(void)
{
    static char version[32];

    snprintf(version, sizeof(version), "toro %u", TOROBUS_ABI_VERSION);
    return version;
}

static int job_string(opal_jobid_t jobid, const char *key, char **out)
{
    opal_process_name_t all = {.jobid = jobid, .vpid = OPAL_VPID_WILDCARD};
    opal_value_t *v = NULL;
    int rc;

    if (OPAL_JOBID_WILDCARD == jobid) {
        all.jobid = pmix_toro.name.jobid;
    }
    rc = pmix_toro_get(&all, key, NULL, &v);
    if (OPAL_SUCCESS != rc) {
        return rc;
    }
    if (OPAL_STRING != v->type || NULL == v->data.string) {
        rc = OPAL_ERR_TYPE_MISMATCH;
    } else {
        *out = v->data.string;
        v->data.string = NULL;
    }
    OBJ_RELEASE(v);
    return rc;
}

static int add_proc(opal_list_t *procs, opal_jobid_t jobid, opal_vpid_t vpid)
{
    opal_namelist_t *nm = OBJ_NEW(opal_namelist_t);

    if (NULL == nm) {
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    nm->name.jobid = jobid;
    nm->name.vpid = vpid;
    opal_list_append(procs, &nm->super);
    return OPAL_SUCCESS;
}

/* Those of this node. */
static int local_peers(opal_jobid_t jobid, opal_list_t *procs)
{
    char *peers = NULL, **argv;
    int rc = job_string(jobid, OPAL_PMIX_LOCAL_PEERS, &peers);

    if (OPAL_SUCCESS != rc) {
        return rc;
    }
    argv = opal_argv_split(peers, ',');
    free(peers);
    for (int i = 0; OPAL_SUCCESS == rc && NULL != argv && NULL != argv[i]; ++i) {
        rc = add_proc(procs, jobid, (opal_vpid_t)strtoul(argv[i], NULL, 10));
    }
    opal_argv_free(argv);
    return rc;
}

/* Those whose node has this name. */
static int peers_of(const char *nodename, opal_jobid_t jobid, opal_list_t *procs)
{
    opal_process_name_t who = {.jobid = jobid, .vpid = OPAL_VPID_WILDCARD};
    opal_value_t *v = NULL;
    opal_list_t optional;
    uint32_t size = 0;
    bool any = false;
    int rc = pmix_toro_get(&who, OPAL_PMIX_JOB_SIZE, NULL, &v);

    if (OPAL_SUCCESS != rc) {
        return rc;
    }
    if (OPAL_UINT32 == v->type) {
        size = v->data.uint32;
    }
    OBJ_RELEASE(v);
    OBJ_CONSTRUCT(&optional, opal_list_t);
    if (NULL != (v = OBJ_NEW(opal_value_t))) {
        v->key = strdup(OPAL_PMIX_OPTIONAL);
        v->type = OPAL_BOOL;
        v->data.flag = true;
        opal_list_append(&optional, &v->super);
    }
    for (uint32_t i = 0; OPAL_SUCCESS == rc && i < size; ++i) {
        who.vpid = i;
        if (OPAL_SUCCESS != pmix_toro_get(&who, OPAL_PMIX_HOSTNAME, &optional, &v)) {
            continue;
        }
        if (OPAL_STRING == v->type && 0 == strcmp(v->data.string, nodename)) {
            rc = add_proc(procs, jobid, i);
            any = true;
        }
        OBJ_RELEASE(v);
    }
    OPAL_LIST_DESTRUCT(&optional);
    return OPAL_SUCCESS == rc && !any ? OPAL_ERR_NOT_FOUND : rc;
}

static int toro_resolve_peers(const char *nodename, opal_jobid_t jobid, opal_list_t *procs)
{
    if (!pmix_toro_initialized()) {
        return OPAL_ERR_NOT_INITIALIZED;
    }
    if (OPAL_JOBID_WILDCARD == jobid) {
        jobid = pmix_toro.name.jobid;
    }
    return NULL == nodename ? local_peers(jobid, procs) : peers_of(nodename, jobid, procs);
}

static int toro_resolve_nodes(opal_jobid_t jobid, char **nodelist)
{
    return job_string(jobid, OPAL_PMIX_NODE_LIST, nodelist);
}

static int toro_allocate(opal_pmix_alloc_directive_t directive, opal_list_t *info,
                         opal_pmix_info_cbfunc_t cbfunc, void *cbdata)
{
    (void)directive;
    (void)info;
    (void)cbfunc;
    (void)cbdata;
    return OPAL_ERR_NOT_SUPPORTED;
}

static int toro_lists(opal_list_t *a, opal_list_t *b, opal_pmix_info_cbfunc_t cbfunc, void *cbdata)
{
    (void)a;
    (void)b;
    (void)cbfunc;
    (void)cbdata;
    return OPAL_ERR_NOT_SUPPORTED;
}

/* No register_cleanup: nobody would do it. The callers then clean up themselves, and the guest's
 * files in memory go with the guest. */
const opal_pmix_base_module_t pmix_toro_module = {
    .init = pmix_toro_init,
    .finalize = pmix_toro_finalize,
    .initialized = pmix_toro_initialized,
    .abort = pmix_toro_abort,
    .commit = pmix_toro_commit,
    .fence = pmix_toro_fence,
    .fence_nb = pmix_toro_fence_nb,
    .put = pmix_toro_put,
    .get = pmix_toro_get,
    .get_nb = pmix_toro_get_nb,
    .publish = pmix_toro_publish,
    .publish_nb = pmix_toro_publish_nb,
    .lookup = pmix_toro_lookup,
    .lookup_nb = pmix_toro_lookup_nb,
    .unpublish = pmix_toro_unpublish,
    .unpublish_nb = pmix_toro_unpublish_nb,
    .spawn = pmix_toro_spawn,
    .spawn_nb = pmix_toro_spawn_nb,
    .connect = pmix_toro_connect,
    .connect_nb = pmix_toro_connect_nb,
    .disconnect = pmix_toro_disconnect,
    .disconnect_nb = pmix_toro_disconnect_nb,
    .resolve_peers = toro_resolve_peers,
    .resolve_nodes = toro_resolve_nodes,
    .query = pmix_toro_query,
    .log = pmix_toro_log,
    .allocate = toro_allocate,
    .job_control = toro_lists,
    .monitor = toro_lists,
    .get_version = toro_get_version,
    .register_evhandler = pmix_toro_register_evhandler,
    .deregister_evhandler = pmix_toro_deregister_evhandler,
    .notify_event = pmix_toro_notify_event,
    .store_local = pmix_toro_store_local,
    .get_nspace = pmix_toro_nspace,
    .register_jobid = pmix_toro_register_jobid,
};
