/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports, the end of the guest, random numbers, frame chains. */
#include "core.h"
#include <toro/lib.h>
#include <toro/lock.h>
#include <torobus/boot.h>
#include <torobus/abi.h>

void arch_out8(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}

void arch_out32(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port));
}

uint8_t arch_in8(uint16_t port)
{
    uint8_t v;

    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

uint32_t arch_in32(uint16_t port)
{
    uint32_t v;

    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

void arch_exit(uint8_t code)
{
    arch_out32(TOROBUS_DEBUG_EXIT, code);
    arch_halt();
}

static bool rdrand(uint64_t *v)
{
    for (unsigned i = 0; i < 16; i++) {
        uint8_t ok;

        __asm__ volatile("rdrand %0; setc %1" : "=r"(*v), "=qm"(ok)::"cc");
        if (ok)
            return true;
    }
    return false;
}

/* splitmix64's finalizer: every bit of x changes about half of the result's. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

void arch_random(void *buf, size_t n)
{
    static struct toro_spinlock lock = TORO_SPINLOCK_INIT;
    static uint64_t state;
    uint8_t *p = buf;

    toro_spin_lock(&lock);
    while (n > 0) {
        uint64_t v = 0;
        size_t k = TORO_MIN(n, sizeof(v));

        if (!arch_cpu.rdrand || !rdrand(&v))
            for (unsigned i = 0; i < 32; i++)
                v = mix(v ^ arch_tsc());
        state = mix(state ^ arch_tsc());
        v ^= state;
        toro_memcpy(p, &v, k);
        p += k;
        n -= k;
    }
    toro_spin_unlock(&lock);
}

unsigned arch_backtrace(uint64_t rbp, uint64_t *out, unsigned max)
{
    unsigned n = 0;

    while (n < max && rbp != 0 && rbp % 8 == 0) {
        uint64_t frame[2];

        if (rbp < ARCH_DIRECT || arch_copy_user(frame, (const void *)rbp, sizeof(frame)) != 0 ||
            frame[1] == 0)
            break;
        out[n++] = frame[1];
        if (frame[0] <= rbp) /* the chain leads up the stack */
            break;
        rbp = frame[0];
    }
    return n;
}
