/* SPDX-License-Identifier: BSD-3-Clause */
/* PVH entry: 32-bit protected mode, paging off, ebx = start info. Builds the boot page tables
 * (1 GiB identity, the same at the direct map and at the image's address), enters long mode. */
#include "asm.h"

#define PHYS(x) ((x) - ARCH_KVMA)

    .section .note.Xen, "a", @note
    .align 4
    .long 4, 8, 18              /* namesz, descsz, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad PHYS(arch_entry32)

    .section .boot, "ax"
    .code32
    .globl arch_entry32
    .type arch_entry32, @function
arch_entry32:
    cli
    cld
    rdtsc
    movl %eax, %ebp             /* entry time: edx:ebp */
    movl %edx, %esp
    /* Clear .bss: nobody promises it. */
    movl $PHYS(arch_bss_start), %edi
    movl $PHYS(arch_bss_end), %ecx
    subl %edi, %ecx
    shrl $2, %ecx
    xorl %eax, %eax
    rep stosl

    /* 512 pages of 2 MiB. */
    movl $PHYS(boot_pd), %edi
    movl $0x83, %eax            /* P RW PS */
    movl $512, %ecx
1:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    decl %ecx
    jnz 1b
    movl $PHYS(boot_pd) + 3, PHYS(boot_pdpt_low)
    movl $PHYS(boot_pd) + 3, PHYS(boot_pdpt_high) + 510 * 8
    movl $PHYS(boot_pdpt_low) + 3, PHYS(arch_boot_pml4)
    movl $PHYS(boot_pdpt_low) + 3, PHYS(arch_boot_pml4) + 256 * 8
    movl $PHYS(boot_pdpt_high) + 3, PHYS(arch_boot_pml4) + 511 * 8

    movl $ARCH_CR4_PAE, %eax
    movl %eax, %cr4
    movl $PHYS(arch_boot_pml4), %eax
    movl %eax, %cr3
    movl $ARCH_MSR_EFER, %ecx
    movl $ARCH_EFER_BOOT, %eax
    movl %esp, %esi             /* wrmsr needs edx */
    xorl %edx, %edx
    wrmsr
    movl $ARCH_CR0_BOOT, %eax
    movl %eax, %cr0
    lgdt PHYS(boot_gdtr)
    ljmp $ARCH_KCS, $PHYS(1f)

    .code64
1:  movabsq $2f, %rax
    jmp *%rax
2:  xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movq $arch_boot_stack_top, %rsp
    movl %ebx, %edi             /* start info */
    movl %ebp, %ebp
    shlq $32, %rsi
    orq %rbp, %rsi              /* entry TSC */
    xorl %ebp, %ebp
    pushq $0
    pushq $0
    call arch_start
    ud2
    .size arch_entry32, . - arch_entry32

    .align 8
boot_gdt:
    .quad 0, 0
    .quad 0x00af9a000000ffff    /* ARCH_KCS: 64-bit code */
    .quad 0x00cf92000000ffff    /* ARCH_KDS */
boot_gdtr:
    .word . - boot_gdt - 1
    .long PHYS(boot_gdt)

    .section .bss.boot, "aw", @nobits
    .align 4096
    .globl arch_boot_pml4
arch_boot_pml4:
    .skip 4096
boot_pdpt_low:
    .skip 4096
boot_pdpt_high:
    .skip 4096
boot_pd:
    .skip 4096
    .globl arch_boot_guard      /* left out of the final page tables */
arch_boot_guard:
    .skip 4096
    .skip 16384
    .globl arch_boot_stack_top
arch_boot_stack_top:

    .section .note.GNU-stack, "", @progbits
