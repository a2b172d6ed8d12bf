/* SPDX-License-Identifier: BSD-3-Clause */
/* Futexes. All ranks share one address space, so the key is the address, private or not. Waiters
 * hang in a hash table of queues; a waiter lives on its thread's stack and is unlinked under its
 * bucket's lock, under which it is also woken. */
#include "sys.h"

#define FUTEX_WAIT            0
#define FUTEX_WAKE            1
#define FUTEX_REQUEUE         3
#define FUTEX_CMP_REQUEUE     4
#define FUTEX_WAKE_OP         5
#define FUTEX_LOCK_PI         6
#define FUTEX_UNLOCK_PI       7
#define FUTEX_TRYLOCK_PI      8
#define FUTEX_WAIT_BITSET     9
#define FUTEX_WAKE_BITSET     10
#define FUTEX_LOCK_PI2        13
#define FUTEX_PRIVATE_FLAG    128
#define FUTEX_CLOCK_REALTIME_ 256
#define FUTEX_BITS_ALL        0xffffffffu

#define FUTEX_WAITERS         0x80000000u
#define FUTEX_OWNER_DIED      0x40000000u
#define FUTEX_TID_MASK        0x3fffffffu

#define NBUCKETS              256u
/* Robust mutexes that one thread can hold at its end, as in Linux: a cycle ends there. */
#define ROBUST_MAX 2048u

struct bucket {
    struct toro_spinlock lock;
    struct toro_list waiters;
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct bucket) == 64, "a line each");

struct waiter {
    struct toro_list link;
    struct toro_thread *thread;
    struct bucket *_Atomic bucket; /* NULL once woken */
    struct bucket *last;           /* as bucket, and still so when woken */
    uint64_t addr;
    uint32_t bits; /* 0: waits for a lock that is handed over (pi_*) */
};

static struct bucket buckets[NBUCKETS];

static struct bucket *bucket_of(uint64_t addr)
{
    return &buckets[((addr >> 2) * 0x9e3779b97f4a7c15ull) >> 56];
}

static void lock(struct bucket *b)
{
    toro_ipis_hold(); /* who is woken takes the lock, too */
    toro_spin_lock(&b->lock);
    if (b->waiters.next == NULL)
        toro_list_init(&b->waiters);
}

static void unlock(struct bucket *b)
{
    toro_spin_unlock(&b->lock);
    toro_ipis_release();
}

/* Both, in one order everywhere. */
static void lock2(struct bucket *a, struct bucket *b)
{
    lock(a < b ? a : b);
    if (a != b)
        lock(a < b ? b : a);
}

static void unlock2(struct bucket *a, struct bucket *b)
{
    unlock(a);
    if (a != b)
        unlock(b);
}

static bool word_ok(uint64_t addr)
{
    return addr % 4 == 0 && toro_user_ok((void *)addr, 4);
}

/* Take w out of whatever queue it is in. @return true if it had been woken. */
static bool leave(struct waiter *w)
{
    for (;;) {
        struct bucket *b = atomic_load_explicit(&w->bucket, memory_order_acquire);

        if (b == NULL)
            return true;
        lock(b);
        if (atomic_load_explicit(&w->bucket, memory_order_relaxed) == b) {
            toro_list_del(&w->link);
            unlock(b);
            return false;
        }
        unlock(b); /* requeued or woken meanwhile */
    }
}

static long wait(uint64_t addr, uint32_t value, uint64_t deadline, uint32_t bits)
{
    struct bucket *b = bucket_of(addr);
    struct waiter w = {.thread = toro_current(), .addr = addr, .bits = bits};
    uint32_t now;
    int r;

    if (bits == 0 || addr % 4 != 0)
        return -EINVAL;
    if (!word_ok(addr))
        return -EFAULT;
    toro_list_init(&w.link);
    atomic_init(&w.bucket, b);
    w.last = b;
    toro_block_begin();
    lock(b);
    r = arch_user_load32((const uint32_t *)addr, &now);
    if (r == 0 && now != value)
        r = -EAGAIN;
    if (r != 0) {
        unlock(b);
        return r;
    }
    toro_list_push(&b->waiters, &w.link);
    unlock(b);
    w.thread->where = "futex";
    do
        r = toro_block(deadline, true);
    while (r == 0 && atomic_load_explicit(&w.bucket, memory_order_acquire) != NULL);
    w.thread->where = NULL;
    /* A waker holds the lock of the bucket until it is done with us. */
    if (leave(&w)) {
        lock(w.last);
        unlock(w.last);
        return 0;
    }
    return r;
}

