/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory back to the host: the keeper punches holes into the region where the guest says. A kernel
 * thread looks after memory was freed, twice, and offers what nobody has taken in between; it
 * sleeps when there is nothing more, so a program that frees nothing is never disturbed. */
#include <toro/arch.h>
#include <toro/ctl.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/mm.h>
#include <toro/mutex.h>
#include <torobus/abi.h>

#define CHUNK   (64ull << 10)
#define WAIT_NS 250000000ull

static struct toro_mutex one;   /* one PUNCH at a time */
static struct toro_waitq wait;  /* for the answer, for work, for ranges that are on their way */
static _Atomic int wanted;      /* idle memory may be there */
static _Atomic int answer;      /* of the keeper: 1 is on its way, 0 or -errno */
static _Atomic bool refused;    /* the keeper cannot: never ask again */
static _Atomic unsigned npools; /* 0: not yet */

static void on_punched(const struct torobus_ctl_hdr *h, const void *body)
{
    int pending = 1;

    (void)body;
    if (atomic_compare_exchange_strong(&answer, &pending, h->arg == 0 ? 0 : -(int)(h->arg & 0xfff)))
        toro_wake(&wait, UINT32_MAX);
}

/* `one` held. The ranges are marked as leaving by the caller. */
static int punch(const struct toro_range *r, unsigned n)
{
    struct torobus_ctl_range *out = toro_ctl_frame_new(n * (uint32_t)sizeof(*out));
    int err;

    if (out == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < n; i++)
        out[i] = (struct torobus_ctl_range){r[i].start - TOROBUS_REGION_VA, r[i].len};
    atomic_store(&answer, 1);
    err = toro_ctl_frame_send(out, TOROBUS_CTL_PUNCH, TOROBUS_CTL_NOBODY, 0,
                              n * (uint32_t)sizeof(*out));
    if (err != 0)
        return err;
    (void)toro_wait_event(&wait, atomic_load(&answer) != 1, UINT64_MAX, false);
    err = atomic_load(&answer);
    if (err != 0 && !atomic_exchange(&refused, true))
        toro_printk(0, "the keeper cannot take memory back (error %d): it stays with the guest",
                    -err);
    return err;
}

static void left(struct toro_pool *p, bool zero)
{
    toro_pool_left(p, zero);
    toro_wake(&wait, UINT32_MAX);
}

/* @return whether there may be more later. A core's pool is looked at on that core. */
static bool look(struct toro_pool *p)
{
    static struct toro_range range[TOROBUS_CTL_PUNCH_MAX];
    unsigned core = toro_pool_core(p), n, was;
    bool more;

    toro_mutex_lock(&one);
    was = toro_visit(core < arch_ncores() ? core : arch_core());
    n = toro_pool_idle(p, range, TORO_ARRAY_SIZE(range), &more);
    if (n > 0)
        left(p, punch(range, n) == 0);
    toro_visit_end(was);
    toro_mutex_unlock(&one);
    return more;
}

static void giveback_thread(void *arg)
{
    (void)arg;
    for (;;) {
        bool more;

        (void)toro_wait_event(&wait, atomic_exchange(&wanted, 0) != 0, UINT64_MAX, false);
        do {
            uint64_t end = arch_now_ns() + WAIT_NS;

            /* Wakes are for others: only time ends this. */
            while (arch_now_ns() < end) {
                toro_block_begin();
                (void)toro_block(end, false);
            }
            more = false;
            for (unsigned i = 0; i < npools && !atomic_load(&refused); i++)
                if (toro_pool_told(toro_pool(i)))
                    more |= look(toro_pool(i));
        } while (more && !atomic_load(&refused));
    }
}

bool toro_giveback_wanted(void)
{
    if (atomic_load(&npools) == 0 || atomic_load(&refused))
        return false;
    if (atomic_exchange(&wanted, 1) == 0)
        toro_wake(&wait, UINT32_MAX);
    return true;
}

void toro_giveback_wait(struct toro_pool *p)
{
    (void)toro_wait_event(&wait, !toro_pool_is_leaving(p), UINT64_MAX, false);
}

int toro_giveback_now(struct toro_pool *p, uint64_t va, uint64_t len, struct toro_range *done)
{
    struct toro_range r = {.start = TORO_ALIGN_UP(va, CHUNK)};
    int err = -EBUSY;

    if (atomic_load(&npools) == 0 || atomic_load(&refused))
        return -ENOSYS;
    r.len = TORO_ALIGN_DOWN(va + len, CHUNK);
    if (r.len <= r.start)
        return -EINVAL;
    r.len -= r.start;
    toro_mutex_lock(&one);
    if (toro_pool_leave(p, &r)) {
        err = punch(&r, 1);
        /* Somebody may have stored there since: that it is zero is the caller's to know. */
        left(p, false);
    }
    toro_mutex_unlock(&one);
    *done = r;
    return err;
}

void toro_giveback_init(void)
{
    toro_mutex_init(&one);
    toro_waitq_init(&wait);
    toro_ctl_register(TOROBUS_CTL_PUNCHED, on_punched);
    if (toro_kthread("giveback", 0, giveback_thread, NULL) != NULL)
        atomic_store(&npools, arch_ncores() + 1);
}
