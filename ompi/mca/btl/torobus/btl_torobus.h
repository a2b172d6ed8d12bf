/* SPDX-License-Identifier: BSD-3-Clause */
/* btl/torobus: byte transfer over the rings and the single address space of a Torobus region.
 *
 * Who may touch what: the sending half of an endpoint is guarded by its lock, the receiving half of
 * the whole component by the progress guard. Locks are taken only if opal_using_threads(), and
 * never held across an upcall. Only the bus layer knows the shared layouts (btl_torobus_bus.h). */
#ifndef MCA_BTL_TOROBUS_H
#define MCA_BTL_TOROBUS_H

#include "opal_config.h"

#include "opal/class/opal_free_list.h"
#include "opal/class/opal_list.h"
#include "opal/datatype/opal_convertor.h"
#include "opal/mca/btl/base/base.h"
#include "opal/mca/btl/base/btl_base_error.h"
#include "opal/mca/btl/btl.h"
#include "opal/threads/mutex.h"
#include "opal/util/proc.h"

BEGIN_C_DECLS

#define MCA_BTL_TOROBUS_UUID_SIZE 16

/** What a process tells all others about its place on the bus. */
typedef struct mca_btl_torobus_modex_t {
    uint32_t version; /**< ABI version of the shared layouts */
    uint32_t port;
    uint32_t epoch; /**< of the port: tells this owner from an earlier or a later one */
    uint32_t guest;
    uint32_t private_memory; /**< 1: its memory is not in the region, put and get cannot reach it */
    uint32_t pid; /**< of a process with private memory, for the kernel's copy between processes */
    uint8_t uuid[MCA_BTL_TOROBUS_UUID_SIZE]; /**< of the region */
} mca_btl_torobus_modex_t;

/** What the bus says when it is opened. */
typedef struct mca_btl_torobus_bus_info_t {
    mca_btl_torobus_modex_t self;
    uint32_t nports;
    uint32_t spin_ns; /**< advised time to poll before sleeping */
    bool can_sleep;   /**< there is a doorbell */
} mca_btl_torobus_bus_info_t;

/** Life of a peer's port, as far as it can be seen from here. */
typedef enum {
    MCA_BTL_TOROBUS_PEER_ALIVE,
    MCA_BTL_TOROBUS_PEER_LEFT, /**< finalized in order */
    MCA_BTL_TOROBUS_PEER_DEAD, /**< ended without saying so, or its guest is gone */
} mca_btl_torobus_peer_state_t;

/** Sending half of a connection; opaque, belongs to btl_torobus_bus.c. */
typedef struct mca_btl_torobus_tx_t mca_btl_torobus_tx_t;

struct mca_btl_base_endpoint_t {
    opal_list_item_t super;   /**< in component.endpoints_pending while fragments are queued */
    opal_list_item_t all;     /**< in component.endpoints_all */
    opal_mutex_t lock;        /**< guards tx and pending; taken after component.lock */
    mca_btl_torobus_tx_t *tx; /**< NULL for the own process */
    opal_list_t pending;      /**< fragments that found the ring full, in order */
    bool queued;              /**< in component.endpoints_pending; guarded by component.lock */
    bool failed;              /**< an error has been reported; nothing is sent any more */
    uint64_t dead_since;      /**< ticks when it was first seen dead, 0: it was not */
    mca_btl_base_module_t *module;
    int refs; /**< add_procs minus del_procs */
    opal_proc_t *proc;
    mca_btl_torobus_modex_t addr;
};
typedef struct mca_btl_base_endpoint_t mca_btl_base_endpoint_t;
typedef struct mca_btl_base_endpoint_t mca_btl_torobus_endpoint_t;
OBJ_CLASS_DECLARATION(mca_btl_torobus_endpoint_t);

