/* SPDX-License-Identifier: BSD-3-Clause */
/* Per-core data and what the files of this folder call in each other. */
#ifndef ARCH_CORE_H
#define ARCH_CORE_H

#include <toro/arch.h>
#include "asm.h"
#include "cpu.h"

#define ARCH_VECTOR_FIRST_IRQ 0x30u
#define ARCH_VECTOR_LAST_IRQ  0xdfu
#define ARCH_VECTOR_IPI       0xf0u
#define ARCH_VECTOR_TLB       0xf1u
#define ARCH_VECTOR_TIMER     0xf2u
#define ARCH_VECTOR_SPURIOUS  0xffu
#define ARCH_NIRQ             (ARCH_VECTOR_LAST_IRQ - ARCH_VECTOR_FIRST_IRQ + 1)

#define ARCH_IST_FATAL        1 /* double fault, machine check */
#define ARCH_IST_NMI          2

struct arch_tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, iomap;
} __attribute__((packed));
_Static_assert(sizeof(struct arch_tss) == 104, "TSS layout");

struct arch_irq {
    void (*fn)(void *);
    void *arg;
};

/** One per core; gs points to it while the kernel runs. */
struct arch_core {
    struct arch_core *self;
    uint64_t kstack_top; /**< kernel stack of the running user thread */
    uint64_t user_rsp;   /**< scratch of the system call entry */
    unsigned index;
    struct arch_thread *cur;      /**< thread that runs, NULL until the first switch */
    struct arch_thread *fpu_last; /**< thread whose FPU state is in the registers */
    struct arch_frame *trap;      /**< innermost trap taken in the kernel, for panics */
    uint64_t timer_when;          /**< what arch_timer_set() asked for */
    uint64_t timer_armed;         /**< when the hardware fires; UINT64_MAX: not */
    uint64_t boot_stack;          /**< top of the stack that the core starts on */
    char *ist;                    /**< two pages for the stacks of IST entries */
    _Atomic bool up;
    /* TLB shootdown (tlb.c) */
    _Atomic uint64_t nirqs[ARCH_IRQ_KINDS]; /**< written by this core alone */
    _Atomic uint64_t tlb_seen;
    _Atomic bool tlb_idle;
    uint64_t gdt[ARCH_GDT_SIZE / 8] __attribute__((aligned(64)));
    struct arch_tss tss __attribute__((aligned(64)));
    struct arch_irq irq[ARCH_NIRQ];
};
_Static_assert(offsetof(struct arch_core, self) == ARCH_CORE_SELF, "asm.h");
_Static_assert(offsetof(struct arch_core, kstack_top) == ARCH_CORE_KSTACK, "asm.h");
_Static_assert(offsetof(struct arch_core, user_rsp) == ARCH_CORE_USER_RSP, "asm.h");
_Static_assert(offsetof(struct arch_core, index) == ARCH_CORE_INDEX, "asm.h");
_Static_assert(offsetof(struct arch_frame, vector) == ARCH_FRAME_VECTOR, "asm.h");
_Static_assert(offsetof(struct arch_frame, rip) == ARCH_FRAME_RIP, "asm.h");
_Static_assert(offsetof(struct arch_frame, cs) == ARCH_FRAME_CS, "asm.h");
_Static_assert(offsetof(struct arch_frame, rsp) == ARCH_FRAME_RSP, "asm.h");
_Static_assert(sizeof(struct arch_frame) == ARCH_FRAME_SIZE, "asm.h");

extern struct arch_core *arch_cores[TORO_MAX_CORES];

static inline struct arch_core *arch_this(void)
{
    struct arch_core *c;

    __asm__ volatile("mov %%gs:%c1, %0" : "=r"(c) : "i"(ARCH_CORE_SELF));
    return c;
}

/* start.c */
void arch_start(uint64_t start_info, uint64_t tsc);
uint64_t arch_entry_tsc(void);

/* cpu.c */
void arch_cpu_detect(void);
/** Segments, IDT, gs, system call MSRs, control registers of the calling core. */
void arch_core_setup(struct arch_core *c, void *ist_fatal, void *ist_nmi);
void arch_fpu_setup(void);

/* trap.c, entry.S */
void arch_idt_setup(void);
void arch_idt_load(void);
void arch_user_prepare(struct arch_frame *f);
bool arch_syscall(struct arch_frame *f);
void arch_trap_user(struct arch_frame *f);
void arch_trap_kernel(struct arch_frame *f);
_Noreturn void arch_trap_fatal(struct arch_frame *f);
void arch_irq_dispatch(unsigned vector);
/** If an instruction that may fault did so: go on at its fix-up. */
bool arch_fixup(struct arch_frame *f);

/* apic.c */
void arch_apic_setup(void);
unsigned arch_apic_id(void);
void arch_apic_eoi(void);
void arch_apic_send(unsigned core, uint32_t low);
void arch_apic_stop_others(void);
void arch_apic_timer_calibrate_begin(void);
void arch_apic_timer_calibrate_end(uint64_t ns);
/** Interrupt this core at a time; toro_on_timer() is called only if arch_timer_set() asked for it.
 */
void arch_apic_timer_arm(uint64_t when_ns);
void arch_timer_fired(void);
#define ARCH_ICR_INIT    0x4500u
#define ARCH_ICR_STARTUP 0x4600u
#define ARCH_ICR_NMI     0x4400u
#define ARCH_ICR_FIXED   0x4000u

/* paging.c */
void arch_paging_init(uint64_t ram_top);
void arch_paging_use(void);
/** Kernel stack with a guard below. @return lowest byte or 0. */
uint64_t arch_stack_alloc(void);
void arch_stack_free(uint64_t base);
#define ARCH_STACK_SIZE (6 * TORO_PAGE_SIZE)
uint64_t *arch_pml4(void);

/* region.c */
/** The tables allow what the faulting access (page fault error code) wanted: a stale TLB entry. */
bool arch_fault_spurious(uint64_t va, uint64_t error);

/* tlb.c */
void arch_tlb_serve(void);
/** Flush [va, va + len) here; everywhere if all is true. Returns when done. */
void arch_tlb_flush(uint64_t va, uint64_t len, uint64_t cores);
void arch_tlb_idle_enter(void);
void arch_tlb_idle_leave(void);

/* time.c */
void arch_time_init(void);
/** TSC value at arch_now_ns() time ns. */
uint64_t arch_ns_to_tsc(uint64_t ns);

/* smp.c */
_Noreturn void arch_core_start(unsigned index);

/* serial.c */
void arch_console_init(void);

#endif
