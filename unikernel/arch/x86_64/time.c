/* SPDX-License-Identifier: BSD-3-Clause */
/* Time from the TSC: rate by CPUID or against the PIT, later as the keeper says. The kernel's clock
 * goes on without a step when the rate changes. The vDSO's data page holds the same numbers. */
#include "core.h"
#include "vdso/data.h"
#include <toro/lib.h>
#include <toro/lock.h>

#define CALIBRATE_NS 2500000ull
#define PIT_HZ       1193182ull

extern char arch_vdso_start[], arch_vdso_end[];

static struct toro_spinlock lock = TORO_SPINLOCK_INIT;
static _Atomic uint32_t seq;
static uint64_t base_tsc, base_ns, mult, mono_offset, real_offset;
static uint64_t tsc_per_ns; /* TSC ticks per ns, times 2^30 */

uint64_t arch_tsc(void)
{
    uint32_t lo, hi;

    /* lfence: not before what comes before. */
    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi)::"memory");
    return (uint64_t)hi << 32 | lo;
}

static uint64_t scale(uint64_t ticks, uint64_t m)
{
    return (uint64_t)(((unsigned __int128)ticks * m) >> TORO_VDSO_SHIFT);
}

static void set_rate(uint64_t hz)
{
    mult = (1000000000ull << TORO_VDSO_SHIFT) / hz;
    tsc_per_ns = (hz << 30) / 1000000000ull;
}

/* Read base and factor as one; ns since boot, and the offsets if wanted. */
static uint64_t now(uint64_t *mono, uint64_t *real)
{
    for (;;) {
        /* [A] acquire; pairs with [A] in arch_clock_set(). */
        uint32_t s = atomic_load_explicit(&seq, memory_order_acquire);
        uint64_t t, ns;

        t = arch_tsc();
        ns = base_ns + (t > base_tsc ? scale(t - base_tsc, mult) : 0);
        if (mono != NULL)
            *mono = mono_offset;
        if (real != NULL)
            *real = real_offset;
        atomic_thread_fence(memory_order_acquire);
        if (!(s & 1) && atomic_load_explicit(&seq, memory_order_relaxed) == s)
            return ns;
        arch_pause();
    }
}

uint64_t arch_now_ns(void)
{
    return now(NULL, NULL);
}

uint64_t arch_monotonic_ns(void)
{
    uint64_t off, ns = now(&off, NULL);

    return ns + off;
}

uint64_t arch_realtime_ns(void)
{
    uint64_t off, ns = now(NULL, &off);

    return ns + off;
}

uint64_t arch_ns_to_tsc(uint64_t ns)
{
    if (ns <= base_ns)
        return base_tsc;
    return base_tsc + (uint64_t)(((unsigned __int128)(ns - base_ns) * tsc_per_ns) >> 30);
}

static void vdso_update(void)
{
    struct toro_vdso_data *d = (struct toro_vdso_data *)arch_vdso_start;
    uint32_t s = atomic_load_explicit(&d->seq, memory_order_relaxed);

    atomic_store_explicit(&d->seq, s + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    d->base_tsc = base_tsc;
    d->mult = mult;
    d->monotonic_ns = base_ns + mono_offset;
    d->realtime_ns = base_ns + real_offset;
    atomic_store_explicit(&d->seq, s + 2, memory_order_release);
}

void arch_clock_set(uint64_t tsc_hz, uint64_t realtime_ns, uint64_t monotonic_ns, uint64_t tsc)
{
    uint64_t t = arch_tsc(), ns = arch_now_ns();

    if (tsc_hz < 1000000 || tsc_hz > 16000000000ull || tsc > t) {
        toro_printk(0, "clock: impossible values ignored (%lu Hz)", tsc_hz);
        return;
    }
    toro_spin_lock(&lock);
    atomic_store_explicit(&seq, seq + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    base_tsc = t;
    base_ns = ns;
    set_rate(tsc_hz);
    mono_offset = monotonic_ns + scale(t - tsc, mult) - ns;
    real_offset = realtime_ns + scale(t - tsc, mult) - ns;
    atomic_store_explicit(&seq, seq + 1, memory_order_release); /* [A] */
    vdso_update();
    toro_spin_unlock(&lock);
}

const void *arch_vdso(size_t *size, size_t *data_bytes)
{
    *size = (size_t)(arch_vdso_end - arch_vdso_start);
    *data_bytes = TORO_PAGE_SIZE;
    return arch_vdso_start;
}

static uint64_t hz_from_cpuid(void)
{
    uint32_t r[4];

    if (arch_cpu.max_hv_leaf >= 0x40000010) {
        arch_cpuid(0x40000010, 0, r);
        if (r[0] != 0)
            return r[0] * 1000ull;
    }
    if (arch_cpu.max_leaf >= 0x15) {
        arch_cpuid(0x15, 0, r);
        if (r[0] != 0 && r[1] != 0 && r[2] != 0)
            return (uint64_t)r[2] * r[1] / r[0];
    }
    return 0;
}

/* One reading of PIT channel 2 and the TSC, the closest of a few. */
static uint16_t pit_read(uint64_t *tsc)
{
    uint64_t best = UINT64_MAX;
    uint16_t count = 0;

    for (unsigned i = 0; i < 5; i++) {
        uint64_t before = arch_tsc(), after;
        uint16_t c;

        arch_out8(0x43, 0x80); /* latch */
        after = arch_tsc();
        c = arch_in8(0x42);
        c = (uint16_t)(c | arch_in8(0x42) << 8);
        if (after - before < best) {
            best = after - before;
            *tsc = before + best / 2;
            count = c;
        }
    }
    return count;
}

static uint64_t hz_from_pit(void)
{
    uint64_t t0 = 0, t1 = 0, tries = 0;
    uint16_t c0, c1;

    arch_out8(0x61, (uint8_t)((arch_in8(0x61) & ~3u) | 1)); /* gate on, speaker off */
    arch_out8(0x43, 0xb0);                                  /* channel 2, one shot */
    arch_out8(0x42, 0xff);
    arch_out8(0x42, 0xff);
    c0 = pit_read(&t0);
    do {
        c1 = pit_read(&t1);
        if (++tries > 1000000)
            toro_panic("no time source: the PIT does not count");
    } while ((uint64_t)(uint16_t)(c0 - c1) * 1000000000ull / PIT_HZ < CALIBRATE_NS);
    return (t1 - t0) * PIT_HZ / (uint16_t)(c0 - c1);
}

void arch_time_init(void)
{
    uint64_t hz = hz_from_cpuid(), start;

    arch_out8(0x43, 0x30); /* stop the firmware's periodic tick */
    arch_apic_timer_calibrate_begin();
    start = arch_tsc();
    if (hz == 0)
        hz = hz_from_pit();
    else if (!arch_cpu.tsc_deadline)
        while (arch_tsc() - start < hz / 1000)
            arch_pause();
    base_tsc = arch_entry_tsc();
    set_rate(hz);
    arch_apic_timer_calibrate_end(scale(arch_tsc() - start, mult));
    vdso_update();
    toro_printk(1, "time: TSC at %lu kHz", hz / 1000);
}