/** Fragment: segment 0 lies in the fragment, segment 1 may point to the user's memory. */
typedef struct mca_btl_torobus_frag_t {
    mca_btl_base_descriptor_t base;
    mca_btl_base_segment_t segments[2];
    mca_btl_torobus_endpoint_t *endpoint;
    opal_free_list_t *list;
    mca_btl_base_tag_t tag; /**< while queued */
} mca_btl_torobus_frag_t;
OBJ_CLASS_DECLARATION(mca_btl_torobus_frag_t);

/** A put or get that is copied piece by piece, so that progress goes on. */
typedef struct mca_btl_torobus_copy_t {
    opal_free_list_item_t super;
    mca_btl_torobus_endpoint_t *endpoint;
    unsigned char *dst;
    const unsigned char *src;
    size_t left;
    void *local_address;
    mca_btl_base_registration_handle_t *local_handle;
    mca_btl_base_rdma_completion_fn_t cbfunc;
    void *context;
    void *cbdata;
} mca_btl_torobus_copy_t;
OBJ_CLASS_DECLARATION(mca_btl_torobus_copy_t);

typedef struct mca_btl_torobus_component_t {
    mca_btl_base_component_3_0_0_t super;

    /* MCA parameters */
    unsigned int ring_slots;
    unsigned int lane_size;
    int spin_ns;
    unsigned int sleep_max_us;
    unsigned int sleep_min_us;
    unsigned int gap_ns;
    unsigned int hot_polls;
    unsigned int poll_budget;
    unsigned int peer_grace_ms;
    size_t copy_chunk;
    size_t native_eager_limit;
    int free_list_num;
    int free_list_inc;
    bool sleep;
    bool vm_copy;

    mca_btl_torobus_bus_info_t bus;
    bool bus_open;
    bool strangers; /**< some peer is not on this bus: its messages would not end a sleep */

    opal_free_list_t frags_small; /**< control messages and headers of in-place sends */
    opal_free_list_t frags_eager;
    opal_free_list_t frags_max;
    opal_free_list_t copies;

    opal_mutex_t lock; /**< guards endpoints, endpoints_pending, copies_pending */
    mca_btl_torobus_endpoint_t **endpoints; /**< by port */
    opal_list_t endpoints_all;
    opal_list_t endpoints_pending; /**< those with fragments queued */
    opal_list_t copies_pending;

    mca_btl_base_module_error_cb_fn_t error_cb;
} mca_btl_torobus_component_t;

OPAL_MODULE_DECLSPEC extern mca_btl_torobus_component_t mca_btl_torobus_component;
/* Two modules, which share everything but put, get and atomics. A pair of processes belongs to the
 * second one if the memory of either is not in the region. */
OPAL_MODULE_DECLSPEC extern mca_btl_base_module_t mca_btl_torobus;
OPAL_MODULE_DECLSPEC extern mca_btl_base_module_t mca_btl_torobus_private;

/* btl_torobus_bus.c */

/**
 * Attach this process to the bus.
 *
 * @param[out] info  set on success
 * @return OPAL_SUCCESS; OPAL_ERR_NOT_AVAILABLE when there is no bus here, which is no error; other
 *         codes when there is one that cannot be used, with *why set to a text
 */
int mca_btl_torobus_bus_open(mca_btl_torobus_bus_info_t *info, const char **why);

/** Leave the bus in order: peers take the end of this port for no error. */
void mca_btl_torobus_bus_close(void);

/** @return the sending half towards a port, NULL when out of memory. The ring is made at first use.
 */
mca_btl_torobus_tx_t *mca_btl_torobus_bus_connect(const mca_btl_torobus_modex_t *peer);

/** Forget the sending half. Its ring stays until the process ends: the peer may still poll it. */
void mca_btl_torobus_bus_disconnect(mca_btl_torobus_tx_t *tx);

/** The ring is full and we are about to sleep. @return true if there is room after all. */
bool mca_btl_torobus_bus_starve(mca_btl_torobus_tx_t *tx);

/** Look at the hot rings once. @return messages delivered through mca_btl_torobus_deliver(). */
int mca_btl_torobus_bus_poll(void);

