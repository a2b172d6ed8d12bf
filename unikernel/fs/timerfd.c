/* SPDX-License-Identifier: BSD-3-Clause */
/* timerfd: expirations are computed from the clock when somebody asks; a timer only wakes who
 * waits. */
#include <toro/arch.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/linux.h>
#include <toro/proc.h>
#include <toro/vfs.h>
#include "timerfd.h"

struct tfd {
    struct toro_spinlock lock;
    struct toro_waitq q;
    struct toro_timer timer;
    struct toro_mutex setting;
    int clock;
    uint64_t next, interval; /* next: arch_now_ns() time, 0 = disarmed */
};

static const struct toro_file_ops ops;

static void fire(struct toro_timer *tm)
{
    struct tfd *t = TORO_CONTAINER_OF(tm, struct tfd, timer);

    toro_wake(&t->q, UINT32_MAX);
}

/* Expirations since the last call, taken; 0 if none. Starts the timer again for a periodic one. */
static uint64_t try_take(struct tfd *t)
{
    uint64_t n = 0, now = arch_now_ns(), again = 0;

    toro_spin_lock(&t->lock);
    if (t->next && now >= t->next) {
        n = t->interval ? (now - t->next) / t->interval + 1 : 1;
        t->next = t->interval ? t->next + n * t->interval : 0;
        again = t->next;
    }
    toro_spin_unlock(&t->lock);
    if (again) {
        toro_mutex_lock(&t->setting);
        if (t->next)
            toro_timer_set(&t->timer, t->next);
        toro_mutex_unlock(&t->setting);
    }
    return n;
}

static bool due(const struct tfd *t)
{
    return t->next && arch_now_ns() >= t->next;
}

static toro_ssize tfd_read(struct toro_file *f, void *buf, size_t n, uint64_t *pos)
{
    struct tfd *t = f->priv;
    uint64_t v;

    (void)pos;
    if (n < 8)
        return -EINVAL;
    while ((v = try_take(t)) == 0) {
        int err;

        if (f->flags & TORO_O_NONBLOCK)
            return -EAGAIN;
        err = toro_wait_event(&t->q, due(t), UINT64_MAX, true);
        if (err)
            return err;
    }
    return toro_copy_to_user(buf, &v, 8) ? -EFAULT : 8;
}

static unsigned tfd_poll(struct toro_file *f, struct toro_waitq **q)
{
    struct tfd *t = f->priv;

    if (q)
        *q = &t->q;
    return due(t) ? TORO_POLLIN : 0;
}

static int tfd_stat(struct toro_file *f, struct toro_linux_stat *st)
{
    *st = (struct toro_linux_stat){
        .dev = 13, .ino = (uintptr_t)f->priv >> 4, .nlink = 1, .mode = 0600, .blksize = 4096};
    return 0;
}

static void tfd_release(struct toro_file *f)
{
    struct tfd *t = f->priv;

    toro_timer_cancel(&t->timer);
    toro_kfree(t);
}

static const struct toro_file_ops ops = {
    .read = tfd_read, .poll = tfd_poll, .stat = tfd_stat, .release = tfd_release};

static void remaining(struct tfd *t, uint64_t *left, uint64_t *interval)
{
    uint64_t now = arch_now_ns(), next;

    toro_spin_lock(&t->lock);
    next = t->next;
    *interval = t->interval;
    toro_spin_unlock(&t->lock);
    if (next && next <= now && *interval)
        next += ((now - next) / *interval + 1) * *interval;
    *left = !next ? 0 : next > now ? next - now : 1;
}

int toro_timerfd_set(struct toro_file *f, uint64_t when, uint64_t interval, uint64_t *old_left,
                     uint64_t *old_interval)
{
    struct tfd *t = f->priv;

    if (f->ops != &ops)
        return -EINVAL;
    toro_mutex_lock(&t->setting);
    remaining(t, old_left, old_interval);
    toro_spin_lock(&t->lock);
    t->next = when;
    t->interval = interval;
    toro_spin_unlock(&t->lock);
    if (when)
        toro_timer_set(&t->timer, when);
    else
        toro_timer_cancel(&t->timer);
    toro_mutex_unlock(&t->setting);
    return 0;
}

int toro_timerfd_get(struct toro_file *f, uint64_t *left, uint64_t *interval)
{
    if (f->ops != &ops)
        return -EINVAL;
    remaining(f->priv, left, interval);
    return 0;
}

int toro_timerfd_clock(const struct toro_file *f)
{
    return f->ops == &ops ? ((const struct tfd *)f->priv)->clock : -EINVAL;
}

struct toro_file *toro_timerfd_new(int clock, unsigned flags)
{
    struct tfd *t = toro_kzalloc(sizeof(*t));
    struct toro_file *f;

    if (!t)
        return NULL;
    toro_waitq_init(&t->q);
    toro_timer_init(&t->timer, fire);
    toro_mutex_init(&t->setting);
    t->clock = clock;
    f = toro_file_new(&ops, t, TORO_O_RDWR | (flags & TORO_O_NONBLOCK));
    if (!f)
        toro_kfree(t);
    else
        f->path = "anon_inode:[timerfd]";
    return f;
}
