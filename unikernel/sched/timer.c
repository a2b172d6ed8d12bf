/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers: a sorted list per core behind the core's one-shot hardware timer. Cancelling leaves the
 * hardware as it is; an interrupt that finds nothing due only sets it anew. */
#include "sched.h"

void toro_timer_init(struct toro_timer *tm, void (*fn)(struct toro_timer *))
{
    toro_list_init(&tm->link);
    tm->when = 0;
    tm->home = 0;
    tm->fn = fn;
    atomic_init(&tm->core, -1);
}

void toro_timer_program(struct toro_core *c, uint64_t when)
{
    if (when == UINT64_MAX || (c->programmed != 0 && c->programmed <= when))
        return;
    c->programmed = when;
    arch_timer_set(when);
}

void toro_timer_set(struct toro_timer *tm, uint64_t when)
{
    struct toro_core *c = toro_core_self();
    struct toro_list *at;

    toro_timer_cancel(tm);
    toro_spin_lock(&c->timer_lock);
    if (c->timers.next == NULL)
        toro_list_init(&c->timers);
    tm->when = when;
    tm->home = (unsigned)(c - toro_cores);
    /* From the end: new timers are mostly the latest ones. */
    for (at = c->timers.prev; at != &c->timers; at = at->prev)
        if (toro_list_entry(at, struct toro_timer, link)->when <= when)
            break;
    tm->link.prev = at;
    tm->link.next = at->next;
    at->next->prev = &tm->link;
    at->next = &tm->link;
    atomic_store_explicit(&tm->core, (int)tm->home, memory_order_release);
    toro_spin_unlock(&c->timer_lock);
    toro_timer_program(c, when);
}

void toro_timer_cancel(struct toro_timer *tm)
{
    struct toro_core *c;
    int core;

    for (;;) {
        /* [T] acquire; pairs with the releases in toro_timers_run(). */
        core = atomic_load_explicit(&tm->core, memory_order_acquire);
        if (core >= 0) {
            c = &toro_cores[core];
            toro_spin_lock(&c->timer_lock);
            if (atomic_load_explicit(&tm->core, memory_order_relaxed) == core) {
                toro_list_del(&tm->link);
                atomic_store_explicit(&tm->core, -1, memory_order_relaxed);
                core = -1;
            }
            toro_spin_unlock(&c->timer_lock);
            if (core < 0)
                return;
            continue;
        }
        /* Not queued; fn may be running. On this core that means that fn itself asks. */
        c = &toro_cores[tm->home];
        if (c == toro_core_self() ||
            atomic_load_explicit(&c->timer_running, memory_order_acquire) != tm)
            return;
        arch_relax();
    }
}

void toro_timers_run(struct toro_core *c)
{
    uint64_t next = UINT64_MAX;

    toro_spin_lock(&c->timer_lock);
    while (c->timers.next != NULL && !toro_list_empty(&c->timers)) {
        struct toro_timer *tm = toro_list_entry(c->timers.next, struct toro_timer, link);

        if (tm->when > arch_now_ns()) {
            next = tm->when;
            break;
        }
        toro_list_del(&tm->link);
        atomic_store_explicit(&c->timer_running, tm, memory_order_relaxed);
        atomic_store_explicit(&tm->core, -1, memory_order_release); /* [T] */
        toro_spin_unlock(&c->timer_lock);
        tm->fn(tm);
        atomic_store_explicit(&c->timer_running, NULL, memory_order_release); /* [T] */
        toro_spin_lock(&c->timer_lock);
    }
    toro_spin_unlock(&c->timer_lock);
    if (c->guard_at != 0 && c->guard_at < next)
        next = c->guard_at;
    toro_timer_program(c, next);
}
