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

/* The server knows the peers of this node alone. */
static int toro_resolve_peers(const char *nodename, opal_jobid_t jobid, opal_list_t *procs)
{
    char *peers = NULL, **argv;
    opal_value_t *v = NULL;
    opal_namelist_t *nm;
    bool here = true;
    int rc;

    if (NULL != nodename &&
        OPAL_SUCCESS == pmix_toro_get(&pmix_toro.name, OPAL_PMIX_HOSTNAME, NULL, &v)) {
        here = OPAL_STRING == v->type && 0 == strcmp(v->data.string, nodename);
        OBJ_RELEASE(v);
    }
    if (!here) {
        return OPAL_ERR_NOT_SUPPORTED;
    }
    rc = job_string(jobid, OPAL_PMIX_LOCAL_PEERS, &peers);
    if (OPAL_SUCCESS != rc) {
        return rc;
    }
    argv = opal_argv_split(peers, ',');
    free(peers);
    for (int i = 0; NULL != argv && NULL != argv[i]; ++i) {
        if (NULL != (nm = OBJ_NEW(opal_namelist_t))) {
            nm->name.jobid = OPAL_JOBID_WILDCARD == jobid ? pmix_toro.name.jobid : jobid;
            nm->name.vpid = (opal_vpid_t)strtoul(argv[i], NULL, 10);
            opal_list_append(procs, &nm->super);
        }
    }
    opal_argv_free(argv);
    return OPAL_SUCCESS;
}

static int toro_resolve_nodes(opal_jobid_t jobid, char **nodelist)
{
    return job_string(jobid, OPAL_PMIX_NODE_LIST, nodelist);
}

static void toro_query(opal_list_t *queries, opal_pmix_info_cbfunc_t cbfunc, void *cbdata)
{
    (void)queries;
    if (NULL != cbfunc) {
        cbfunc(OPAL_ERR_NOT_SUPPORTED, NULL, cbdata, NULL, NULL);
    }
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
    .query = toro_query,
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
