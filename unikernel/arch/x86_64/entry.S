/* SPDX-License-Identifier: BSD-3-Clause */
/* The ways into the kernel and out of it, and the switch of kernel stacks. */
#include "asm.h"

    .text

/* Registers between vector and stack pointer, in the order of struct arch_frame. */
    .macro PUSH_REGS
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %rax
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    .endm

    .macro POP_REGS
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rax
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
    .endm

/* System call. The flags mask cleared IF, DF and TF; rcx and r11 hold rip and rflags, and go into
 * the frame as such: what Linux's programs see. */
    .globl arch_syscall_entry
    .type arch_syscall_entry, @function
    .align 64
arch_syscall_entry:
    swapgs
    movq %rsp, %gs:ARCH_CORE_USER_RSP
    movq %gs:ARCH_CORE_KSTACK, %rsp
    pushq $ARCH_UDS
    pushq %gs:ARCH_CORE_USER_RSP
    pushq %r11
    pushq $ARCH_UCS
    pushq %rcx
    pushq $0
    pushq $0x100                /* ARCH_VECTOR_SYSCALL */
    PUSH_REGS
    xorl %ebp, %ebp
    movq %rsp, %rdi
    call arch_syscall
    testb %al, %al
    jz arch_leave
    POP_REGS
    movq (ARCH_FRAME_RSP - ARCH_FRAME_VECTOR)(%rsp), %rsp
    swapgs
    sysretq
    .size arch_syscall_entry, . - arch_syscall_entry

/* Exceptions and interrupts. */
    .type trap_common, @function
    .align 16
trap_common:
    testb $3, (ARCH_FRAME_CS - ARCH_FRAME_VECTOR)(%rsp)
    jz 1f
    swapgs
    PUSH_REGS
    cld
    xorl %ebp, %ebp
    movq %rsp, %rdi
    call arch_trap_user
/* Out to user mode with the frame at rsp; arch_user_prepare() has made it safe for iretq. */
    .globl arch_leave
arch_leave:
    POP_REGS
    addq $16, %rsp
    swapgs
    iretq
1:  PUSH_REGS
    cld
    movq %rsp, %rdi
    call arch_trap_kernel
    POP_REGS
    addq $16, %rsp
    iretq
    .size trap_common, . - trap_common

/* Double fault, NMI, machine check: on a stack of their own, gs unknown. The lowest word of that
 * stack holds the core's data. Never returns. */
    .type trap_fatal, @function
trap_fatal:
    PUSH_REGS
    cld
    movq %rsp, %rax
    andq $-ARCH_IST_STACK_SIZE, %rax
    movq (%rax), %rax
    movq %rax, %rdx
    shrq $32, %rdx
    movl $ARCH_MSR_GS_BASE, %ecx
    wrmsr
    movq %rsp, %rdi
    call arch_trap_fatal
    ud2
    .size trap_fatal, . - trap_fatal

    .globl arch_stubs
    .type arch_stubs, @function
    .align 16
arch_stubs:
    .set vec, 0
    .rept 256
    .align 16
    .if (vec != 8) && (vec != 10) && (vec != 11) && (vec != 12) && (vec != 13) && (vec != 14) && (vec != 17) && (vec != 21) && (vec != 29) && (vec != 30)
    pushq $0
    .endif
    pushq $vec
    .if (vec == 2) || (vec == 8) || (vec == 18)
    jmp trap_fatal
    .else
    jmp trap_common
    .endif
    .set vec, vec + 1
    .endr
    .size arch_stubs, . - arch_stubs

/* void arch_switch_stack(uint64_t *save, uint64_t next) */
    .globl arch_switch_stack
    .type arch_switch_stack, @function
    .align 16
arch_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size arch_switch_stack, . - arch_switch_stack

/* First instruction of a new thread: rbx = function, r12 = argument. */
    .globl arch_thread_begin
    .type arch_thread_begin, @function
arch_thread_begin:
    movq %r12, %rdi
    call *%rbx
    ud2
    .size arch_thread_begin, . - arch_thread_begin

/* void arch_leave_with(struct arch_frame *f) */
    .globl arch_leave_with
    .type arch_leave_with, @function
arch_leave_with:
    movq %rdi, %rsp
    jmp arch_leave
    .size arch_leave_with, . - arch_leave_with

    .section .note.GNU-stack, "", @progbits
