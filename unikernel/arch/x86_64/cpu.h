/* SPDX-License-Identifier: BSD-3-Clause */
/* Instructions that C has no words for, and what this processor can do. */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include <toro/types.h>

#define MSR_TSC_DEADLINE   0x6e0u
#define MSR_APIC_BASE      0x1bu
#define MSR_EFER           0xc0000080u
#define MSR_STAR           0xc0000081u
#define MSR_LSTAR          0xc0000082u
#define MSR_FMASK          0xc0000084u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX        0xc0000103u

#define CR4_PAE            (1ul << 5)
#define CR4_PGE            (1ul << 7)
#define CR4_OSFXSR         (1ul << 9)
#define CR4_OSXMMEXCPT     (1ul << 10)
#define CR4_UMIP           (1ul << 11)
#define CR4_FSGSBASE       (1ul << 16)
#define CR4_OSXSAVE        (1ul << 18)
#define CR4_SMEP           (1ul << 20)

/** What CPUID says, read once on the boot core. */
struct arch_cpu {
    unsigned phys_bits; /* of a physical address */
    bool x2apic, tsc_deadline, pdpe1gb, fsgsbase, xsave, xsaveopt, rdtscp, rdrand, smep, umip;
    uint32_t max_leaf, max_hv_leaf;
    bool emulated;     /**< by QEMU's TCG: what is fast is another thing there */
    uint64_t xcr0;     /**< state components that the kernel saves; 0: FXSAVE */
    uint32_t fpu_size; /**< bytes of the save area */
};
extern struct arch_cpu arch_cpu;

static inline void arch_cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
                     : "a"(leaf), "c"(sub));
}

static inline uint64_t arch_rdmsr(uint32_t msr)
{
    uint32_t lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static inline void arch_wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static inline uint64_t arch_read_cr2(void)
{
    uint64_t v;

    __asm__ volatile("mov %%cr2, %0" : "=r"(v));
    return v;
}

static inline uint64_t arch_read_cr3(void)
{
    uint64_t v;

    __asm__ volatile("mov %%cr3, %0" : "=r"(v));
    return v;
}

static inline void arch_write_cr3(uint64_t v)
{
    __asm__ volatile("mov %0, %%cr3" ::"r"(v) : "memory");
}

static inline uint64_t arch_read_cr4(void)
{
    uint64_t v;

    __asm__ volatile("mov %%cr4, %0" : "=r"(v));
    return v;
}

static inline void arch_write_cr4(uint64_t v)
{
    __asm__ volatile("mov %0, %%cr4" ::"r"(v) : "memory");
}

static inline void arch_invlpg(uint64_t va)
{
    __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}

static inline void arch_pause(void)
{
    __asm__ volatile("pause" ::: "memory");
}

/** Stop for ever. */
_Noreturn static inline void arch_halt(void)
{
    for (;;)
        __asm__ volatile("cli; hlt" ::: "memory");
}

#endif
