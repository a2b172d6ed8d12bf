/* SPDX-License-Identifier: BSD-3-Clause */
/* Local APIC (xAPIC by MMIO, x2APIC by MSR): interrupts between cores, the one-shot timer, MSI
 * messages. A core's number is its APIC id. */
#include "core.h"
#include <toro/lib.h>
#include <toro/sched.h>

#define APIC_PA        0xfee00000ull
#define REG_ID         0x20u
#define REG_TPR        0x80u
#define REG_EOI        0xb0u
#define REG_SVR        0xf0u
#define REG_ICR_LOW    0x300u
#define REG_ICR_HIGH   0x310u
#define REG_LVT_TIMER  0x320u
#define REG_LVT_LINT0  0x350u
#define REG_LVT_LINT1  0x360u
#define REG_LVT_ERROR  0x370u
#define REG_TIMER_INIT 0x380u
#define REG_TIMER_NOW  0x390u
#define REG_TIMER_DIV  0x3e0u
#define LVT_MASKED     0x10000u
#define LVT_NMI        0x400u
#define LVT_DEADLINE   0x40000u
#define ICR_PENDING    0x1000u

static volatile uint8_t *mmio;
static uint64_t timer_hz; /* of the count-down timer; 0: TSC deadline is used */

static uint32_t reg_read(unsigned reg)
{
    if (arch_cpu.x2apic)
        return (uint32_t)arch_rdmsr(0x800 + (reg >> 4));
    return *(volatile uint32_t *)(mmio + reg);
}

static void reg_write(unsigned reg, uint32_t v)
{
    if (arch_cpu.x2apic)
        arch_wrmsr(0x800 + (reg >> 4), v);
    else
        *(volatile uint32_t *)(mmio + reg) = v;
}

void arch_apic_setup(void)
{
    uint64_t base = arch_rdmsr(MSR_APIC_BASE);

    if (arch_cpu.x2apic)
        arch_wrmsr(MSR_APIC_BASE, base | 1u << 11 | 1u << 10);
    else
        arch_wrmsr(MSR_APIC_BASE, base | 1u << 11);
    if (mmio == NULL && !arch_cpu.x2apic) {
        mmio = arch_map_mmio(APIC_PA, TORO_PAGE_SIZE);
        TORO_ASSERT(mmio != NULL);
    }
    reg_write(REG_SVR, 0x100 | ARCH_VECTOR_SPURIOUS);
    reg_write(REG_TPR, 0);
    reg_write(REG_LVT_LINT0, LVT_MASKED);
    reg_write(REG_LVT_LINT1, arch_core() == 0 ? LVT_NMI : LVT_MASKED);
    reg_write(REG_LVT_ERROR, LVT_MASKED | ARCH_VECTOR_SPURIOUS);
    reg_write(REG_TIMER_DIV, 0xb); /* by 1 */
    if (arch_cpu.tsc_deadline) {
        reg_write(REG_LVT_TIMER, LVT_DEADLINE | ARCH_VECTOR_TIMER);
        /* The mode must be in force before the first deadline is written by MSR. */
        __asm__ volatile("mfence" ::: "memory");
    } else {
        reg_write(REG_LVT_TIMER, ARCH_VECTOR_TIMER);
    }
}

unsigned arch_apic_id(void)
{
    return arch_cpu.x2apic ? reg_read(REG_ID) : reg_read(REG_ID) >> 24;
}

void arch_apic_eoi(void)
{
    reg_write(REG_EOI, 0);
}

void arch_apic_send(unsigned core, uint32_t low)
{
    if (arch_cpu.x2apic) {
        /* Stores before the interrupt must be seen by its handler; the MSR write orders nothing. */
        __asm__ volatile("mfence; lfence" ::: "memory");
        arch_wrmsr(0x800 + (REG_ICR_LOW >> 4), (uint64_t)core << 32 | low);
        return;
    }
    while (reg_read(REG_ICR_LOW) & ICR_PENDING)
        arch_pause();
    reg_write(REG_ICR_HIGH, core << 24);
    reg_write(REG_ICR_LOW, low);
}

void arch_ipi(unsigned core)
{
    TORO_ASSERT(core < arch_ncores());
    arch_apic_send(core, ARCH_ICR_FIXED | ARCH_VECTOR_IPI);
}

void arch_apic_stop_others(void)
{
    for (unsigned i = 0; i < arch_ncores(); i++)
        if (i != arch_core())
            arch_apic_send(i, ARCH_ICR_NMI);
}

void arch_msi_message(unsigned core, int vector, uint64_t *addr, uint32_t *data)
{
    *addr = APIC_PA | (uint64_t)core << 12;
    *data = (uint32_t)vector;
}

void arch_apic_timer_calibrate_begin(void)
{
    if (arch_cpu.tsc_deadline)
        return;
    reg_write(REG_LVT_TIMER, LVT_MASKED | ARCH_VECTOR_TIMER);
    reg_write(REG_TIMER_INIT, UINT32_MAX);
}

void arch_apic_timer_calibrate_end(uint64_t ns)
{
    uint32_t ticks;

    if (arch_cpu.tsc_deadline)
        return;
    ticks = UINT32_MAX - reg_read(REG_TIMER_NOW);
    reg_write(REG_TIMER_INIT, 0);
    reg_write(REG_LVT_TIMER, ARCH_VECTOR_TIMER);
    timer_hz = ticks * 1000000000ull / ns;
    if (timer_hz < 1000000)
        toro_panic("the local APIC timer does not count (%u ticks in %lu ns)", ticks, ns);
}

/* Starts the hardware for a time; it may fire early when that is farther than it can count. */
void arch_apic_timer_arm(uint64_t when)
{
    arch_this()->timer_armed = when;
    if (arch_cpu.tsc_deadline) {
        arch_wrmsr(MSR_TSC_DEADLINE, TORO_MAX(arch_ns_to_tsc(when), 1ull));
    } else {
        uint64_t now = arch_now_ns(), ns = when > now ? when - now : 0, ticks = UINT32_MAX;

        if (ns < 1000000000ull) /* the product fits for rates below 18 GHz */
            ticks = ns * (timer_hz / 1000) / 1000000 + 1;
        reg_write(REG_TIMER_INIT, (uint32_t)TORO_MIN(ticks, (uint64_t)UINT32_MAX));
    }
}

void arch_timer_set(uint64_t when_ns)
{
    struct arch_core *c = arch_this();

    c->timer_when = when_ns;
    /* An access to the timer leaves the guest. One that fires too early is put right when it
     * fires, and most are moved or stopped before that. */
    if (when_ns < c->timer_armed)
        arch_apic_timer_arm(when_ns);
}

void arch_timer_fired(void)
{
    struct arch_core *c = arch_this();

    c->timer_armed = UINT64_MAX;
    if (c->timer_when == UINT64_MAX)
        return;
    if (arch_now_ns() < c->timer_when) {
        arch_apic_timer_arm(c->timer_when);
        return;
    }
    c->timer_when = UINT64_MAX;
    toro_on_timer();
}
