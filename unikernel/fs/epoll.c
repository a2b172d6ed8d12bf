/* SPDX-License-Identifier: BSD-3-Clause */
/* epoll. An item sits in its file's wait queue with a callback that puts it on the ready list; who
 * waits asks the file again, so a stale entry costs one question.
 *
 * Locks: topology (which items exist) > ep->scan (one looks through the ready list) > queue of a
 * file > ep->lock (the ready list) > ep->q. */
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/linux.h>
#include <toro/mutex.h>
#include <toro/vfs.h>
#include "epoll.h"

#define EV_ALWAYS  (TORO_POLLERR | TORO_POLLHUP)
#define EV_ONESHOT 0x40000000u
#define EV_ET      0x80000000u
#define EV_PRIVATE 0xf0000000u /* bits that are not events */

struct epoll {
    struct toro_mutex scan;
    struct toro_spinlock lock;
    struct toro_waitq q;
    struct toro_list items, ready;
};

struct item {
    struct toro_waiter w;
    struct toro_list in_ep, in_ready, in_file;
    struct epoll *ep;
    struct toro_file *file; /* no reference: the file takes its items along */
    int fd;
    struct toro_epoll_event ev;
    bool off; /* one-shot, and shot */
};

static struct toro_mutex topology = {.q = {TORO_SPINLOCK_INIT, TORO_LIST_INIT(topology.q.waiters)}};
static const struct toro_file_ops epoll_ops;

static void make_ready(struct item *i)
{
    toro_spin_lock(&i->ep->lock);
    if (toro_list_empty(&i->in_ready))
        toro_list_push(&i->ep->ready, &i->in_ready);
    toro_spin_unlock(&i->ep->lock);
    toro_wake(&i->ep->q, UINT32_MAX);
}

static void on_change(struct toro_waiter *w)
{
    make_ready(TORO_CONTAINER_OF(w, struct item, w));
}

static unsigned events_of(const struct item *i)
{
    return i->file->ops->poll(i->file, NULL) & ((i->ev.events & ~EV_PRIVATE) | EV_ALWAYS);
}

/* topology held. The item is in no list afterwards, and nobody looks at it. */
static void item_remove(struct item *i)
{
    toro_wait_del(&i->w);
    toro_mutex_lock(&i->ep->scan);
    toro_spin_lock(&i->ep->lock);
    toro_list_del(&i->in_ready);
    toro_spin_unlock(&i->ep->lock);
    toro_list_del(&i->in_ep);
    toro_list_del(&i->in_file);
    toro_mutex_unlock(&i->ep->scan);
    toro_kfree(i);
}

void toro_epoll_forget(struct toro_file *f)
{
    /* Items are added by holders of a reference only, and there is none left. */
    if (toro_list_empty(&f->epolls))
        return;
    toro_mutex_lock(&topology);
    toro_list_each_safe(&f->epolls, it, nx) item_remove(toro_list_entry(it, struct item, in_file));
    toro_mutex_unlock(&topology);
}

static void epoll_release(struct toro_file *f)
{
    struct epoll *ep = f->priv;

    toro_mutex_lock(&topology);
    toro_list_each_safe(&ep->items, it, nx) item_remove(toro_list_entry(it, struct item, in_ep));
    toro_mutex_unlock(&topology);
    toro_kfree(ep);
}

static unsigned epoll_poll(struct toro_file *f, struct toro_waitq **q)
{
    struct epoll *ep = f->priv;

    if (q)
        *q = &ep->q;
    return toro_list_empty(&ep->ready) ? 0 : TORO_POLLIN;
}

static int epoll_stat(struct toro_file *f, struct toro_linux_stat *st)
{
    *st = (struct toro_linux_stat){
        .dev = 13, .ino = (uintptr_t)f->priv >> 4, .nlink = 1, .mode = 0600, .blksize = 4096};
    return 0;
}

static const struct toro_file_ops epoll_ops = {
    .poll = epoll_poll, .stat = epoll_stat, .release = epoll_release};

struct toro_file *toro_epoll_new(void)
{
    struct epoll *ep = toro_kzalloc(sizeof(*ep));
    struct toro_file *f;

    if (!ep)
        return NULL;
    toro_mutex_init(&ep->scan);
    toro_waitq_init(&ep->q);
    toro_list_init(&ep->items);
    toro_list_init(&ep->ready);
    f = toro_file_new(&epoll_ops, ep, TORO_O_RDWR);
    if (!f)
        toro_kfree(ep);
    else
        f->path = "anon_inode:[eventpoll]";
    return f;
}

