/* SPDX-License-Identifier: BSD-3-Clause */
/* socketpair(AF_UNIX): two rings, one each way. Datagrams and sequenced packets lie in the ring
 * with their length in front. */
#include <toro/linux.h>
#include <toro/vfs.h>
#include "ring.h"
#include "unixpair.h"

struct pair {
    struct toro_spinlock lock;
    struct toro_waitq q; /* any change, both ends */
    struct ring r[2];    /* r[i] is read by end i */
    int type;
    _Atomic unsigned ends;
    char name[24];
};

static _Atomic unsigned next_id = 1;
static const struct toro_file_ops pair_ops;

/* priv of an end: the pair, with the end's number in the lowest bit. */
static struct pair *pair_of(const struct toro_file *f, unsigned *end)
{
    *end = (unsigned)((uintptr_t)f->priv & 1u);
    return (struct pair *)((uintptr_t)f->priv & ~(uintptr_t)1);
}

bool toro_is_unixpair(const struct toro_file *f)
{
    return f->ops == &pair_ops;
}

int toro_unixpair_type(const struct toro_file *f)
{
    unsigned end;

    return pair_of(f, &end)->type;
}

/* lock held */
static toro_ssize take(struct pair *p, struct ring *r, void *buf, size_t n, unsigned flags,
                       size_t *full)
{
    uint32_t head = 0, len = ring_used(r), k;
    int err;

    if (p->type != SOCK_STREAM_) {
        if (ring_get_at(r, 0, &len, 4) != 0)
            return -EFAULT;
        head = 4;
    }
    k = (uint32_t)TORO_MIN(n, (size_t)len);
    err = ring_get_at(r, head, buf, k);
    if (err)
        return err;
    if (!(flags & MSG_PEEK_))
        r->head += p->type == SOCK_STREAM_ ? k : head + len;
    *full = p->type == SOCK_STREAM_ ? k : len;
    return k;
}

static toro_ssize try_recv(struct pair *p, unsigned end, void *buf, size_t n, unsigned flags,
                           size_t *full)
{
    struct ring *r = &p->r[end];
    toro_ssize ret;

    toro_spin_lock(&p->lock);
    if (ring_used(r))
        ret = take(p, r, buf, n, flags, full);
    else
        ret = r->no_writer || r->no_reader ? 0 : -EAGAIN;
    toro_spin_unlock(&p->lock);
    if (ret >= 0)
        toro_wake(&p->q, UINT32_MAX);
    return ret;
}

toro_ssize toro_unixpair_recv(struct toro_file *f, void *buf, size_t n, unsigned flags,
                              size_t *full)
{
    unsigned end;
    struct pair *p = pair_of(f, &end);
    bool wait = !(f->flags & TORO_O_NONBLOCK) && !(flags & MSG_DONTWAIT_);
    size_t done = 0;

    *full = 0;
    if (n == 0 && p->type == SOCK_STREAM_)
        return 0;
    for (;;) {
        char *at = (char *)buf + done;
        toro_ssize r = try_recv(p, end, at, n - done, flags, full);

        if (r == -EAGAIN && wait) {
            int err =
                toro_wait_event(&p->q, (r = try_recv(p, end, at, n - done, flags, full)) != -EAGAIN,
                                UINT64_MAX, true);

            if (err)
                r = err;
        }
        if (r < 0)
            return done ? (toro_ssize)done : r;
        done += (size_t)r;
        if (r == 0 || done == n || !(flags & MSG_WAITALL_) || p->type != SOCK_STREAM_ ||
            (flags & MSG_PEEK_))
            break;
    }
    if (p->type == SOCK_STREAM_)
        *full = done;
    return (toro_ssize)done;
}

static toro_ssize try_send(struct pair *p, unsigned end, const void *buf, size_t n)
{
    struct ring *r = &p->r[!end];
    uint32_t head = p->type == SOCK_STREAM_ ? 0 : 4, k = (uint32_t)TORO_MIN(n, (size_t)RING_SIZE);
    toro_ssize ret = 0;

    toro_spin_lock(&p->lock);
    if (r->no_reader || r->no_writer)
        ret = -EPIPE;
    else if (ring_room(r) < (head ? head + n : TORO_MIN(n, 1ul)))
        ret = -EAGAIN;
    else if (!head)
        k = TORO_MIN(k, ring_room(r));
    if (!ret && head)
        ret = ring_put_at(r, 0, &k, head);
    if (!ret && k)
        ret = ring_put_at(r, head, buf, k);
    if (!ret) {
        r->tail += head + k;
        ret = k;
    }
    toro_spin_unlock(&p->lock);
    if (ret >= 0)
        toro_wake(&p->q, UINT32_MAX);
    return ret;
}