/** So many polls in a row have found nothing: return credit, drop rings that are silent for long.
 */
void mca_btl_torobus_bus_idle(uint32_t polls);

/** Sleep until something arrives, at most ns. @return false if there was no need to. */
bool mca_btl_torobus_bus_sleep(uint64_t ns);

mca_btl_torobus_peer_state_t mca_btl_torobus_bus_peer(const mca_btl_torobus_modex_t *peer);

/** Name of the node that a port belongs to, without characters that could do harm. */
void mca_btl_torobus_bus_node(uint32_t port, char name[48]);

/** @return true if the port belongs to a Linux process. */
bool mca_btl_torobus_bus_is_native(uint32_t port);

/** Another thread may sleep in this process and have to see what this one has done. */
void mca_btl_torobus_bus_wake_self(void);

/** @return true if size bytes at address lie in the region. */
bool mca_btl_torobus_bus_reaches(uint64_t address, size_t size);

/** A clock that costs next to nothing to read: the CPU's time stamp counter. */
static inline uint64_t mca_btl_torobus_bus_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

/** @return its ticks in a nanosecond; 0 in the first millisecond, when that is not known yet. */
double mca_btl_torobus_bus_tick_rate(void);

/** Count one-sided operations for the port's statistics. */
void mca_btl_torobus_bus_count_put(size_t size);
void mca_btl_torobus_bus_count_get(size_t size);
void mca_btl_torobus_bus_count_atomic(void);

/** Wake the peer if it sleeps: it may be waiting for memory that has just been changed. */
void mca_btl_torobus_bus_nudge(const mca_btl_torobus_modex_t *peer);

/* btl_torobus_endpoint.c */

int mca_btl_torobus_add_procs(mca_btl_base_module_t *btl, size_t nprocs, opal_proc_t **procs,
                              mca_btl_base_endpoint_t **endpoints, opal_bitmap_t *reachable);
int mca_btl_torobus_del_procs(mca_btl_base_module_t *btl, size_t nprocs, opal_proc_t **procs,
                              mca_btl_base_endpoint_t **endpoints);

/** Report a peer's failure to the PML, once. @param what  completes "the peer ..." */
void mca_btl_torobus_endpoint_fail(mca_btl_torobus_endpoint_t *ep, const char *what);

/** The same for a port that broke the protocol, whether or not it has an endpoint yet. */
void mca_btl_torobus_port_fail(uint32_t port, const char *what);

/** Look whether a peer has died. Called now and then while idle. */
void mca_btl_torobus_endpoints_check(void);

/* btl_torobus_frag.c */

int mca_btl_torobus_frags_init(void);
mca_btl_base_descriptor_t *mca_btl_torobus_alloc(mca_btl_base_module_t *btl,
                                                 mca_btl_base_endpoint_t *ep, uint8_t order,
                                                 size_t size, uint32_t flags);
int mca_btl_torobus_free(mca_btl_base_module_t *btl, mca_btl_base_descriptor_t *des);
mca_btl_base_descriptor_t *mca_btl_torobus_prepare_src(mca_btl_base_module_t *btl,
                                                       mca_btl_base_endpoint_t *ep,
                                                       opal_convertor_t *convertor, uint8_t order,
                                                       size_t reserve, size_t *size,
                                                       uint32_t flags);
/** The fragment is sent (or cannot be): callback and release as its flags say. */
void mca_btl_torobus_frag_complete(mca_btl_torobus_frag_t *frag, int status);

/* btl_torobus_send.c */

int mca_btl_torobus_send(mca_btl_base_module_t *btl, mca_btl_base_endpoint_t *ep,
                         mca_btl_base_descriptor_t *des, mca_btl_base_tag_t tag);
int mca_btl_torobus_sendi(mca_btl_base_module_t *btl, mca_btl_base_endpoint_t *ep,
                          opal_convertor_t *convertor, void *header, size_t header_size,
                          size_t payload_size, uint8_t order, uint32_t flags,
                          mca_btl_base_tag_t tag, mca_btl_base_descriptor_t **descriptor);
