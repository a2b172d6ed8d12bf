/* SPDX-License-Identifier: BSD-3-Clause */
/* Wait queues. A waiter lives on its thread's stack (or in an epoll item) and is unlinked under the
 * queue's lock; threads are woken under that lock too, so none can be gone by then. */
#include <toro/sched.h>

void toro_waitq_init(struct toro_waitq *q)
{
    q->lock = (struct toro_spinlock)TORO_SPINLOCK_INIT;
    toro_list_init(&q->waiters);
}

void toro_wait_add(struct toro_waitq *q, struct toro_waiter *w)
{
    toro_spin_lock(&q->lock);
    w->q = q;
    toro_list_del(&w->link);
    toro_list_push(&q->waiters, &w->link);
    toro_spin_unlock(&q->lock);
}

void toro_wait_del(struct toro_waiter *w)
{
    struct toro_waitq *q = w->q;

    if (q == NULL)
        return;
    toro_spin_lock(&q->lock);
    toro_list_del(&w->link);
    w->q = NULL;
    toro_spin_unlock(&q->lock);
}

void toro_wake(struct toro_waitq *q, unsigned n)
{
    toro_ipis_hold(); /* the woken thread takes the lock to unlink its waiter */
    toro_spin_lock(&q->lock);
    toro_list_each_safe(&q->waiters, it, nx)
    {
        struct toro_waiter *w = toro_list_entry(it, struct toro_waiter, link);

        if (w->fn != NULL) {
            w->fn(w);
        } else if (n > 0) {
            n--;
            toro_list_del(&w->link);
            toro_thread_wake(w->thread);
        }
    }
    toro_spin_unlock(&q->lock);
    toro_ipis_release();
}
