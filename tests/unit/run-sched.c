/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler on host threads as cores: no wake is lost, no thread runs twice or on the wrong
 * core, timers, migration, mutexes, the guard time. timeout: 240 */
#include "tap.h"
#include "hosted/arch-pthread.h"
#include "unikernel/lib/string.c"
#include "unikernel/sched/core.c"
#include "unikernel/sched/return.c"
#include "unikernel/sched/timer.c"
#include "unikernel/sched/waitq.c"
#include "toro/mutex.h"
#include <limits.h>
#include <unistd.h>

#define CORES 4
#define MS    1000000ull

struct toro_bootinfo toro_boot = {.cores = CORES};

static struct toro_waitq all_done;
static _Atomic int running;
static struct toro_thread *_Atomic signalled;

void toro_signal_return(struct arch_frame *f)
{
    (void)f;
    signalled = toro_current();
    atomic_store(&toro_current()->interrupt, false);
}

struct job {
    void (*fn)(void *);
    void *arg;
};

static void job(void *arg)
{
    struct job j = *(struct job *)arg;

    free(arg);
    j.fn(j.arg);
    if (atomic_fetch_sub(&running, 1) == 1)
        toro_wake(&all_done, UINT_MAX);
    toro_thread_exit();
}

static struct toro_thread *start(unsigned core, void (*fn)(void *), void *arg)
{
    struct job *j = malloc(sizeof(*j));
    struct toro_thread *t;

    *j = (struct job){fn, arg};
    atomic_fetch_add(&running, 1);
    t = toro_thread_new("job", core, NULL, job, j);
    toro_thread_ready(t);
    return t;
}

static void join(void)
{
    (void)toro_wait_event(&all_done, atomic_load(&running) == 0, UINT64_MAX, false);
}

/* --- places
 * --------------------------------------------------------------------------------------*/
static _Atomic unsigned misplaced;

static void where_am_i(void *arg)
{
    misplaced += arch_core() != (unsigned)(uintptr_t)arg;
    for (int i = 0; i < 100; i++) {
        toro_yield();
        misplaced += arch_core() != (unsigned)(uintptr_t)arg;
    }
}

static void wander(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;

    for (int i = 0; i < 3000; i++) {
        unsigned core = (seed = seed * 1103515245u + 12345u) >> 16 & (CORES - 1);

        toro_migrate(core);
        misplaced += arch_core() != core || toro_current()->core != core;
        if (i % 7 == 0)
            toro_yield();
    }
}

/* To a core and back, and from there to another and back. */
static void visit(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg, home = arch_core();

    for (int i = 0; i < 1000; i++) {
        unsigned a = (seed = seed * 1103515245u + 12345u) >> 16 & (CORES - 1), b = seed >> 20 & 3;
        unsigned was = toro_visit(a), was2;

        misplaced += arch_core() != a;
        was2 = toro_visit(b);
        misplaced += arch_core() != b;
        toro_visit_end(was2);
        misplaced += arch_core() != a || toro_current()->visiting != (a != home);
        toro_visit_end(was);
        misplaced += arch_core() != home || toro_current()->visiting;
    }
}

static void places(void)
{
    for (unsigned i = 0; i < 8 * CORES; i++)
        start(i % CORES, where_am_i, (void *)(uintptr_t)(i % CORES));
    join();
    t_eq(misplaced, 0, "threads run on their core");
    for (unsigned i = 0; i < 12; i++)
        start(i % CORES, wander, (void *)(uintptr_t)(i + 1));
    join();
    t_eq(misplaced, 0, "migration leads where it should, 36000 times");
    for (unsigned i = 0; i < 8; i++)
        start(i % CORES, visit, (void *)(uintptr_t)(i + 1));
    join();
    t_eq(misplaced, 0, "visits, also from a visit, lead there and back");
}

/* --- wakes
 * ---------------------------------------------------------------------------------------*/
struct pair {
    struct toro_thread *_Atomic t[2];
    _Atomic int turn, gone;
    int rounds;
};

