/* SPDX-License-Identifier: BSD-3-Clause */
/* FPU and vector state. The kernel itself uses none of it, so the registers always hold the state
 * of the user thread that ran last on the core. */
#include "core.h"
#include <toro/errno.h>
#include <toro/lib.h>

#define MXCSR_MASK 0xffffu

int arch_xrstor(const void *area, uint64_t mask);
int arch_fxrstor(const void *area);

/* An emulator does xsave and xrstor word by word: a switch would cost some microseconds. Moves of
 * vector registers it translates as such, so that is what is used there, into an area of the same
 * layout. It serves threads whose x87 unit is as it was in the beginning, and that is nearly all:
 * only long double and MMX use it. */
#define FPU_MOVED  7ull /* components that are moved: x87, SSE, AVX */
#define FPU_X87    0x37full
#define FPU_YMM_HI 576u

struct x87_env {
    uint32_t control, status, tags, rest[4];
};

static bool moves;

static void moves_setup(void)
{
    uint32_t r[4] = {0};

    if (arch_cpu.max_leaf >= 0xd)
        arch_cpuid(0xd, 2, r);
    moves = arch_cpu.emulated && arch_cpu.xsave && arch_cpu.xcr0 == FPU_MOVED && r[0] == 256 &&
            r[1] == FPU_YMM_HI;
}

#define EACH_REGISTER(op)                                                                          \
    op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) \
        op(15)

static void header_set(void *area, uint64_t components)
{
    uint64_t *h = (uint64_t *)((char *)area + 512);

    h[0] = components;
    h[1] = h[2] = h[3] = h[4] = h[5] = h[6] = h[7] = 0;
}

/* @return false if the state is not one of those that it serves; nothing is saved then. */
static bool save_by_moves(void *area)
{
    uint64_t *a = area;
    struct x87_env env;

    /* fnstenv masks all exceptions, which is no change if it finds them masked. */
    __asm__ volatile("fnstenv %0" : "=m"(env));
    if ((uint16_t)env.control != FPU_X87 || (uint16_t)env.tags != 0xffff ||
        (uint16_t)env.status != 0) {
        __asm__ volatile("fldenv %0" ::"m"(env));
        return false;
    }
    a[0] = FPU_X87; /* and status, tags (none valid), opcode: 0 */
    a[1] = a[2] = 0;
    ((uint32_t *)area)[7] = MXCSR_MASK;
#define SAVE(i)                                                                                    \
    "vmovups %%xmm" #i ", 160 + 16 * " #i "(%0)\n\t"                                               \
    "vextractf128 $1, %%ymm" #i ", 576 + 16 * " #i "(%0)\n\t"
    __asm__ volatile("stmxcsr 24(%0)\n\t" EACH_REGISTER(SAVE)::"r"(area) : "memory");
    header_set(area, FPU_MOVED);
    return true;
}

static bool restore_by_moves(const void *area)
{
    const uint64_t *a = area, *h = (const uint64_t *)((const char *)area + 512);

    if (h[0] != FPU_MOVED || h[1] != 0 || h[2] != 0 || (a[0] & 0xffffffffffffull) != FPU_X87)
        return false;
#define LOAD(i)                                                                                    \
    "vmovups 160 + 16 * " #i "(%0), %%xmm" #i "\n\t"                                               \
    "vinsertf128 $1, 576 + 16 * " #i "(%0), %%ymm" #i ", %%ymm" #i "\n\t"
    __asm__ volatile("fninit; ldmxcsr 24(%0)\n\t" EACH_REGISTER(LOAD)::"r"(area) : "memory");
    return true;
}

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
    moves_setup();
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

    if (moves && save_by_moves(area))
        return;
    if (arch_cpu.xsave) {
        /* xsave writes only part of the header; the rest must be zero for xrstor. */
        header_set(area, 0);
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
    if (moves && restore_by_moves(area))
        return 0;
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
