/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of arch.h that the portable kernel needs, on pthreads: a core is a thread of the host, a
 * kernel thread is a context that cores switch to. Interrupts come where the kernel has them on: in
 * arch_idle(), and in host_interrupts(), which stands for user code. Include once per program. */
#ifndef HOSTED_ARCH_PTHREAD_H
#define HOSTED_ARCH_PTHREAD_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <toro/arch.h>
#include <toro/lib.h>
#include <toro/sched.h>

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#elif defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#define HOST_STACK (256u << 10)

struct host_core {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool ipi;
    uint64_t when; /* of the timer */
};
static struct host_core host_core[TORO_MAX_CORES];
static _Atomic unsigned host_ncores = 1;
static __thread unsigned host_self;

/* A context; struct arch_thread.rsp points to it. */
struct host_context {
    ucontext_t u;
    void (*fn)(void *);
    void *arg;
    void *stack; /* lowest byte, NULL: the core's own */
    size_t stack_size;
    void *fiber, *fake; /* the sanitizer's */
};

/* Never inlined and never known to be pure: a context goes from one host thread to another between
 * two calls. */
__attribute__((noipa)) unsigned arch_core(void)
{
    return host_self;
}

unsigned arch_ncores(void)
{
    return host_ncores;
}

void arch_relax(void)
{
    sched_yield();
}

uint64_t arch_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/** A test that wants to look at the moment in which a core is interrupted. */
static void (*_Atomic host_on_ipi)(unsigned core);

void arch_ipi(unsigned core)
{
    struct host_core *c = &host_core[core];
    void (*look)(unsigned) = atomic_load(&host_on_ipi);

    if (look != NULL)
        look(core);
    pthread_mutex_lock(&c->lock);
    c->ipi = true;
    pthread_cond_signal(&c->cond);
    pthread_mutex_unlock(&c->lock);
}

void arch_timer_set(uint64_t when_ns)
{
    struct host_core *c = &host_core[arch_core()];

    pthread_mutex_lock(&c->lock);
    c->when = when_ns;
    pthread_mutex_unlock(&c->lock);
}

/* Take what is pending; c->lock is held and released. */
static void host_deliver(struct host_core *c)
{
    bool ipi = c->ipi, due = arch_now_ns() >= c->when;

    c->ipi = false;
    if (due)
        c->when = UINT64_MAX;
    pthread_mutex_unlock(&c->lock);
    if (ipi)
        toro_on_ipi();
    if (due)
        toro_on_timer();
}

void arch_idle(void)
{
    struct host_core *c = &host_core[arch_core()];

    pthread_mutex_lock(&c->lock);
    if (toro_core_must_run()) {
        pthread_mutex_unlock(&c->lock);
        return;
    }
    while (!c->ipi && arch_now_ns() < c->when) {
        struct timespec ts = {.tv_sec = (time_t)(c->when / 1000000000u),
                              .tv_nsec = (long)(c->when % 1000000000u)};

        if (c->when == UINT64_MAX)
            pthread_cond_wait(&c->cond, &c->lock);
        else
            pthread_cond_timedwait(&c->cond, &c->lock, &ts);
    }
    host_deliver(c);
}

/** What an interrupt does that finds user code, if one is pending. */
static inline void host_interrupts(struct arch_frame *f)
{
    struct host_core *c = &host_core[arch_core()];

    pthread_mutex_lock(&c->lock);
    if (!c->ipi && arch_now_ns() < c->when) {
        pthread_mutex_unlock(&c->lock);
        return;
    }
    host_deliver(c);
    toro_user_return(f, true);
}

static void host_arrived(struct host_context *h)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(h->fake, NULL, NULL);
#else
    (void)h;
#endif
}

static void host_begin(unsigned lo, unsigned hi)
{
    struct host_context *h = (struct host_context *)((uintptr_t)hi << 32 | lo);

    host_arrived(h);
    h->fn(h->arg);
    abort();
}

int arch_thread_init(struct arch_thread *t, void (*fn)(void *), void *arg, bool user)
{
    struct host_context *h = calloc(1, sizeof(*h));

    (void)user;
    memset(t, 0, sizeof(*t));
    h->fn = fn;
    h->arg = arg;
    h->stack = malloc(HOST_STACK);
    h->stack_size = HOST_STACK;
    getcontext(&h->u);
    h->u.uc_stack.ss_sp = h->stack;
    h->u.uc_stack.ss_size = HOST_STACK;
    makecontext(&h->u, (void (*)(void))host_begin, 2, (unsigned)(uintptr_t)h,
                (unsigned)((uintptr_t)h >> 32));
#if defined(__SANITIZE_THREAD__)
    h->fiber = __tsan_create_fiber(0);
#endif
    t->rsp = (uint64_t)h;
    return 0;
}

void arch_thread_free(struct arch_thread *t)
{
    struct host_context *h = (struct host_context *)t->rsp;

#if defined(__SANITIZE_THREAD__)
    __tsan_destroy_fiber(h->fiber);
#endif
    free(h->stack);
    free(h);
}

/* The idle thread of a core runs on the host thread's own stack. */
static struct host_context *host_own(void)
{
    struct host_context *h = calloc(1, sizeof(*h));
    pthread_attr_t attr;

    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, &h->stack, &h->stack_size);
    pthread_attr_destroy(&attr);
#if defined(__SANITIZE_THREAD__)
    h->fiber = __tsan_get_current_fiber();
#endif
    return h;
}

void arch_switch(struct arch_thread *prev, struct arch_thread *next)
{
    struct host_context *from = (struct host_context *)prev->rsp;
    struct host_context *to = (struct host_context *)next->rsp;

    if (from == NULL) {
        from = host_own();
        prev->rsp = (uint64_t)from;
    }
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(to->fiber, 0);
#elif defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&from->fake, to->stack, to->stack_size);
#endif
    swapcontext(&from->u, &to->u);
    host_arrived(from);
}

static void *host_core_begin(void *arg)
{
    host_self = (unsigned)(uintptr_t)arg;
    toro_core_main();
}

/** Call first: prepares `n` cores; arch_start_cores() starts them. */
static void host_init(unsigned n)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    for (unsigned i = 0; i < n; i++) {
        pthread_mutex_init(&host_core[i].lock, NULL);
        pthread_cond_init(&host_core[i].cond, &attr);
        host_core[i].when = UINT64_MAX;
    }
}

unsigned arch_start_cores(unsigned want)
{
    host_ncores = want;
    for (unsigned i = 1; i < want; i++)
        pthread_create(&host_core[i].thread, NULL, host_core_begin, (void *)(uintptr_t)i);
    return want;
}

void toro_panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\nBail out! unexpected panic\n");
    abort();
}

void *toro_kmalloc(size_t n)
{
    return malloc(n);
}

void *toro_kzalloc(size_t n)
{
    return calloc(1, n);
}

void toro_kfree(void *p)
{
    free(p);
}

void toro_kmalloc_collect(void)
{
}

#endif
