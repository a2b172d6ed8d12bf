/* SPDX-License-Identifier: BSD-3-Clause */
/* PMIx component of Torobus: client of the PMIx server that is embedded in the kernel. What the
 * files of this directory share. The wire format is torobus/pmix.h. */
#ifndef MCA_PMIX_TORO_H
#define MCA_PMIX_TORO_H

#include "opal_config.h"

#include <pthread.h>
#include <stdint.h>

#include "opal/mca/mca.h"
#include "opal/mca/pmix/pmix.h"
#include "opal/util/proc.h"

#include <torobus/pmix.h>

BEGIN_C_DECLS

typedef struct {
    opal_pmix_base_component_t super;
    int priority;
    char *path; /**< device, or the socket of a test server */
} mca_pmix_toro_component_t;

OPAL_DECLSPEC extern mca_pmix_toro_component_t mca_pmix_toro_component;
extern const opal_pmix_base_module_t pmix_toro_module;

/** One message, header included, that is being built. */
typedef struct {
    char *buf; /**< NULL after an allocation failed */
    size_t used, size;
    int rc; /**< first error, OPAL_SUCCESS */
} pmix_toro_msg_t;

/** State of the client; one per process. */
typedef struct {
    pthread_mutex_t lock; /**< init count and puts; callbacks run without it */
    _Atomic int init_count;
    bool hosted;
    char nspace[TOROBUS_PMIX_NSPACE_MAX + 1];
    opal_process_name_t name;
    pmix_toro_msg_t puts; /**< what was put and not committed; buf is NULL if nothing was */
} pmix_toro_t;

extern pmix_toro_t pmix_toro;

/* pmix_toro_msg.c: building and reading messages -------------------------------------------------
 */

/** Start a request. Errors stick in m->rc; pmix_toro_chan_* return them. */
void pmix_toro_msg_init(pmix_toro_msg_t *m, uint16_t op, uint16_t flags);
void pmix_toro_msg_free(pmix_toro_msg_t *m);
/** Append an item; val may be NULL if vlen is 0. */
void pmix_toro_msg_add(pmix_toro_msg_t *m, const char *key, uint8_t type, uint8_t scope,
                       uint32_t rank, const void *val, size_t vlen);
void pmix_toro_msg_str(pmix_toro_msg_t *m, const char *key, const char *s);
void pmix_toro_msg_u32(pmix_toro_msg_t *m, const char *key, uint32_t v);
void pmix_toro_msg_u8(pmix_toro_msg_t *m, const char *key, uint8_t v);
/** PROC item of a name. */
void pmix_toro_msg_proc(pmix_toro_msg_t *m, const char *key, const opal_process_name_t *n);
/** PROC items of a list of opal_namelist_t; NULL list adds nothing. */
void pmix_toro_msg_procs(pmix_toro_msg_t *m, opal_list_t *procs);

/** Item of a message that was read. Strings are not terminated. */
typedef struct {
    const struct torobus_pmix_item *it;
    const char *key;
    const void *val;
    size_t klen, vlen;
} pmix_toro_item_t;

/** Step through the body of a message; *off starts at 0. @return false at the end or at damage. */
bool pmix_toro_next(const struct torobus_pmix_hdr *h, uint32_t *off, pmix_toro_item_t *item);
bool pmix_toro_item_is(const pmix_toro_item_t *item, const char *key);
/** Copy of the key or the string value, to be freed. NULL if out of memory. */
char *pmix_toro_item_keydup(const pmix_toro_item_t *item);
char *pmix_toro_item_strdup(const pmix_toro_item_t *item);

/* pmix_toro_value.c: OPAL values and the wire -----------------------------------------------------
 */

/** Append val under its key. Sticks OPAL_ERR_NOT_SUPPORTED for types that cannot travel. */
void pmix_toro_value_pack(pmix_toro_msg_t *m, const opal_value_t *val, uint8_t scope,
                          uint32_t rank);
