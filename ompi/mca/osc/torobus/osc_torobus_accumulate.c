/* SPDX-License-Identifier: BSD-3-Clause */
/* Accumulating in the target's memory.
 *
 * osc/rdma fetches the target's elements, computes and puts them back, as over a network. Guests
 * have no need of that: each address of a rank's memory is valid in every rank. So it is done where
 * the elements are, under the lock that osc/rdma uses, which saves both transfers. (Put and get
 * stay osc/rdma's: done like this they were no faster.)
 *
 * It is right for all types, too: osc/rdma of 4.1 takes elements for dense, which pair types as
 * MPI_DOUBLE_INT or MPI_SHORT_INT are not (their parts have a gap behind or between them). */
#include "ompi_config.h"

#include "ompi/mca/osc/base/osc_base_obj_convert.h"
#include "ompi/mca/osc/rdma/osc_rdma.h"
#include "ompi/op/op.h"
#include "osc_torobus.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What osc/rdma does. All its modules start with the same functions. */
static ompi_osc_base_module_t theirs;

/* One operation's target. */
struct place {
    ompi_osc_rdma_peer_t *peer;
    char *addr;
    bool locked; /**< we have the accumulate lock */
};

static volatile ompi_osc_rdma_lock_t *accumulate_lock(const ompi_osc_rdma_peer_t *peer)
{
    return (ompi_osc_rdma_lock_t *)(uintptr_t)(peer->state +
                                               offsetof(ompi_osc_rdma_state_t, accumulate_lock));
}

/* Finds the elements of (disp, count, dt) at a target, and keeps all others from accumulating
 * there until leave(). */
static int enter(ompi_win_t *win, int target, ptrdiff_t disp, int count, ompi_datatype_t *dt,
                 struct place *at)
{
    ompi_osc_rdma_module_t *module = GET_MODULE(win);
    ompi_osc_rdma_peer_extended_t *peer;
    ptrdiff_t lb, span;
    uint64_t size;
    int64_t start;
    int rc;

    /* Fetching nothing does what comes before every operation: is there an access epoch, is the
     * target locked, what do we know of it. */
    rc = theirs.osc_get(NULL, 0, MPI_BYTE, target, 0, 0, MPI_BYTE, win);
    if (OMPI_SUCCESS != rc)
        return rc;
    at->peer = ompi_osc_module_get_peer(module, target);
    if (NULL == at->peer)
        return OMPI_ERR_RMA_SYNC;

    /* What is the same for all is not kept for each: such a peer is a smaller object. */
    peer = (ompi_osc_rdma_peer_extended_t *)at->peer;
    size = module->same_size ? module->size : (uint64_t)peer->size;
    span = opal_datatype_span(&dt->super, count, &lb);
    start = (int64_t)disp * (module->same_disp_unit ? module->disp_unit : peer->disp_unit);
    if (start + lb < 0 || (uint64_t)(start + lb + span) > size)
        return OMPI_ERR_RMA_RANGE;
    at->addr = (char *)(uintptr_t)peer->super.base + start;

    /* First among the threads of this rank, then among ranks. */
    while (!ompi_osc_rdma_peer_test_set_flag(at->peer, OMPI_OSC_RDMA_PEER_ACCUMULATING))
        opal_progress();
    at->locked = !ompi_osc_rdma_peer_is_exclusive(at->peer);
    while (at->locked) {
        ompi_osc_rdma_lock_t none = 0;

        if (ompi_osc_rdma_lock_compare_exchange(accumulate_lock(at->peer), &none,
                                                OMPI_OSC_RDMA_LOCK_EXCLUSIVE))
            break;
        opal_progress();
    }
    return OMPI_SUCCESS;
}

static void leave(ompi_win_t *win, struct place *at)
{
    mca_btl_base_module_t *btl = GET_MODULE(win)->selected_btl;

    if (at->locked)
        (void)ompi_osc_rdma_lock_add(accumulate_lock(at->peer), -OMPI_OSC_RDMA_LOCK_EXCLUSIVE);
    ompi_osc_rdma_peer_clear_flag(at->peer, OMPI_OSC_RDMA_PEER_ACCUMULATING);
    /* A put of nothing: who sleeps and waits for this memory looks at it. */
    (void)btl->btl_put(btl, at->peer->data_endpoint, at->addr, (uint64_t)(uintptr_t)at->addr, NULL,
                       NULL, 0, 0, MCA_BTL_NO_ORDER, NULL, NULL, NULL);
}

