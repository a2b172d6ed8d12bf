/* SPDX-License-Identifier: BSD-3-Clause */
/* The hardware, as the portable kernel sees it. tests/hosted re-implements this list on pthreads.
 *
 * Interrupts: the kernel runs with interrupts off, always; they are taken in user mode and in
 * arch_idle() only. So interrupt handlers may take any lock, and nothing in the kernel is
 * preempted. */
#ifndef TORO_ARCH_H
#define TORO_ARCH_H

#include "types.h"

struct toro_thread;

/** Registers of user code at a system call, trap or interrupt; lies on the thread's kernel stack.
 */
struct arch_frame {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint64_t vector, error; /**< vector = ARCH_VECTOR_SYSCALL for system calls */
    uint64_t rip, cs, rflags, rsp, ss;
};
#define ARCH_VECTOR_SYSCALL 0x100u

/** Saved state of a thread that does not run; first member of struct toro_thread's arch part. */
struct arch_thread {
    uint64_t rsp;    /**< kernel stack pointer while switched out */
    uint64_t kstack; /**< lowest byte of the kernel stack */
    uint64_t kstack_size;
    uint64_t fs_base, gs_base;
    void *fpu;         /**< XSAVE area, 64-byte aligned; NULL for kernel threads */
    unsigned fpu_core; /**< core whose registers may still hold that state */
};

/* cores -------------------------------------------------------------------------------------------
 */
/** Number of cores that came up, and the index of this one (0 = boot core). */
unsigned arch_ncores(void);
#ifdef __TOROBUS_KERNEL__ /* the platform's own, inline */
#include "percpu.h"
#else
unsigned arch_core(void);
#endif
/** Start all other cores; each ends up in toro_core_main() with its own per-core data. @return
 * cores up. */
unsigned arch_start_cores(unsigned want);
/** Interrupt another core so that it leaves arch_idle() or user mode and runs toro_on_ipi(). */
void arch_ipi(unsigned core);
/** Interrupts that a core has taken since boot, by kind. */
enum arch_irq_kind { ARCH_IRQ_TIMER, ARCH_IRQ_IPI, ARCH_IRQ_TLB, ARCH_IRQ_DEVICE, ARCH_IRQ_KINDS };
uint64_t arch_irq_count(unsigned core, enum arch_irq_kind kind);
/** Sleep until the next interrupt. Checks and sleep are atomic: does nothing if
 * toro_core_must_run() is true once interrupts are masked. */
void arch_idle(void);
/** In a spin loop: pause, and serve TLB shootdowns asked for by other cores. */
void arch_relax(void);
_Noreturn void arch_exit(uint8_t code); /**< debug-exit port, then halt for ever */

/* threads -----------------------------------------------------------------------------------------
 */
/** Prepare t so that the first switch to it calls fn(arg) on its kernel stack (fn never returns).
 */
int arch_thread_init(struct arch_thread *t, void (*fn)(void *), void *arg, bool user);
void arch_thread_free(struct arch_thread *t);
/** Save prev, run next. FPU state and fs/gs bases move along for threads that have them. */
void arch_switch(struct arch_thread *prev, struct arch_thread *next);
/** The user-mode registers of a thread that is in the kernel (top of its kernel stack). */
struct arch_frame *arch_user_frame(struct arch_thread *t);
/** Leave for user mode with the registers in the thread's user frame. */
_Noreturn void arch_enter_user(struct arch_thread *t);
void arch_set_fs(struct arch_thread *t, uint64_t base); /**< takes effect at once if t is current */
/** Copy the current thread's FPU state (needed by clone and signal frames). */
size_t arch_fpu_size(void);
/** State components in it, as XCR0 names them; 0 if the area is a plain FXSAVE image. */
uint64_t arch_fpu_features(void);
void arch_fpu_save(void *area);
/** @return 0, or -EINVAL for an area that would fault. */
int arch_fpu_restore(const void *area);
void arch_fpu_init(void *area); /**< state of a new program */

/* memory ------------------------------------------------------------------------------------------
 */
#define ARCH_PROT_READ  1u
#define ARCH_PROT_WRITE 2u
#define ARCH_PROT_EXEC  4u
/** Map the bus region (physical pa) at TOROBUS_REGION_VA, user, read-write-execute, 1 GiB pages, on
 * all cores. */
int arch_map_region(uint64_t pa, uint64_t size);
/** Change the protection of [va, va + len) (page aligned, inside the region). 0 = no access. Splits
 * large pages; other cores' TLBs are flushed before return when access is taken away. @return 0 or
 * -ENOMEM. */
int arch_protect(uint64_t va, uint64_t len, unsigned prot);
/** As arch_protect(), but when access is taken away only these cores (and the caller's) are sure to
 * know at once. A translation never changes but where there is an alias (then all cores know), so
 * all that another core can do with an old one is what it might have done a moment before.
 * Order: no lock is taken. Calls on two cores at a time (arch_alias() too) must be for different
 * blocks of 2 MiB, and not for parts of one 1 GiB page that is still whole. */