/** Set type and data of v from an item. Its key is not touched. Trust: the item is checked. */
int pmix_toro_value_unpack(opal_value_t *v, const pmix_toro_item_t *item);
/** Copy with key. @return NULL if out of memory or the type cannot be copied. */
opal_value_t *pmix_toro_value_dup(const opal_value_t *src);
int pmix_toro_rc(int32_t status);      /**< result on the wire -> OPAL */
int pmix_toro_event_rc(int32_t event); /**< event on the wire -> OPAL */
uint32_t pmix_toro_rank(opal_vpid_t vpid);
opal_vpid_t pmix_toro_vpid(uint32_t rank);
/** Truth of a flag like OPAL_PMIX_OPTIONAL: a value without type counts as true. */
bool pmix_toro_value_true(const opal_value_t *v);
/** Number in a value of any integer type. @return false if it is none. */
bool pmix_toro_value_int(const opal_value_t *v, int64_t *out);

/* pmix_toro_job.c: jobids and namespaces
 * ----------------------------------------------------------- */

/** OPAL's number of a namespace: its value if it is a decimal jobid, else a hash. Remembers it. */
opal_jobid_t pmix_toro_jobid(const char *nspace);
opal_jobid_t pmix_toro_jobid_n(const char *nspace, size_t len);
/** Namespace of a jobid, NULL if it is not known. Valid until finalize. */
const char *pmix_toro_nspace(opal_jobid_t jobid);
/** The same, but only of jobs that this process has heard of. */
const char *pmix_toro_known_nspace(opal_jobid_t jobid);
void pmix_toro_register_jobid(opal_jobid_t jobid, const char *nspace);
void pmix_toro_job_finalize(void);

/* pmix_toro_kvs.c: what this process knows
 * ---------------------------------------------------------- */

/** Keep a copy; replaces what was there. */
int pmix_toro_kvs_store(const opal_process_name_t *proc, const opal_value_t *val);
/** Copy of a value, or NULL. */
opal_value_t *pmix_toro_kvs_fetch(const opal_process_name_t *proc, const char *key);
void pmix_toro_kvs_finalize(void);

/* pmix_toro_chan.c: requests and replies
 * -------------------------------------------------------------- */

/** Reply of a request: called once, without locks, from whatever thread reads the channel.
 *  rc is not OPAL_SUCCESS if there is no reply (h is NULL then); h is valid during the call. */
typedef void (*pmix_toro_reply_fn_t)(int rc, const struct torobus_pmix_hdr *h, void *cbdata);

int pmix_toro_chan_probe(const char *path);
int pmix_toro_chan_open(const char *path);
/** Close; outstanding requests get OPAL_ERR_UNREACH. */
void pmix_toro_chan_close(void);
/** Word that tells the kernel's messages; its address goes into INIT. NULL if not usable. */
volatile uint32_t *pmix_toro_chan_attention(void);
/** Send m (freed in any case) and wait for its reply.
 *  @param timeout_s  0 = wait for ever
 *  @param[out] reply  to be freed; may be NULL
 *  @return the reply's status as OPAL code, or OPAL_ERR_TIMEOUT, OPAL_ERR_UNREACH. */
int pmix_toro_chan_call(pmix_toro_msg_t *m, int timeout_s, struct torobus_pmix_hdr **reply);
/** Send m (freed in any case); fn comes later, unless an error is returned. */
int pmix_toro_chan_post(pmix_toro_msg_t *m, pmix_toro_reply_fn_t fn, void *cbdata);
/** Progress callback: reads what is there. Blocks for a moment only while a fence is on its way and
 * the caller has been napping between its calls. */
int pmix_toro_chan_progress(void);
/** So many fences more (or, negative, less) that are waited for through opal_progress(). */
void pmix_toro_chan_fences(int more);

/* pmix_toro_event.c
 * -------------------------------------------------------------------------------------- */

