/* SPDX-License-Identifier: BSD-3-Clause */
/* Put, get and atomics: plain memory operations, every address is valid in every process.
 *
 * All of them complete before they return, or from progress, and report through the callback while
 * they return OPAL_SUCCESS: that is the one convention which all callers in Open MPI agree on. The
 * endpoint may be NULL: one-sided code passes none for the own process. */
#include "opal_config.h"

#include <stdatomic.h>
#include <string.h>

#include "btl_torobus.h"

/* The callback says "visible at the target": the data is stored before anything that the caller
 * stores afterwards, a FIN in a ring for instance. */
static inline void complete(mca_btl_torobus_endpoint_t *ep, void *local,
                            mca_btl_base_registration_handle_t *handle,
                            mca_btl_base_rdma_completion_fn_t cbfunc, void *context, void *cbdata)
{
    atomic_thread_fence(memory_order_release);
    if (NULL != cbfunc) {
        cbfunc(&mca_btl_torobus, ep, local, handle, context, cbdata, OPAL_SUCCESS);
    }
}

/* A waiting process notices changed memory at its next poll; do not let it sleep over it. */
static inline void nudge(mca_btl_torobus_endpoint_t *ep)
{
    if (NULL != ep && NULL != ep->tx) {
        mca_btl_torobus_bus_nudge(&ep->addr);
    }
}

/*
 * Large copies are done in pieces, the first at once, the others from progress, so that other
 * messages are not held up. One at a time, in order.
 */
static int copy(mca_btl_torobus_endpoint_t *ep, void *dst, const void *src, size_t size,
                void *local, mca_btl_base_registration_handle_t *handle,
                mca_btl_base_rdma_completion_fn_t cbfunc, void *context, void *cbdata)
{
    mca_btl_torobus_component_t *c = &mca_btl_torobus_component;
    mca_btl_torobus_copy_t *piece;

    if (OPAL_LIKELY(size <= c->copy_chunk) ||
        NULL == (piece = (mca_btl_torobus_copy_t *)opal_free_list_get(&c->copies))) {
        mca_btl_torobus_memcpy(dst, src, size);
        complete(ep, local, handle, cbfunc, context, cbdata);
        return OPAL_SUCCESS;
    }
    mca_btl_torobus_memcpy(dst, src, c->copy_chunk);
    piece->endpoint = ep;
    piece->dst = (unsigned char *)dst + c->copy_chunk;
    piece->src = (const unsigned char *)src + c->copy_chunk;
    piece->left = size - c->copy_chunk;
    piece->local_address = local;
    piece->local_handle = handle;
    piece->cbfunc = cbfunc;
    piece->context = context;
    piece->cbdata = cbdata;
    OPAL_THREAD_LOCK(&c->lock);
    opal_list_append(&c->copies_pending, (opal_list_item_t *)piece);
    OPAL_THREAD_UNLOCK(&c->lock);
    return OPAL_SUCCESS;
}

int mca_btl_torobus_copy_pending(void)
{
    mca_btl_torobus_component_t *c = &mca_btl_torobus_component;
    mca_btl_torobus_copy_t *piece;
    size_t n;

    /* Taken off only by us, under the progress guard: it stays valid without the lock. */
    OPAL_THREAD_LOCK(&c->lock);
    piece = (mca_btl_torobus_copy_t *)opal_list_get_first(&c->copies_pending);
    OPAL_THREAD_UNLOCK(&c->lock);

    n = piece->left < c->copy_chunk ? piece->left : c->copy_chunk;
    mca_btl_torobus_memcpy(piece->dst, piece->src, n);
    piece->dst += n;
    piece->src += n;
    piece->left -= n;
    if (0 != piece->left) {
        return 0;
    }
    OPAL_THREAD_LOCK(&c->lock);
    opal_list_remove_item(&c->copies_pending, (opal_list_item_t *)piece);
    OPAL_THREAD_UNLOCK(&c->lock);
    complete(piece->endpoint, piece->local_address, piece->local_handle, piece->cbfunc,
             piece->context, piece->cbdata);
    opal_free_list_return(&c->copies, &piece->super);
    return 1;
}

int mca_btl_torobus_put(mca_btl_base_module_t *btl, mca_btl_base_endpoint_t *ep, void *local,
                        uint64_t remote, mca_btl_base_registration_handle_t *local_handle,
                        mca_btl_base_registration_handle_t *remote_handle, size_t size, int flags,
                        int order, mca_btl_base_rdma_completion_fn_t cbfunc, void *context,
                        void *cbdata)
{
    int rc;

    mca_btl_torobus_bus_count_put(size);
    rc = copy(ep, (void *)(uintptr_t)remote, local, size, local, local_handle, cbfunc, context,
              cbdata);
    nudge(ep);
    return rc;
}

int mca_btl_torobus_get(mca_btl_base_module_t *btl, mca_btl_base_endpoint_t *ep, void *local,
                        uint64_t remote, mca_btl_base_registration_handle_t *local_handle,
                        mca_btl_base_registration_handle_t *remote_handle, size_t size, int flags,
                        int order, mca_btl_base_rdma_completion_fn_t cbfunc, void *context,
                        void *cbdata)
{
    mca_btl_torobus_bus_count_get(size);
    return copy(ep, local, (const void *)(uintptr_t)remote, size, local, local_handle, cbfunc,
                context, cbdata);
}

/* MIN and MAX are left out: the caller does not say whether its integers are signed, and a wrong
 * answer is worse than the caller's own, slower way. The same goes for floating point. */
