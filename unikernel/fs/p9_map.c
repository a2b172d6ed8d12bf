/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared mappings of 9p files: one copy of the mapped part per file and guest, in the shared pool,
 * so that all ranks of the guest see each other's stores at one address. Pages that were changed (a
 * second copy tells) are written back by msync(), fsync(), read() and when a user of the mapping
 * goes. Other guests and the host see changes after that, as with network file systems. */
#include <toro/arch.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/mm.h>
#include <toro/mutex.h>
#include <toro/vfs.h>
#include <torobus/abi.h>
#include "p9.h"

struct p9_map {
    struct toro_list link;
    struct toro_mount *mnt;
    uint64_t id;    /* with mnt: the file */
    unsigned users; /* open files that have mapped it */
    struct toro_mutex lock;
    uint64_t va, seen; /* the mapped copy; what the server has, or 0: nobody may write */
    uint64_t reserved; /* bytes of address space of each */
    uint64_t len;      /* bytes that are there, whole pages */
};

static struct toro_list maps = TORO_LIST_INIT(maps);
static struct toro_mutex maps_lock = {
    .q = {TORO_SPINLOCK_INIT, TORO_LIST_INIT(maps_lock.q.waiters)}};
static _Atomic unsigned nmaps;

static struct toro_pool *pool(void)
{
    return toro_pool(arch_ncores());
}

static bool writable(const struct toro_file *f)
{
    return (f->flags & TORO_O_ACCMODE) == TORO_O_RDWR;
}

/* maps_lock held */
static struct p9_map *find(const struct toro_file *f)
{
    toro_list_each(&maps, it)
    {
        struct p9_map *m = toro_list_entry(it, struct p9_map, link);

        if (m->mnt == f->node->mnt && m->id == f->node->id)
            return m;
    }
    return NULL;
}

/* The file's mapping with one more user (this call), or NULL. */
static struct p9_map *borrow(const struct toro_file *f)
{
    struct p9_map *m;

    if (atomic_load_explicit(&nmaps, memory_order_acquire) == 0)
        return NULL;
    toro_mutex_lock(&maps_lock);
    m = find(f);
    if (m)
        m->users++;
    toro_mutex_unlock(&maps_lock);
    return m;
}

static void drop_memory(uint64_t va, uint64_t len, uint64_t reserved)
{
    if (len)
        toro_pool_uncommit(pool(), va, len);
    if (va)
        toro_pool_unreserve(pool(), va, reserved);
}

static void give_back(struct p9_map *m)
{
    bool last;

    toro_mutex_lock(&maps_lock);
    last = --m->users == 0;
    if (last) {
        toro_list_del(&m->link);
        atomic_fetch_sub_explicit(&nmaps, 1, memory_order_relaxed);
    }
    toro_mutex_unlock(&maps_lock);
    if (!last)
        return;
    drop_memory(m->va, m->len, m->reserved);
    drop_memory(m->seen, m->seen ? m->len : 0, m->reserved);
    toro_kfree(m);
}

/* Read [off, off + n) of the file into memory; what lies behind its end stays as it is. */
static int fill(struct toro_file *f, uint64_t va, uint64_t off, uint64_t n)
{
    struct p9_open *o = f->priv;

    for (uint64_t done = 0; done < n;) {
        uint32_t k = (uint32_t)TORO_MIN(n - done, (uint64_t)P9_IO_MAX);
        toro_ssize r = p9_file_io(o, (void *)(va + done), k, off + done, false);

        if (r < 0)
            return (int)r;
        if (r == 0)
            break;
        done += (uint64_t)r;
    }
    return 0;
}

/* lock held. Make the copy reach to `end`. */
static int grow(struct p9_map *m, struct toro_file *f, uint64_t end)
{
    uint64_t more = end - m->len;
    int err;

    if (end <= m->len)
        return 0;
    if (end > m->reserved) /* it must not move */
        return -ENOMEM;
    if (toro_pool_commit(pool(), m->va + m->len, more) != 0)
        return -ENOMEM;
    if (m->seen && toro_pool_commit(pool(), m->seen + m->len, more) != 0) {
        toro_pool_uncommit(pool(), m->va + m->len, more);
        return -ENOMEM;
    }
    err = fill(f, m->va + m->len, m->len, more);
    if (err) {
        toro_pool_uncommit(pool(), m->va + m->len, more);
        if (m->seen)
            toro_pool_uncommit(pool(), m->seen + m->len, more);
        return err;
    }
    if (m->seen)
        toro_memcpy((void *)(m->seen + m->len), (void *)(m->va + m->len), more);
    m->len = end;
    return 0;
}

/* lock held. From now on somebody may store into the mapping. */
static int make_writable(struct p9_map *m)
{
    if (m->seen)
        return 0;
    m->seen = toro_pool_reserve(pool(), m->reserved, TORO_PAGE_SIZE);
    if (!m->seen)
        return -ENOMEM;
    if (m->len && toro_pool_commit(pool(), m->seen, m->len) != 0) {
        toro_pool_unreserve(pool(), m->seen, m->reserved);
        m->seen = 0;
        return -ENOMEM;
    }
    toro_memcpy((void *)m->seen, (void *)m->va, m->len);
    return 0;
}

static struct p9_map *map_new(const struct toro_file *f, uint64_t end, uint64_t size)
{
    struct p9_map *m = toro_kzalloc(sizeof(*m));
    /* Room to map more later, as long as address space is not short. */
    uint64_t want = TORO_ALIGN_UP(TORO_MAX(end, size) * 2, TORO_PAGE_SIZE);

