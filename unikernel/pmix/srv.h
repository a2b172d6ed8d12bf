/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of the PMIx server. One spin lock guards everything below but what is marked otherwise; it
 * is never held across toro_ctl_send(), toro_proc_end() or anything else that may wait. Functions
 * are called with it held unless they say so. */
#ifndef TORO_PMIX_SRV_H
#define TORO_PMIX_SRV_H

#include <toro/errno.h>
#include <toro/fs.h>
#include <toro/kpmix.h>
#include <toro/lib.h>
#include <toro/proc.h>
#include <torobus/ctl.h>

#include <torobus/pmix.h>

/** What one rank may have stored, and may leave unread. */
#define PMIX_KV_BYTES   (4u << 20)
#define PMIX_KV_COUNT   4096u
#define PMIX_QUEUE_SOFT (2u << 20) /**< from here on its requests are refused */
#define PMIX_QUEUE_HARD (8u << 20) /**< from here on events for it are dropped */
#define PMIX_QUEUE_MSGS 256u
/** In the place of a rank: what the host's server knows of all ranks. */
#define PMIX_RANK_FACTS 0xfffffffdu
/** Requests of one rank that may wait for an answer. */
#define PMIX_WAITS 1024u

/** Who is meant: values of PMIx (and OPAL). */
enum {
    RANGE_RM = 1,
    RANGE_LOCAL = 2,
    RANGE_NAMESPACE = 3,
    RANGE_SESSION = 4,
    RANGE_CUSTOM = 6,
    RANGE_PROC_LOCAL = 7,
};

/** A message in memory of its own. */
struct pmix_msg {
    struct toro_list link;
    uint32_t index; /**< outgoing upcalls: the rank's proxy */
    uint32_t room;  /**< bytes of body allocated */
    struct torobus_pmix_hdr h;
    /* h.len bytes of body follow, 8-byte aligned */
};
_Static_assert(offsetof(struct pmix_msg, h) + sizeof(struct torobus_pmix_hdr) ==
                       sizeof(struct pmix_msg) &&
                   sizeof(struct pmix_msg) % 8 == 0,
               "body behind the header");

/** A namespace with ranks on this guest. */
struct pmix_job {
    struct toro_list link;
    char nspace[TOROBUS_PMIX_NSPACE_MAX + 1];
    uint32_t nslen;
    uint32_t size;    /**< ranks, 0 if not known */
    uint32_t npeers;  /**< ranks on this guest, 0 if not known */
    uint32_t *peers;  /**< their numbers, ascending order not needed */
    uint64_t gone;    /**< peers (by position) that have ended or finalized */
    unsigned clients; /**< present ones */
    bool facts;       /**< the host's server was asked what it knows of all ranks */
};

/** A rank that has the device open, or had. */
struct pmix_client {
    unsigned index;
    struct toro_proc *proc; /**< NULL: nobody */
    struct toro_file *file; /**< the open device, NULL once closed */
    struct toro_waitq wq;
    struct toro_list queue; /**< struct pmix_msg, to be read */
    _Atomic uint32_t nqueued;
    _Atomic uint32_t queued_bytes, nwaits;
    uint64_t attention; /**< user address, 0 none */
    bool inited, finalized, committed;
    struct pmix_job *job; /**< NULL before INIT */
    uint32_t rank;
    uint32_t pos; /**< in job->peers */
    uint32_t kv_bytes, kv_count;
};

/** A stored value. */
struct pmix_kv {
    struct toro_list link; /**< hash bucket */
    struct pmix_job *job;
    struct pmix_client *owner; /**< whose quota it counts against, NULL none */
    bool level;                /**< job-level data: the server's word, a rank cannot change it */
    _Alignas(8) struct torobus_pmix_item it;
    /* key and value follow */
};
_Static_assert(offsetof(struct pmix_kv, it) + sizeof(struct torobus_pmix_item) ==
                   sizeof(struct pmix_kv),
               "key behind the item");

/** What is left of a rank between toro_pmix_proc_end() and toro_pmix_proc_gone(). */
struct pmix_farewell {
    bool due, hosted;
    bool aborted;         /**< without FINALIZE */
    bool failed;          /**< with a status other than 0 */
    uint64_t when;        /**< when the peers learn it; UINT64_MAX: not known yet */
    struct pmix_job *job; /**< counts as a client of it; NULL if the rank never was in one */
    uint32_t rank, local_size;
};

struct pmix_srv {
    struct toro_spinlock lock;
    struct pmix_client client[TORO_MAX_CORES];
    struct pmix_farewell farewell[TORO_MAX_CORES];
    struct toro_list jobs;
    struct toro_list out; /**< struct pmix_msg: upcalls to send */
    _Atomic uint32_t nout;
    uint64_t ended; /**< local indices whose rank has ended since the guest was last empty */
    uint32_t next_id;
    bool family; /**< the job has started others, or tried to: see family.c */
};
extern struct pmix_srv toro_pmix;

/* msg.c -------------------------------------------------------------------------------------------
 */