void pmix_toro_register_evhandler(opal_list_t *codes, opal_list_t *info,
                                  opal_pmix_notification_fn_t evhandler,
                                  opal_pmix_evhandler_reg_cbfunc_t cbfunc, void *cbdata);
void pmix_toro_deregister_evhandler(size_t ref, opal_pmix_op_cbfunc_t cbfunc, void *cbdata);
int pmix_toro_notify_event(int status, const opal_process_name_t *source,
                           opal_pmix_data_range_t range, opal_list_t *info,
                           opal_pmix_op_cbfunc_t cbfunc, void *cbdata);
/** Message without request (id 0). */
void pmix_toro_event_message(const struct torobus_pmix_hdr *h);
void pmix_toro_event_finalize(void);

/* Members of the module; the contract of each is opal/mca/pmix/pmix.h. */
int pmix_toro_init(opal_list_t *ilist);
int pmix_toro_finalize(void);
int pmix_toro_initialized(void);
int pmix_toro_abort(int status, const char *msg, opal_list_t *procs);
int pmix_toro_put(opal_pmix_scope_t scope, opal_value_t *val);
int pmix_toro_commit(void);
int pmix_toro_get(const opal_process_name_t *proc, const char *key, opal_list_t *info,
                  opal_value_t **val);
int pmix_toro_get_nb(const opal_process_name_t *proc, const char *key, opal_list_t *info,
                     opal_pmix_value_cbfunc_t cbfunc, void *cbdata);
int pmix_toro_store_local(const opal_process_name_t *proc, opal_value_t *val);
int pmix_toro_fence(opal_list_t *procs, int collect_data);
int pmix_toro_fence_nb(opal_list_t *procs, int collect_data, opal_pmix_op_cbfunc_t cbfunc,
                       void *cbdata);
int pmix_toro_connect(opal_list_t *procs);
int pmix_toro_connect_nb(opal_list_t *procs, opal_pmix_op_cbfunc_t cbfunc, void *cbdata);
int pmix_toro_disconnect(opal_list_t *procs);
int pmix_toro_disconnect_nb(opal_list_t *procs, opal_pmix_op_cbfunc_t cbfunc, void *cbdata);
int pmix_toro_publish(opal_list_t *info);
int pmix_toro_publish_nb(opal_list_t *info, opal_pmix_op_cbfunc_t cbfunc, void *cbdata);
int pmix_toro_lookup(opal_list_t *data, opal_list_t *info);
int pmix_toro_lookup_nb(char **keys, opal_list_t *info, opal_pmix_lookup_cbfunc_t cbfunc,
                        void *cbdata);
int pmix_toro_unpublish(char **keys, opal_list_t *info);
int pmix_toro_unpublish_nb(char **keys, opal_list_t *info, opal_pmix_op_cbfunc_t cbfunc,
                           void *cbdata);
int pmix_toro_spawn(opal_list_t *job_info, opal_list_t *apps, opal_jobid_t *jobid);
int pmix_toro_spawn_nb(opal_list_t *job_info, opal_list_t *apps, opal_pmix_spawn_cbfunc_t cbfunc,
                       void *cbdata);
void pmix_toro_query(opal_list_t *queries, opal_pmix_info_cbfunc_t cbfunc, void *cbdata);
void pmix_toro_log(opal_list_t *info, opal_pmix_op_cbfunc_t cbfunc, void *cbdata);

/** A reply function for operations that only have a status; cbdata from pmix_toro_op_new(). */
void pmix_toro_op_reply(int rc, const struct torobus_pmix_hdr *h, void *cbdata);
void *pmix_toro_op_new(opal_pmix_op_cbfunc_t cbfunc, void *cbdata);
/** Post m; its status goes to cbfunc. */
int pmix_toro_op_post(pmix_toro_msg_t *m, opal_pmix_op_cbfunc_t cbfunc, void *cbdata);

END_C_DECLS

#endif