#define DEFINE_FETCH(bits)                                                                         \
    static int fetch##bits(_Atomic uint##bits##_t *target, mca_btl_base_atomic_op_t op,            \
                           uint##bits##_t operand, uint##bits##_t *old)                            \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
                                                                                                   \
        switch (op) {                                                                              \
        case MCA_BTL_ATOMIC_ADD:                                                                   \
            *old = atomic_fetch_add(target, operand);                                              \
            return OPAL_SUCCESS;                                                                   \
        case MCA_BTL_ATOMIC_AND:                                                                   \
            *old = atomic_fetch_and(target, operand);                                              \
            return OPAL_SUCCESS;                                                                   \
        case MCA_BTL_ATOMIC_OR:                                                                    \
            *old = atomic_fetch_or(target, operand);                                               \
            return OPAL_SUCCESS;                                                                   \
        case MCA_BTL_ATOMIC_XOR:                                                                   \
            *old = atomic_fetch_xor(target, operand);                                              \
            return OPAL_SUCCESS;                                                                   \
        case MCA_BTL_ATOMIC_SWAP:                                                                  \
            *old = atomic_exchange(target, operand);                                               \
            return OPAL_SUCCESS;                                                                   \
        case MCA_BTL_ATOMIC_LAND:                                                                  \
        case MCA_BTL_ATOMIC_LOR:                                                                   \
        case MCA_BTL_ATOMIC_LXOR:                                                                  \
            *old = atomic_load(target);                                                            \
            do {                                                                                   \
                if (MCA_BTL_ATOMIC_LAND == op) {                                                   \
                    value = *old && operand;                                                       \
                } else if (MCA_BTL_ATOMIC_LOR == op) {                                             \
                    value = *old || operand;                                                       \
                } else {                                                                           \
                    value = !*old != !operand;                                                     \
                }                                                                                  \
            } while (!atomic_compare_exchange_weak(target, old, value));                           \
            return OPAL_SUCCESS;                                                                   \
        default:                                                                                   \
            return OPAL_ERR_NOT_SUPPORTED;                                                         \
        }                                                                                          \
    }

DEFINE_FETCH(32)
DEFINE_FETCH(64)

/* Do it and store the old value in *result, of the operation's size, if that is wanted. */
static int fetch(uint64_t remote, mca_btl_base_atomic_op_t op, uint64_t operand, int flags,
                 void *result)
{
    uint64_t old64;
    uint32_t old32;
    int rc;

    if (MCA_BTL_ATOMIC_FLAG_FLOAT & flags) {
        return OPAL_ERR_NOT_SUPPORTED;
    }
    if (MCA_BTL_ATOMIC_FLAG_32BIT & flags) {
        rc = fetch32((_Atomic uint32_t *)(uintptr_t)remote, op, (uint32_t)operand, &old32);
        if (OPAL_SUCCESS == rc && NULL != result) {
            memcpy(result, &old32, sizeof(old32));
        }
    } else {
        rc = fetch64((_Atomic uint64_t *)(uintptr_t)remote, op, operand, &old64);
        if (OPAL_SUCCESS == rc && NULL != result) {
            memcpy(result, &old64, sizeof(old64));
        }
    }
    return rc;
}

int mca_btl_torobus_atomic_op(mca_btl_base_module_t *btl, mca_btl_base_endpoint_t *ep,
                              uint64_t remote, mca_btl_base_registration_handle_t *remote_handle,
                              mca_btl_base_atomic_op_t op, uint64_t operand, int flags, int order,
                              mca_btl_base_rdma_completion_fn_t cbfunc, void *context, void *cbdata)
{
    return mca_btl_torobus_atomic_fop(btl, ep, NULL, remote, NULL, remote_handle, op, operand,
                                      flags, order, cbfunc, context, cbdata);
}

int mca_btl_torobus_atomic_fop(mca_btl_base_module_t *btl, mca_btl_base_endpoint_t *ep, void *local,
                               uint64_t remote, mca_btl_base_registration_handle_t *local_handle,
                               mca_btl_base_registration_handle_t *remote_handle,
                               mca_btl_base_atomic_op_t op, uint64_t operand, int flags, int order,
                               mca_btl_base_rdma_completion_fn_t cbfunc, void *context,
                               void *cbdata)
{
    int rc = fetch(remote, op, operand, flags, local);

    if (OPAL_LIKELY(OPAL_SUCCESS == rc)) {
        mca_btl_torobus_bus_count_atomic();
        mca_btl_torobus_active();
        nudge(ep);
        complete(ep, local, local_handle, cbfunc, context, cbdata);
    }
    return rc;
}

int mca_btl_torobus_atomic_cswap(mca_btl_base_module_t *btl, mca_btl_base_endpoint_t *ep,
                                 void *local, uint64_t remote,
                                 mca_btl_base_registration_handle_t *local_handle,
                                 mca_btl_base_registration_handle_t *remote_handle,
                                 uint64_t compare, uint64_t value, int flags, int order,
                                 mca_btl_base_rdma_completion_fn_t cbfunc, void *context,
                                 void *cbdata)
{
    bool done;

    if (MCA_BTL_ATOMIC_FLAG_32BIT & flags) {
        uint32_t old32 = (uint32_t)compare;

        done = atomic_compare_exchange_strong((_Atomic uint32_t *)(uintptr_t)remote, &old32,
                                              (uint32_t)value);
        memcpy(local, &old32, sizeof(old32));
    } else {
        done =
            atomic_compare_exchange_strong((_Atomic uint64_t *)(uintptr_t)remote, &compare, value);
        memcpy(local, &compare, sizeof(compare));
    }
    mca_btl_torobus_bus_count_atomic();
    /* One that fails is how a lock is waited for, which may take long: that may sleep. */
    if (done) {
        mca_btl_torobus_active();
        nudge(ep);
    }
    complete(ep, local, local_handle, cbfunc, context, cbdata);
    return OPAL_SUCCESS;
}