toro_ssize toro_unixpair_send(struct toro_file *f, const void *buf, size_t n, unsigned flags)
{
    unsigned end;
    struct pair *p = pair_of(f, &end);
    bool wait = !(f->flags & TORO_O_NONBLOCK) && !(flags & MSG_DONTWAIT_);
    size_t done = 0;

    if (p->type != SOCK_STREAM_ && n > RING_SIZE - 4)
        return -EMSGSIZE;
    do {
        const char *at = (const char *)buf + done;
        toro_ssize r = try_send(p, end, at, n - done);

        if (r == -EAGAIN && wait) {
            int err = toro_wait_event(&p->q, (r = try_send(p, end, at, n - done)) != -EAGAIN,
                                      UINT64_MAX, true);

            if (err)
                r = err;
        }
        if (r < 0)
            return done ? (toro_ssize)done : r;
        done += (size_t)r;
    } while (done < n);
    return (toro_ssize)done;
}

int toro_unixpair_shutdown(struct toro_file *f, int how)
{
    unsigned end;
    struct pair *p = pair_of(f, &end);

    if (how < 0 || how > 2)
        return -EINVAL;
    toro_spin_lock(&p->lock);
    if (how != 1)
        p->r[end].no_reader = true;
    if (how != 0)
        p->r[!end].no_writer = true;
    toro_spin_unlock(&p->lock);
    toro_wake(&p->q, UINT32_MAX);
    return 0;
}

static toro_ssize pair_read(struct toro_file *f, void *buf, size_t n, uint64_t *pos)
{
    size_t full;

    (void)pos;
    return toro_unixpair_recv(f, buf, n, 0, &full);
}

static toro_ssize pair_write(struct toro_file *f, const void *buf, size_t n, uint64_t *pos)
{
    (void)pos;
    return toro_unixpair_send(f, buf, n, 0);
}

static unsigned pair_poll(struct toro_file *f, struct toro_waitq **q)
{
    unsigned end, ev = 0;
    struct pair *p = pair_of(f, &end);
    const struct ring *in = &p->r[end], *out = &p->r[!end];

    if (q)
        *q = &p->q;
    if (ring_used(in) || in->no_writer || in->no_reader)
        ev |= TORO_POLLIN;
    if (ring_room(out) >= 4096 || out->no_reader)
        ev |= TORO_POLLOUT;
    if ((in->no_writer || in->no_reader) && (out->no_reader || out->no_writer))
        ev |= TORO_POLLHUP;
    return ev;
}

static long pair_ioctl(struct toro_file *f, unsigned cmd, unsigned long arg)
{
    unsigned end;
    struct pair *p = pair_of(f, &end);
    int n;

    if (cmd != TORO_FIONREAD)
        return -ENOTTY;
    toro_spin_lock(&p->lock);
    n = (int)ring_used(&p->r[end]);
    if (n && p->type != SOCK_STREAM_)
        (void)ring_get_at(&p->r[end], 0, &n, 4);
    toro_spin_unlock(&p->lock);
    return toro_user_ok((void *)arg, sizeof(n)) ? toro_copy_to_user((void *)arg, &n, sizeof(n))
                                                : -EFAULT;
}

static int pair_stat(struct toro_file *f, struct toro_linux_stat *st)
{
    *st = (struct toro_linux_stat){.dev = 8,
                                   .ino = (uintptr_t)f->priv,
                                   .nlink = 1,
                                   .mode = TORO_S_IFSOCK | 0777,
                                   .blksize = 4096};
    return 0;
}

static void pair_release(struct toro_file *f)
{
    unsigned end;
    struct pair *p = pair_of(f, &end);

    toro_spin_lock(&p->lock);
    p->r[end].no_reader = true;
    p->r[!end].no_writer = true;
    toro_spin_unlock(&p->lock);
    toro_wake(&p->q, UINT32_MAX);
    if (atomic_fetch_sub(&p->ends, 1) == 1) {
        toro_kfree(p->r[0].buf);
        toro_kfree(p->r[1].buf);
        toro_kfree(p);
    }
}

static const struct toro_file_ops pair_ops = {.read = pair_read,
                                              .write = pair_write,
                                              .poll = pair_poll,
                                              .ioctl = pair_ioctl,
                                              .stat = pair_stat,
                                              .release = pair_release};

int toro_unixpair_new(int type, unsigned flags, struct toro_file *end[2])
{
    struct pair *p = toro_kzalloc(sizeof(*p));

    if (!p)
        return -ENOMEM;
    toro_waitq_init(&p->q);
    p->type = type;
    toro_snprintf(p->name, sizeof(p->name), "socket:[%u]", atomic_fetch_add(&next_id, 1));
    end[0] = toro_file_new(&pair_ops, p, TORO_O_RDWR | flags);
    end[1] = toro_file_new(&pair_ops, (void *)((uintptr_t)p | 1u), TORO_O_RDWR | flags);
    if (!end[0] || !end[1]) {
        toro_kfree(end[0]); /* not put: neither has an end yet */
        toro_kfree(end[1]);
        toro_kfree(p);
        return -ENOMEM;
    }
    atomic_store(&p->ends, 2);
    end[0]->path = end[1]->path = p->name;
    return 0;
}
