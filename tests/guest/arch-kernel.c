/* SPDX-License-Identifier: BSD-3-Clause */
/* Self-test of arch/x86_64: a kernel of arch, heap and this file in the place of everything else.
 * Its serial output is TAP; t-arch.sh builds and boots it. */
#include <toro/ctl.h>
#include <toro/arch.h>
#include <toro/boot.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/sched.h>
#include <torobus/abi.h>
#include <torobus/boot.h>
#include "arch-kernel.h"

#define REGION_PA   (32ull << 20) /* RAM that the page allocator never gets to */
#define REGION_SIZE (16ull << 20)
#define DATA        (TOROBUS_REGION_VA + (2ull << 20))
#define CODE        TOROBUS_REGION_VA
#define STACKS      (TOROBUS_REGION_VA + (4ull << 20))

extern const char user_start[], user_end[], user_main[], user_fpu[], user_peer[];

struct toro_bootinfo toro_boot = {.cores = 2, .name = "self-test"};

static struct arch_thread boot, fpu[2], main_thread, peer;
static unsigned test_no, failed, exits;
static volatile bool peer_go, peer_faulted, timer_seen, on_ipi, on_irq;
static struct arch_thread *running; /* on core 0 */

static void result(bool good, const char *fmt, ...)
{
    char text[200];
    va_list ap;

    va_start(ap, fmt);
    toro_vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (!good)
        failed++;
    toro_printk(0, "TAP %sok %u - %s", good ? "" : "not ", ++test_no, text);
}

static uint64_t *data(unsigned off)
{
    return (uint64_t *)(DATA + off);
}

static void to(struct arch_thread *next)
{
    struct arch_thread *prev = running;

    running = next;
    arch_switch(prev, next);
}

bool toro_core_must_run(void)
{
    return arch_core() == 1 && peer_go;
}

/* There is no control channel here: what a panic says is on the console. */
void toro_ctl_panic(const char *text)
{
    (void)text;
}

void toro_on_ipi(void)
{
    on_ipi = true;
}

void toro_on_timer(void)
{
    timer_seen = true;
    *data(D_STOP) = 1;
}

void toro_user_return(struct arch_frame *f, bool from_interrupt)
{
    if (from_interrupt && (f->cs & 3) != 3)
        toro_panic("an interrupt of user code with cs %lx", f->cs);
}

void toro_user_fault(struct arch_frame *f, uint64_t cr2)
{
    if (arch_core() == 1) {
        peer_faulted = f->vector == 14 && cr2 == DATA + TORO_PAGE_SIZE;
        peer_go = false;
        toro_core_main();
    }
    *data(D_FAULT) = f->vector;
    *data(D_CR2) = cr2;
    *data(D_ERROR) = f->error;
    f->rip = f->r15;
}

static void set_frame(struct arch_frame *f)
{
    f->rip = f->rdi;
    f->rax = 1;
    f->rcx = 2;
    f->r11 = 3;
    f->rbx = 4;
    f->r15 = 5;
    f->rflags = 0xfffffffffffffeffull; /* what no program may have must not get through */
    f->cs = f->ss = 0;
}

void toro_syscall(struct arch_frame *f)
{
    switch (f->rax) {
    case T_RESULT:
        result(f->rdi == 0, "in user mode, at 0x%lx, code %lu", f->rip - CODE, f->rdi);
        break;
    case T_YIELD:
        to(running == &fpu[0] ? &fpu[1] : &fpu[0]);
        break;
    case T_EXIT:
        exits++;
        if (running == &fpu[0] && exits == 1)
            to(&fpu[1]);
        to(&boot);
        toro_panic("a thread that has ended runs");
    case T_BAD_RIP:
        f->rip = 0x0000800000000000ull;
        break;
    case T_FRAME:
        set_frame(f);
        break;
    case T_PROTECT:
        f->rax = (uint64_t)arch_protect(DATA + TORO_PAGE_SIZE, TORO_PAGE_SIZE, (unsigned)f->rdi);
        break;
    case T_PEER:
        if (f->rdi == 0) {
            arch_timer_set(UINT64_MAX);
            peer_go = true;
            arch_ipi(1);
        } else {
            uint64_t end = arch_now_ns() + 2000000000ull;

            while (peer_go && arch_now_ns() < end)
                arch_relax();
            result(peer_faulted, "another core faults at once when a page is taken away");
        }
        break;
    default:
        toro_panic("system call %lu", f->rax);
    }
}

