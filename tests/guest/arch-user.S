/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that the self-test kernel copies into the region and runs in user mode. rdi = address of
 * the data page, rsi = an argument. A fault makes them go on at the address in r15. */
#include "arch-kernel.h"

    .macro SYS nr
    movl $\nr, %eax
    syscall
    .endm

    /* Result 0 if the flags say equal, else the code. */
    .macro CHECK_EQ code
    movl $0, %edi
    je 7f
    movl $\code, %edi
7:  SYS T_RESULT
    .endm

    /* The vector of the last fault must be `vec`; r14 = data page. */
    .macro FAULTED vec, code
    cmpq $\vec, D_FAULT(%r14)
    CHECK_EQ \code
    movq $0, D_FAULT(%r14)
    .endm

    .macro RESUME_AT label
    leaq \label(%rip), %r15
    .endm

    .section .rodata.user, "a"
    .globl user_start, user_end, user_main, user_fpu, user_peer
    .balign 4096
user_start:

user_main:
    movq %rdi, %r14
    /* 1: registers across a system call; rcx and r11 as Linux has them. */
    movq %rsp, %r15
    movq $0x1111111111111111, %rbx
    movq $0x2222222222222222, %rbp
    movq $0x3333333333333333, %r12
    movq $0x4444444444444444, %r13
    movq $0x5555555555555555, %rdx
    movq $0x6666666666666666, %r8
    movq $0x7777777777777777, %r9
    movq $0x7777777777777778, %r10
    xorl %edi, %edi
    movl $0x1234567, %esi
    stc
    std
    SYS T_RESULT
1:  pushfq
    cld
    popq %rax
    leaq 1b(%rip), %rdi
    cmpq %rdi, %rcx
    CHECK_EQ 10
    movq %rsp, %rax
    cmpq %rax, %r15
    CHECK_EQ 11
    cmpl $0x1234567, %esi
    CHECK_EQ 12
    movq $0x1111111111111111, %rax
    cmpq %rax, %rbx
    CHECK_EQ 13
    movq $0x2222222222222222, %rax
    cmpq %rax, %rbp
    CHECK_EQ 14
    movq $0x3333333333333333, %rax
    cmpq %rax, %r12
    CHECK_EQ 15
    movq $0x4444444444444444, %rax
    cmpq %rax, %r13
    CHECK_EQ 16
    movq $0x5555555555555555, %rax
    cmpq %rax, %rdx
    CHECK_EQ 17
    movq $0x6666666666666666, %rax
    cmpq %rax, %r8
    CHECK_EQ 18
    movq $0x7777777777777777, %rax
    cmpq %rax, %r9
    CHECK_EQ 19
    movq $0x7777777777777778, %rax
    cmpq %rax, %r10
    CHECK_EQ 20

    /* 2: exceptions. */
    RESUME_AT 2f
    ud2
2:  FAULTED 6, 30
    RESUME_AT 2f
    xorl %eax, %eax
    xorl %edx, %edx
    divl %eax
2:  FAULTED 0, 31
    RESUME_AT 2f
    int3
2:  FAULTED 3, 32
    RESUME_AT 2f
    movl $0x5678, %eax
    movl %eax, (%rax)
2:  FAULTED 14, 33
    cmpq $0x5678, D_CR2(%r14)
    CHECK_EQ 34
    cmpq $6, D_ERROR(%r14)
    CHECK_EQ 35
    RESUME_AT 2f
    movq $0x8000000000000000, %rax
    movl %eax, (%rax)
2:  FAULTED 13, 36
    RESUME_AT 2f
    cli
2:  FAULTED 13, 37
    RESUME_AT 2f
    int $0x80
2:  FAULTED 13, 38
    RESUME_AT 2f
    movl $0x3f8, %edx
    outb %al, %dx
2:  FAULTED 13, 39
    RESUME_AT 2f
    movq $0xffffffff80100000, %rax
    movl (%rax), %eax
2:  FAULTED 14, 40
    RESUME_AT 2f
    movq $0xffff800000100000, %rax
    jmp *%rax
2:  FAULTED 14, 41
    RESUME_AT 2f
    SYS T_BAD_RIP
2:  FAULTED 13, 42

    /* 3: a timer interrupt in user code changes the flag that it spins on. */
3:  pause
    cmpq $0, D_STOP(%r14)
    je 3b
    xorl %edi, %edi
    SYS T_RESULT

    /* 4: a frame set by the kernel: every register. */
    leaq 4f(%rip), %rdi
    SYS T_FRAME
    ud2
4:  cmpq $1, %rax
    jne 5f
    cmpq $2, %rcx
    jne 5f
    cmpq $3, %r11
    jne 5f
    cmpq $4, %rbx
    jne 5f
    cmpq $5, %r15
5:  CHECK_EQ 50

    /* 5: protection of the data page's neighbour (at +4096). */
    movl $0, %edi
    SYS T_PROTECT
    RESUME_AT 2f
    movl 4096(%r14), %eax
2:  FAULTED 14, 60
    movl $1, %edi               /* read */
    SYS T_PROTECT
    movl 4096(%r14), %eax
    RESUME_AT 2f
    movl %eax, 4096(%r14)
2:  FAULTED 14, 61
    movl $3, %edi               /* read, write */
    SYS T_PROTECT
    movl $0x90c3, 4096(%r14)    /* ret */
    RESUME_AT 2f
    leaq 4096(%r14), %rax
    call *%rax
2:  FAULTED 14, 62
    movl $7, %edi
    SYS T_PROTECT
    movq %r14, %rsp
    addq $4096, %rsp
    leaq 4096(%r14), %rax
    call *%rax
    xorl %edi, %edi
    SYS T_RESULT

    /* 6: the core's number without a system call. */
    movl $0x7b, %eax
    lsll %eax, %eax
    cmpl $0, %eax
    CHECK_EQ 70

    /* 7: core 1 reads the page all the time; it faults when the page goes away. */
    xorl %edi, %edi
    SYS T_PEER
3:  pause
    cmpq $1000, D_SPIN(%r14)
    jb 3b
    movl $0, %edi
    SYS T_PROTECT
    movl $1, %edi
    SYS T_PEER
    SYS T_EXIT
    ud2

/* Two threads: vector registers, fs and gs base stay each one's own. rsi = pattern. */
user_fpu:
    movq %rdi, %r14
    movq %rsi, %xmm0
    movq %rsi, %xmm15
    movl $7, %eax
    xorl %ecx, %ecx
    cpuid
    movl %ebx, %r13d            /* bit 0: FSGSBASE */
    testb $1, %r13b
    jz 3f
    wrfsbase %rsi
    wrgsbase %rsi
3:  movl $1000, %r12d
1:  SYS T_YIELD
    movq %xmm0, %rax
    cmpq %rax, %rsi
    jne 2f
    movq %xmm15, %rax
    cmpq %rax, %rsi
    jne 2f
    testb $1, %r13b
    jz 3f
    rdfsbase %rax
    cmpq %rax, %rsi
    jne 2f
    rdgsbase %rax
    cmpq %rax, %rsi
    jne 2f
3:  decl %r12d
    jnz 1b
    cmpl %r12d, %r12d
2:  CHECK_EQ 80
    SYS T_EXIT
    ud2

/* On core 1. */
user_peer:
    movq %rdi, %r14
1:  movl 4096(%r14), %eax
    lock incq D_SPIN(%r14)
    jmp 1b

    .balign 4096
user_end:
    .section .note.GNU-stack, "", @progbits
