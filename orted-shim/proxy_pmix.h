/* SPDX-License-Identifier: BSD-3-Clause */
/* The PMIx half of a proxy. The loop thread takes upcalls and sends replies; a worker thread makes
 * the calls into libpmix, of which some block; libpmix' own thread calls back. Requests and replies
 * travel through two locked queues (proxy_pmix.c). */
#ifndef PROXY_PMIX_H
#define PROXY_PMIX_H

#include "proxy.h"
#include "torobus/pmix.h"

#include <pmix.h>

/** A message body that is being built. */
struct pbuf {
    char *p;
    uint32_t len, room;
    bool failed; /**< no memory, or longer than a message may be */
};

/** One upcall, from its arrival to its reply. */
struct preq {
    struct preq *next;
    struct proxy_pmix *px;
    struct torobus_pmix_hdr hdr;
    char *body; /**< 8-byte aligned, hdr.len bytes of checked items */
    struct pbuf reply;
    /* arguments that libpmix reads until it calls back */
    pmix_info_t *info;
    size_t ninfo;
    pmix_proc_t *procs;
    size_t nprocs;
    char **keys;
    pmix_status_t *codes;
    pmix_app_t *apps;
    size_t napps;
    pmix_proc_t target; /**< GET: whose */
    char key[PMIX_MAX_KEYLEN + 1];
    bool has_nspace; /**< GET: the rank of another job */
    bool again;      /**< GET: asked a second time */
    bool by_proxy;   /**< GET: asked for what the other rank's proxy has put */
};

/** Number of a rank's node, as its proxy puts it for the proxies of other nodes. */
#define PROXY_PMIX_NODEID "toro.nodeid"

/** PMIx state of the process: libpmix knows one identity only. */
struct proxy_pmix {
    struct proxy *proxy;
    pmix_proc_t me;
    bool inited; /**< worker thread only */
};

/* proxy_pmix_msg.c */
bool pbuf_item(struct pbuf *b, const char *key, uint32_t rank, uint8_t type, const void *value,
               uint32_t len);
/** Append a copy of an item, as one of this rank. */
bool pbuf_copy(struct pbuf *b, const struct torobus_pmix_item *it, uint32_t rank);
bool pbuf_u32(struct pbuf *b, const char *key, uint32_t rank, uint8_t type, uint32_t value);
void pbuf_free(struct pbuf *b);
/** Walk the items of a request's body. @return false at the end. */
bool preq_next(const struct preq *r, uint32_t *off, const struct torobus_pmix_item **it);
bool item_is(const struct torobus_pmix_item *it, const char *key);
/** Whether the key is one of ours (an argument), not one of PMIx. */
bool item_is_arg(const struct torobus_pmix_item *it);
/** Copy a key or a string value. @return false if it is too long or has a NUL inside. */
bool item_key(const struct torobus_pmix_item *it, char *key, size_t size);
char *item_string(const struct torobus_pmix_item *it);
/** First item of that key, or NULL. */
const struct torobus_pmix_item *preq_find(const struct preq *r, const char *key);
/** A number argument, or dflt. */
uint32_t preq_u32(const struct preq *r, const char *key, uint32_t dflt);

/* proxy_pmix_value.c */
int pmix_toro_status(pmix_status_t s);
pmix_status_t pmix_from_toro_status(int32_t t);
/** Append a libpmix value as an item. @return false if it has no mapping (nothing is appended). */
bool pmix_value_to_item(struct pbuf *b, const char *key, uint32_t rank, const pmix_value_t *v);
/** @return PMIX_SUCCESS, or the reason why the item cannot be a value. */
pmix_status_t pmix_item_to_value(const struct torobus_pmix_item *it, pmix_value_t *v);

/* proxy_pmix_args.c */
/** Turn the PROC items into preq.procs. */
pmix_status_t preq_procs(struct preq *r);
/** Reserve room in preq.info; entries are added by preq_add_*. */
pmix_status_t preq_info_room(struct preq *r, size_t n);
void preq_info(struct preq *r, const char *key, const void *value, pmix_data_type_t type);
/** Add every item that is no argument as an info. */
pmix_status_t preq_info_items(struct preq *r);
/** The keys of items without value, as preq.keys. */
pmix_status_t preq_keys(struct preq *r);
size_t preq_count(const struct preq *r, const char *key);

/* proxy_pmix.c; any thread */
/** Send the reply and free the request. */
void preq_done(struct preq *r, int status);
/** Send an unsolicited message. */
void pmix_send_unsolicited(struct proxy_pmix *px, uint16_t op, struct pbuf *body);

/* the operations; worker thread */
void pmix_op_init(struct preq *r);
void pmix_op_finalize(struct preq *r);
void pmix_op_commit(struct preq *r);
void pmix_op_get(struct preq *r);
void pmix_op_fence(struct preq *r);
void pmix_op_abort(struct preq *r);
void pmix_op_publish(struct preq *r);
void pmix_op_lookup(struct preq *r);
void pmix_op_unpublish(struct preq *r);
void pmix_op_connect(struct preq *r);
void pmix_op_spawn(struct preq *r);
void pmix_op_log(struct preq *r);
void pmix_op_event(struct preq *r);
/** Append what the server knows from the start of all ranks of the job (proxy_pmix_job.c). */
void pmix_gather_facts(struct preq *r);
/** Answer for a call that did not start; @return true if it did (the callback will answer). */
bool pmix_started(struct preq *r, pmix_status_t rc);
/** Callback of operations that give nothing but a status. */
void pmix_on_op(pmix_status_t status, void *arg);
/** Register the default event handler (proxy_pmix_event.c). */
void pmix_watch_events(struct proxy_pmix *px);

#endif