static void enter(void *entry)
{
    struct arch_thread *t = arch_core() == 1 ? &peer : running;
    struct arch_frame *f = arch_user_frame(t);

    f->rip = CODE + (uint64_t)entry - (uint64_t)user_start;
    f->rdi = DATA;
    f->rsi = t == &fpu[1] ? 0x123456789abull : 0x7fedcba98765ull;
    f->rsp = STACKS + (t == &fpu[1] ? 2 : 1) * 65536;
    arch_enter_user(t);
}

void toro_core_main(void)
{
    static struct arch_thread idle;

    while (!peer_go)
        arch_idle();
    arch_switch(&idle, &peer);
    toro_panic("not reached");
}

static void on_msi(void *arg)
{
    on_irq = *(int *)arg == 42;
}

/* The clock takes another rate without a step, and all that tells time agrees. */
static void clock_checks(void)
{
    uint64_t t0 = arch_now_ns(), t1, tsc = arch_tsc(), mono, real;

    arch_clock_set(2000000000, 1700000000000000000ull, 5000000000000ull, tsc);
    t1 = arch_now_ns();
    mono = arch_monotonic_ns();
    real = arch_realtime_ns();
    result(t1 >= t0 && t1 - t0 < 100000000, "a new rate makes no step: %lu ns", t1 - t0);
    result(mono >= 5000000000000ull && mono - 5000000000000ull < 1000000000,
           "monotonic time is set");
    result(real >= 1700000000000000000ull && real - 1700000000000000000ull < 1000000000,
           "so is the date");
    result(real - mono - (1700000000000000000ull - 5000000000000ull) < 100000000,
           "and they go together");
    tsc = arch_tsc();
    t0 = arch_now_ns();
    while (arch_tsc() - tsc < 20000000)
        arch_relax();
    t1 = arch_now_ns() - t0;
    result(t1 >= 9900000 && t1 < 500000000, "20 million ticks at 2 GHz are 10 ms: %lu us",
           t1 / 1000);
    arch_clock_set(1, 0, 0, tsc);
    arch_clock_set(3000000000, 0, 0, arch_tsc() + 1000000000000ull);
    result(arch_monotonic_ns() >= mono, "impossible values change nothing");
}

static __attribute__((noinline)) uint64_t deep(uint64_t n)
{
    volatile uint64_t pad[64];

    pad[0] = n;
    return n == 0 ? 0 : deep(n + 1) + pad[0];
}

static __attribute__((noinline)) void smash(size_t n)
{
    char buf[16];

    for (volatile size_t i = 0; i < n; i++)
        ((volatile char *)buf)[i] = 'x';
}

static void overflow(void *arg)
{
    (void)arg;
    toro_panic("survived: %lu", deep(1));
}

/* The ways to die, by the first letter of the command line. */
static __attribute__((noinline)) void die(char how)
{
    volatile char *volatile nowhere = (volatile char *)16;
    static struct arch_thread t;

    if (how == 'n') { /* while another core runs user code */
        peer_go = true;
        arch_ipi(1);
        while (*(volatile uint64_t *)data(D_SPIN) < 1000)
            arch_relax();
        *nowhere = 1;
    } else if (how == 'o') {
        if (arch_thread_init(&t, overflow, NULL, false) == 0)
            to(&t);
    } else if (how == 'x') {
        ((void (*)(void))CODE)();
    } else if (how == 's') {
        smash(nowhere == NULL ? 1 : 64);
    } else if (how == 'a') {
        TORO_ASSERT(arch_ncores() == 77);
    }
    toro_panic("still alive");
}