/* Bucket locked. */
static void wake_one(struct waiter *w)
{
    toro_list_del(&w->link);
    atomic_store_explicit(&w->bucket, NULL, memory_order_release);
    toro_thread_wake(w->thread);
}

static long wake_locked(struct bucket *b, uint64_t addr, unsigned n, uint32_t bits)
{
    long woken = 0;

    toro_list_each_safe(&b->waiters, it, nx)
    {
        struct waiter *w = toro_list_entry(it, struct waiter, link);

        if (woken >= (long)n)
            break;
        if (w->addr == addr && (w->bits & bits) != 0) {
            wake_one(w);
            woken++;
        }
    }
    return woken;
}

long sys_futex_wake(uint64_t addr, unsigned n, uint32_t bits)
{
    struct bucket *b = bucket_of(addr);
    long woken;

    if (addr % 4 != 0 || bits == 0)
        return -EINVAL;
    if (!word_ok(addr))
        return -EFAULT;
    lock(b);
    woken = wake_locked(b, addr, n, bits);
    unlock(b);
    return woken;
}

static long requeue(uint64_t from, uint64_t to, unsigned nwake, unsigned nmove,
                    const uint32_t *expected)
{
    struct bucket *a = bucket_of(from), *b = bucket_of(to);
    long woken, moved = 0;
    uint32_t now;

    if (!word_ok(from) || !word_ok(to))
        return -EFAULT;
    lock2(a, b);
    if (expected != NULL) {
        int r = arch_user_load32((const uint32_t *)from, &now);

        if (r != 0 || now != *expected) {
            unlock2(a, b);
            return r != 0 ? r : -EAGAIN;
        }
    }
    woken = wake_locked(a, from, nwake, FUTEX_BITS_ALL);
    toro_list_each_safe(&a->waiters, it, nx)
    {
        struct waiter *w = toro_list_entry(it, struct waiter, link);

        if (moved >= (long)nmove)
            break;
        if (w->addr != from || w->bits == 0)
            continue;
        toro_list_del(&w->link);
        w->addr = to;
        w->last = b;
        atomic_store_explicit(&w->bucket, b, memory_order_release);
        toro_list_push(&b->waiters, &w->link);
        moved++;
    }
    unlock2(a, b);
    return woken + moved;
}

/* FUTEX_WAKE_OP: change *to as op says; was it what op compares with? */
static int wake_op(uint64_t to, uint32_t op, bool *cond)
{
    int32_t oparg = (int32_t)(op << 8) >> 20, cmparg = (int32_t)(op << 20) >> 20, old_signed;
    uint32_t old, want, new;
    int r;

    if ((op >> 31) != 0)
        oparg = (int32_t)(1u << (oparg & 31));
    r = arch_user_load32((const uint32_t *)to, &old);
    do {
        if (r != 0)
            return r;
        want = old;
        switch (op >> 28 & 7) {
        case 0:
            new = (uint32_t)oparg;
            break;
        case 1:
            new = old + (uint32_t)oparg;
            break;
        case 2:
            new = old | (uint32_t)oparg;
            break;
        case 3:
            new = old & ~(uint32_t)oparg;
            break;
        case 4:
            new = old ^ (uint32_t)oparg;
            break;
        default:
            return -ENOSYS;
        }
        r = arch_user_cmpxchg32((uint32_t *)to, &old, new);
    } while (r != 0 || old != want);
    old_signed = (int32_t)old;
    switch (op >> 24 & 15) {
    case 0:
        *cond = old_signed == cmparg;
        return 0;
    case 1:
        *cond = old_signed != cmparg;
        return 0;
    case 2:
        *cond = old_signed < cmparg;
        return 0;
    case 3:
        *cond = old_signed <= cmparg;
        return 0;
    case 4:
        *cond = old_signed > cmparg;
        return 0;
    case 5:
        *cond = old_signed >= cmparg;
        return 0;
    default:
        return -ENOSYS;
    }
}

static long wake_and_op(uint64_t from, uint64_t to, unsigned n, unsigned n2, uint32_t op)
{
    struct bucket *a = bucket_of(from), *b = bucket_of(to);
    bool cond = false;
    long r;

    if (!word_ok(from) || !word_ok(to))
        return -EFAULT;
    lock2(a, b);
    r = wake_op(to, op, &cond);
    if (r == 0) {
        r = wake_locked(a, from, n, FUTEX_BITS_ALL);
        if (cond)
            r += wake_locked(b, to, n2, FUTEX_BITS_ALL);
    }
    unlock2(a, b);
    return r;
}

