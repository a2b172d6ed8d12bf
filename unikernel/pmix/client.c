/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/toro-pmix: one client per rank, a queue of messages for it. */
#include "srv.h"

#include <toro/bus.h>
#include <toro/linux.h>

/* Tell the rank's progress engine without a system call of its own. The word is the rank's memory;
 * a bad address hurts nobody but itself. */
static void attention(struct pmix_client *c, uint32_t v)
{
    void *p = (void *)(uintptr_t)c->attention;

    if (p && toro_user_ok(p, sizeof(v)))
        (void)toro_copy_to_user(p, &v, sizeof(v));
}

void toro_pmix_deliver(struct pmix_client *c, struct pmix_msg *m)
{
    if (!c->file || c->queued_bytes >= PMIX_QUEUE_HARD) {
        if (c->file)
            toro_printk(0, "pmix: rank %u does not read; message %u dropped\n", c->index, m->h.op);
        toro_kfree(m);
        return;
    }
    toro_list_push(&c->queue, &m->link);
    c->queued_bytes += sizeof(m->h) + m->h.len;
    if (atomic_fetch_add_explicit(&c->nqueued, 1, memory_order_release) == 0)
        attention(c, 1);
    toro_wake(&c->wq, UINT32_MAX);
    toro_bus_poke(c->proc);
}

void toro_pmix_reply_msg(struct pmix_client *c, uint16_t op, uint32_t id, struct pmix_msg *m)
{
    if (id == 0) {
        toro_kfree(m);
        return;
    }
    m->h.op = op;
    m->h.id = id;
    m->h.flags = TOROBUS_PMIX_F_REPLY;
    toro_pmix_deliver(c, m);
}

void toro_pmix_reply(struct pmix_client *c, uint16_t op, uint32_t id, int32_t status)
{
    struct pmix_msg *m;

    if (id == 0)
        return;
    m = toro_pmix_msg_new(op, 0, id, 0);
    if (!m) {
        toro_printk(0, "pmix: no memory for a reply to rank %u\n", c->index);
        return;
    }
    m->h.status = status;
    toro_pmix_reply_msg(c, op, id, m);
}

static struct pmix_client *of(struct toro_file *f)
{
    return f->priv;
}

static toro_ssize dev_read(struct toro_file *f, void *buf, size_t n, uint64_t *pos)
{
    struct pmix_client *c = of(f);
    struct pmix_msg *m;
    size_t len;
    int rc;

    (void)pos;
    for (;;) {
        toro_spin_lock(&toro_pmix.lock);
        m = c->file == f && !toro_list_empty(&c->queue)
                ? toro_list_entry(c->queue.next, struct pmix_msg, link)
                : NULL;
        if (m) {
            len = sizeof(m->h) + m->h.len;
            if (len > n) {
                toro_spin_unlock(&toro_pmix.lock);
                return -EMSGSIZE;
            }
            toro_list_del(&m->link);
            c->queued_bytes -= len;
            if (atomic_fetch_sub_explicit(&c->nqueued, 1, memory_order_release) == 1)
                attention(c, 0);
        }
        toro_spin_unlock(&toro_pmix.lock);
        if (m)
            break;
        if (f->flags & TORO_O_NONBLOCK)
            return -EAGAIN;
        rc = toro_wait_event(&c->wq, atomic_load_explicit(&c->nqueued, memory_order_acquire) != 0,
                             UINT64_MAX, true);
        if (rc)
            return rc;
    }
    rc = toro_copy_to_user(buf, &m->h, len);
    toro_kfree(m);
    toro_wake(&c->wq, UINT32_MAX); /* room for those that poll for writing */
    return rc ? rc : (toro_ssize)len;
}

/* Room for another request of c. Lock not needed. */
static bool accepts(const struct pmix_client *c)
{
    return c->queued_bytes < PMIX_QUEUE_SOFT && c->nqueued < PMIX_QUEUE_MSGS &&
           c->nwaits < PMIX_WAITS;
}

static toro_ssize dev_write(struct toro_file *f, const void *buf, size_t n, uint64_t *pos)
{
    struct pmix_after after = {.end = 0};
    struct pmix_client *c = of(f);
    struct pmix_msg *m;
    int rc = 0;

    (void)pos;
    if (n < sizeof(m->h) || n > TOROBUS_PMIX_MSG_MAX)
        return n > TOROBUS_PMIX_MSG_MAX ? -EMSGSIZE : -EINVAL;
    m = toro_pmix_msg_new(0, 0, 0, (uint32_t)(n - sizeof(m->h)));
    if (!m)
        return -ENOMEM;
    if (toro_copy_from_user(&m->h, buf, n)) {
        toro_kfree(m);
        return -EFAULT;
    }
    if (m->h.len != n - sizeof(m->h) || (m->h.flags & TOROBUS_PMIX_F_REPLY) ||
        !toro_pmix_check(&m->h, toro_pmix_body(m))) {
        toro_kfree(m);
        return -EINVAL;
    }
    toro_spin_lock(&toro_pmix.lock);
    if (c->file != f)
        rc = -EBADF;
    else if (!accepts(c))
        rc = -EAGAIN;
    else
        toro_pmix_request(c, m, &after);
    toro_spin_unlock(&toro_pmix.lock);
    if (rc) {
        toro_kfree(m);
        return rc;
    }
    toro_pmix_flush();
    toro_pmix_finish(&after);
    return (toro_ssize)n;
}

static unsigned dev_poll(struct toro_file *f, struct toro_waitq **q)
{
    struct pmix_client *c = of(f);

    if (q)
        *q = &c->wq;
    return (atomic_load_explicit(&c->nqueued, memory_order_acquire) ? TORO_POLLIN : 0) |
           (accepts(c) ? TORO_POLLOUT : 0);
}

static void dev_release(struct toro_file *f)
{
    struct pmix_client *c = of(f);

    toro_spin_lock(&toro_pmix.lock);
    if (c->file == f)
        toro_pmix_client_end(c, NULL);
    toro_spin_unlock(&toro_pmix.lock);
}

static const struct toro_file_ops ops = {
    .read = dev_read,
    .write = dev_write,
    .poll = dev_poll,
    .release = dev_release,
};

static int dev_open(struct toro_file *f)
{
    struct toro_proc *p = toro_current_proc();
    struct pmix_client *c;
    int rc = 0;

    if (!p || p->index >= TORO_MAX_CORES)
        return -ENOENT;
    c = &toro_pmix.client[p->index];
    toro_spin_lock(&toro_pmix.lock);
    /* this may be a rank of the next job, and must not meet what the last one has left */
    (void)toro_pmix_farewells(UINT64_MAX);
    if (c->file) {
        rc = -EBUSY;
    } else {
        c->proc = p;
        c->file = f;
        toro_pmix.ended &= ~(1ull << p->index);
        p->pmix = c;
        f->ops = &ops;
        f->priv = c;
    }
    toro_spin_unlock(&toro_pmix.lock);
    return rc;
}

int toro_pmix_dev_register(void)
{
    return toro_dev_register("toro-pmix", dev_open);
}
