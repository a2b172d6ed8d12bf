/* SPDX-License-Identifier: BSD-3-Clause */
/* Init, finalize, abort, put, commit. */
#include "pmix_toro.h"

#include <stdlib.h>
#include <string.h>

#include "opal/constants.h"
#include "opal/mca/pmix/base/base.h"
#include "opal/runtime/opal_progress.h"
#include "opal/util/show_help.h"

/* Job-level data of the reply to INIT into the store. */
static int learn(const struct torobus_pmix_hdr *h)
{
    bool have_ns = false, have_rank = false;
    opal_process_name_t who;
    pmix_toro_item_t item;
    uint32_t off, rank;
    opal_value_t v;
    int rc;

    for (off = 0; pmix_toro_next(h, &off, &item);) {
        if (pmix_toro_item_is(&item, TOROBUS_PMIX_K_NSPACE)) {
            if (0 == item.vlen || TOROBUS_PMIX_NSPACE_MAX < item.vlen) {
                return OPAL_ERR_BAD_PARAM;
            }
            memcpy(pmix_toro.nspace, item.val, item.vlen);
            pmix_toro.nspace[item.vlen] = '\0';
            have_ns = true;
        } else if (pmix_toro_item_is(&item, TOROBUS_PMIX_K_RANK) && sizeof(rank) == item.vlen) {
            memcpy(&rank, item.val, sizeof(rank));
            pmix_toro.name.vpid = rank;
            have_rank = true;
        } else if (pmix_toro_item_is(&item, TOROBUS_PMIX_K_HOSTED) && 1 == item.vlen) {
            pmix_toro.hosted = 0 != *(const uint8_t *)item.val;
        }
    }
    if (off != h->len || !have_ns || !have_rank) {
        return OPAL_ERR_BAD_PARAM;
    }
    pmix_toro.name.jobid = pmix_toro_jobid(pmix_toro.nspace);
    who.jobid = pmix_toro.name.jobid;
    for (off = 0; pmix_toro_next(h, &off, &item);) {
        if (5 <= item.klen && 0 == memcmp(item.key, "toro.", 5)) {
            continue;
        }
        who.vpid = pmix_toro_vpid(item.it->rank);
        OBJ_CONSTRUCT(&v, opal_value_t);
        rc = OPAL_ERR_OUT_OF_RESOURCE;
        if (NULL != (v.key = pmix_toro_item_keydup(&item))) {
            rc = pmix_toro_value_unpack(&v, &item);
        }
        if (OPAL_SUCCESS == rc) {
            rc = pmix_toro_kvs_store(&who, &v);
        }
        OBJ_DESTRUCT(&v);
        if (OPAL_ERR_OUT_OF_RESOURCE == rc) {
            return rc; /* a value of an unknown type is no reason to stop */
        }
    }
    return OPAL_SUCCESS;
}

/* The one real init. pmix_toro.lock held: nobody else can use the module yet. */
static int start(void)
{
    volatile uint32_t *att;
    struct torobus_pmix_hdr *h = NULL;
    pmix_toro_msg_t m;
    uint64_t addr;
    int rc;

    rc = pmix_toro_chan_open(mca_pmix_toro_component.path);
    if (OPAL_SUCCESS != rc) {
        opal_show_help("help-pmix-toro.txt", "no-channel", true, mca_pmix_toro_component.path);
        return OPAL_ERR_SILENT;
    }
    pmix_toro_msg_init(&m, TOROBUS_PMIX_INIT, 0);
    if (NULL != (att = pmix_toro_chan_attention())) {
        addr = (uint64_t)(uintptr_t)att;
        pmix_toro_msg_add(&m, TOROBUS_PMIX_K_ATTENTION, TOROBUS_PMIX_T_U64, 0, 0, &addr,
                          sizeof(addr));
    }
    rc = pmix_toro_chan_call(&m, 0, &h);
    if (OPAL_SUCCESS == rc) {
        rc = learn(h);
    }
    free(h);
    if (OPAL_SUCCESS != rc) {
        opal_show_help("help-pmix-toro.txt", "init-failed", true, opal_strerror(rc));
        pmix_toro_chan_close();
        return OPAL_ERR_SILENT;
    }
    opal_proc_set_name(&pmix_toro.name);
    opal_progress_register(pmix_toro_chan_progress);
    return OPAL_SUCCESS;
}

int pmix_toro_init(opal_list_t *ilist)
{
    opal_value_t *v;
    int rc = OPAL_SUCCESS;

    pthread_mutex_lock(&pmix_toro.lock);
    if (0 == pmix_toro.init_count) {
        rc = start();
    }
    if (OPAL_SUCCESS == rc) {
        ++pmix_toro.init_count;
        ++opal_pmix_base.initialized;
    }
    pthread_mutex_unlock(&pmix_toro.lock);
    if (OPAL_SUCCESS == rc && NULL != ilist) {
        /* programming model declarations and the like: of use to this process alone */
        OPAL_LIST_FOREACH(v, ilist, opal_value_t)
        {
            (void)pmix_toro_kvs_store(&pmix_toro.name, v);
        }
    }
    return rc;
}

