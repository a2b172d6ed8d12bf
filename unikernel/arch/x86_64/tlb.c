/* SPDX-License-Identifier: BSD-3-Clause */
/* TLB shootdown. Every flush has a number; a core has served it when its `seen` has reached that.
 * A core that idles is not woken: it looks when it leaves the idle loop. */
#include "core.h"
#include <toro/lock.h>

#define RANGE_MAX 8 /* more pages than this: flush everything */

static _Atomic uint64_t flushes;

static void flush_all(void)
{
    arch_write_cr3(arch_read_cr3());
}

void arch_tlb_serve(void)
{
    struct arch_core *c = arch_this();
    uint64_t now = atomic_load(&flushes);

    if (atomic_load_explicit(&c->tlb_seen, memory_order_relaxed) == now)
        return;
    flush_all();
    /* [A] release: the flush is done; pairs with [A] in arch_tlb_flush(). */
    atomic_store_explicit(&c->tlb_seen, now, memory_order_release);
}

void arch_relax(void)
{
    arch_pause();
    arch_tlb_serve();
}

void arch_tlb_idle_enter(void)
{
    atomic_store(&arch_this()->tlb_idle, true);
}

void arch_tlb_idle_leave(void)
{
    /* Sequentially consistent: a flush that saw us idle has counted `flushes` up before our load.
     */
    atomic_store(&arch_this()->tlb_idle, false);
    arch_tlb_serve();
}

void arch_tlb_flush(uint64_t va, uint64_t len, uint64_t cores)
{
    struct arch_core *me = arch_this();
    uint64_t number;

    if (len > RANGE_MAX * TORO_PAGE_SIZE)
        flush_all();
    else
        for (uint64_t p = va; p < va + len; p += TORO_PAGE_SIZE)
            arch_invlpg(p);
    cores &= ~(1ull << me->index);
    if (cores == 0)
        return;

    number = atomic_fetch_add(&flushes, 1) + 1;
    for (unsigned i = 0; i < arch_ncores(); i++) {
        struct arch_core *c = arch_cores[i];

        if ((cores >> i & 1) && !atomic_load(&c->tlb_idle))
            arch_apic_send(i, ARCH_ICR_FIXED | ARCH_VECTOR_TLB);
    }
    for (unsigned i = 0; i < arch_ncores(); i++) {
        struct arch_core *c = arch_cores[i];

        while ((cores >> i & 1) && !atomic_load(&c->tlb_idle) &&
               atomic_load_explicit(&c->tlb_seen, memory_order_acquire) < number) /* [A] */
            arch_relax();
    }
}
