/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler proper: run queues, block and wake, switching, migration, the idle loop.
 *
 * A core's queues are touched by that core alone. Other cores push woken threads onto the core's
 * `remote` list, a lock-free stack that only its owner empties, and interrupt it unless it says
 * that it polls the list. A thread belongs to the core in t->core until it is switched out for good
 * by toro_migrate(), so no other core can run it while it is still on its stack here. */
#include "sched.h"
#include <toro/boot.h>
#include <toro/errno.h>
#include <toro/lib.h>

struct toro_core toro_cores[TORO_MAX_CORES];

struct toro_thread *toro_current(void)
{
    return toro_core_self()->current;
}

static void fifo_push(struct toro_fifo *q, struct toro_thread *t)
{
    t->next = NULL;
    if (q->head == NULL)
        q->head = t;
    else
        q->tail->next = t;
    q->tail = t;
}

static void fifo_push_front(struct toro_fifo *q, struct toro_thread *t)
{
    t->next = q->head;
    q->head = t;
    if (q->tail == NULL || t->next == NULL)
        q->tail = t;
}

static struct toro_thread *fifo_pop(struct toro_fifo *q)
{
    struct toro_thread *t = q->head;

    if (t != NULL) {
        q->head = t->next;
        if (q->head == NULL)
            q->tail = NULL;
    }
    return t;
}

static void push_local(struct toro_core *c, struct toro_thread *t)
{
    if (t->proc == NULL || t->visiting) {
        t->fresh = false;
        fifo_push(&c->kernel, t);
        return;
    }
    c->fresh += t->fresh;
    fifo_push(&c->user, t);
}

static struct toro_thread *pop_local(struct toro_core *c)
{
    struct toro_thread *t = fifo_pop(&c->kernel);

    if (t == NULL)
        t = fifo_pop(&c->user);
    if (t != NULL && t->fresh) {
        t->fresh = false;
        c->fresh--;
    }
    return t;
}

static void interrupt_core(unsigned core)
{
    struct toro_core *me = toro_core_self();

    if (me->holds != 0)
        me->held |= 1ull << core;
    else
        arch_ipi(core);
}

void toro_ipis_hold(void)
{
    toro_core_self()->holds++;
}

void toro_ipis_release(void)
{
    struct toro_core *me = toro_core_self();

    if (--me->holds != 0)
        return;
    while (me->held != 0) {
        unsigned core = (unsigned)__builtin_ctzll(me->held);

        me->held &= me->held - 1;
        arch_ipi(core);
    }
}

void toro_thread_ready(struct toro_thread *t)
{
    unsigned core = t->core; /* once it is queued, t may run, move and end */
    struct toro_core *c = &toro_cores[core];
    struct toro_thread *head;

    if (c == toro_core_self()) {
        push_local(c, t);
        return;
    }
    head = atomic_load_explicit(&c->remote, memory_order_relaxed);
    do
        t->next = head;
    /* [R] release; pairs with the acquire in toro_sched_drain(). Sequentially consistent for the
     * load of `polling` below; pairs with idle(). */
    while (!atomic_compare_exchange_weak_explicit(&c->remote, &head, t, memory_order_seq_cst,
                                                  memory_order_relaxed));
    /* Whoever made the list non-empty has sent the interrupt already. */
    if (head == NULL && atomic_load_explicit(&c->polling, memory_order_seq_cst) == 0)
        interrupt_core(core);
}

void toro_sched_drain(struct toro_core *c)
{
    struct toro_thread *t, *fifo = NULL;

    if (toro_likely(atomic_load_explicit(&c->remote, memory_order_relaxed) == NULL))
        return;
    t = atomic_exchange_explicit(&c->remote, NULL, memory_order_acquire); /* [R] */
    while (t != NULL) {
        struct toro_thread *next = t->next;

        t->next = fifo;
        fifo = t;
        t = next;
    }
    while (fifo != NULL) {
        t = fifo;
        fifo = t->next;
        push_local(c, t);
    }
}

bool toro_core_must_run(void)
{
    struct toro_core *c = toro_core_self();

    return c->kernel.head != NULL || c->user.head != NULL ||
           atomic_load_explicit(&c->remote, memory_order_relaxed) != NULL;
}

/* Make t READY if it is BLOCKED. Whoever wins the exchange queues it, once. */
static bool unblock(struct toro_thread *t)
{
    int blocked = TORO_BLOCKED;

    if (!atomic_compare_exchange_strong_explicit(&t->state, &blocked, TORO_READY,
                                                 memory_order_seq_cst, memory_order_seq_cst))
        return false;
    t->fresh = true;
    toro_thread_ready(t);
    return true;
}

