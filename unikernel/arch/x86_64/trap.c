/* SPDX-License-Identifier: BSD-3-Clause */
/* Exceptions and interrupts, from user mode and from the kernel; the way back to user mode. */
#include "core.h"
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/lock.h>
#include <toro/sched.h>

struct gate {
    uint16_t low, cs;
    uint8_t ist, type;
    uint16_t mid;
    uint32_t high, reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct gate) == 16, "IDT gate layout");

/* An entry of .extable: places relative to the words themselves (uaccess.S). */
struct fixup {
    int32_t from, to;
};

extern const char arch_stubs[];
extern const struct fixup arch_extable_start[], arch_extable_end[];

static struct gate idt[256] __attribute__((aligned(4096)));
static struct toro_spinlock irq_lock = TORO_SPINLOCK_INIT;

static const char *const exception_name[32] = {"divide error",
                                               "debug",
                                               "NMI",
                                               "breakpoint",
                                               "overflow",
                                               "bound",
                                               "invalid opcode",
                                               "no FPU",
                                               "double fault (kernel stack overflow?)",
                                               "9",
                                               "invalid TSS",
                                               "segment not present",
                                               "stack fault",
                                               "general protection",
                                               "page fault",
                                               "15",
                                               "x87 error",
                                               "alignment check",
                                               "machine check",
                                               "SIMD error",
                                               "virtualization",
                                               "control protection"};

void arch_idt_setup(void)
{
    for (unsigned v = 0; v < 256; v++) {
        uint64_t to = (uint64_t)arch_stubs + 16 * v;
        /* int3 and into are for programs; everything else is not to be raised by them. */
        unsigned dpl = v == 3 || v == 4 ? 3 : 0;

        idt[v].low = (uint16_t)to;
        idt[v].mid = (uint16_t)(to >> 16);
        idt[v].high = (uint32_t)(to >> 32);
        idt[v].cs = ARCH_KCS;
        idt[v].type = (uint8_t)(0x8e | dpl << 5);
        idt[v].ist = v == 8 || v == 18 ? ARCH_IST_FATAL : v == 2 ? ARCH_IST_NMI : 0;
    }
}

void arch_idt_load(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idtr = {sizeof(idt) - 1, (uint64_t)idt};

    __asm__ volatile("lidt %0" ::"m"(idtr));
}

bool arch_fixup(struct arch_frame *f)
{
    for (const struct fixup *x = arch_extable_start; x < arch_extable_end; x++) {
        if ((uint64_t)&x->from + (uint64_t)(int64_t)x->from == f->rip) {
            f->rip = (uint64_t)&x->to + (uint64_t)(int64_t)x->to;
            return true;
        }
    }
    return false;
}

int arch_irq_alloc(unsigned core, void (*fn)(void *), void *arg)
{
    struct arch_core *c = arch_cores[core];
    int vector = -ENOSPC;

    toro_spin_lock(&irq_lock);
    for (unsigned i = 0; i < ARCH_NIRQ && vector < 0; i++) {
        if (c->irq[i].fn == NULL) {
            c->irq[i].arg = arg;
            __atomic_store_n(&c->irq[i].fn, fn, __ATOMIC_RELEASE);
            vector = (int)(ARCH_VECTOR_FIRST_IRQ + i);
        }
    }
    toro_spin_unlock(&irq_lock);
    return vector;
}

uint64_t arch_irq_count(unsigned core, enum arch_irq_kind kind)
{
    return atomic_load_explicit(&arch_cores[core]->nirqs[kind], memory_order_relaxed);
}