/* Look at the file, and from now on be told of changes. */
static void watch(struct item *i)
{
    struct toro_waitq *q = NULL;

    (void)i->file->ops->poll(i->file, &q);
    if (q && i->w.q != q)
        toro_wait_add(q, &i->w);
    if (events_of(i))
        make_ready(i);
}

static struct item *find(struct epoll *ep, const struct toro_file *f, int fd)
{
    toro_list_each(&ep->items, it)
    {
        struct item *i = toro_list_entry(it, struct item, in_ep);

        if (i->file == f && i->fd == fd)
            return i;
    }
    return NULL;
}

static int add(struct epoll *ep, struct toro_file *f, int fd, const struct toro_epoll_event *ev)
{
    struct item *i = toro_kzalloc(sizeof(*i));

    if (!i)
        return -ENOMEM;
    toro_list_init(&i->w.link);
    toro_list_init(&i->in_ready);
    toro_list_init(&i->in_ep);
    toro_list_init(&i->in_file);
    i->w.fn = on_change;
    i->ep = ep;
    i->file = f;
    i->fd = fd;
    i->ev = *ev;
    toro_mutex_lock(&ep->scan);
    toro_list_push(&ep->items, &i->in_ep);
    toro_list_push(&f->epolls, &i->in_file);
    toro_mutex_unlock(&ep->scan);
    watch(i);
    return 0;
}

int toro_epoll_ctl(struct toro_file *epf, int op, struct toro_file *f, int fd,
                   const struct toro_epoll_event *ev)
{
    struct epoll *ep = epf->priv;
    struct item *i;
    int err = 0;

    if (epf->ops != &epoll_ops || f == epf)
        return -EINVAL;
    if (f->ops == &epoll_ops)
        return -ELOOP; /* no epoll in epoll */
    if (!f->ops->poll || (f->node && f->node->type == TORO_S_IFREG))
        return -EPERM;
    toro_mutex_lock(&topology);
    i = find(ep, f, fd);
    if (op == EPOLL_CTL_ADD_) {
        err = i ? -EEXIST : add(ep, f, fd, ev);
    } else if (!i) {
        err = -ENOENT;
    } else if (op == EPOLL_CTL_DEL_) {
        item_remove(i);
    } else if (op == EPOLL_CTL_MOD_) {
        toro_mutex_lock(&ep->scan);
        i->ev = *ev;
        i->off = false;
        toro_mutex_unlock(&ep->scan);
        watch(i);
    } else {
        err = -EINVAL;
    }
    toro_mutex_unlock(&topology);
    return err;
}

static struct item *pop(struct epoll *ep)
{
    struct toro_list *l;

    toro_spin_lock(&ep->lock);
    l = toro_list_pop(&ep->ready);
    toro_spin_unlock(&ep->lock);
    return l ? toro_list_entry(l, struct item, in_ready) : NULL;
}

static unsigned collect(struct epoll *ep, struct toro_epoll_event *out, unsigned max)
{
    struct toro_list again = TORO_LIST_INIT(again);
    unsigned n = 0;
    struct item *i;

    toro_mutex_lock(&ep->scan);
    /* Taken off the list before the file is asked: a change in between puts it there again. */
    while (n < max && (i = pop(ep)) != NULL) {
        unsigned e = i->off ? 0 : events_of(i);

        if (!e)
            continue;
        out[n].events = e;
        out[n++].data = i->ev.data;
        if (i->ev.events & EV_ONESHOT) {
            i->off = true;
        } else if (!(i->ev.events & EV_ET)) {
            toro_spin_lock(&ep->lock);
            if (toro_list_empty(&i->in_ready)) /* level: ask again next time, behind the others */
                toro_list_push(&again, &i->in_ready);
            toro_spin_unlock(&ep->lock);
        }
    }
    toro_spin_lock(&ep->lock);
    for (struct toro_list *l; (l = toro_list_pop(&again)) != NULL;)
        toro_list_push(&ep->ready, l);
    toro_spin_unlock(&ep->lock);
    toro_mutex_unlock(&ep->scan);
    return n;
}

int toro_epoll_wait(struct toro_file *epf, struct toro_epoll_event *out, unsigned max,
                    uint64_t deadline)
{
    struct epoll *ep = epf->priv;

    if (epf->ops != &epoll_ops)
        return -EINVAL;
    for (;;) {
        unsigned n = collect(ep, out, max);
        int err;

        if (n || deadline == 0)
            return (int)n;
        err = toro_wait_event(&ep->q, !toro_list_empty(&ep->ready), deadline, true);
        if (err == -ETIMEDOUT)
            deadline = 0; /* one last look */
        else if (err)
            return err;
    }
}
