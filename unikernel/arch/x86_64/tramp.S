/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the other cores start: copied to ARCH_TRAMPOLINE, entered in real mode by the start-up IPI,
 * leaves for long mode on the boot page tables. */
#include "asm.h"

#define PHYS(x) ((x) - ARCH_KVMA)
#define AT(x)   (ARCH_TRAMPOLINE + (x) - arch_tramp_start)

    .section .rodata.tramp, "a"
    .globl arch_tramp_start, arch_tramp_end
    .align 16
arch_tramp_start:
    .code16
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl AT(gdtr)
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $0x08, $AT(protected)

    .code32
protected:
    movl $ARCH_KDS, %eax
    movl %eax, %ds
    movl %eax, %ss
    movl $ARCH_CR4_PAE, %eax
    movl %eax, %cr4
    movl $PHYS(arch_boot_pml4), %eax
    movl %eax, %cr3
    movl $ARCH_MSR_EFER, %ecx
    movl $ARCH_EFER_BOOT, %eax
    xorl %edx, %edx
    wrmsr
    movl $ARCH_CR0_BOOT, %eax
    movl %eax, %cr0
    ljmp $ARCH_KCS, $AT(long_mode)

    .code64
long_mode:
    movabsq $arch_core_entry, %rax
    jmp *%rax

    .align 8
gdt:
    .quad 0
    .quad 0x00cf9a000000ffff    /* 0x08: 32-bit code */
    .quad 0x00af9a000000ffff    /* ARCH_KCS: 64-bit code */
    .quad 0x00cf92000000ffff    /* ARCH_KDS */
gdtr:
    .word . - gdt - 1
    .long AT(gdt)
arch_tramp_end:

    .text
    .type arch_core_entry, @function
arch_core_entry:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movq arch_kernel_cr3, %rax
    movq %rax, %cr3
    movl $1, %eax
    cpuid
    shrl $24, %ebx              /* local APIC id = core */
    movl %ebx, %edi
    movq $arch_start_stacks, %rax
    movq (%rax, %rdi, 8), %rsp
    xorl %ebp, %ebp
    pushq $0
    pushq $0
    call arch_core_start
    ud2
    .size arch_core_entry, . - arch_core_entry

    .section .note.GNU-stack, "", @progbits
