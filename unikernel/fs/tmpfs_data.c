/* SPDX-License-Identifier: BSD-3-Clause */
/* Contents of tmpfs files: address space is reserved ahead, memory is charged as the size grows. A
 * file that is mapped never moves; others may. */
#include <toro/arch.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/mm.h>
#include <toro/proc.h>
#include "tmpfs.h"

#define RESERVE_MIN (64ul << 10)
/** Before the first mapping, room to grow in place is set aside. */
#define RESERVE_MAPPED (4ul << 20)

/** Address space of all files, memory or not. */
static _Atomic uint64_t all_reserved;

static struct toro_pool *pool(void)
{
    return toro_pool(arch_ncores());
}

/* Room to grow is for files while they are few: thousands of small mapped ones (a window of
 * one-sided communication is a file each) must not use up the address space with it. */
static bool roomy(void)
{
    uint64_t used, size;

    toro_pool_usage(pool(), &used, &size);
    return atomic_load_explicit(&all_reserved, memory_order_relaxed) < size / 4;
}

static void set_reserved(struct tmp_inode *i, uint64_t reserved)
{
    atomic_fetch_add_explicit(&all_reserved, reserved - i->reserved, memory_order_relaxed);
    i->reserved = reserved;
}

struct toro_timespec tmp_now(void)
{
    uint64_t ns = arch_realtime_ns();

    return (struct toro_timespec){.sec = (int64_t)(ns / 1000000000u),
                                  .nsec = (int64_t)(ns % 1000000000u)};
}

/* Address space for at least `need` bytes. @return 0 or -ENOSPC. */
static int reserve(struct tmp_inode *i, uint64_t need)
{
    uint64_t want, va;

    if (need <= i->reserved)
        return 0;
    need = TORO_ALIGN_UP(need, TORO_PAGE_SIZE);
    want = roomy() ? TORO_ALIGN_UP(TORO_MAX(2 * need, RESERVE_MIN), RESERVE_MIN) : need;
    if (i->reserved) { /* in place, if what follows is free */
        if (toro_pool_reserve_at(pool(), i->va + i->reserved, want - i->reserved) == 0) {
            set_reserved(i, want);
            return 0;
        }
        if (toro_pool_reserve_at(pool(), i->va + i->reserved, need - i->reserved) == 0) {
            set_reserved(i, need);
            return 0;
        }
        if (i->mapped)
            return -ENOSPC;
    }
    va = toro_pool_reserve(pool(), want, TORO_PAGE_SIZE);
    if (!va)
        va = toro_pool_reserve(pool(), want = need, TORO_PAGE_SIZE);
    if (!va)
        return -ENOSPC;
    if (i->committed) {
        if (toro_pool_commit(pool(), va, i->committed) != 0) {
            toro_pool_unreserve(pool(), va, want);
            return -ENOSPC;
        }
        toro_memcpy((void *)va, (void *)i->va, i->committed);
        toro_pool_uncommit(pool(), i->va, i->committed);
    }
    if (i->reserved)
        toro_pool_unreserve(pool(), i->va, i->reserved);
    i->va = va;
    set_reserved(i, want);
    return 0;
}

int tmp_resize(struct tmp_inode *i, uint64_t size)
{
    uint64_t pages = TORO_ALIGN_UP(size, TORO_PAGE_SIZE);
    int err;

    if (size > TOROBUS_REGION_MAX)
        return -EFBIG;
    if (pages > i->committed) {
        err = reserve(i, pages);
        if (!err && toro_pool_commit(pool(), i->va + i->committed, pages - i->committed) != 0)
            err = -ENOSPC;
        if (err)
            return err;
        i->committed = pages;
    } else if (size < i->size) {
        /* What was cut off reads as zero if the file grows again. */
        toro_memset((char *)i->va + size, 0, TORO_MIN(pages, i->committed) - size);
        if (pages < i->committed) {
            toro_pool_uncommit(pool(), i->va + pages, i->committed - pages);
            i->committed = pages;
        }
    }
    i->size = size;
    return 0;
}

void tmp_drop_data(struct tmp_inode *i)
{
    if (i->committed)
        toro_pool_uncommit(pool(), i->va, i->committed);
    if (i->reserved)
        toro_pool_unreserve(pool(), i->va, i->reserved);
    set_reserved(i, 0);
    i->size = i->committed = i->va = 0;
}

