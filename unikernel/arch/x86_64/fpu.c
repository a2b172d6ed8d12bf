/* SPDX-License-Identifier: BSD-3-Clause */
/* FPU and vector state. The kernel itself uses none of it, so the registers always hold the state
 * of the user thread that ran last on the core. */
#include "core.h"
#include <toro/errno.h>
#include <toro/lib.h>

#define MXCSR_MASK 0xffffu

int arch_xrstor(const void *area, uint64_t mask);
int arch_fxrstor(const void *area);

void arch_fpu_setup(void)
{
    uint32_t r[4], mxcsr = 0x1f80;
    uint64_t cr0;

    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    cr0 = (cr0 | 1ul << 1 | 1ul << 5) & ~(1ul << 2 | 1ul << 3); /* MP, NE; not EM, TS */
    __asm__ volatile("mov %0, %%cr0" ::"r"(cr0));
    if (arch_cpu.xsave) {
        __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)arch_cpu.xcr0),
                         "d"((uint32_t)(arch_cpu.xcr0 >> 32)));
        arch_cpuid(0xd, 0, r);
        arch_cpu.fpu_size = r[1]; /* for what XCR0 now enables */
    }
    __asm__ volatile("fninit; ldmxcsr %0" ::"m"(mxcsr));
}

size_t arch_fpu_size(void)
{
    return arch_cpu.fpu_size;
}

uint64_t arch_fpu_features(void)
{
    return arch_cpu.xcr0;
}

void arch_fpu_save(void *area)
{
    uint32_t lo = (uint32_t)arch_cpu.xcr0, hi = (uint32_t)(arch_cpu.xcr0 >> 32);

    if (arch_cpu.xsave) {
        /* xsave writes only part of the header; the rest must be zero for xrstor. */
        toro_memset((char *)area + 512, 0, 64);
        __asm__ volatile("xsave64 (%0)" ::"r"(area), "a"(lo), "d"(hi) : "memory");
    } else {
        __asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
    }
}

int arch_fpu_restore(const void *area)
{
    uint32_t mxcsr;

    arch_this()->fpu_last = NULL;
    /* Emulators load impossible MXCSR bits where processors fault. */
    if (arch_user_load32((const uint32_t *)area + 6, &mxcsr) != 0 || (mxcsr & ~MXCSR_MASK))
        return -EINVAL;
    return arch_cpu.xsave ? arch_xrstor(area, arch_cpu.xcr0) : arch_fxrstor(area);
}

void arch_fpu_init(void *area)
{
    uint8_t *a = area;

    toro_memset(a, 0, arch_cpu.fpu_size);
    *(uint16_t *)a = 0x37f;         /* x87 control word */
    *(uint32_t *)(a + 24) = 0x1f80; /* MXCSR */
    if (arch_cpu.xsave)
        *(uint64_t *)(a + 512) = 3; /* x87 and SSE come from the area, the rest is initial */
}