/** New message with room for a body; NULL if out of memory. No lock needed. */
struct pmix_msg *toro_pmix_msg_new(uint16_t op, uint16_t flags, uint32_t id, uint32_t room);
static inline void *toro_pmix_body(struct pmix_msg *m)
{
    return m + 1;
}
/** Append an item; *m may move. @return false if out of memory or over the limit (*m unchanged). */
bool toro_pmix_add(struct pmix_msg **m, const void *key, uint32_t klen, unsigned type,
                   uint32_t rank, const void *val, uint32_t vlen);
bool toro_pmix_add_str(struct pmix_msg **m, const char *key, unsigned type, uint32_t rank,
                       const void *val, uint32_t vlen);
/** Append a copy of an item of another message. */
bool toro_pmix_add_item(struct pmix_msg **m, const struct torobus_pmix_item *it);
/** The whole body consists of items. Trust: nothing in it is believed before. */
bool toro_pmix_check(const struct torobus_pmix_hdr *h, const void *body);
bool toro_pmix_key_is(const struct torobus_pmix_item *it, const char *key);
bool toro_pmix_key_starts(const struct torobus_pmix_item *it, const char *prefix);
/** First item with this key, or NULL. The body was checked. */
const struct torobus_pmix_item *toro_pmix_find(const struct pmix_msg *m, const char *key);
bool toro_pmix_u32(const struct torobus_pmix_item *it, uint32_t *v);
/** Loop over the items of a checked message. */
#define PMIX_EACH(m, it)                                                                           \
    for (uint32_t off_ = 0; torobus_pmix_next((m) + 1, (m)->h.len, &off_, &(it)) == TOROBUS_OK;)

/* client.c
 * ------------------------------------------------------------------------------------------ */

int toro_pmix_dev_register(void);
/** Hand m over to the client; frees it if nobody is there. */
void toro_pmix_deliver(struct pmix_client *c, struct pmix_msg *m);
/** Answer with a status alone. id 0 asks for nothing. */
void toro_pmix_reply(struct pmix_client *c, uint16_t op, uint32_t id, int32_t status);
/** Answer with m (its op and id are set here). */
void toro_pmix_reply_msg(struct pmix_client *c, uint16_t op, uint32_t id, struct pmix_msg *m);

/* kvs.c
 * ------------------------------------------------------------------------------------------------
 */

void toro_pmix_kvs_init(void);
struct pmix_kv *toro_pmix_kv_get(struct pmix_job *job, uint32_t rank, const char *key,
                                 uint32_t klen);
/** Keep a copy of an item under it->rank. @return enum torobus_pmix_status. */
int32_t toro_pmix_kv_put(struct pmix_job *job, struct pmix_client *owner, bool level,
                         const struct torobus_pmix_item *it);
/** Append all values of a rank to a message. @return false if it did not fit. */
bool toro_pmix_kv_all(struct pmix_job *job, uint32_t rank, bool level, struct pmix_msg **m);
/** Call fn for every value there is. */
void toro_pmix_kv_each(void (*fn)(const struct pmix_kv *kv, void *arg), void *arg);
/** Forget a whole job. */
void toro_pmix_kv_drop(struct pmix_job *job);
/** The client goes, its values stay for the others of its job. */
void toro_pmix_kv_disown(const struct pmix_client *owner);

/* jobinfo.c
 * -------------------------------------------------------------------------------------------- */

/** Find or make. NULL if out of memory. */
struct pmix_job *toro_pmix_job(const char *nspace, uint32_t nslen);
struct pmix_job *toro_pmix_job_find(const char *nspace, uint32_t nslen);
void toro_pmix_job_put(struct pmix_job *job); /**< one client less; the last one frees it */
/** The guest's own job: all job data from what the kernel knows. @return status. */
int32_t toro_pmix_standalone(struct pmix_client *c);
/** The proxy's reply to INIT. @return status. */
int32_t toro_pmix_hosted(struct pmix_client *c, const struct pmix_msg *reply);
/** The host's word counts in this (job-level data that is not the guest's own). */
bool toro_pmix_from_host(const struct torobus_pmix_item *it);
/** Position of a rank among those of this guest, -1 if it is elsewhere or not known. */
int toro_pmix_pos(const struct pmix_job *job, uint32_t rank);

/* fence.c
 * ------------------------------------------------------------------------------------------------
 */

void toro_pmix_fence_init(void);
/** FENCE, CONNECT or DISCONNECT. @return true if taken care of here; false: ask the host. */
bool toro_pmix_fence(struct pmix_client *c, const struct pmix_msg *m);
/** Whatever c itself waits in it leaves. */
void toro_pmix_fence_leave(struct pmix_client *c);
/** The rank takes part no longer: whoever waits for it gets an error. */
void toro_pmix_fence_gone(struct pmix_job *job, uint32_t pos);
bool toro_pmix_fence_cancel(struct pmix_client *c, uint32_t id);

/* get.c
 * ------------------------------------------------------------------------------------------------------
 */