void tmp_stat(const struct tmp_inode *i, unsigned dev, struct toro_linux_stat *st)
{
    *st = (struct toro_linux_stat){.dev = dev,
                                   .ino = i->ino,
                                   .nlink = i->nlink,
                                   .mode = i->mode,
                                   .uid = i->uid,
                                   .gid = i->gid,
                                   .size = (int64_t)i->size,
                                   .blksize = 4096,
                                   .blocks = (int64_t)(i->committed / 512),
                                   .atime = i->atime,
                                   .mtime = i->mtime,
                                   .ctime = i->ctime};
    if (i->target)
        st->size = (int64_t)toro_strlen(i->target);
}

static struct tmp_inode *inode(const struct toro_file *f)
{
    return f->node->priv;
}

static toro_ssize tmp_read(struct toro_file *f, void *buf, size_t n, uint64_t *pos)
{
    struct tmp_inode *i = inode(f);
    toro_ssize r = 0;

    toro_mutex_lock(&i->data);
    if (*pos < i->size) {
        size_t k = TORO_MIN(n, i->size - *pos);

        if (toro_copy_to_user(buf, (char *)i->va + *pos, k) != 0) {
            r = -EFAULT;
        } else {
            r = (toro_ssize)k;
            *pos += k;
            i->atime = tmp_now();
        }
    }
    toro_mutex_unlock(&i->data);
    return r;
}

static toro_ssize tmp_write(struct toro_file *f, const void *buf, size_t n, uint64_t *pos)
{
    struct tmp_inode *i = inode(f);
    uint64_t old;
    toro_ssize r = (toro_ssize)n;
    int err = 0;

    toro_mutex_lock(&i->data);
    old = i->size;
    if (f->flags & TORO_O_APPEND)
        *pos = old;
    if (n && (*pos > TOROBUS_REGION_MAX || n > TOROBUS_REGION_MAX))
        err = -EFBIG;
    else if (n && *pos + n > old)
        err = tmp_resize(i, *pos + n);
    if (!err && n && toro_copy_from_user((char *)i->va + *pos, buf, n) != 0) {
        err = -EFAULT;
        (void)tmp_resize(i, TORO_MIN(old, i->size));
    }
    if (!err && n) {
        *pos += n;
        i->mtime = i->ctime = tmp_now();
    }
    toro_mutex_unlock(&i->data);
    return err ? err : r;
}

static int tmp_truncate(struct toro_file *f, uint64_t size)
{
    struct tmp_inode *i = inode(f);
    int err;

    toro_mutex_lock(&i->data);
    err = tmp_resize(i, size);
    if (!err)
        i->mtime = i->ctime = tmp_now();
    toro_mutex_unlock(&i->data);
    return err;
}

static long tmp_mmap(struct toro_file *f, uint64_t off, uint64_t len, unsigned prot)
{
    struct tmp_inode *i = inode(f);
    uint64_t end = off + len;
    long r;

    (void)prot;
    if (end < off || end > TOROBUS_REGION_MAX)
        return -EOVERFLOW;
    toro_mutex_lock(&i->data);
    r = reserve(i, i->mapped || !roomy() ? end : TORO_MAX(end, RESERVE_MAPPED));
    if (r && !i->mapped)
        r = reserve(i, end);
    if (!r) {
        i->mapped = true;
        r = (long)(i->va + off);
    } else {
        r = -ENOMEM;
    }
    toro_mutex_unlock(&i->data);
    return r;
}

static unsigned tmp_poll(struct toro_file *f, struct toro_waitq **q)
{
    (void)f;
    (void)q;
    return TORO_POLLIN | TORO_POLLOUT;
}

static int tmp_file_stat(struct toro_file *f, struct toro_linux_stat *st)
{
    tmp_stat(inode(f), f->node->mnt->dev, st);
    return 0;
}

static int tmp_sync(struct toro_file *f)
{
    (void)f;
    return 0;
}

static int tmp_allocate(struct toro_file *f, uint64_t off, uint64_t len)
{
    struct tmp_inode *i = inode(f);
    int err = 0;

    toro_mutex_lock(&i->data);
    if (off + len > i->size)
        err = tmp_resize(i, off + len); /* memory below the size is there always */
    toro_mutex_unlock(&i->data);
    return err;
}

static void tmp_release(struct toro_file *f)
{
    struct tmp_inode *i = inode(f);

    toro_mutex_lock(&i->data);
    if (--i->opens == 0)
        i->mapped = false;
    toro_mutex_unlock(&i->data);
}

const struct toro_file_ops tmp_file_ops = {.read = tmp_read,
                                           .write = tmp_write,
                                           .poll = tmp_poll,
                                           .mmap = tmp_mmap,
                                           .stat = tmp_file_stat,
                                           .truncate = tmp_truncate,
                                           .sync = tmp_sync,
                                           .allocate = tmp_allocate,
                                           .release = tmp_release};