int arch_protect_on(uint64_t va, uint64_t len, unsigned prot, uint64_t cores);
/**
 * Show other memory of the region, [of, of + len), at [va, va + len), until the next
 * arch_protect() there shows what belongs to the address again.
 *
 * An emulator translates code by the memory that it lies in: one copy at many addresses is
 * translated once. @return 0, -EINVAL or -ENOMEM.
 */
int arch_alias(uint64_t va, uint64_t len, uint64_t of, unsigned prot);
/** Map device memory uncached into the kernel. @return kernel address, NULL if out of space. */
void *arch_map_mmio(uint64_t pa, uint64_t len);
uint64_t arch_kva_to_pa(const void *p); /**< kernel RAM only */
void *arch_pa_to_kva(uint64_t pa);
/** Copy between kernel and user memory; a fault ends the copy. @return bytes NOT copied. No range
 * check: toro_user_ok() first. */
size_t arch_copy_user(void *d, const void *s, size_t n);
/** 32-bit atomic ops on user memory with fault fix-up; @return 0 or -EFAULT. */
int arch_user_load32(const uint32_t *p, uint32_t *v);
int arch_user_cmpxchg32(uint32_t *p, uint32_t *expected, uint32_t desired);

/* time --------------------------------------------------------------------------------------------
 */
uint64_t arch_tsc(void);
/** Nanoseconds since boot, monotonic, the same on all cores. */
uint64_t arch_now_ns(void);
/** One-shot timer of this core: calls toro_on_timer() at (or after) this arch_now_ns() time.
 * UINT64_MAX = off. */
void arch_timer_set(uint64_t when_ns);
/** Set rate and wall clock (also in the vDSO data page). realtime/monotonic were true when the TSC
 * was tsc. */
void arch_clock_set(uint64_t tsc_hz, uint64_t realtime_ns, uint64_t monotonic_ns, uint64_t tsc);
uint64_t arch_realtime_ns(void);
/** Address of CLOCK_MONOTONIC as programs see it (arch_now_ns() + offset). */
uint64_t arch_monotonic_ns(void);
/** The vDSO image, to be copied by the loader into each rank (page aligned, size bytes, data page
 * in front: the ELF header starts at image + data_bytes). */
const void *arch_vdso(size_t *size, size_t *data_bytes);

/* interrupts, I/O ---------------------------------------------------------------------------------
 */
/** Register a handler for device interrupts; runs in interrupt context on `core`.
 *  @return MSI vector (> 0) or -ENOSPC. */
int arch_irq_alloc(unsigned core, void (*fn)(void *), void *arg);
/** MSI address and data words that deliver the vector to the core. */
void arch_msi_message(unsigned core, int vector, uint64_t *addr, uint32_t *data);
void arch_out8(uint16_t port, uint8_t v);
void arch_out32(uint16_t port, uint32_t v);
uint8_t arch_in8(uint16_t port);
uint32_t arch_in32(uint16_t port);
/** Random bytes (RDRAND, else TSC jitter mixed). */
void arch_random(void *buf, size_t n);
/** AT_HWCAP and AT_HWCAP2 of the auxiliary vector. */
uint64_t arch_hwcap(void);
uint64_t arch_hwcap2(void);
/** Bits of a physical address. */
unsigned arch_phys_bits(void);
/** Kernel command line as the boot protocol gave it. */
const char *arch_cmdline(void);
/** What CPUID says of the processor, for /proc/cpuinfo. */
struct arch_cpuinfo {
    char vendor[13], brand[49];
    unsigned family, model, stepping;
    char flags[640]; /**< as Linux spells them, blanks between */
};
void arch_cpuinfo(struct arch_cpuinfo *out);
/** A cache of the processor. */
struct arch_cache {
    unsigned level, type;        /**< 1: data, 2: instructions, 3: both */
    unsigned line, ways, groups; /**< bytes of a line, lines of a set, physical line partition */
    unsigned sets;
    unsigned cores; /**< how many neighbours share it, a power of two */
};
/** The i-th cache of every core, from the first level on. @return false after the last. */
bool arch_cache(unsigned i, struct arch_cache *out);
/** TSC at the kernel's first instruction. */
uint64_t arch_entry_tsc(void);
/** Bytes of RAM that the kernel image takes. */
uint64_t arch_image_size(void);
/** Text to the serial console; the caller serialises. */
void arch_console_write(const char *s, size_t n);
/** Return addresses of the kernel's frame chain that starts at rbp. Safe on broken chains. @return
 * entries.
 */
unsigned arch_backtrace(uint64_t rbp, uint64_t *out, unsigned max);
/** A panic begins: stops the other cores. @return false if one is under way already. */
bool arch_panic_enter(void);
bool arch_panicking(void);
/** Frame of the trap in the kernel that led to the panic, NULL if none. */
const struct arch_frame *arch_panic_frame(void);

#endif