/** Send what is queued, as far as there is room. @return fragments that went out. */
int mca_btl_torobus_send_pending(void);

/* btl_torobus_rdma.c */

int mca_btl_torobus_put(mca_btl_base_module_t *btl, mca_btl_base_endpoint_t *ep, void *local,
                        uint64_t remote, mca_btl_base_registration_handle_t *local_handle,
                        mca_btl_base_registration_handle_t *remote_handle, size_t size, int flags,
                        int order, mca_btl_base_rdma_completion_fn_t cbfunc, void *context,
                        void *cbdata);
int mca_btl_torobus_get(mca_btl_base_module_t *btl, mca_btl_base_endpoint_t *ep, void *local,
                        uint64_t remote, mca_btl_base_registration_handle_t *local_handle,
                        mca_btl_base_registration_handle_t *remote_handle, size_t size, int flags,
                        int order, mca_btl_base_rdma_completion_fn_t cbfunc, void *context,
                        void *cbdata);
int mca_btl_torobus_atomic_op(mca_btl_base_module_t *btl, mca_btl_base_endpoint_t *ep,
                              uint64_t remote, mca_btl_base_registration_handle_t *remote_handle,
                              mca_btl_base_atomic_op_t op, uint64_t operand, int flags, int order,
                              mca_btl_base_rdma_completion_fn_t cbfunc, void *context,
                              void *cbdata);
int mca_btl_torobus_atomic_fop(mca_btl_base_module_t *btl, mca_btl_base_endpoint_t *ep, void *local,
                               uint64_t remote, mca_btl_base_registration_handle_t *local_handle,
                               mca_btl_base_registration_handle_t *remote_handle,
                               mca_btl_base_atomic_op_t op, uint64_t operand, int flags, int order,
                               mca_btl_base_rdma_completion_fn_t cbfunc, void *context,
                               void *cbdata);
int mca_btl_torobus_atomic_cswap(mca_btl_base_module_t *btl, mca_btl_base_endpoint_t *ep,
                                 void *local, uint64_t remote,
                                 mca_btl_base_registration_handle_t *local_handle,
                                 mca_btl_base_registration_handle_t *remote_handle,
                                 uint64_t compare, uint64_t value, int flags, int order,
                                 mca_btl_base_rdma_completion_fn_t cbfunc, void *context,
                                 void *cbdata);
/** Work on queued copies. @return copies completed. */
int mca_btl_torobus_copy_pending(void);

/* btl_torobus_private.c */

/** Make the second module out of the first, once that has its parameters. */
void mca_btl_torobus_private_init(void);

/* btl_torobus_copy.c */

typedef void *(*mca_btl_torobus_memcpy_fn_t)(void *, const void *, size_t);

/** memcpy, or what is faster than it on the CPU that we run on. */
extern mca_btl_torobus_memcpy_fn_t mca_btl_torobus_memcpy;

/** The CPU is QEMU's emulated one. */
extern bool mca_btl_torobus_emulated;

/** Find out, and choose. */
void mca_btl_torobus_copy_init(void);

/* btl_torobus_pvar.c */

/** Register the counters as performance variables. */
void mca_btl_torobus_pvars_register(void);

/* btl_torobus_progress.c */

int mca_btl_torobus_progress(void);

/** Empty polls since the last event. Written by whoever polls, and by mca_btl_torobus_active(). */
extern volatile unsigned int mca_btl_torobus_polls;

/** The application has done something: what it waits for from now on, it has not waited for yet. */
static inline void mca_btl_torobus_active(void)
{
    mca_btl_torobus_polls = 0;
}

/** Hand one message to the upper layer. @return false if nobody listens to its tag yet. */
bool mca_btl_torobus_deliver(mca_btl_base_module_t *btl, mca_btl_base_tag_t tag, void *data,
                             size_t len);

END_C_DECLS

#endif