static void ping(void *arg)
{
    struct pair *p = (struct pair *)((uintptr_t)arg & ~1ul);
    int me = (int)((uintptr_t)arg & 1);

    for (int i = 0; i < p->rounds; i++) {
        for (;;) {
            toro_block_begin();
            if (atomic_load(&p->turn) == me)
                break;
            toro_block(UINT64_MAX, false);
        }
        atomic_store(&p->turn, !me);
        while (atomic_load(&p->t[!me]) == NULL)
            toro_yield();
        toro_thread_wake(p->t[!me]);
    }
    /* A thread that is woken must still be there: its waker's business. */
    atomic_fetch_add(&p->gone, 1);
    while (atomic_load(&p->gone) < 2)
        toro_yield();
}

static void pairs(unsigned a, unsigned b, unsigned n, const char *name)
{
    struct pair *p = calloc(n, sizeof(*p));
    bool good = true;

    for (unsigned i = 0; i < n; i++) {
        p[i].rounds = 3000;
        p[i].t[0] = start(a, ping, (char *)&p[i]);
        p[i].t[1] = start(b, ping, (char *)&p[i] + 1);
    }
    join();
    for (unsigned i = 0; i < n; i++)
        good = good && p[i].turn == 0;
    t_ok(good, "%s", name);
    free(p);
}

/* Many producers and consumers of a number. */
static struct toro_waitq store;
static _Atomic int stock, eaten;

static void produce(void *arg)
{
    for (int i = 0; i < 4000; i++) {
        atomic_fetch_add(&stock, 1);
        toro_wake(&store, 1);
        if (i % 16 == 0)
            toro_yield();
    }
    (void)arg;
}

static bool take(void)
{
    int n = atomic_load(&stock);

    while (n > 0)
        if (atomic_compare_exchange_weak(&stock, &n, n - 1))
            return true;
    return false;
}

static void consume(void *arg)
{
    for (int i = 0; i < 4000; i++) {
        (void)toro_wait_event(&store, take(), UINT64_MAX, false);
        atomic_fetch_add(&eaten, 1);
    }
    (void)arg;
}

static struct toro_mutex mutex;
static long counter; /* not atomic on purpose */

static void count(void *arg)
{
    for (int i = 0; i < 3000; i++) {
        toro_mutex_lock(&mutex);
        counter++;
        if (i % 64 == 0)
            toro_yield();
        toro_mutex_unlock(&mutex);
    }
    (void)arg;
}

/* The woken thread wants the queue's lock, and may have got the host's only CPU with the interrupt:
 * the waker has to be done with it by then. */
static struct toro_waitq bell;
static _Atomic int rung, interrupts, under_lock;

static void look(unsigned core)
{
    (void)core;
    atomic_fetch_add(&interrupts, 1);
    atomic_fetch_add(&under_lock, (int)atomic_load(&bell.lock.held));
}

static void wait_for_bell(void *arg)
{
    (void)arg;
    (void)toro_wait_event(&bell, atomic_load(&rung) != 0, UINT64_MAX, false);
}

static void kick(void)
{
    struct toro_thread *t = start(1, wait_for_bell, NULL);

    while (atomic_load(&t->state) != TORO_BLOCKED)
        toro_yield();
    atomic_store(&rung, 1);
    atomic_store(&host_on_ipi, look);
    toro_wake(&bell, UINT_MAX);
    atomic_store(&host_on_ipi, NULL);
    join();
    t_ok(interrupts == 1 && under_lock == 0,
         "a core is interrupted for its thread when the queue's lock is free: %d of %d not",
         under_lock, interrupts);
}

static void wakes(void)
{
    pairs(0, 1, 1, "two threads on two cores hand over 6000 times");
    pairs(2, 2, 1, "two on the same core");
    pairs(1, 3, 8, "eight pairs on two cores");
    for (unsigned i = 0; i < 8; i++) {
        start(i % CORES, consume, NULL);
        start((i + 1) % CORES, produce, NULL);
    }
    join();
    t_ok(eaten == 32000 && stock == 0, "32000 things produced and consumed through a wait queue");
    for (unsigned i = 0; i < 8; i++)
        start(i % CORES, count, NULL);
    join();
    t_eq(counter, 24000, "a mutex lets one in at a time");
    kick();
}

