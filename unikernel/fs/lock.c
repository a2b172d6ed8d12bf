/* SPDX-License-Identifier: BSD-3-Clause */
/* Advisory locks: fcntl() ranges owned by a rank or an open file, flock() owned by an open file.
 * Locks on the guest's own files are decided here. Those on the host's files are taken there, by
 * the rank's proxy (lock_host.c); what is kept here is what the guest's ranks have. */
#include "lock.h"
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/proc.h>
#include <toro/vfs.h>

#define LOCK_SH 1u
#define LOCK_EX 2u
#define LOCK_NB 4u
#define LOCK_UN 8u
#define END     INT64_MAX /* first byte after the largest file */
/* A rank that takes ranges without end must not eat the kernel's memory. */
#define MAX_LOCKS 65536u

struct lock {
    struct toro_list link;
    struct toro_mount *mnt;
    uint64_t id;       /* with mnt: the file */
    const void *owner; /* rank, or open file for flock() */
    bool flock, write;
    bool by_file; /* the owner is an open file */
    int pid;
    int64_t start, end; /* [start, end) */
};

static struct toro_list locks = TORO_LIST_INIT(locks);
static unsigned nlocks;
static struct toro_spinlock guard = TORO_SPINLOCK_INIT;
static struct toro_waitq released = {TORO_SPINLOCK_INIT, TORO_LIST_INIT(released.waiters)};

static bool same_file(const struct lock *a, const struct lock *b)
{
    return a->mnt == b->mnt && a->id == b->id && a->flock == b->flock;
}

/* guard held */
static struct lock *conflict(const struct lock *want)
{
    toro_list_each(&locks, it)
    {
        struct lock *l = toro_list_entry(it, struct lock, link);

        if (same_file(l, want) && l->owner != want->owner && (l->write || want->write) &&
            l->start < want->end && want->start < l->end)
            return l;
    }
    return NULL;
}

static void drop(struct lock *l)
{
    toro_list_del(&l->link);
    toro_kfree(l);
    nlocks--;
}

/* guard held. Take [start, end) out of the owner's locks; *spare is used if one is cut in two. */
static void carve(const struct lock *r, struct lock **spare)
{
    toro_list_each_safe(&locks, it, nx)
    {
        struct lock *l = toro_list_entry(it, struct lock, link);

        if (!same_file(l, r) || l->owner != r->owner || l->start >= r->end || r->start >= l->end)
            continue;
        if (l->start < r->start && l->end > r->end) {
            struct lock *tail = *spare;

            *spare = NULL;
            *tail = *l;
            toro_list_init(&tail->link);
            tail->start = r->end;
            l->end = r->start;
            toro_list_push(&locks, &tail->link);
            nlocks++;
        } else if (l->start < r->start) {
            l->end = r->start;
        } else if (l->end > r->end) {
            l->start = r->end;
        } else {
            drop(l);
        }
    }
}

/* @return true if done (*err set), false if it must wait. */
static bool try_lock(struct lock **want, struct lock **spare, bool unlock, int *err)
{
    bool done = true;

    *err = 0;
    toro_spin_lock(&guard);
    if (unlock) {
        carve(*want, spare);
    } else if (conflict(*want)) {
        *err = -EAGAIN;
        done = false;
    } else if (nlocks >= MAX_LOCKS) {
        *err = -ENOLCK;
    } else {
        carve(*want, spare);
        toro_list_push(&locks, &(*want)->link);
        nlocks++;
        *want = NULL;
    }
    toro_spin_unlock(&guard);
    if (done)
        toro_wake(&released, UINT32_MAX);
    return done;
}

/* The host has decided: note it. */
static int note(struct lock **want, struct lock **spare, bool unlock)
{
    int err = 0;

    toro_spin_lock(&guard);
    carve(*want, spare);
    if (!unlock && nlocks >= MAX_LOCKS) {
        err = -ENOLCK;
    } else if (!unlock) {
        toro_list_push(&locks, &(*want)->link);
        nlocks++;
        *want = NULL;
    }
    toro_spin_unlock(&guard);
    return err;
}

static uint64_t host_key(const struct lock *l)
{
    return l->by_file ? (uint64_t)l->owner : l->id;
}

static struct torobus_ctl_lock host_request(const struct lock *l, unsigned op)
{
    return (struct torobus_ctl_lock){.op = (uint8_t)op,
                                     .type = l->write ? 1 : 0,
                                     .by_file = l->by_file,
                                     .key = host_key(l),
                                     .start = (uint64_t)l->start,
                                     .len = l->end == END ? 0 : (uint64_t)(l->end - l->start)};
}

static int ask_host(struct toro_node *n, const struct lock *what, bool unlock, bool wait)
{
    struct torobus_ctl_lock req =
        host_request(what, what->flock ? TOROBUS_LOCK_FLOCK : TOROBUS_LOCK_SET);

    if (unlock)
        req.type = 2;
    req.wait = wait && !unlock;
    return n->mnt->ops->lock(n, &req, NULL);
}

