/* SPDX-License-Identifier: BSD-3-Clause */
/* What the processor can do, and each core's segments, control registers and MSRs. */
#include "core.h"
#include <toro/lib.h>

struct arch_cpu arch_cpu;
struct arch_core *arch_cores[TORO_MAX_CORES];

void arch_syscall_entry(void);

/* State components that the kernel saves: x87, SSE, AVX, AVX-512. A program asks XGETBV before it
 * uses any; protection keys and AMX tiles need a kernel interface that is not there. */
#define XCR0_WANTED 0xe7ull

void arch_cpu_detect(void)
{
    struct arch_cpu *c = &arch_cpu;
    uint32_t r[4], ext;

    arch_cpuid(0, 0, r);
    c->max_leaf = r[0];
    arch_cpuid(1, 0, r);
    c->x2apic = r[2] >> 21 & 1;
    c->tsc_deadline = r[2] >> 24 & 1;
    c->xsave = r[2] >> 26 & 1;
    c->rdrand = r[2] >> 30 & 1;
    if (r[2] >> 31 & 1) {
        arch_cpuid(0x40000000, 0, r);
        c->max_hv_leaf = r[0];
        c->emulated = r[1] == 0x54474354 && r[2] == 0x43544743; /* "TCGTCGTC" */
    }
    if (c->max_leaf >= 7) {
        arch_cpuid(7, 0, r);
        c->fsgsbase = r[1] & 1;
        c->smep = r[1] >> 7 & 1;
        c->umip = r[2] >> 2 & 1;
    }
    arch_cpuid(0x80000000, 0, r);
    ext = r[0];
    if (ext >= 0x80000001) {
        arch_cpuid(0x80000001, 0, r);
        c->pdpe1gb = r[3] >> 26 & 1;
        c->rdtscp = r[3] >> 27 & 1;
    }
    c->phys_bits = 36;
    if (ext >= 0x80000008) {
        arch_cpuid(0x80000008, 0, r);
        c->phys_bits = TORO_MIN(r[0] & 0xffu, 52u);
    }
    c->fpu_size = 512;
    if (c->xsave) {
        arch_cpuid(0xd, 0, r);
        c->xcr0 = (r[0] | (uint64_t)r[3] << 32) & XCR0_WANTED;
        arch_cpuid(0xd, 1, r);
        c->xsaveopt = r[0] & 1;
    }
}

unsigned arch_phys_bits(void)
{
    return arch_cpu.phys_bits;
}

static void gdt_setup(struct arch_core *c, void *ist_fatal, void *ist_nmi)
{
    uint64_t tss = (uint64_t)&c->tss, limit = sizeof(c->tss) - 1;
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) gdtr = {sizeof(c->gdt) - 1, (uint64_t)c->gdt};

    c->gdt[ARCH_KCS / 8] = 0x00af9b000000ffff;
    c->gdt[ARCH_KDS / 8] = 0x00cf93000000ffff;
    c->gdt[ARCH_UCS32 / 8] = 0x00cffb000000ffff;
    c->gdt[ARCH_UDS / 8] = 0x00cff3000000ffff;
    c->gdt[ARCH_UCS / 8] = 0x00affb000000ffff;
    c->gdt[ARCH_TSS / 8] =
        limit | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24 & 0xff) << 56;
    c->gdt[ARCH_TSS / 8 + 1] = tss >> 32;
    /* A read-only data segment whose limit is the core's number; `lsl` reads it in user mode. */
    c->gdt[ARCH_LSL / 8] = 0x0040f10000000000 | c->index;

    *(struct arch_core **)ist_fatal = c;
    *(struct arch_core **)ist_nmi = c;
    c->tss.ist[ARCH_IST_FATAL - 1] = (uint64_t)ist_fatal + ARCH_IST_STACK_SIZE;
    c->tss.ist[ARCH_IST_NMI - 1] = (uint64_t)ist_nmi + ARCH_IST_STACK_SIZE;
    c->tss.iomap = sizeof(c->tss);

    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1: mov %w2, %%ss\n\t"
                     "mov %w2, %%ds\n\t"
                     "mov %w2, %%es\n\t"
                     "ltr %w3"
                     :
                     : "m"(gdtr), "i"(ARCH_KCS), "r"(ARCH_KDS), "r"(ARCH_TSS)
                     : "rax", "memory");
}

void arch_core_setup(struct arch_core *c, void *ist_fatal, void *ist_nmi)
{
    uint64_t cr4 = CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;

    c->self = c;
    c->timer_when = c->timer_armed = UINT64_MAX;
    arch_cores[c->index] = c;
    gdt_setup(c, ist_fatal, ist_nmi);
    arch_wrmsr(MSR_GS_BASE, (uint64_t)c);
    arch_wrmsr(MSR_KERNEL_GS_BASE, 0);
    arch_wrmsr(MSR_FS_BASE, 0);
    arch_idt_load();

    if (arch_cpu.fsgsbase)
        cr4 |= CR4_FSGSBASE;
    if (arch_cpu.smep)
        cr4 |= CR4_SMEP;
    if (arch_cpu.umip)
        cr4 |= CR4_UMIP;
    if (arch_cpu.xsave)
        cr4 |= CR4_OSXSAVE;
    arch_write_cr4(cr4);
    arch_fpu_setup();

    /* sysret takes cs from base + 16 and ss from base + 8: the 32-bit code segment is the base. */
    arch_wrmsr(MSR_STAR, (uint64_t)ARCH_UCS32 << 48 | (uint64_t)ARCH_KCS << 32);
    arch_wrmsr(MSR_LSTAR, (uint64_t)arch_syscall_entry);
    arch_wrmsr(MSR_FMASK, 0x257fd5); /* all but the reserved one: IF, TF, DF, NT, AC, arithmetic */
    if (arch_cpu.rdtscp)
        arch_wrmsr(MSR_TSC_AUX, c->index);
}