/* --- time
 * ----------------------------------------------------------------------------------------*/
static _Atomic int early, wrong;

static void sleeper(void *arg)
{
    uint64_t ns = (uint64_t)(uintptr_t)arg;

    for (int i = 0; i < 20; i++) {
        uint64_t begin = arch_now_ns();

        toro_block_begin();
        wrong += toro_block(begin + ns, false) != -ETIMEDOUT;
        early += arch_now_ns() < begin + ns;
    }
}

static _Atomic int fired;

static void on_fire(struct toro_timer *tm)
{
    (void)tm;
    atomic_fetch_add(&fired, 1);
}

static void set_and_cancel(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        struct toro_timer *tm = malloc(sizeof(*tm));

        toro_timer_init(tm, on_fire);
        toro_timer_set(tm, arch_now_ns() + (uint64_t)(i % 50) * 1000);
        if (i % 3 == 0)
            toro_migrate((toro_current()->core + 1) % CORES);
        if (i % 5 == 0)
            toro_yield();
        toro_timer_cancel(tm);
        free(tm); /* a timer that still ran would be found by the sanitizer */
    }
    (void)arg;
}

static _Atomic int result_intr, result_deaf;

static void interruptible(void *arg)
{
    toro_block_begin();
    result_intr = toro_block(UINT64_MAX, true);
    (void)arg;
}

static void deaf(void *arg)
{
    toro_block_begin();
    result_deaf = toro_block(arch_now_ns() + 50 * MS, false);
    (void)arg;
}

static void nap(uint64_t ns)
{
    toro_block_begin();
    (void)toro_block(arch_now_ns() + ns, false);
}

static void times(void)
{
    struct toro_thread *a, *b;

    for (unsigned i = 0; i < 16; i++)
        start(i % CORES, sleeper, (void *)(uintptr_t)(100000 + 70000 * i));
    join();
    t_ok(early == 0 && wrong == 0, "320 sleeps, none too short (%d, %d)", early, wrong);
    for (unsigned i = 0; i < 6; i++)
        start(i % CORES, set_and_cancel, NULL);
    join();
    t_ok(fired > 0 && fired < 12000, "12000 timers set and cancelled, %d of them fired", fired);
    a = start(1, interruptible, NULL);
    b = start(2, deaf, NULL);
    nap(10 * MS);
    toro_thread_interrupt(a);
    toro_thread_interrupt(b);
    join();
    t_eq(result_intr, -EINTR, "a wait that can be interrupted is");
    t_eq(result_deaf, -ETIMEDOUT, "one that cannot goes on");
}

/* --- user threads
 * --------------------------------------------------------------------------------*/
static _Atomic bool stop_spinning, other_ran, kernel_ran;
static _Atomic uint64_t other_after, kernel_after, spin_began, longest_wait;
static struct toro_waitq helpers;
static _Atomic bool may_help;
static _Atomic unsigned helped;

static void user_spin(void *arg)
{
    struct arch_frame f = {.cs = 0x33};

    spin_began = arch_now_ns();
    while (!stop_spinning) {
        struct toro_core *c = toro_core_self();

        host_interrupts(&f);
        if (c->fresh != 0) {
            const uint64_t now = arch_now_ns(), wait = c->guard_at > now ? c->guard_at - now : 0;

            if (wait > longest_wait)
                longest_wait = wait;
        }
    }
    if (atomic_fetch_sub(&running, 1) == 1)
        toro_wake(&all_done, UINT_MAX);
    toro_thread_exit();
    (void)arg;
}

static void user_other(void *arg)
{
    other_after = arch_now_ns();
    other_ran = true;
    if (atomic_fetch_sub(&running, 1) == 1)
        toro_wake(&all_done, UINT_MAX);
    toro_thread_exit();
    (void)arg;
}

