/* SPDX-License-Identifier: BSD-3-Clause */
/* poll, ppoll, select, pselect6. */
#include "file.h"

#define FEW_FDS    16u
#define SELECT_MAX TORO_MAX_FDS
#define EV_IN      (TORO_POLLIN | 0x40u | TORO_POLLHUP | TORO_POLLERR)
#define EV_OUT     (TORO_POLLOUT | 0x100u | TORO_POLLERR)
#define EV_PRI     0x2u
#define EV_NVAL    0x20u

/* Deadline for toro_poll_fds() from a timeout: 0 is "do not wait". */
static uint64_t deadline_of(uint64_t ns)
{
    return ns ? sys_deadline(false, false, ns) : 0;
}

static long do_poll(long user, unsigned long n, uint64_t deadline)
{
    struct toro_pollfd few[FEW_FDS], *fds = few;
    long r;

    if (n > TORO_MAX_FDS)
        return -EINVAL;
    if (n > FEW_FDS) {
        fds = toro_kmalloc(n * sizeof(*fds));
        if (!fds)
            return -ENOMEM;
    }
    r = sys_get(fds, user, n * sizeof(*fds));
    if (!r)
        r = toro_poll_fds(fds, (unsigned)n, deadline);
    if (r >= 0 && sys_put(user, fds, n * sizeof(*fds)) != 0)
        r = -EFAULT;
    if (fds != few)
        toro_kfree(fds);
    return r;
}

CALL3(poll, fds, n, timeout)
{
    int ms = (int)timeout;

    return do_poll(fds, (unsigned long)(unsigned)n,
                   ms < 0 ? UINT64_MAX : deadline_of((uint64_t)ms * 1000000u));
}

/* Set the mask that a call waits with. @return 0, -EINVAL, -EFAULT. */
static int mask_in(long user, long size)
{
    uint64_t set;

    if (!user)
        return 0;
    if (size != 8)
        return -EINVAL;
    if (sys_get(&set, user, sizeof(set)) != 0)
        return -EFAULT;
    toro_sigmask_swap(set);
    return 0;
}

static long mask_out(long user, long r)
{
    if (user && r != -EINTR)
        toro_sigmask_restore();
    return r;
}

/* What is left until the deadline, for calls that tell the user. */
static void left_out(long user, uint64_t deadline, bool micro)
{
    uint64_t now = arch_now_ns(), left;
    struct toro_timespec t;

    if (!user || deadline == UINT64_MAX)
        return;
    left = deadline > now ? deadline - now : 0;
    t.sec = (int64_t)(left / SYS_NS_PER_S);
    t.nsec = (int64_t)(left % SYS_NS_PER_S) / (micro ? 1000 : 1);
    (void)sys_put(user, &t, sizeof(t)); /* Linux does not fail for it either */
}

CALL5(ppoll, fds, n, timeout, mask, size)
{
    uint64_t ns, deadline = UINT64_MAX;
    long r;

    if (timeout) {
        r = toro_user_ok((void *)timeout, 16) ? sys_timespec_get((void *)timeout, &ns) : -EFAULT;
        if (r)
            return r;
        deadline = deadline_of(ns);
    }
    r = mask_in(mask, size);
    if (r)
        return r;
    r = mask_out(mask, do_poll(fds, (unsigned long)(unsigned)n, deadline));
    left_out(timeout, deadline, false);
    return r;
}

struct sets {
    uint64_t in[SELECT_MAX / 64], out[SELECT_MAX / 64], ex[SELECT_MAX / 64];
};

static bool bit(const uint64_t *set, unsigned i)
{
    return set[i / 64] >> (i % 64) & 1u;
}

static unsigned to_pollfds(const struct sets *s, unsigned nfds, struct toro_pollfd *fds)
{
    unsigned n = 0;

    for (unsigned i = 0; i < nfds; i++) {
        unsigned ev = (bit(s->in, i) ? TORO_POLLIN : 0) | (bit(s->out, i) ? TORO_POLLOUT : 0) |
                      (bit(s->ex, i) ? EV_PRI : 0);

        if (ev)
            fds[n++] = (struct toro_pollfd){.fd = (int)i, .events = (uint16_t)ev};
    }
    return n;
}

