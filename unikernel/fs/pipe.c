/* SPDX-License-Identifier: BSD-3-Clause */
/* Pipes. Writes of up to PIPE_BUF bytes go in whole or wait. */
#include <toro/linux.h>
#include <toro/vfs.h>
#include "ring.h"

#define PIPE_BUF 4096u

struct pipe {
    struct toro_spinlock lock;
    struct toro_waitq q; /* any change */
    struct ring r;
    _Atomic unsigned ends;
    char name[24];
};

static _Atomic unsigned next_id = 1;

/* One attempt. @return bytes, 0 at the end, -EAGAIN if it would block. */
static toro_ssize try_read(struct pipe *p, void *buf, size_t n)
{
    toro_ssize r;

    toro_spin_lock(&p->lock);
    if (ring_used(&p->r)) {
        uint32_t k = (uint32_t)TORO_MIN(n, (size_t)ring_used(&p->r));

        r = ring_get_at(&p->r, 0, buf, k);
        if (!r) {
            p->r.head += k;
            r = k;
        }
    } else {
        r = p->r.no_writer ? 0 : -EAGAIN;
    }
    toro_spin_unlock(&p->lock);
    if (r > 0)
        toro_wake(&p->q, UINT32_MAX);
    return r;
}

static toro_ssize pipe_read(struct toro_file *f, void *buf, size_t n, uint64_t *pos)
{
    struct pipe *p = f->priv;
    toro_ssize r;
    int err;

    (void)pos;
    if (n == 0)
        return 0;
    r = try_read(p, buf, n);
    if (r != -EAGAIN || (f->flags & TORO_O_NONBLOCK))
        return r;
    err = toro_wait_event(&p->q, (r = try_read(p, buf, n)) != -EAGAIN, UINT64_MAX, true);
    return err ? err : r;
}

static toro_ssize try_write(struct pipe *p, const void *buf, size_t n)
{
    toro_ssize r;

    toro_spin_lock(&p->lock);
    if (p->r.no_reader) {
        r = -EPIPE;
    } else if (ring_room(&p->r) < TORO_MIN(n, (size_t)PIPE_BUF)) {
        r = -EAGAIN;
    } else {
        uint32_t k = (uint32_t)TORO_MIN(n, (size_t)ring_room(&p->r));

        r = ring_put_at(&p->r, 0, buf, k);
        if (!r) {
            p->r.tail += k;
            r = k;
        }
    }
    toro_spin_unlock(&p->lock);
    if (r > 0)
        toro_wake(&p->q, UINT32_MAX);
    return r;
}

static toro_ssize pipe_write(struct toro_file *f, const void *buf, size_t n, uint64_t *pos)
{
    struct pipe *p = f->priv;
    size_t done = 0;

    (void)pos;
    while (done < n) {
        const char *at = (const char *)buf + done;
        toro_ssize r = try_write(p, at, n - done);

        if (r == -EAGAIN && !(f->flags & TORO_O_NONBLOCK)) {
            int err = toro_wait_event(&p->q, (r = try_write(p, at, n - done)) != -EAGAIN,
                                      UINT64_MAX, true);

            if (err)
                r = err;
        }
        if (r < 0)
            return done ? (toro_ssize)done : r;
        done += (size_t)r;
    }
    return (toro_ssize)done;
}

static unsigned read_poll(struct toro_file *f, struct toro_waitq **q)
{
    struct pipe *p = f->priv;

    if (q)
        *q = &p->q;
    return (ring_used(&p->r) ? TORO_POLLIN : 0) | (p->r.no_writer ? TORO_POLLHUP : 0);
}

static unsigned write_poll(struct toro_file *f, struct toro_waitq **q)
{
    struct pipe *p = f->priv;

    if (q)
        *q = &p->q;
    return (ring_room(&p->r) >= PIPE_BUF ? TORO_POLLOUT : 0) | (p->r.no_reader ? TORO_POLLERR : 0);
}

static long pipe_ioctl(struct toro_file *f, unsigned cmd, unsigned long arg)
{
    struct pipe *p = f->priv;
    int n = (int)ring_used(&p->r);

    if (cmd != TORO_FIONREAD)
        return -ENOTTY;
    return toro_user_ok((void *)arg, sizeof(n)) ? toro_copy_to_user((void *)arg, &n, sizeof(n))
                                                : -EFAULT;
}

static int pipe_stat(struct toro_file *f, struct toro_linux_stat *st)
{
    const struct toro_proc *me = toro_current_proc();

    *st = (struct toro_linux_stat){.dev = 12,
                                   .ino = (uintptr_t)f->priv >> 4,
                                   .nlink = 1,
                                   .mode = TORO_S_IFIFO | 0600,
                                   .uid = me ? me->uid : 0,
                                   .gid = me ? me->gid : 0,
                                   .blksize = 4096};
    return 0;
}

static void end_of(struct toro_file *f, bool reader)
{
    struct pipe *p = f->priv;
    bool last;

    toro_spin_lock(&p->lock);
    if (reader)
        p->r.no_reader = true;
    else
        p->r.no_writer = true;
    toro_spin_unlock(&p->lock);
    toro_wake(&p->q, UINT32_MAX);
    /* Only now may the other end free it: until here this one still uses the queue. */
    last = atomic_fetch_sub(&p->ends, 1) == 1;
    if (last) {
        toro_kfree(p->r.buf);
        toro_kfree(p);
    }
}

static void read_release(struct toro_file *f)
{
    end_of(f, true);
}

static void write_release(struct toro_file *f)
{
    end_of(f, false);
}

static const struct toro_file_ops read_ops = {.read = pipe_read,
                                              .poll = read_poll,
                                              .ioctl = pipe_ioctl,
                                              .stat = pipe_stat,
                                              .release = read_release};
static const struct toro_file_ops write_ops = {.write = pipe_write,
                                               .poll = write_poll,
                                               .ioctl = pipe_ioctl,
                                               .stat = pipe_stat,
                                               .release = write_release};

int toro_pipe_new(unsigned flags, struct toro_file *end[2])
{
    struct pipe *p = toro_kzalloc(sizeof(*p));

    if (!p)
        return -ENOMEM;
    toro_waitq_init(&p->q);
    toro_snprintf(p->name, sizeof(p->name), "pipe:[%u]", atomic_fetch_add(&next_id, 1));
    end[0] = toro_file_new(&read_ops, p, TORO_O_RDONLY | flags);
    end[1] = toro_file_new(&write_ops, p, TORO_O_WRONLY | flags);
    if (!end[0] || !end[1]) {
        toro_kfree(end[0]); /* not put: neither has an end yet */
        toro_kfree(end[1]);
        toro_kfree(p);
        return -ENOMEM;
    }
    p->ends = 2;
    end[0]->path = end[1]->path = p->name;
    return 0;
}
