/* SPDX-License-Identifier: BSD-3-Clause */
/* The other cores: start, idle, stop. */
#include "core.h"
#include <toro/lib.h>
#include <toro/sched.h>

#define START_TIMEOUT_NS 20000000000ull /* many vCPUs on few host cores take their time */
#define RESEND_NS        2000000ull

extern const char arch_tramp_start[], arch_tramp_end[];

/** Top of each core's first stack, for the trampoline. */
uint64_t arch_start_stacks[TORO_MAX_CORES];

static _Atomic unsigned ncores = 1;
static _Atomic bool panicking;

unsigned arch_ncores(void)
{
    return atomic_load_explicit(&ncores, memory_order_relaxed);
}

static void prepare(unsigned i)
{
    struct arch_core *c = toro_kzalloc(sizeof(*c));
    uint64_t stack = arch_stack_alloc();

    if (c == NULL || stack == 0 || (c->ist = toro_kpages(2)) == NULL)
        toro_panic("no memory for core %u", i);
    c->index = i;
    c->boot_stack = stack + ARCH_STACK_SIZE;
    arch_cores[i] = c;
    arch_start_stacks[i] = c->boot_stack;
}

/* Wait for an interrupt: many vCPUs may share few host CPUs, and one that spins takes the time that
 * the others need to start. Interrupts are off before and after, so one that came since the
 * caller's check ends the wait at once. */
static void doze(void)
{
    __asm__ volatile("sti; hlt; cli" ::: "memory");
}

/* First C code of another core; the trampoline has switched to the kernel's page tables. Until
 * arch_core_setup() there is no gs, so nothing that takes a lock may be called. */
void arch_core_start(unsigned index)
{
    struct arch_core *c = arch_cores[index];

    arch_core_setup(c, c->ist, c->ist + ARCH_IST_STACK_SIZE);
    arch_apic_setup();
    atomic_store(&c->up, true);
    arch_apic_send(0, ARCH_ICR_FIXED | ARCH_VECTOR_TLB); /* just a wake */
    while (index >= atomic_load(&ncores))
        doze();
    arch_tlb_serve();
    toro_core_main();
}

unsigned arch_start_cores(unsigned want)
{
    uint64_t start = arch_now_ns(), resent = start;
    unsigned up = 1;

    if (want < 1 || want > TORO_MAX_CORES)
        toro_panic("cores=%u, possible are 1 to %u", want, TORO_MAX_CORES);
    if (want == 1)
        return 1;
    toro_memcpy(arch_pa_to_kva(ARCH_TRAMPOLINE), arch_tramp_start,
                (size_t)(arch_tramp_end - arch_tramp_start));
    for (unsigned i = 1; i < want; i++) {
        prepare(i);
        arch_apic_send(i, ARCH_ICR_INIT);
    }
    for (unsigned i = 1; i < want; i++)
        arch_apic_send(i, ARCH_ICR_STARTUP | ARCH_TRAMPOLINE >> 12);
    while (up < want) {
        uint64_t now = arch_now_ns();

        if (atomic_load(&arch_cores[up]->up)) {
            up++;
            continue;
        }
        if (now - start > START_TIMEOUT_NS)
            toro_panic("core %u of %u did not start; has the machine that many vCPUs?", up, want);
        /* The second start-up IPI of the protocol; a core that runs ignores it. */
        if (now - resent > RESEND_NS) {
            resent = now;
            arch_apic_send(up, ARCH_ICR_STARTUP | ARCH_TRAMPOLINE >> 12);
        }
        arch_apic_timer_arm(now + RESEND_NS);
        doze();
    }
    atomic_store(&ncores, want);
    for (unsigned i = 1; i < want; i++)
        arch_apic_send(i, ARCH_ICR_FIXED | ARCH_VECTOR_TLB);
    return want;
}

void arch_idle(void)
{
    if (toro_core_must_run())
        return;
    arch_tlb_idle_enter();
    /* An interrupt between check and hlt stays pending: sti takes effect after the hlt began. */
    __asm__ volatile("sti; hlt; cli" ::: "memory");
    arch_tlb_idle_leave();
}

bool arch_panicking(void)
{
    return atomic_load(&panicking);
}

bool arch_panic_enter(void)
{
    bool was = atomic_exchange(&panicking, true);

    if (was)
        return false;
    if (arch_cores[0] != NULL && arch_cores[0]->up)
        arch_apic_stop_others();
    return true;
}

const struct arch_frame *arch_panic_frame(void)
{
    return arch_cores[0] != NULL ? arch_this()->trap : NULL;
}
