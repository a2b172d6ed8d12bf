/* SPDX-License-Identifier: BSD-3-Clause */
/* Kernel stacks with a thread's first frame, and the switch between threads. */
#include "core.h"
#include <toro/errno.h>
#include <toro/lib.h>

void arch_switch_stack(uint64_t *save, uint64_t next);
void arch_thread_begin(void);
_Noreturn void arch_leave_with(struct arch_frame *f);

int arch_thread_init(struct arch_thread *t, void (*fn)(void *), void *arg, bool user)
{
    uint64_t *sp;

    toro_memset(t, 0, sizeof(*t));
    t->fpu_core = ~0u;
    t->kstack = arch_stack_alloc();
    if (t->kstack == 0)
        return -ENOMEM;
    t->kstack_size = ARCH_STACK_SIZE;
    if (user) {
        /* Sizes from 64 bytes on are 64-byte aligned by the heap. */
        t->fpu = toro_kmalloc(TORO_ALIGN_UP(arch_fpu_size(), 64ul));
        if (t->fpu == NULL) {
            arch_stack_free(t->kstack);
            t->kstack = 0;
            return -ENOMEM;
        }
        TORO_ASSERT(((uint64_t)t->fpu & 63) == 0);
        arch_fpu_init(t->fpu);
    }
    toro_memset(arch_user_frame(t), 0, sizeof(struct arch_frame));
    /* As arch_switch_stack() leaves it: r15 r14 r13 r12 rbx rbp, return address; then the end of
     * the frame chain. The function is entered with the stack as after a call. */
    sp = (uint64_t *)arch_user_frame(t);
    *--sp = 0;
    *--sp = 0;
    *--sp = (uint64_t)arch_thread_begin;
    *--sp = 0;             /* rbp */
    *--sp = (uint64_t)fn;  /* rbx */
    *--sp = (uint64_t)arg; /* r12 */
    *--sp = 0;
    *--sp = 0;
    *--sp = 0;
    t->rsp = (uint64_t)sp;
    return 0;
}

void arch_thread_free(struct arch_thread *t)
{
    for (unsigned i = 0; i < arch_ncores(); i++)
        TORO_ASSERT(arch_cores[i]->cur != t);
    if (t->kstack != 0)
        arch_stack_free(t->kstack);
    toro_kfree(t->fpu);
    t->kstack = 0;
    t->fpu = NULL;
}

static void bases_save(struct arch_thread *t)
{
    if (arch_cpu.fsgsbase)
        __asm__ volatile("rdfsbase %0" : "=r"(t->fs_base));
    else
        t->fs_base = arch_rdmsr(MSR_FS_BASE);
    t->gs_base = arch_rdmsr(MSR_KERNEL_GS_BASE); /* swapgs parked it there */
}

static void fs_load(uint64_t base)
{
    if (arch_cpu.fsgsbase)
        __asm__ volatile("wrfsbase %0" ::"r"(base));
    else
        arch_wrmsr(MSR_FS_BASE, base);
}

void arch_switch(struct arch_thread *prev, struct arch_thread *next)
{
    struct arch_core *c = arch_this();

    if (prev->fpu != NULL) {
        bases_save(prev);
        arch_fpu_save(prev->fpu);
        prev->fpu_core = c->index;
        c->fpu_last = prev;
    }
    if (next->fpu != NULL) {
        fs_load(next->fs_base);
        arch_wrmsr(MSR_KERNEL_GS_BASE, next->gs_base);
        /* Nothing to restore if the registers still hold it and it ran nowhere else since. */
        if (c->fpu_last != next || next->fpu_core != c->index) {
            if (arch_fpu_restore(next->fpu) != 0)
                toro_panic("saved FPU state of a thread is invalid");
            c->fpu_last = next;
            next->fpu_core = c->index;
        }
        c->kstack_top = next->kstack + next->kstack_size;
        c->tss.rsp[0] = c->kstack_top;
    }
    c->cur = next;
    arch_switch_stack(&prev->rsp, next->rsp);
}

struct arch_frame *arch_user_frame(struct arch_thread *t)
{
    return (struct arch_frame *)(t->kstack + t->kstack_size) - 1;
}

void arch_enter_user(struct arch_thread *t)
{
    struct arch_frame *f = arch_user_frame(t);

    arch_user_prepare(f);
    arch_leave_with(f);
}

void arch_set_fs(struct arch_thread *t, uint64_t base)
{
    t->fs_base = base;
    if (arch_this()->cur == t)
        fs_load(base);
}
