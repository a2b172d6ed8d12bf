/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers that assembly and C share. */
#ifndef ARCH_ASM_H
#define ARCH_ASM_H

#ifdef __ASSEMBLY__
#define ARCH_U64(x) x
#else
#define ARCH_U64(x) x##ull
#endif

/* Address space. */
#define ARCH_KVMA       ARCH_U64(0xffffffff80000000) /* kernel image: physical 0 */
#define ARCH_DIRECT     ARCH_U64(0xffff800000000000) /* direct map of RAM */
#define ARCH_STACKS     ARCH_U64(0xfffffe8000000000) /* kernel stacks with guard pages */
#define ARCH_MMIO       ARCH_U64(0xffffff0000000000) /* device memory, uncached */
#define ARCH_USER_END   ARCH_U64(0x0000800000000000) /* first address that is not a program's */

#define ARCH_TRAMPOLINE 0x8000 /* page below 1 MiB where other cores start */

/* Segments, numbered as Linux does: programs see them in signal frames. */
#define ARCH_KCS      0x10
#define ARCH_KDS      0x18
#define ARCH_UCS32    0x23
#define ARCH_UDS      0x2b
#define ARCH_UCS      0x33
#define ARCH_TSS      0x40
#define ARCH_LSL      0x7b /* its limit is the core's number, for the vDSO's getcpu */
#define ARCH_GDT_SIZE 0x80

/* Control registers and MSRs. */
#define ARCH_CR0_BOOT    0x80010033 /* PG WP NE ET MP PE */
#define ARCH_CR4_PAE     0x20
#define ARCH_MSR_EFER    0xc0000080
#define ARCH_EFER_BOOT   0x901 /* NXE LME SCE */
#define ARCH_MSR_GS_BASE 0xc0000101

/* struct arch_core, by gs. */
#define ARCH_CORE_SELF     0
#define ARCH_CORE_KSTACK   8
#define ARCH_CORE_USER_RSP 16
#define ARCH_CORE_INDEX    24

/* struct arch_frame. */
#define ARCH_FRAME_VECTOR   120
#define ARCH_FRAME_RIP      136
#define ARCH_FRAME_CS       144
#define ARCH_FRAME_RSP      160
#define ARCH_FRAME_SIZE     176

#define ARCH_IST_STACK_SIZE 4096

#endif