static void kernel_checks(void)
{
    char buf[16] = "";
    uint64_t sym_off, t, *f;
    uint32_t expected = 5, word = 5;
    static int arg = 42;
    int vector = arch_irq_alloc(0, on_msi, &arg);

    result(arch_ncores() == 2 && arch_core() == 0, "both cores are up");
    result(arch_copy_user(buf, (void *)0x1000, 8) == 8, "a copy from nowhere copies nothing");
    result(arch_copy_user((void *)(DATA + 4096 - 3), "abcdefgh", 8) == 0, "a copy that goes well");
    arch_protect(DATA + TORO_PAGE_SIZE, TORO_PAGE_SIZE, 0);
    result(arch_copy_user((void *)(DATA + 4096 - 3), "abcdefgh", 8) == 5,
           "a copy across the end of what is there says how much is missing");
    result(arch_copy_user((void *)(DATA + 4096 - 100), (void *)CODE, 200) == 100,
           "so does a long one");
    arch_protect(DATA + TORO_PAGE_SIZE, TORO_PAGE_SIZE, 7);
    result(arch_user_load32((void *)8, &word) == -EFAULT, "load of a bad address");
    *data(0) = 5;
    result(arch_user_cmpxchg32((uint32_t *)data(0), &expected, 7) == 0 && *data(0) == 7,
           "compare and exchange");
    result(arch_user_cmpxchg32((uint32_t *)data(0), &expected, 8) == 0 && expected == 7,
           "one that does not match");
    expected = 0;
    result(arch_user_cmpxchg32((uint32_t *)16, &expected, 8) == -EFAULT, "one at a bad address");
    *data(0) = 0;
    f = toro_kmalloc(arch_fpu_size());
    toro_memset(f, 0xff, arch_fpu_size());
    result(arch_fpu_restore(f) == -EINVAL, "an impossible FPU state is refused");
    arch_fpu_init(f);
    result(arch_fpu_restore(f) == 0, "the initial one is taken");
    toro_kfree(f);
    result(vector >= 0x30, "an interrupt vector");
    __asm__ volatile("int $0x30"); /* as the device would; the first vector handed out */
    result(on_irq, "its handler ran");
    t = arch_now_ns();
    arch_timer_set(t + 2000000);
    while (!timer_seen && arch_now_ns() < t + 1000000000)
        arch_idle();
    t = arch_now_ns() - t;
    result(timer_seen && t >= 2000000 && t < 500000000, "the timer, asked for 2 ms: %lu us",
           t / 1000);
    timer_seen = false;
    *data(D_STOP) = 0;
    result(toro_ksym((uint64_t)arch_map_region + 3, buf, sizeof(buf), &sym_off) != NULL &&
               toro_strcmp(buf, "arch_map_region") == 0 && sym_off == 3,
           "names of functions: %s", buf);
    f = (uint64_t *)arch_map_region;
    __asm__ volatile("" : "+r"(f));
    result(arch_copy_user(f, buf, 8) == 8, "the kernel's code cannot be written");
    result(arch_copy_user((void *)((uint64_t)f + 0xffff800000000000ull - 0xffffffff80000000ull),
                          buf, 8) == 8,
           "nor through the direct map");
}

void toro_main(void)
{
    arch_start_cores(2);
    if (arch_map_region(REGION_PA, REGION_SIZE) != 0)
        toro_panic("region");
    toro_memcpy((void *)CODE, user_start, (size_t)(user_end - user_start));
    running = &boot;
    if (arch_thread_init(&main_thread, enter, (void *)user_main, true) != 0 ||
        arch_thread_init(&fpu[0], enter, (void *)user_fpu, true) != 0 ||
        arch_thread_init(&fpu[1], enter, (void *)user_fpu, true) != 0 ||
        arch_thread_init(&peer, enter, (void *)user_peer, true) != 0)
        toro_panic("threads");
    if (*arch_cmdline() != '\0')
        die(*arch_cmdline());
    kernel_checks();
    clock_checks();
    to(&fpu[0]);
    result(exits == 2, "two threads with states of their own ran to their end");
    arch_timer_set(arch_now_ns() + 20000000);
    to(&main_thread);
    result(exits == 3, "the program ran to its end");
    arch_thread_free(&main_thread);
    arch_thread_free(&fpu[0]);
    toro_printk(0, "TAP 1..%u", test_no);
    arch_exit(failed ? TOROBUS_EXIT_PANIC : TOROBUS_EXIT_OK);
}