void toro_pmix_get_init(void);
void toro_pmix_get(struct pmix_client *c, struct pmix_msg *m);
void toro_pmix_commit(struct pmix_client *c, struct pmix_msg *m);
/** The rank has committed or is gone: answer those who wait for it. */
void toro_pmix_get_wake(struct pmix_job *job, uint32_t rank);
/** The job goes: nobody may wait for its ranks any more. */
void toro_pmix_get_forget(struct pmix_job *job);
void toro_pmix_get_end(struct pmix_client *c);
/** The proxy's answer to a GET of c about a rank; m is used up. */
void toro_pmix_get_fetched(struct pmix_client *c, uint32_t id, struct pmix_job *job, uint32_t rank,
                           struct pmix_msg *m);
bool toro_pmix_get_cancel(struct pmix_client *c, uint32_t id);
/** The one that asked for a rank's values has gone: those who waited along ask themselves. */
void toro_pmix_get_again(struct pmix_job *job, uint32_t rank);

/* event.c
 * ------------------------------------------------------------------------------------------------
 */

/** A rank tells others. @return true if taken care of here; false: ask the host. */
bool toro_pmix_event(struct pmix_client *c, const struct pmix_msg *m);

/* publish.c
 * -------------------------------------------------------------------------------------------------
 */

void toro_pmix_publish_init(void);
void toro_pmix_publish(struct pmix_client *c, const struct pmix_msg *m);
void toro_pmix_lookup(struct pmix_client *c, const struct pmix_msg *m);
void toro_pmix_unpublish(struct pmix_client *c, const struct pmix_msg *m);
void toro_pmix_publish_end(struct pmix_client *c);
/** The last rank of the guest is gone. */
void toro_pmix_publish_clear(void);
/** All names and all who wait for some become toro-run's; those of ranks that are gone in the name
 * of c. */
void toro_pmix_publish_upload(struct pmix_client *c);
bool toro_pmix_lookup_cancel(struct pmix_client *c, uint32_t id);

/* upcall.c
 * ---------------------------------------------------------------------------------------------------
 */

void toro_pmix_upcall_init(void);
/** Ask c's proxy; m is used up. The reply goes to the request id of c; id 0: nobody waits. */
void toro_pmix_upcall(struct pmix_client *c, struct pmix_msg *m, uint32_t id);
/** A GET whose reply goes to toro_pmix_get_fetched(). job NULL: another namespace's. */
void toro_pmix_upcall_get(struct pmix_client *c, struct pmix_msg *m, uint32_t id,
                          struct pmix_job *job, uint32_t rank);
/** Some rank of the guest is asking for this rank's values already. */
bool toro_pmix_fetching(const struct pmix_job *job, uint32_t rank);
void toro_pmix_upcall_forget(struct pmix_job *job);
/** A message for the proxy of a rank that is no upcall (id 0); m is used up. */
void toro_pmix_notice(unsigned index, struct pmix_msg *m);
/** Send what toro_pmix_upcall() queued. Lock NOT held; may wait. Keeps the order per rank. */
void toro_pmix_flush(void);
void toro_pmix_upcall_end(struct pmix_client *c);
bool toro_pmix_upcall_cancel(struct pmix_client *c, uint32_t id);

/* server.c
 * ----------------------------------------------------------------------------------------------------
 */

/** What is to be done once the lock is released. */
struct pmix_after {
    uint64_t end; /**< local indices of ranks to end, 0 none */
    uint32_t status;
    unsigned index; /**< who wants it */
    char msg[256];
};
/** A checked message of a rank; m is used up. */
void toro_pmix_request(struct pmix_client *c, struct pmix_msg *m, struct pmix_after *after);
/** Lock NOT held; may wait. */
void toro_pmix_finish(const struct pmix_after *after);
static inline bool toro_pmix_is_hosted(const struct pmix_client *c)
{
    return (c->proc->start_flags & TOROBUS_START_HOSTED) != 0;
}
/** INIT is complete: send the reply. */
void toro_pmix_inited(struct pmix_client *c, uint32_t id, int32_t status);
/** The rank takes part no longer; what it has committed stays. */
void toro_pmix_rank_gone(struct pmix_job *j, uint32_t rank);
/** FINALIZE is complete. */
void toro_pmix_finalized(struct pmix_client *c, uint32_t id, int32_t status);
/** The client is gone (device closed or rank ended). bye: what is to be done later, NULL: now. */
void toro_pmix_client_end(struct pmix_client *c, struct pmix_farewell *bye);

/* family.c
 * ------------------------------------------------------------------------------------------------
 */

/** The rank is about to start another job: from now on toro-run answers what concerns both. */
void toro_pmix_family_open(struct pmix_client *c);
/** Whether somebody on the host answers what concerns more than this guest. */
bool toro_pmix_asks(const struct pmix_client *c);

/* farewell.c
 * ---------------------------------------------------------------------------------------- */

void toro_pmix_farewell_init(void);
/** The peers learn it. The job may be freed. */
void toro_pmix_say_goodbye(const struct pmix_farewell *bye);
/** toro_pmix_flush() for those that must not wait. */
void toro_pmix_flush_soon(void);
/** Complete what is due. @return time of the next, UINT64_MAX if there is none. */
uint64_t toro_pmix_farewells(uint64_t now);

#endif