void toro_thread_wake(struct toro_thread *t)
{
    /* Order: [W] woken, then the load of state; pairs with toro_block(): state, then woken. */
    atomic_store_explicit(&t->woken, 1, memory_order_seq_cst);
    (void)unblock(t);
}

void toro_thread_interrupt(struct toro_thread *t)
{
    atomic_store_explicit(&t->interrupt, true, memory_order_seq_cst); /* as [W] */
    if (!unblock(t) && t->core != arch_core() &&
        atomic_load_explicit(&t->state, memory_order_relaxed) == TORO_RUNNING)
        arch_ipi(t->core);
}

static void timeout(struct toro_timer *tm)
{
    (void)unblock(toro_list_entry(tm, struct toro_thread, timer));
}

/* After a switch, on the new thread's stack: the one before may be left for good. */
static void switched(void)
{
    struct toro_core *c = toro_core_self();
    struct toro_thread *t = c->departed;

    if (t == NULL)
        return;
    c->departed = NULL;
    if (atomic_load_explicit(&t->state, memory_order_relaxed) == TORO_DEAD)
        toro_thread_discard(t);
    else
        toro_thread_ready(t);
}

static void charge(struct toro_core *c)
{
    uint64_t now = arch_now_ns();

    c->current->run_ns += now - c->since;
    c->since = now;
}

uint64_t toro_thread_cpu_ns(const struct toro_thread *t)
{
    const struct toro_core *c = &toro_cores[t->core];
    uint64_t now = arch_now_ns(), since = c->since;

    /* Exact on t's own core, else as of a moment ago. */
    if (c->current == t && now > since &&
        atomic_load_explicit(&t->state, memory_order_relaxed) == TORO_RUNNING)
        return t->run_ns + (now - since);
    return t->run_ns;
}

static void switch_to(struct toro_core *c, struct toro_thread *next)
{
    struct toro_thread *prev = c->current;

    charge(c);
    c->current = next;
    next->switches++;
    /* Order: state, then the thread's looks at `interrupt`; pairs with toro_thread_interrupt(). */
    atomic_store_explicit(&next->state, TORO_RUNNING, memory_order_seq_cst);
    arch_switch(&prev->arch, &next->arch);
    switched();
}

static void idle(struct toro_core *c)
{
    charge(c);
    c->guard_at = 0;
    toro_kmalloc_collect();
    if (arch_ncores() <= toro_boot.cpumask) {
        uint64_t end = c->since + TORO_MIN(toro_boot.spin_ns, TORO_IDLE_SPIN_NS);

        atomic_store_explicit(&c->polling, 1, memory_order_relaxed);
        while (atomic_load_explicit(&c->remote, memory_order_relaxed) == NULL &&
               arch_now_ns() < end)
            arch_relax();
        /* Order: polling, then the look at `remote` in toro_core_must_run(); pairs with
         * toro_thread_ready(). */
        atomic_store_explicit(&c->polling, 0, memory_order_seq_cst);
    }
    arch_idle();
    c->since = arch_now_ns();
}

/* Run the next thread. The current one is READY and queued, BLOCKED, DEAD or on its way to another
 * core. A blocked one waits on its own stack while nothing else is ready: no switch. */
static void schedule(struct toro_core *c)
{
    struct toro_thread *prev = c->current, *next;

    for (;;) {
        toro_sched_drain(c);
        next = pop_local(c);
        if (next != NULL)
            break;
        if (prev != c->departed && prev != &c->idle) {
            idle(c);
            continue;
        }
        if (prev != &c->idle) {
            next = &c->idle;
            break;
        }
        idle(c);
    }
    if (next == prev)
        atomic_store_explicit(&next->state, TORO_RUNNING, memory_order_seq_cst);
    else
        switch_to(c, next);
}

void toro_block_begin(void)
{
    /* A store is enough: wakes that came before are seen by the caller's check that follows. */
    atomic_store_explicit(&toro_current()->woken, 0, memory_order_seq_cst);
}