static long from_pollfds(struct sets *s, const struct toro_pollfd *fds, unsigned n)
{
    long count = 0;

    toro_memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < n; i++) {
        unsigned fd = (unsigned)fds[i].fd, ev = fds[i].revents, want = fds[i].events;
        uint64_t b = 1ull << (fd % 64);

        if (ev & EV_NVAL)
            return -EBADF;
        if ((want & TORO_POLLIN) && (ev & EV_IN)) {
            s->in[fd / 64] |= b;
            count++;
        }
        if ((want & TORO_POLLOUT) && (ev & EV_OUT)) {
            s->out[fd / 64] |= b;
            count++;
        }
        if ((want & EV_PRI) && (ev & EV_PRI)) {
            s->ex[fd / 64] |= b;
            count++;
        }
    }
    return count;
}

static long do_select(long nfds, long in, long out, long ex, uint64_t deadline)
{
    size_t bytes = TORO_ALIGN_UP((size_t)nfds, 64ul) / 8;
    struct toro_pollfd *fds;
    struct sets *s;
    unsigned n;
    long r = 0;

    if (nfds < 0)
        return -EINVAL;
    nfds = TORO_MIN(nfds, (long)SELECT_MAX); /* Linux looks at no more than can be open either */
    bytes = TORO_MIN(bytes, sizeof(s->in));
    s = toro_kzalloc(sizeof(*s));
    fds = toro_kmalloc(TORO_MAX((size_t)nfds, 1ul) * sizeof(*fds));
    if (!s || !fds)
        r = -ENOMEM;
    else if ((in && sys_get(s->in, in, bytes)) || (out && sys_get(s->out, out, bytes)) ||
             (ex && sys_get(s->ex, ex, bytes)))
        r = -EFAULT;
    if (!r) {
        n = to_pollfds(s, (unsigned)nfds, fds);
        r = toro_poll_fds(fds, n, deadline);
        if (r >= 0)
            r = from_pollfds(s, fds, n);
        if (r >= 0 && ((in && sys_put(in, s->in, bytes)) || (out && sys_put(out, s->out, bytes)) ||
                       (ex && sys_put(ex, s->ex, bytes))))
            r = -EFAULT;
    }
    toro_kfree(s);
    toro_kfree(fds);
    return r;
}

CALL5(select, nfds, in, out, ex, timeout)
{
    uint64_t deadline = UINT64_MAX;
    struct toro_timespec tv; /* microseconds */
    long r;

    if (timeout) {
        if (sys_get(&tv, timeout, sizeof(tv)) != 0)
            return -EFAULT;
        if (tv.sec < 0 || tv.nsec < 0)
            return -EINVAL;
        tv.sec = TORO_MIN(tv.sec + tv.nsec / 1000000, 1l << 32);
        deadline =
            deadline_of((uint64_t)tv.sec * SYS_NS_PER_S + (uint64_t)(tv.nsec % 1000000) * 1000);
    }
    r = do_select((int)nfds, in, out, ex, deadline);
    left_out(timeout, deadline, true);
    return r;
}

CALL6(pselect6, nfds, in, out, ex, timeout, sig)
{
    uint64_t ns, deadline = UINT64_MAX;
    long mask[2] = {0, 0}, r;

    if (timeout) {
        r = toro_user_ok((void *)timeout, 16) ? sys_timespec_get((void *)timeout, &ns) : -EFAULT;
        if (r)
            return r;
        deadline = deadline_of(ns);
    }
    if (sig && sys_get(mask, sig, sizeof(mask)) != 0)
        return -EFAULT;
    r = mask_in(mask[0], mask[1]);
    if (r)
        return r;
    r = mask_out(mask[0], do_select((int)nfds, in, out, ex, deadline));
    left_out(timeout, deadline, false);
    return r;
}