/* First one that waits for the lock, and whether there are more. Bucket locked. */
static struct waiter *pi_first(struct bucket *b, uint64_t addr, bool *more)
{
    struct waiter *first = NULL;

    *more = false;
    toro_list_each(&b->waiters, it)
    {
        struct waiter *w = toro_list_entry(it, struct waiter, link);

        if (w->addr != addr || w->bits != 0)
            continue;
        if (first != NULL) {
            *more = true;
            break;
        }
        first = w;
    }
    return first;
}

/* Bucket locked. The lock goes to the next one, or is free. @return 0, -EPERM if `tid` has not got
 * it, or -EFAULT. */
static int pi_hand_over(struct bucket *b, uint64_t addr, uint32_t tid, uint32_t mark)
{
    bool more;
    struct waiter *next = pi_first(b, addr, &more);
    uint32_t old, want, new = next != NULL ? (uint32_t)next->thread->tid : 0;

    if (arch_user_load32((const uint32_t *)addr, &old) != 0)
        return -EFAULT;
    new |= (more ? FUTEX_WAITERS : 0) | mark;
    do {
        if ((old & FUTEX_TID_MASK) != tid)
            return -EPERM;
        want = old;
        if (arch_user_cmpxchg32((uint32_t *)addr, &old, new) != 0)
            return -EFAULT;
    } while (old != want);
    if (next != NULL)
        wake_one(next);
    return 0;
}

/* Bucket locked: take it if it is free, else note that somebody waits. @return 0, 1 it is held,
 * or -errno. */
static int pi_take(uint64_t addr, uint32_t tid)
{
    uint32_t old, want, new;

    if (arch_user_load32((const uint32_t *)addr, &old) != 0)
        return -EFAULT;
    do {
        if ((old & FUTEX_TID_MASK) == tid)
            return -EDEADLK;
        want = old;
        new = (old & FUTEX_TID_MASK) == 0 ? tid | (old & (FUTEX_OWNER_DIED | FUTEX_WAITERS))
                                          : old | FUTEX_WAITERS;
        if (arch_user_cmpxchg32((uint32_t *)addr, &old, new) != 0)
            return -EFAULT;
    } while (old != want);
    return (old & FUTEX_TID_MASK) == 0 ? 0 : 1;
}

/* Locks that are handed to the longest waiting one: what glibc's PTHREAD_PRIO_INHERIT mutexes use.
 * There are no priorities to inherit. */
static long pi_lock(uint64_t addr, uint64_t deadline, bool try)
{
    struct bucket *b = bucket_of(addr);
    struct waiter w = {.thread = toro_current(), .addr = addr, .last = b};
    struct arch_frame *f = arch_user_frame(&w.thread->arch);
    int r;

    if (addr % 4 != 0)
        return -EINVAL;
    if (!word_ok(addr))
        return -EFAULT;
    toro_list_init(&w.link);
    atomic_init(&w.bucket, b);
    toro_block_begin();
    lock(b);
    r = pi_take(addr, (uint32_t)w.thread->tid);
    if (r <= 0 || try) {
        unlock(b);
        return r > 0 ? -EAGAIN : r;
    }
    toro_list_push(&b->waiters, &w.link);
    unlock(b);
    w.thread->where = "futex";
    do
        r = toro_block(deadline, true);
    while (r == 0 && atomic_load_explicit(&w.bucket, memory_order_acquire) != NULL);
    w.thread->where = NULL;
    if (leave(&w)) { /* handed over */
        lock(w.last);
        unlock(w.last);
        return 0;
    }
    if (r == -EINTR) {
        /* Callers do not know EINTR here: after the handler the call is made again. */
        f->rip -= 2;
        f->rcx = f->rip;
        return w.thread->sysno;
    }
    return r;
}

static long pi_unlock(uint64_t addr)
{
    struct bucket *b = bucket_of(addr);
    int r;

    if (addr % 4 != 0)
        return -EINVAL;
    if (!word_ok(addr))
        return -EFAULT;
    lock(b);
    r = pi_hand_over(b, addr, (uint32_t)toro_current()->tid, 0);
    unlock(b);
    return r;
}