static void count_irq(struct arch_core *c, unsigned vector)
{
    _Atomic uint64_t *n = &c->nirqs[vector == ARCH_VECTOR_IPI     ? ARCH_IRQ_IPI
                                    : vector == ARCH_VECTOR_TIMER ? ARCH_IRQ_TIMER
                                    : vector == ARCH_VECTOR_TLB   ? ARCH_IRQ_TLB
                                                                  : ARCH_IRQ_DEVICE];

    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

void arch_irq_dispatch(unsigned vector)
{
    struct arch_core *c = arch_this();

    if (vector == ARCH_VECTOR_SPURIOUS)
        return;
    arch_apic_eoi();
    count_irq(c, vector);
    if (vector == ARCH_VECTOR_IPI) {
        toro_on_ipi();
    } else if (vector == ARCH_VECTOR_TIMER) {
        arch_timer_fired();
    } else if (vector == ARCH_VECTOR_TLB) {
        arch_tlb_serve();
    } else if (vector >= ARCH_VECTOR_FIRST_IRQ && vector <= ARCH_VECTOR_LAST_IRQ) {
        struct arch_irq *i = &c->irq[vector - ARCH_VECTOR_FIRST_IRQ];

        if (i->fn != NULL)
            i->fn(i->arg);
        else
            toro_printk(1, "core %u: unexpected interrupt %u", c->index, vector);
    } else {
        toro_printk(1, "core %u: unexpected interrupt %u", c->index, vector);
    }
}

/* Flags a program may hold; the rest is the kernel's. */
#define USER_FLAGS 0x250dd5ull
#define FLAG_IF    0x200ull
#define FLAG_TF    0x100ull
#define FLAG_RF    0x10000ull

void arch_user_prepare(struct arch_frame *f)
{
    /* iretq and sysret would fault in the kernel on an address that cannot be a program's. */
    while (toro_unlikely(f->rip >= ARCH_USER_END)) {
        f->vector = 13;
        f->error = 0;
        toro_user_fault(f, 0);
        toro_user_return(f, false);
    }
    f->cs = ARCH_UCS;
    f->ss = ARCH_UDS;
    f->rflags = (f->rflags & USER_FLAGS) | FLAG_IF | 2;
}

bool arch_syscall(struct arch_frame *f)
{
    toro_syscall(f);
    toro_user_return(f, false);
    arch_user_prepare(f);
    /* sysret loads rip from rcx and the flags from r11: right unless a signal or sigreturn has
     * changed the frame. */
    return f->vector == ARCH_VECTOR_SYSCALL && f->rcx == f->rip && f->r11 == f->rflags &&
           !(f->rflags & (FLAG_TF | FLAG_RF));
}

void arch_trap_user(struct arch_frame *f)
{
    bool interrupt = f->vector >= 32;

    if (interrupt) {
        arch_irq_dispatch((unsigned)f->vector);
    } else {
        uint64_t cr2 = f->vector == 14 ? arch_read_cr2() : 0;

        if (f->vector == 14 && arch_fault_spurious(cr2, f->error))
            return;
        toro_user_fault(f, cr2);
    }
    toro_user_return(f, interrupt);
    arch_user_prepare(f);
}

void arch_trap_kernel(struct arch_frame *f)
{
    struct arch_core *c = arch_this();
    struct arch_frame *outer = c->trap;
    uint64_t cr2 = 0;

    if (f->vector >= 32) {
        arch_tlb_idle_leave(); /* only the idle loop has interrupts on */
        arch_irq_dispatch((unsigned)f->vector);
        return;
    }
    if (f->vector == 14) {
        cr2 = arch_read_cr2();
        if (arch_fault_spurious(cr2, f->error))
            return;
    }
    if ((f->vector == 13 || f->vector == 14) && arch_fixup(f))
        return;
    c->trap = f;
    if (f->vector == 14)
        toro_panic("page fault in the kernel: %s of 0x%lx%s",
                   f->error & 16  ? "execution"
                   : f->error & 2 ? "write"
                                  : "read",
                   cr2, f->error & 1 ? " (not allowed)" : " (not mapped)");
    toro_panic("exception %u in the kernel: %s, error 0x%lx", (unsigned)f->vector,
               exception_name[f->vector] ? exception_name[f->vector] : "?", f->error);
    c->trap = outer;
}

void arch_trap_fatal(struct arch_frame *f)
{
    if (f->vector == 2 && arch_panicking())
        arch_halt();
    arch_this()->trap = f;
    toro_panic("exception %u: %s", (unsigned)f->vector, exception_name[f->vector]);
}