int toro_block(uint64_t deadline, bool interruptible)
{
    struct toro_thread *t = toro_current();
    bool armed = false;
    int r;

    t->hog = arch_now_ns() - toro_core_self()->since >= TORO_WAKE_NS;
    for (;;) {
        int blocked = TORO_BLOCKED;

        atomic_store_explicit(&t->state, TORO_BLOCKED, memory_order_seq_cst); /* [W] */
        if (atomic_exchange_explicit(&t->woken, 0, memory_order_seq_cst) != 0)
            r = 0;
        else if (interruptible && atomic_load_explicit(&t->interrupt, memory_order_seq_cst))
            r = -EINTR;
        else if (deadline != UINT64_MAX && arch_now_ns() >= deadline)
            r = -ETIMEDOUT;
        else
            r = 1;
        if (r <= 0) {
            /* If the exchange fails, somebody has queued us: come back through the queue. */
            if (!atomic_compare_exchange_strong_explicit(
                    &t->state, &blocked, TORO_RUNNING, memory_order_seq_cst, memory_order_seq_cst))
                schedule(toro_core_self());
            break;
        }
        if (deadline != UINT64_MAX && !armed) {
            toro_timer_set(&t->timer, deadline);
            armed = true;
        }
        schedule(toro_core_self());
        if (armed && atomic_load_explicit(&t->timer.core, memory_order_relaxed) < 0)
            armed = false;
    }
    if (armed)
        toro_timer_cancel(&t->timer);
    return r;
}

void toro_sched_preempt(struct toro_core *c, bool last)
{
    struct toro_thread *t = c->current;

    atomic_store_explicit(&t->state, TORO_READY, memory_order_relaxed);
    if (last)
        fifo_push(&c->user, t);
    else
        fifo_push_front(&c->user, t);
    schedule(c);
}

void toro_yield(void)
{
    struct toro_core *c = toro_core_self();

    toro_sched_drain(c);
    if (c->kernel.head != NULL || c->user.head != NULL)
        toro_sched_preempt(c, true);
}

void toro_migrate(unsigned core)
{
    struct toro_core *c = toro_core_self();
    struct toro_thread *t = c->current;

    if (core == t->core)
        return;
    TORO_ASSERT(core < arch_ncores());
    t->core = core;
    c->departed = t;
    atomic_store_explicit(&t->state, TORO_READY, memory_order_relaxed);
    schedule(c);
}

#define VISITING 0x100u

unsigned toro_visit(unsigned core)
{
    struct toro_thread *t = toro_current();
    unsigned was = t->core | (t->visiting ? VISITING : 0);

    if (core != t->core) {
        t->visiting = true;
        toro_migrate(core);
    }
    return was;
}

void toro_visit_end(unsigned was)
{
    struct toro_thread *t = toro_current();

    toro_migrate(was & ~VISITING);
    t->visiting = (was & VISITING) != 0;
}

/* First code of a new thread. */
static void thread_main(void *arg)
{
    struct toro_thread *t = arg;

    switched();
    t->fn(t->arg);
    toro_thread_exit();
}

void toro_thread_exit(void)
{
    struct toro_core *c = toro_core_self();

    c->departed = c->current;
    atomic_store_explicit(&c->current->state, TORO_DEAD, memory_order_relaxed);
    schedule(c);
    toro_panic("a dead thread runs");
}

struct toro_thread *toro_thread_new(const char *name, unsigned core, struct toro_proc *proc,
                                    void (*fn)(void *), void *arg)
{
    struct toro_thread *t = toro_kzalloc(sizeof(*t));

    if (t == NULL)
        return NULL;
    toro_list_init(&t->peer);
    toro_timer_init(&t->timer, timeout);
    atomic_init(&t->state, TORO_READY);
    t->proc = proc;
    t->core = core;
    t->affinity = ~0ull;
    t->sysno = -1;
    t->fn = fn;
    t->arg = arg;
    toro_strlcpy(t->name, name, sizeof(t->name));
    if (arch_thread_init(&t->arch, thread_main, t, proc != NULL) != 0) {
        toro_kfree(t);
        return NULL;
    }
    return t;
}

void toro_thread_discard(struct toro_thread *t)
{
    arch_thread_free(&t->arch);
    toro_kfree(t);
}

struct toro_thread *toro_kthread(const char *name, unsigned core, void (*fn)(void *), void *arg)
{
    struct toro_thread *t = toro_thread_new(name, core, NULL, fn, arg);

    if (t != NULL)
        toro_thread_ready(t);
    return t;
}

void toro_core_main(void)
{
    struct toro_core *c = toro_core_self();

    c->idle.core = arch_core();
    c->idle.sysno = -1;
    toro_strlcpy(c->idle.name, "idle", sizeof(c->idle.name));
    /* Never READY: nobody can queue it. */
    atomic_store_explicit(&c->idle.state, TORO_RUNNING, memory_order_relaxed);
    c->since = arch_now_ns();
    c->current = &c->idle;
    for (;;)
        schedule(c);
}
