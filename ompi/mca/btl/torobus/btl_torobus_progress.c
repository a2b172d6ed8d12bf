/* SPDX-License-Identifier: BSD-3-Clause */
/* Progress: poll, send what is queued, copy what is left, and sleep when there is nothing. */
#include "opal_config.h"

#include <sched.h>

#include "btl_torobus_bus.h"

#include "opal/sys/atomic.h"

/* Liveness of the peers is looked at every so many empty polls, and after each sleep. */
#define CHECK_POLLS 16384

/* The clock is read, and credit returned, once in so many empty polls. */
#define CLOCK_POLLS 8

volatile unsigned int mca_btl_torobus_polls;

/** Idle time of the process. Guarded by the progress guard. */
static struct {
    uint64_t last;     /**< ticks when the clock was last read */
    uint64_t since;    /**< ticks when the application began to wait */
    uint64_t sleep_ns; /**< length of the next sleep */
    uint64_t shortest; /**< least ticks ever between two readings: polls back to back */
    uint64_t gap_ticks, spin_ticks;
    bool woken; /**< no reading since the last sleep */
    bool calibrated;
} idle;

bool mca_btl_torobus_deliver(mca_btl_base_module_t *btl, mca_btl_base_tag_t tag, void *data,
                             size_t len)
{
    const mca_btl_active_message_callback_t *reg = mca_btl_base_active_message_trigger + tag;
    mca_btl_base_segment_t segment;
    mca_btl_base_descriptor_t des;

    /* The PML registers its tags after the first add_procs; a faster peer may send before. */
    if (OPAL_UNLIKELY(tag >= MCA_BTL_TAG_MAX || NULL == reg->cbfunc)) {
        return false;
    }
    segment.seg_addr.pval = data;
    segment.seg_len = len;
    /* What else a descriptor holds is about sending: of one that arrives, the segments count. */
    des.des_segments = &segment;
    des.des_segment_count = 1;
    des.des_flags = 0;
    reg->cbfunc(btl, tag, &des, reg->cbdata);
    return true;
}

/* Nothing can be sent: have the peers wake us when they have made room. */
static bool idle_starve(void)
{
    mca_btl_torobus_endpoint_t *ep;
    bool room = false;

    if (0 == opal_list_get_size(&mca_btl_torobus_component.endpoints_pending)) {
        return false;
    }
    OPAL_THREAD_LOCK(&mca_btl_torobus_component.lock);
    OPAL_LIST_FOREACH(ep, &mca_btl_torobus_component.endpoints_pending, mca_btl_torobus_endpoint_t)
    {
        OPAL_THREAD_LOCK(&ep->lock);
        room = mca_btl_torobus_bus_starve(ep->tx) || room;
        OPAL_THREAD_UNLOCK(&ep->lock);
    }
    OPAL_THREAD_UNLOCK(&mca_btl_torobus_component.lock);
    return room;
}

/* Turn the parameters into ticks. */
static bool idle_calibrate(void)
{
    const double rate = mca_btl_torobus_bus_tick_rate();

    if (0 >= rate) {
        return false;
    }
    idle.gap_ticks = (uint64_t)(rate * mca_btl_torobus_component.gap_ns);
    idle.spin_ticks = (uint64_t)(rate * mca_btl_torobus_component.spin_ns);
    idle.shortest = UINT64_MAX / 8;
    idle.calibrated = true;
    return true;
}

/*
 * CLOCK_POLLS empty polls. Sleep if the application has waited long enough.
 *
 * A process that waits inside MPI polls back to back; one that computes between calls of MPI_Test
 * leaves gaps, and must never be held up. The sleep grows with the time already waited, because
 * what the application waits for may be memory that a peer changes without a message (one-sided
 * synchronization): so it is never noticed later than twice the time that it took.
 */
static void idle_poll(unsigned int polls)
{
    mca_btl_torobus_component_t *c = &mca_btl_torobus_component;
    uint64_t now, took, gap, max_ns;

    mca_btl_torobus_bus_idle(CLOCK_POLLS);
    if (0 == polls % CHECK_POLLS) {
        mca_btl_torobus_endpoints_check();
    }
    if (!c->sleep || c->strangers) {
        return;
    }
    if (OPAL_UNLIKELY(!idle.calibrated) && !idle_calibrate()) {
        return;
    }
    now = mca_btl_torobus_bus_ticks();
    took = now - idle.last;
    /* The first polls after a sleep take longer: everything is cold. */
    gap = idle.woken ? 10 * idle.gap_ticks : idle.gap_ticks;
    idle.woken = false;
    if (CLOCK_POLLS == polls || (took > gap && took > 6 * idle.shortest)) {
        idle.since = now;
        idle.sleep_ns = (uint64_t)c->sleep_min_us * 1000;
    }
    if (CLOCK_POLLS != polls && took < idle.shortest) {
        idle.shortest = took;
    }
    idle.last = now;
    if (now - idle.since < idle.spin_ticks || 0 != opal_list_get_size(&c->copies_pending) ||
        idle_starve()) {
        return;
    }
    if (mca_btl_torobus_bus_sleep(idle.sleep_ns)) {
        max_ns = (uint64_t)c->sleep_max_us * 1000;
        idle.sleep_ns = 2 * idle.sleep_ns < max_ns ? 2 * idle.sleep_ns : max_ns;
        mca_btl_torobus_endpoints_check();
        idle.woken = true;
    }
    idle.last = mca_btl_torobus_bus_ticks();
}

static inline int poll_all(void)
{
    mca_btl_torobus_component_t *c = &mca_btl_torobus_component;
    int events = 0;
    unsigned int polls;

    if (!mca_btl_torobus_bus_silent()) {
        events = mca_btl_torobus_bus_poll();
    }
    if (OPAL_UNLIKELY(0 != opal_list_get_size(&c->endpoints_pending))) {
        events += mca_btl_torobus_send_pending();
    }
    if (OPAL_UNLIKELY(0 != opal_list_get_size(&c->copies_pending))) {
        events += mca_btl_torobus_copy_pending();
    }
    if (0 != events) {
        mca_btl_torobus_active();
        return events;
    }
    polls = mca_btl_torobus_polls + 1;
    mca_btl_torobus_polls = polls;
    if (0 == polls % CLOCK_POLLS) {
        idle_poll(polls);
    }
    return 0;
}

int mca_btl_torobus_progress(void)
{
    /* One thread at a time. Held during upcalls as well: an upcall that calls opal_progress() finds
     * nothing here. */
    static volatile int32_t busy = 0;
    static volatile unsigned int missed = 0;
    int events;

    if (OPAL_UNLIKELY(!mca_btl_torobus_component.bus_open)) {
        return 0;
    }

    if (opal_using_threads()) {
        if (0 != opal_atomic_swap_32(&busy, 1)) {
            /* Where a rank has one core, the thread that is here may need it to go on. */
            if (0 == (++missed & 15)) {
                sched_yield();
            }
            return 0;
        }
    } else if (OPAL_UNLIKELY(busy)) {
        return 0;
    } else {
        busy = 1;
    }
    events = poll_all();
    opal_atomic_wmb();
    busy = 0;
    return events;
}
