/* SPDX-License-Identifier: BSD-3-Clause */
/* Open files and descriptor tables. */
#include <toro/errno.h>
#include <toro/fs.h>
#include <toro/lib.h>
#include <toro/vfs.h>

struct toro_file *toro_file_new(const struct toro_file_ops *ops, void *priv, unsigned flags)
{
    struct toro_file *f = toro_kzalloc(sizeof(*f));

    if (!f)
        return NULL;
    f->ops = ops;
    f->priv = priv;
    f->flags = flags;
    atomic_init(&f->refs, 1);
    toro_mutex_init(&f->pos_lock);
    toro_list_init(&f->epolls);
    return f;
}

void toro_file_get(struct toro_file *f)
{
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
}

void toro_file_put(struct toro_file *f)
{
    /* Release our uses of f; acquire everybody's before it is torn down. */
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    toro_epoll_forget(f);
    toro_locks_release(f);
    if (f->ops && f->ops->release)
        f->ops->release(f);
    toro_node_put(f->node);
    toro_kfree(f);
}

int toro_fd_install(struct toro_fdtable *t, struct toro_file *f, int min, bool cloexec)
{
    toro_spin_lock(&t->lock);
    for (int fd = min; fd >= 0 && fd < TORO_MAX_FDS; fd++) {
        uint64_t bit = 1ull << (fd % 64);

        if (t->file[fd])
            continue;
        t->file[fd] = f;
        t->cloexec[fd / 64] = cloexec ? t->cloexec[fd / 64] | bit : t->cloexec[fd / 64] & ~bit;
        toro_spin_unlock(&t->lock);
        return fd;
    }
    toro_spin_unlock(&t->lock);
    return -EMFILE;
}

struct toro_file *toro_fd_get(struct toro_fdtable *t, int fd)
{
    struct toro_file *f;

    if (fd < 0 || fd >= TORO_MAX_FDS)
        return NULL;
    toro_spin_lock(&t->lock);
    f = t->file[fd];
    if (f)
        toro_file_get(f);
    toro_spin_unlock(&t->lock);
    return f;
}

int toro_fd_close(struct toro_fdtable *t, int fd)
{
    struct toro_file *f;

    if (fd < 0 || fd >= TORO_MAX_FDS)
        return -EBADF;
    toro_spin_lock(&t->lock);
    f = t->file[fd];
    t->file[fd] = NULL;
    toro_spin_unlock(&t->lock);
    if (!f)
        return -EBADF;
    toro_locks_close(f);
    toro_file_put(f);
    return 0;
}

int toro_fd_replace(struct toro_fdtable *t, int fd, struct toro_file *f, bool cloexec)
{
    uint64_t bit = 1ull << (fd % 64);
    struct toro_file *old;

    toro_spin_lock(&t->lock);
    old = t->file[fd];
    t->file[fd] = f;
    t->cloexec[fd / 64] = cloexec ? t->cloexec[fd / 64] | bit : t->cloexec[fd / 64] & ~bit;
    toro_spin_unlock(&t->lock);
    if (old) {
        toro_locks_close(old);
        toro_file_put(old);
    }
    return fd;
}

void toro_fdtable_clear(struct toro_fdtable *t)
{
    for (int fd = 0; fd < TORO_MAX_FDS; fd++)
        (void)toro_fd_close(t, fd);
}

int toro_file_stat(struct toro_file *f, struct toro_linux_stat *st)
{
    if (f->ops->stat)
        return f->ops->stat(f, st);
    return f->node ? toro_vfs_stat(f->node, st) : -EBADF;
}

toro_ssize toro_file_pread(struct toro_file *f, void *buf, size_t n, uint64_t off)
{
    size_t done = 0;

    if (!f->ops->read)
        return -EISDIR;
    while (done < n) {
        uint64_t pos = off + done;
        toro_ssize r = f->ops->read(f, (char *)buf + done, n - done, &pos);

        if (r < 0)
            return done ? (toro_ssize)done : r;
        if (r == 0)
            break;
        done += (size_t)r;
    }
    return (toro_ssize)done;
}