static int set_lock(struct toro_node *n, const struct lock *what, bool unlock, bool wait)
{
    struct lock *want = toro_kmalloc(sizeof(*want)), *spare = toro_kmalloc(sizeof(*spare));
    int err = -ENOLCK;

    if (want && spare) {
        *want = *what;
        toro_list_init(&want->link);
        err = n->mnt->ops->lock ? ask_host(n, what, unlock, wait) : -ENOENT;
        if (err == 0) {
            err = note(&want, &spare, unlock);
            if (err)
                (void)ask_host(n, what, true, false);
        }
        /* A file that has no name on the host any more is locked in the guest alone. */
        if (err == -ENOENT && !try_lock(&want, &spare, unlock, &err) && wait) {
            int r =
                toro_wait_event(&released, try_lock(&want, &spare, unlock, &err), UINT64_MAX, true);

            if (r)
                err = r;
        }
    }
    toro_kfree(want);
    toro_kfree(spare);
    return err;
}

static void describe(struct toro_flock *l, const struct lock *c)
{
    l->type = c->write ? TORO_F_WRLCK : TORO_F_RDLCK;
    l->start = c->start;
    l->len = c->end == END ? 0 : c->end - c->start;
    l->pid = c->by_file ? -1 : c->pid;
}

static int get_lock(struct toro_node *n, const struct lock *w, struct toro_flock *l)
{
    struct torobus_ctl_lock req = host_request(w, TOROBUS_LOCK_GET);
    struct torobus_ctl_locked a = {.type = 2};
    struct lock *c;
    int err = 0;

    toro_spin_lock(&guard);
    c = conflict(w);
    if (c)
        describe(l, c);
    toro_spin_unlock(&guard);
    if (c)
        return 0;
    if (n->mnt->ops->lock)
        err = n->mnt->ops->lock(n, &req, &a);
    if (err && err != -ENOENT)
        return err;
    if (err || a.type > 1) {
        l->type = TORO_F_UNLCK;
        return 0;
    }
    l->type = a.type == 1 ? TORO_F_WRLCK : TORO_F_RDLCK;
    l->start = (int64_t)a.start;
    l->len = (int64_t)a.len;
    l->pid = a.pid;
    return 0;
}

int toro_posix_lock(struct toro_file *f, int cmd, bool ofd, struct toro_flock *l)
{
    struct toro_proc *p = toro_current_proc();
    struct lock w = {.owner = ofd ? (const void *)f : p,
                     .by_file = ofd,
                     .pid = p->pid,
                     .write = l->type == TORO_F_WRLCK};

    if (!f->node)
        return -EINVAL;
    if (l->type != TORO_F_RDLCK && l->type != TORO_F_WRLCK && l->type != TORO_F_UNLCK)
        return -EINVAL;
    w.mnt = f->node->mnt;
    w.id = f->node->id;
    w.start = l->len < 0 ? l->start + l->len : l->start;
    if (l->start < 0 || w.start < 0 || (l->len > 0 && l->start > END - l->len))
        return -EINVAL;
    w.end = l->len == 0 ? END : l->len < 0 ? l->start : l->start + l->len;
    if (cmd != TORO_F_GETLK)
        return set_lock(f->node, &w, l->type == TORO_F_UNLCK, cmd == TORO_F_SETLKW);
    l->whence = 0;
    return get_lock(f->node, &w, l);
}

int toro_flock_op(struct toro_file *f, unsigned op)
{
    struct lock w = {
        .owner = f, .flock = true, .by_file = true, .write = (op & LOCK_EX) != 0, .end = END};
    unsigned what = op & ~LOCK_NB;

    if (what != LOCK_SH && what != LOCK_EX && what != LOCK_UN)
        return -EINVAL;
    if (!f->node)
        return -EBADF;
    w.mnt = f->node->mnt;
    w.id = f->node->id;
    return set_lock(f->node, &w, what == LOCK_UN, !(op & LOCK_NB));
}

/* All that the owner has, on one file or on all. @return whether there was anything. */
static bool drop_all(const void *owner, const struct toro_node *n)
{
    bool any = false;

    toro_spin_lock(&guard);
    toro_list_each_safe(&locks, it, nx)
    {
        struct lock *l = toro_list_entry(it, struct lock, link);

        if (l->owner == owner && (!n || (l->mnt == n->mnt && l->id == n->id))) {
            drop(l);
            any = true;
        }
    }
    toro_spin_unlock(&guard);
    if (any)
        toro_wake(&released, UINT32_MAX);
    return any;
}

static void close_at_host(struct toro_node *n, uint64_t key, bool by_file)
{
    struct torobus_ctl_lock req = {.op = TOROBUS_LOCK_CLOSE, .by_file = by_file, .key = key};

    if (n->mnt->ops->lock)
        (void)n->mnt->ops->lock(n, &req, NULL);
}

void toro_locks_close(struct toro_file *f)
{
    if (f->node && nlocks && drop_all(toro_current_proc(), f->node))
        close_at_host(f->node, f->node->id, false);
}

void toro_locks_release(struct toro_file *f)
{
    if (f->node && nlocks && drop_all(f, NULL))
        close_at_host(f->node, (uint64_t)f, true);
}

/* The host's locks go with the rank's EXIT. */
void toro_locks_end(struct toro_proc *p)
{
    (void)drop_all(p, NULL);
}
