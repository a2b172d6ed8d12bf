/* SPDX-License-Identifier: BSD-3-Clause */
/* eventfd: a counter to wait for. */
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/linux.h>
#include <toro/proc.h>
#include <toro/vfs.h>

#define SEMAPHORE 1u
#define MAX_COUNT 0xfffffffffffffffeull

struct event {
    struct toro_spinlock lock;
    struct toro_waitq q;
    uint64_t count;
    bool semaphore;
};

/* @return the value read, 0 if it would block. */
static uint64_t try_take(struct event *e)
{
    uint64_t v;

    toro_spin_lock(&e->lock);
    v = e->semaphore ? e->count != 0 : e->count;
    e->count -= v;
    toro_spin_unlock(&e->lock);
    if (v)
        toro_wake(&e->q, UINT32_MAX);
    return v;
}

static toro_ssize event_read(struct toro_file *f, void *buf, size_t n, uint64_t *pos)
{
    struct event *e = f->priv;
    uint64_t v;
    int err = 0;

    (void)pos;
    if (n < 8)
        return -EINVAL;
    v = try_take(e);
    if (!v && (f->flags & TORO_O_NONBLOCK))
        return -EAGAIN;
    if (!v)
        err = toro_wait_event(&e->q, (v = try_take(e)) != 0, UINT64_MAX, true);
    if (err)
        return err;
    return toro_copy_to_user(buf, &v, 8) ? -EFAULT : 8;
}

static bool try_add(struct event *e, uint64_t v)
{
    bool ok;

    toro_spin_lock(&e->lock);
    ok = v <= MAX_COUNT - e->count;
    if (ok)
        e->count += v;
    toro_spin_unlock(&e->lock);
    if (ok)
        toro_wake(&e->q, UINT32_MAX);
    return ok;
}

static toro_ssize event_write(struct toro_file *f, const void *buf, size_t n, uint64_t *pos)
{
    struct event *e = f->priv;
    uint64_t v;
    int err;

    (void)pos;
    if (n < 8)
        return -EINVAL;
    if (toro_copy_from_user(&v, buf, 8) != 0)
        return -EFAULT;
    if (v > MAX_COUNT)
        return -EINVAL;
    if (try_add(e, v))
        return 8;
    if (f->flags & TORO_O_NONBLOCK)
        return -EAGAIN;
    err = toro_wait_event(&e->q, try_add(e, v), UINT64_MAX, true);
    return err ? err : 8;
}

static unsigned event_poll(struct toro_file *f, struct toro_waitq **q)
{
    struct event *e = f->priv;

    if (q)
        *q = &e->q;
    return (e->count ? TORO_POLLIN : 0) | (e->count < MAX_COUNT ? TORO_POLLOUT : 0);
}

static int anon_stat(struct toro_file *f, struct toro_linux_stat *st)
{
    *st = (struct toro_linux_stat){
        .dev = 13, .ino = (uintptr_t)f->priv >> 4, .nlink = 1, .mode = 0600, .blksize = 4096};
    return 0;
}

static void event_release(struct toro_file *f)
{
    toro_kfree(f->priv);
}

static const struct toro_file_ops event_ops = {.read = event_read,
                                               .write = event_write,
                                               .poll = event_poll,
                                               .stat = anon_stat,
                                               .release = event_release};

struct toro_file *toro_eventfd_new(uint64_t count, unsigned flags)
{
    struct event *e = toro_kzalloc(sizeof(*e));
    struct toro_file *f;

    if (!e)
        return NULL;
    toro_waitq_init(&e->q);
    e->count = count;
    e->semaphore = flags & SEMAPHORE;
    f = toro_file_new(&event_ops, e, TORO_O_RDWR | (flags & TORO_O_NONBLOCK));
    if (!f)
        toro_kfree(e);
    else
        f->path = "anon_inode:[eventfd]";
    return f;
}