/* As ompi_datatype_sndrcv(), which takes its time with a single number. */
static int copy(const void *from, int from_count, ompi_datatype_t *from_dt, void *to, int to_count,
                ompi_datatype_t *to_dt)
{
    if (from_dt == to_dt && from_count == to_count && ompi_datatype_is_predefined(to_dt) &&
        to_dt->super.size == (size_t)(to_dt->super.ub - to_dt->super.lb)) {
        memcpy(to, from, to_dt->super.size * (size_t)to_count);
        return OMPI_SUCCESS;
    }
    return ompi_datatype_sndrcv(from, from_count, from_dt, to, to_count, to_dt);
}

/* Derived types, or different ones: each side as an array of the one type that both consist of.
 * (The datatype engine's raw view, which would save the copies, does not show elements with a gap.)
 */
static int reduce_spread(const void *origin, int origin_count, ompi_datatype_t *origin_dt,
                         char *target, int target_count, ompi_datatype_t *target_dt, ompi_op_t *op)
{
    ompi_datatype_t *one, *other;
    uint64_t total;
    uint32_t n, m;
    ptrdiff_t lb, span;
    char *from, *to;
    int rc;

    if (OMPI_SUCCESS != (rc = ompi_osc_base_get_primitive_type_info(target_dt, &one, &n)) ||
        OMPI_SUCCESS != (rc = ompi_osc_base_get_primitive_type_info(origin_dt, &other, &m)))
        return rc;
    total = (uint64_t)n * (unsigned)target_count;
    if (one != other || total != (uint64_t)m * (unsigned)origin_count || total > INT_MAX)
        return MPI_ERR_TYPE;
    span = opal_datatype_span(&one->super, total, &lb);
    span += -span & (ptrdiff_t)(_Alignof(max_align_t) - 1); /* a pair type ends with its index */
    from = malloc(2 * (size_t)span);
    if (NULL == from)
        return OMPI_ERR_OUT_OF_RESOURCE;
    to = from + span;
    rc = ompi_datatype_sndrcv(origin, origin_count, origin_dt, from - lb, (int)total, one);
    if (OMPI_SUCCESS == rc)
        rc = ompi_datatype_sndrcv(target, target_count, target_dt, to - lb, (int)total, one);
    if (OMPI_SUCCESS == rc) {
        ompi_op_reduce(op, from - lb, to - lb, (int)total, one);
        rc = ompi_datatype_sndrcv(to - lb, (int)total, one, target, target_count, target_dt);
    }
    free(from);
    return rc;
}

/* All accumulating operations are this one; result_dt is NULL when nothing is fetched. MPI_NO_OP
 * takes no origin. */
static int accumulate(const void *origin, int origin_count, ompi_datatype_t *origin_dt,
                      void *result, int result_count, ompi_datatype_t *result_dt, int target,
                      ptrdiff_t disp, int target_count, ompi_datatype_t *target_dt, ompi_op_t *op,
                      ompi_win_t *win)
{
    struct place at;
    int rc;

    if (0 == target_count || (NULL != result_dt && 0 == result_count))
        return theirs.osc_get(NULL, 0, MPI_BYTE, target, 0, 0, MPI_BYTE, win);
    rc = enter(win, target, disp, target_count, target_dt, &at);
    if (OMPI_SUCCESS != rc)
        return rc;
    if (NULL != result_dt)
        rc = copy(at.addr, target_count, target_dt, result, result_count, result_dt);
    if (OMPI_SUCCESS == rc && &ompi_mpi_op_no_op.op != op) {
        if (&ompi_mpi_op_replace.op == op)
            rc = copy(origin, origin_count, origin_dt, at.addr, target_count, target_dt);
        else if (origin_dt == target_dt && origin_count == target_count &&
                 ompi_datatype_is_predefined(target_dt))
            ompi_op_reduce(op, (void *)(uintptr_t)origin, at.addr, target_count, target_dt);
        else
            rc = reduce_spread(origin, origin_count, origin_dt, at.addr, target_count, target_dt,
                               op);
    }
    leave(win, &at);
    return rc;
}