int pmix_toro_finalize(void)
{
    pmix_toro_msg_t m;
    int rc;

    pthread_mutex_lock(&pmix_toro.lock);
    if (0 == pmix_toro.init_count) {
        pthread_mutex_unlock(&pmix_toro.lock);
        return OPAL_ERR_NOT_INITIALIZED;
    }
    --opal_pmix_base.initialized;
    if (0 < --pmix_toro.init_count) {
        pthread_mutex_unlock(&pmix_toro.lock);
        return OPAL_SUCCESS;
    }
    pthread_mutex_unlock(&pmix_toro.lock);
    opal_progress_unregister(pmix_toro_chan_progress);
    pmix_toro_msg_init(&m, TOROBUS_PMIX_FINALIZE, 0);
    rc = pmix_toro_chan_call(&m, 0, NULL);
    pmix_toro_chan_close();
    pmix_toro_event_finalize();
    pmix_toro_kvs_finalize();
    pmix_toro_job_finalize();
    pmix_toro_msg_free(&pmix_toro.puts);
    return rc;
}

int pmix_toro_initialized(void)
{
    return 0 < pmix_toro.init_count;
}

int pmix_toro_abort(int status, const char *msg, opal_list_t *procs)
{
    pmix_toro_msg_t m;

    if (!pmix_toro_initialized()) {
        return OPAL_ERR_NOT_INITIALIZED;
    }
    pmix_toro_msg_init(&m, TOROBUS_PMIX_ABORT, 0);
    if (OPAL_SUCCESS == m.rc) {
        ((struct torobus_pmix_hdr *)m.buf)->status = status;
    }
    if (NULL != msg) {
        pmix_toro_msg_str(&m, TOROBUS_PMIX_K_MSG, msg);
    }
    pmix_toro_msg_procs(&m, procs);
    /* a server that does not answer must not keep a dying process */
    return pmix_toro_chan_call(&m, 10, NULL);
}

int pmix_toro_store_local(const opal_process_name_t *proc, opal_value_t *val)
{
    if (!pmix_toro_initialized()) {
        return OPAL_ERR_NOT_INITIALIZED;
    }
    return pmix_toro_kvs_store(NULL == proc ? &pmix_toro.name : proc, val);
}

static uint8_t wire_scope(opal_pmix_scope_t scope)
{
    switch (scope) {
    case OPAL_PMIX_LOCAL:
        return TOROBUS_PMIX_SCOPE_LOCAL;
    case OPAL_PMIX_REMOTE:
        return TOROBUS_PMIX_SCOPE_REMOTE;
    default:
        return TOROBUS_PMIX_SCOPE_GLOBAL;
    }
}

/* Send what was put. The lock is held at entry and exit, not in between: callbacks of other
 * requests may run while this one waits. */
static int send_puts(uint16_t flags)
{
    pmix_toro_msg_t m = pmix_toro.puts;
    int rc;

    memset(&pmix_toro.puts, 0, sizeof(pmix_toro.puts));
    pthread_mutex_unlock(&pmix_toro.lock);
    ((struct torobus_pmix_hdr *)m.buf)->flags = flags;
    rc = pmix_toro_chan_call(&m, 0, NULL);
    pthread_mutex_lock(&pmix_toro.lock);
    return rc;
}

/* Append to what was put. An error leaves the message as it was. */
static int add_put(opal_value_t *val, uint8_t scope)
{
    pmix_toro_msg_t *m = &pmix_toro.puts;
    int rc;

    if (NULL == m->buf) {
        pmix_toro_msg_init(m, TOROBUS_PMIX_COMMIT, 0);
    }
    pmix_toro_value_pack(m, val, scope, pmix_toro.name.vpid);
    rc = m->rc;
    m->rc = OPAL_SUCCESS;
    if (NULL == m->buf) {
        pmix_toro_msg_free(m);
    }
    return rc;
}

int pmix_toro_put(opal_pmix_scope_t scope, opal_value_t *val)
{
    uint8_t sc = wire_scope(scope);
    int rc;

    if (NULL == val || NULL == val->key) {
        return OPAL_ERR_BAD_PARAM;
    }
    if (!pmix_toro_initialized()) {
        return OPAL_ERR_NOT_INITIALIZED;
    }
    pthread_mutex_lock(&pmix_toro.lock);
    rc = add_put(val, sc);
    if (OPAL_ERR_VALUE_OUT_OF_BOUNDS == rc &&
        sizeof(struct torobus_pmix_hdr) < pmix_toro.puts.used) {
        /* the message is full: send it ahead and start the next */
        rc = send_puts(TOROBUS_PMIX_F_MORE);
        if (OPAL_SUCCESS == rc) {
            rc = add_put(val, sc);
        }
    }
    pthread_mutex_unlock(&pmix_toro.lock);
    return OPAL_SUCCESS == rc ? pmix_toro_kvs_store(&pmix_toro.name, val) : rc;
}

int pmix_toro_commit(void)
{
    int rc;

    if (!pmix_toro_initialized()) {
        return OPAL_ERR_NOT_INITIALIZED;
    }
    pthread_mutex_lock(&pmix_toro.lock);
    /* an empty commit counts too: others may wait for this rank's first one */
    if (NULL == pmix_toro.puts.buf) {
        pmix_toro_msg_init(&pmix_toro.puts, TOROBUS_PMIX_COMMIT, 0);
        pmix_toro.puts.rc = OPAL_SUCCESS;
    }
    rc = NULL == pmix_toro.puts.buf ? OPAL_ERR_OUT_OF_RESOURCE : send_puts(0);
    pthread_mutex_unlock(&pmix_toro.lock);
    return rc;
}
