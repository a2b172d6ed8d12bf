/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the core may change hands without the thread's asking: interrupts and the way back to user
 * mode. */
#include "sched.h"
#include <toro/proc.h>

void toro_on_ipi(void)
{
    struct toro_core *c = toro_core_self();

    /* What the sender wants is looked at in toro_user_return() or idle(). */
    atomic_store_explicit(&c->ipis, atomic_load_explicit(&c->ipis, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

unsigned toro_core_ipis(unsigned core)
{
    return atomic_load_explicit(&toro_cores[core].ipis, memory_order_relaxed);
}

void toro_on_timer(void)
{
    struct toro_core *c = toro_core_self();

    c->programmed = 0;
    toro_timers_run(c);
}

void toro_user_return(struct arch_frame *f, bool from_interrupt)
{
    (void)from_interrupt;
    for (;;) {
        struct toro_core *c = toro_core_self();
        struct toro_thread *t = c->current;

        toro_sched_drain(c);
        if (toro_unlikely(c->kernel.head != NULL)) {
            toro_sched_preempt(c, false);
            continue;
        }
        if (toro_unlikely(c->user.head != NULL)) {
            uint64_t now = arch_now_ns();
            uint64_t turn = c->fresh != 0 && t->hog ? c->since + TORO_WAKE_NS : now + TORO_GUARD_NS;

            if (c->guard_at == 0 || c->guarded != t || turn < c->guard_at) {
                c->guarded = t;
                c->guard_at = turn;
                if (turn > now)
                    toro_timer_program(c, turn);
            }
            if (now >= c->guard_at) {
                c->guard_at = 0;
                t->hog = true;
                toro_sched_preempt(c, true);
                continue;
            }
        } else {
            c->guard_at = 0;
        }
        if (toro_unlikely((t->affinity >> t->core & 1) == 0)) {
            unsigned to = (t->affinity >> t->goal & 1) != 0
                              ? t->goal
                              : (unsigned)__builtin_ctzll(t->affinity);

            /* Before it runs there: who takes memory away must know whose TLB to flush. */
            atomic_fetch_or_explicit(&t->proc->mm.cores, 1ull << to, memory_order_seq_cst);
            toro_migrate(to);
            continue;
        }
        if (toro_likely(!t->killed && !atomic_load_explicit(&t->interrupt, memory_order_relaxed)))
            return;
        toro_signal_return(f);
    }
}