/* Waits, again and again. */
static void user_helper(void *arg)
{
    for (int i = 0; i < 20; i++) {
        (void)toro_wait_event(&helpers, atomic_exchange(&may_help, false), UINT64_MAX, false);
        helped++;
    }
    if (atomic_fetch_sub(&running, 1) == 1)
        toro_wake(&all_done, UINT_MAX);
    toro_thread_exit();
    (void)arg;
}

/* Two that hand each other their core by waiting: how often it is to be taken from them soon. */
static struct toro_waitq turns[2];
static _Atomic bool turn[2];
static _Atomic unsigned talked, soon;

static void user_talker(void *arg)
{
    struct arch_frame f = {.cs = 0x33};
    const unsigned i = (unsigned)(uintptr_t)arg;

    for (int n = 0; n < 200; n++) {
        struct toro_core *c = toro_core_self();

        (void)toro_wait_event(&turns[i], atomic_exchange(&turn[i], false), UINT64_MAX, false);
        turn[!i] = true;
        toro_wake(&turns[!i], 1);
        toro_user_return(&f, false);
        if (c->fresh != 0 && c->guarded == toro_current()) {
            talked++;
            soon += c->guard_at != 0 && c->guard_at < arch_now_ns() + TORO_GUARD_NS / 2;
        }
    }
    if (atomic_fetch_sub(&running, 1) == 1)
        toro_wake(&all_done, UINT_MAX);
    toro_thread_exit();
}

static void kernel_other(void *arg)
{
    kernel_after = arch_now_ns();
    kernel_ran = true;
    (void)arg;
}

static void users(void)
{
    static char proc[64]; /* the scheduler only looks whether there is one */
    struct toro_thread *spin, *other;
    uint64_t t0;

    running += 2;
    spin = toro_thread_new("spin", 1, (struct toro_proc *)proc, user_spin, NULL);
    toro_thread_ready(spin);
    while (spin_began == 0)
        nap(MS);
    t0 = arch_now_ns();
    start(1, kernel_other, NULL);
    while (!kernel_ran)
        nap(MS / 4);
    t_ok(!other_ran, "a kernel thread gets in beside code that spins, after %llu us",
         (unsigned long long)(kernel_after - t0) / 1000);
    t0 = arch_now_ns();
    other = toro_thread_new("other", 1, (struct toro_proc *)proc, user_other, NULL);
    toro_thread_ready(other);
    while (!other_ran)
        nap(MS);
    t_ok(other_after - t0 >= 9 * MS, "another user thread after the guard time: %llu us",
         (unsigned long long)(other_after - t0) / 1000);
    running++;
    toro_thread_ready(toro_thread_new("helper", 1, (struct toro_proc *)proc, user_helper, NULL));
    for (unsigned i = 0; i < 20; i++) {
        nap(MS / 4);
        may_help = true;
        toro_wake(&helpers, 1);
        while (helped == i)
            nap(MS / 4);
    }
    t_ok(helped == 20 && longest_wait <= TORO_WAKE_NS,
         "one that has waited gets its turn soon: at most %llu us",
         (unsigned long long)longest_wait / 1000);
    toro_thread_interrupt(spin);
    while (signalled != spin)
        nap(MS);
    t_ok(true, "an interrupt reaches code that spins");
    stop_spinning = true;
    join();
    running += 2;
    turn[0] = true;
    for (uintptr_t i = 0; i < 2; i++)
        toro_thread_ready(
            toro_thread_new("talker", 2, (struct toro_proc *)proc, user_talker, (void *)i));
    join();
    t_ok(talked > 0 && soon < talked / 2, "who waits soon is not interrupted soon: %u times of %u",
         soon, talked);
}

static void body(void *arg)
{
    (void)arg;
    places();
    wakes();
    times();
    users();
    fflush(stdout);
    _exit(t_done());
}

int main(void)
{
    host_init(CORES);
    toro_waitq_init(&all_done);
    toro_waitq_init(&store);
    toro_waitq_init(&bell);
    toro_waitq_init(&helpers);
    toro_waitq_init(&turns[0]);
    toro_waitq_init(&turns[1]);
    toro_mutex_init(&mutex);
    arch_start_cores(CORES);
    toro_kthread("body", 0, body, NULL);
    toro_core_main();
}