long sys_futex(long uaddr, long op0, long val, long timeout, long uaddr2, long val3)
{
    int op = (int)op0 & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME_);
    bool realtime = (op0 & FUTEX_CLOCK_REALTIME_) != 0;
    uint64_t ns, deadline = UINT64_MAX;
    uint32_t expected = (uint32_t)val3;
    long r;

    switch (op) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
        if (timeout != 0) {
            r = sys_timespec_get((void *)timeout, &ns);
            if (r != 0)
                return r;
            /* WAIT's time is a duration, WAIT_BITSET's a point in time. */
            deadline = sys_deadline(realtime, op == FUTEX_WAIT_BITSET, ns);
        }
        r = wait((uint64_t)uaddr, (uint32_t)val, deadline,
                 op == FUTEX_WAIT ? FUTEX_BITS_ALL : (uint32_t)val3);
        if (r == -EINTR && (timeout == 0 || op == FUTEX_WAIT_BITSET))
            toro_current()->restart = true;
        return r;
    case FUTEX_WAKE:
        return sys_futex_wake((uint64_t)uaddr, (unsigned)TORO_MAX((int)val, 1), FUTEX_BITS_ALL);
    case FUTEX_WAKE_BITSET:
        return sys_futex_wake((uint64_t)uaddr, (unsigned)TORO_MAX((int)val, 1), (uint32_t)val3);
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
        if ((int)val < 0 || (int)timeout < 0)
            return -EINVAL;
        return requeue((uint64_t)uaddr, (uint64_t)uaddr2, (unsigned)val, (unsigned)timeout,
                       op == FUTEX_REQUEUE ? NULL : &expected);
    case FUTEX_WAKE_OP:
        return wake_and_op((uint64_t)uaddr, (uint64_t)uaddr2, (unsigned)TORO_MAX((int)val, 1),
                           (unsigned)TORO_MAX((int)timeout, 1), (uint32_t)val3);
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        if (timeout != 0) {
            r = sys_timespec_get((void *)timeout, &ns);
            if (r != 0)
                return r;
            deadline = sys_deadline(op == FUTEX_LOCK_PI || realtime, true, ns);
        }
        return pi_lock((uint64_t)uaddr, deadline, false);
    case FUTEX_TRYLOCK_PI:
        return pi_lock((uint64_t)uaddr, 0, true);
    case FUTEX_UNLOCK_PI:
        return pi_unlock((uint64_t)uaddr);
    default:
        return -ENOSYS;
    }
}

/* A mutex that the ending thread held: mark it, wake one who waits. */
static void robust_one(uint64_t addr, int tid, bool pi)
{
    struct bucket *b = bucket_of(addr);
    uint32_t old, want;

    if (pi && word_ok(addr)) {
        lock(b);
        (void)pi_hand_over(b, addr, (uint32_t)tid, FUTEX_OWNER_DIED);
        unlock(b);
        return;
    }
    if (!word_ok(addr) || arch_user_load32((const uint32_t *)addr, &old) != 0)
        return;
    do {
        if ((old & FUTEX_TID_MASK) != (uint32_t)tid)
            return;
        want = old;
        if (arch_user_cmpxchg32((uint32_t *)addr, &old, (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED) !=
            0)
            return;
    } while (old != want);
    if ((old & FUTEX_WAITERS) != 0)
        (void)sys_futex_wake(addr, 1, FUTEX_BITS_ALL);
}

static void robust_list(struct toro_thread *t)
{
    struct {
        uint64_t next;
        int64_t offset;
        uint64_t pending;
    } head;
    uint64_t entry, next;
    bool pi;

    if (t->robust_list == 0 || !toro_user_ok((void *)t->robust_list, sizeof(head)) ||
        toro_copy_from_user(&head, (void *)t->robust_list, sizeof(head)) != 0)
        return;
    /* Bit 0 of an entry marks a mutex that is handed over. */
    entry = head.next & ~1ull;
    pi = head.next & 1;
    for (unsigned n = 0; n < ROBUST_MAX && entry != t->robust_list; n++) {
        if (!toro_user_ok((void *)entry, 8) || toro_copy_from_user(&next, (void *)entry, 8) != 0)
            break;
        if (entry != (head.pending & ~1ull))
            robust_one(entry + (uint64_t)head.offset, t->tid, pi);
        entry = next & ~1ull;
        pi = next & 1;
    }
    if (head.pending != 0)
        robust_one((head.pending & ~1ull) + (uint64_t)head.offset, t->tid, head.pending & 1);
}

void sys_futex_thread_end(struct toro_thread *t)
{
    uint32_t zero = 0;

    robust_list(t);
    if (t->clear_child_tid != 0 && word_ok(t->clear_child_tid) &&
        toro_copy_to_user((void *)t->clear_child_tid, &zero, sizeof(zero)) == 0)
        (void)sys_futex_wake(t->clear_child_tid, 1, FUTEX_BITS_ALL);
}