    if (!m)
        return NULL;
    m->va = toro_pool_reserve(pool(), want, TORO_PAGE_SIZE);
    if (!m->va)
        m->va = toro_pool_reserve(pool(), want = end, TORO_PAGE_SIZE);
    if (!m->va) {
        toro_kfree(m);
        return NULL;
    }
    toro_mutex_init(&m->lock);
    toro_list_init(&m->link);
    m->reserved = want;
    m->mnt = f->node->mnt;
    m->id = f->node->id;
    return m;
}

long p9_file_mmap(struct toro_file *f, uint64_t off, uint64_t len, unsigned prot)
{
    uint64_t end = TORO_ALIGN_UP(off + len, TORO_PAGE_SIZE);
    struct p9_open *o = f->priv;
    struct toro_linux_stat st;
    struct p9_map *m;
    int err;

    (void)prot;
    if (end < off || end > TOROBUS_REGION_MAX)
        return -EOVERFLOW;
    err = toro_file_stat(f, &st);
    if (err)
        return err;
    toro_mutex_lock(&maps_lock);
    m = find(f);
    if (!m) {
        m = map_new(f, end, (uint64_t)st.size);
        if (m) {
            toro_list_push(&maps, &m->link);
            atomic_fetch_add_explicit(&nmaps, 1, memory_order_release);
        }
    }
    if (m)
        m->users++;
    toro_mutex_unlock(&maps_lock);
    if (!m)
        return -ENOMEM;
    toro_mutex_lock(&m->lock);
    err = writable(f) ? make_writable(m) : 0;
    if (!err)
        err = grow(m, f, end);
    toro_mutex_unlock(&m->lock);
    /* One use per open file, given back by its release; a second mapping adds none. */
    if (err || o->map)
        give_back(m);
    else
        o->map = m;
    return err ? err : (long)(m->va + off);
}

/* lock held. Write changed pages back, up to the end of the file. */
static int flush(struct p9_map *m, struct toro_file *f)
{
    struct p9_open *o = f->priv;
    struct toro_linux_stat st;
    uint64_t end;
    int err;

    if (!m->seen || !writable(f))
        return 0;
    err = toro_file_stat(f, &st);
    end = TORO_MIN((uint64_t)st.size, m->len);
    for (uint64_t at = 0; !err && at < end;) {
        uint64_t n = 0;

        while (at + n < end && n + TORO_PAGE_SIZE <= P9_IO_MAX &&
               toro_memcmp((void *)(m->va + at + n), (void *)(m->seen + at + n), TORO_PAGE_SIZE))
            n += TORO_PAGE_SIZE;
        if (!n) {
            at += TORO_PAGE_SIZE;
            continue;
        }
        /* First remember, then send: what a rank stores meanwhile is found the next time. */
        toro_memcpy((void *)(m->seen + at), (void *)(m->va + at), n);
        n = TORO_MIN(n, end - at);
        for (uint64_t done = 0; !err && done < n;) {
            toro_ssize r =
                p9_file_io(o, (void *)(m->seen + at + done), (uint32_t)(n - done), at + done, true);

            if (r <= 0)
                err = r ? (int)r : -EIO;
            else
                done += (uint64_t)r;
        }
        if (err) /* not there: let it look changed */
            *(volatile uint8_t *)(m->seen + at) = (uint8_t) ~*(volatile uint8_t *)(m->va + at);
        at += TORO_ALIGN_UP(n, TORO_PAGE_SIZE);
    }
    return err;
}

int p9_map_flush(struct toro_file *f)
{
    struct p9_map *m = borrow(f);
    int err;

    if (!m)
        return 0;
    toro_mutex_lock(&m->lock);
    err = flush(m, f);
    toro_mutex_unlock(&m->lock);
    give_back(m);
    return err;
}

void p9_map_written(struct toro_file *f, uint64_t off, uint64_t n)
{
    struct p9_map *m = borrow(f);

    if (!m)
        return;
    toro_mutex_lock(&m->lock);
    if (off < m->len && (f->flags & TORO_O_ACCMODE) != TORO_O_WRONLY) {
        n = TORO_MIN(n, m->len - off);
        if (fill(f, m->va + off, off, n) == 0 && m->seen)
            toro_memcpy((void *)(m->seen + off), (void *)(m->va + off), n);
    }
    toro_mutex_unlock(&m->lock);
    give_back(m);
}

void p9_map_cut(struct toro_file *f, uint64_t size)
{
    struct p9_map *m = borrow(f);

    if (!m)
        return;
    toro_mutex_lock(&m->lock);
    if (size < m->len) {
        toro_memset((void *)(m->va + size), 0, m->len - size);
        if (m->seen)
            toro_memset((void *)(m->seen + size), 0, m->len - size);
    }
    toro_mutex_unlock(&m->lock);
    give_back(m);
}

void p9_map_release(struct toro_file *f)
{
    struct p9_open *o = f->priv;
    struct p9_map *m = o->map;
    int err;

    if (!m)
        return;
    toro_mutex_lock(&m->lock);
    err = flush(m, f);
    toro_mutex_unlock(&m->lock);
    if (err)
        toro_printk(0, "9p: changes to a mapped file are lost (error %d): %s", -err, f->node->path);
    give_back(m);
    o->map = NULL;
}