static int in_place_accumulate(const void *origin, int origin_count, ompi_datatype_t *origin_dt,
                               int target, ptrdiff_t disp, int target_count,
                               ompi_datatype_t *target_dt, ompi_op_t *op, ompi_win_t *win)
{
    return accumulate(origin, origin_count, origin_dt, NULL, 0, NULL, target, disp, target_count,
                      target_dt, op, win);
}

static int in_place_get_accumulate(const void *origin, int origin_count, ompi_datatype_t *origin_dt,
                                   void *result, int result_count, ompi_datatype_t *result_dt,
                                   int target, ptrdiff_t disp, int target_count,
                                   ompi_datatype_t *target_dt, ompi_op_t *op, ompi_win_t *win)
{
    return accumulate(origin, origin_count, origin_dt, result, result_count, result_dt, target,
                      disp, target_count, target_dt, op, win);
}

/* The operations with a request are over when they return. */
static int done(int rc, ompi_request_t **request)
{
    if (OMPI_SUCCESS == rc)
        *request = &ompi_request_empty;
    return rc;
}

static int in_place_raccumulate(const void *origin, int origin_count, ompi_datatype_t *origin_dt,
                                int target, ptrdiff_t disp, int target_count,
                                ompi_datatype_t *target_dt, ompi_op_t *op, ompi_win_t *win,
                                ompi_request_t **request)
{
    return done(in_place_accumulate(origin, origin_count, origin_dt, target, disp, target_count,
                                    target_dt, op, win),
                request);
}

static int in_place_rget_accumulate(const void *origin, int origin_count,
                                    ompi_datatype_t *origin_dt, void *result, int result_count,
                                    ompi_datatype_t *result_dt, int target, ptrdiff_t disp,
                                    int target_count, ompi_datatype_t *target_dt, ompi_op_t *op,
                                    ompi_win_t *win, ompi_request_t **request)
{
    return done(accumulate(origin, origin_count, origin_dt, result, result_count, result_dt, target,
                           disp, target_count, target_dt, op, win),
                request);
}

static int in_place_fetch_and_op(const void *origin, void *result, ompi_datatype_t *dt, int target,
                                 ptrdiff_t disp, ompi_op_t *op, ompi_win_t *win)
{
    return accumulate(origin, 1, dt, result, 1, dt, target, disp, 1, dt, op, win);
}

/* Under the same lock as the others: osc/rdma takes an atomic instruction here, which an operation
 * of ours in the same place would not notice. */
static int in_place_compare_and_swap(const void *origin, const void *compare, void *result,
                                     ompi_datatype_t *dt, int target, ptrdiff_t disp,
                                     ompi_win_t *win)
{
    const size_t size = dt->super.size;
    struct place at;
    int rc = enter(win, target, disp, 1, dt, &at);

    if (OMPI_SUCCESS != rc)
        return rc;
    memcpy(result, at.addr, size);
    if (0 == memcmp(compare, result, size))
        memcpy(at.addr, origin, size);
    leave(win, &at);
    return OMPI_SUCCESS;
}

/* A rank that is alone on its node is not told its own unit by osc/rdma of 4.1.4, when units differ
 * (allocate_state_single()): whatever it does to itself would be done at displacement 0. */
static void know_own_unit(const ompi_osc_rdma_module_t *module)
{
    if (MPI_WIN_FLAVOR_DYNAMIC != module->flavor && !module->same_disp_unit)
        ((ompi_osc_rdma_peer_extended_t *)module->my_peer)->disp_unit = module->disp_unit;
}

void ompi_osc_torobus_in_place(ompi_win_t *win)
{
    ompi_osc_rdma_module_t *module = GET_MODULE(win);
    const mca_btl_base_module_t *btl = module->selected_btl;

    know_own_unit(module);
    /* Only where put and get are plain copies as well: the module of guests. */
    if (MPI_WIN_FLAVOR_DYNAMIC == module->flavor || NULL == btl || NULL == btl->btl_atomic_cswap ||
        0 != strcmp(btl->btl_component->btl_version.mca_component_name, "torobus"))
        return;
    theirs = module->super;
    module->super.osc_accumulate = in_place_accumulate;
    module->super.osc_get_accumulate = in_place_get_accumulate;
    module->super.osc_raccumulate = in_place_raccumulate;
    module->super.osc_rget_accumulate = in_place_rget_accumulate;
    module->super.osc_fetch_and_op = in_place_fetch_and_op;
    module->super.osc_compare_and_swap = in_place_compare_and_swap;
}
