/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks on the host's files. QEMU's 9p server would grant every lock, so the rank's proxy takes
 * them: other guests and the host's own processes see them, and they go when the rank ends. */
#include "lock.h"
#include <toro/arch.h>
#include <toro/ctl.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/proc.h>

/* After a cancel the answer comes soon; this often a rank that is being ended looks up. */
#define LOOK_NS 50000000ull

struct request {
    struct toro_list link;
    uint32_t id, rank;
    bool done;
    struct torobus_ctl_locked answer;
};

static struct toro_list requests = TORO_LIST_INIT(requests);
static struct toro_spinlock guard = TORO_SPINLOCK_INIT;
static struct toro_waitq answered = {TORO_SPINLOCK_INIT, TORO_LIST_INIT(answered.waiters)};
static _Atomic uint32_t ids;

/* Trust: the answer is the proxy's; its numbers are for the program, that locks under its own user
 * anyway. */
static void on_locked(const struct torobus_ctl_hdr *h, const void *body)
{
    struct torobus_ctl_locked a;

    if (h->len != sizeof(a))
        return;
    toro_memcpy(&a, body, sizeof(a));
    toro_spin_lock(&guard);
    toro_list_each(&requests, it)
    {
        struct request *r = toro_list_entry(it, struct request, link);

        if (r->id == a.id && r->rank == h->rank) {
            r->answer = a;
            r->done = true;
        }
    }
    toro_spin_unlock(&guard);
    toro_wake(&answered, UINT32_MAX);
}

static int send(uint32_t rank, const struct torobus_ctl_lock *l, const char *path)
{
    size_t n = toro_strlen(path) + 1;
    char *body = toro_ctl_frame_new((uint32_t)(sizeof(*l) + n));

    if (!body)
        return -ENOMEM;
    toro_memcpy(body, l, sizeof(*l));
    toro_memcpy(body + sizeof(*l), path, n);
    return toro_ctl_frame_send(body, TOROBUS_CTL_LOCK, rank, 0, (uint32_t)(sizeof(*l) + n));
}

/* Wait for the answer. @return 0, or -EINTR when the rank is being ended. */
static int await(struct request *r, const struct torobus_ctl_lock *l)
{
    struct toro_thread *t = toro_current();
    struct torobus_ctl_lock cancel = {.id = l->id, .op = TOROBUS_LOCK_CANCEL, .key = l->key};

    t->where = "lock of a file";
    if (toro_wait_event(&answered, r->done, UINT64_MAX, true) != 0) {
        (void)send(r->rank, &cancel, "");
        /* It is answered in any case: with the lock, if that was faster. */
        while (!t->killed && toro_wait_event(&answered, r->done, arch_now_ns() + LOOK_NS, false))
            ;
    }
    t->where = NULL;
    return r->done ? 0 : -EINTR;
}

int toro_lock_ask(struct toro_node *n, struct torobus_ctl_lock *l, struct torobus_ctl_locked *out)
{
    struct request r = {.rank = toro_current_proc()->index};
    int err;

    toro_list_init(&r.link);
    l->id = r.id = atomic_fetch_add_explicit(&ids, 1, memory_order_relaxed);
    if (l->op == TOROBUS_LOCK_CLOSE)
        return send(r.rank, l, "");
    toro_spin_lock(&guard);
    toro_list_push(&requests, &r.link);
    toro_spin_unlock(&guard);
    err = send(r.rank, l, n->path[0] ? n->path : "/");
    if (!err)
        err = await(&r, l);
    toro_spin_lock(&guard);
    toro_list_del(&r.link);
    toro_spin_unlock(&guard);
    if (err)
        return err;
    if (out)
        *out = r.answer;
    return r.answer.err > 0 && r.answer.err < 4096 ? -r.answer.err : r.answer.err ? -EIO : 0;
}

void toro_lock_host_init(void)
{
    toro_ctl_register(TOROBUS_CTL_LOCKED, on_locked);
}
