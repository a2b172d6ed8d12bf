/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for several descriptors at once. */
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/proc.h>
#include <toro/vfs.h>

#define POLLNVAL 0x20u
#define ALWAYS   (TORO_POLLERR | TORO_POLLHUP)
#define FEW      8u

struct watch {
    struct toro_file *f;
    struct toro_waiter w;
};

/* Events of one entry. A file that cannot be asked is always ready, as regular files are. */
static unsigned ask(const struct toro_pollfd *p, struct toro_file *f, struct toro_waitq **q)
{
    unsigned ev;

    if (p->fd < 0)
        return 0;
    if (!f)
        return POLLNVAL;
    ev = f->ops->poll ? f->ops->poll(f, q) : TORO_POLLIN | TORO_POLLOUT;
    /* The normal-priority aliases mean the same. */
    ev |= (ev & TORO_POLLIN ? 0x40u : 0) | (ev & TORO_POLLOUT ? 0x100u : 0);
    return ev & (p->events | ALWAYS);
}

static unsigned ask_all(struct toro_pollfd *fds, struct watch *w, unsigned n)
{
    unsigned ready = 0;

    for (unsigned i = 0; i < n; i++) {
        fds[i].revents = (uint16_t)ask(&fds[i], w[i].f, NULL);
        ready += fds[i].revents != 0;
    }
    return ready;
}

static void enqueue(struct toro_pollfd *fds, struct watch *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct toro_waitq *q = NULL;

        (void)ask(&fds[i], w[i].f, &q);
        if (q)
            toro_wait_add(q, &w[i].w);
    }
}

static int wait_any(struct toro_pollfd *fds, struct watch *w, unsigned n, uint64_t deadline)
{
    unsigned ready;
    int err = 0;

    for (;;) {
        ready = ask_all(fds, w, n);
        if (ready || err || deadline == 0)
            break;
        toro_block_begin();
        enqueue(fds, w, n);
        /* A change after this look finds us in the queue. */
        ready = ask_all(fds, w, n);
        if (!ready)
            err = toro_block(deadline, true);
        for (unsigned i = 0; i < n; i++)
            toro_wait_del(&w[i].w);
    }
    return ready || err != -EINTR ? (int)ready : err;
}

int toro_poll_fds(struct toro_pollfd *fds, unsigned n, uint64_t deadline)
{
    struct toro_fdtable *t = &toro_current_proc()->fds;
    struct watch few[FEW], *w = few;
    int r;

    if (n > FEW) {
        w = toro_kmalloc(n * sizeof(*w));
        if (!w)
            return -ENOMEM;
    }
    for (unsigned i = 0; i < n; i++) {
        w[i] = (struct watch){.f = toro_fd_get(t, fds[i].fd), .w = {.thread = toro_current()}};
        toro_list_init(&w[i].w.link);
    }
    r = wait_any(fds, w, n, deadline);
    for (unsigned i = 0; i < n; i++)
        toro_file_put(w[i].f);
    if (w != few)
        toro_kfree(w);
    return r;
}
