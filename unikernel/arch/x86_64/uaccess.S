/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies that may fault. A fault at an address listed in .extable goes on at the address beside it
 * (arch_fixup()). Plain loads and stores: string instructions run one word per step under TCG. */

    .macro MAYFAULT from, to
    .pushsection .extable, "a"
    .long \from - ., \to - .
    .popsection
    .endm

    .text
/* size_t arch_copy_user(void *d, const void *s, size_t n): bytes not copied. */
    .globl arch_copy_user
    .type arch_copy_user, @function
    .align 16
arch_copy_user:
    cmpq $32, %rdx
    jb 2f
    .align 16
1:
10: movq (%rsi), %rax
11: movq 8(%rsi), %rcx
12: movq 16(%rsi), %r8
13: movq 24(%rsi), %r9
14: movq %rax, (%rdi)
15: movq %rcx, 8(%rdi)
16: movq %r8, 16(%rdi)
17: movq %r9, 24(%rdi)
    addq $32, %rsi
    addq $32, %rdi
    subq $32, %rdx
    cmpq $32, %rdx
    jae 1b
2:  cmpq $8, %rdx
    jb 4f
20: movq (%rsi), %rax
21: movq %rax, (%rdi)
    addq $8, %rsi
    addq $8, %rdi
    subq $8, %rdx
    jmp 2b
/* The tail, and byte by byte up to the fault when a word did not go. */
4:  testq %rdx, %rdx
    jz 5f
40: movb (%rsi), %al
41: movb %al, (%rdi)
    incq %rsi
    incq %rdi
    decq %rdx
    jmp 4b
5:  movq %rdx, %rax
    ret
    .size arch_copy_user, . - arch_copy_user
    MAYFAULT 10b, 4b
    MAYFAULT 11b, 4b
    MAYFAULT 12b, 4b
    MAYFAULT 13b, 4b
    MAYFAULT 14b, 4b
    MAYFAULT 15b, 4b
    MAYFAULT 16b, 4b
    MAYFAULT 17b, 4b
    MAYFAULT 20b, 4b
    MAYFAULT 21b, 4b
    MAYFAULT 40b, 5b
    MAYFAULT 41b, 5b

/* int arch_user_load32(const uint32_t *p, uint32_t *v) */
    .globl arch_user_load32
    .type arch_user_load32, @function
    .align 16
arch_user_load32:
1:  movl (%rdi), %eax
    movl %eax, (%rsi)
    xorl %eax, %eax
    ret
    MAYFAULT 1b, arch_user_efault
    .size arch_user_load32, . - arch_user_load32

/* int arch_user_cmpxchg32(uint32_t *p, uint32_t *expected, uint32_t desired): 0 done or not,
 * *expected holds what was there. */
    .globl arch_user_cmpxchg32
    .type arch_user_cmpxchg32, @function
    .align 16
arch_user_cmpxchg32:
    movl (%rsi), %eax
1:  lock cmpxchgl %edx, (%rdi)
    movl %eax, (%rsi)
    xorl %eax, %eax
    ret
    MAYFAULT 1b, arch_user_efault
    .size arch_user_cmpxchg32, . - arch_user_cmpxchg32

    .type arch_user_efault, @function
arch_user_efault:
    movl $-14, %eax
    ret
    .size arch_user_efault, . - arch_user_efault

/* int arch_xrstor(const void *area, uint64_t mask), int arch_fxrstor(const void *area): 0, or -EINVAL if
 * the area would fault. */
    .globl arch_xrstor
    .type arch_xrstor, @function
arch_xrstor:
    movl %esi, %eax
    movq %rsi, %rdx
    shrq $32, %rdx
1:  xrstor64 (%rdi)
    xorl %eax, %eax
    ret
    MAYFAULT 1b, arch_fpu_einval
    .size arch_xrstor, . - arch_xrstor

    .globl arch_fxrstor
    .type arch_fxrstor, @function
arch_fxrstor:
1:  fxrstor64 (%rdi)
    xorl %eax, %eax
    ret
    MAYFAULT 1b, arch_fpu_einval
    .size arch_fxrstor, . - arch_fxrstor

    .type arch_fpu_einval, @function
arch_fpu_einval:
    movl $-22, %eax
    ret
    .size arch_fpu_einval, . - arch_fpu_einval

    .section .note.GNU-stack, "", @progbits
