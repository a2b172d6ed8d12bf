/* SPDX-License-Identifier: BSD-3-Clause */
/* epoll system calls. */
#include "../fs/epoll.h"
#include "file.h"

#define MAX_EVENTS 1024
#define FEW_EVENTS 16

CALL1(epoll_create1, flags)
{
    if (flags & ~(long)TORO_O_CLOEXEC)
        return -EINVAL;
    return sys_install(toro_epoll_new(), 0, flags != 0);
}

CALL1(epoll_create, size)
{
    return (int)size <= 0 ? -EINVAL : sys_install(toro_epoll_new(), 0, false);
}

CALL4(epoll_ctl, epfd, op, fd, user)
{
    struct toro_file *ep = sys_fd_io(epfd), *f = sys_fd_io(fd);
    struct toro_epoll_event ev = {0};
    long r = ep && f ? 0 : -EBADF;

    if (!r && op != EPOLL_CTL_DEL_)
        r = sys_get(&ev, user, sizeof(ev));
    if (!r)
        r = toro_epoll_ctl(ep, (int)op, f, (int)fd, &ev);
    toro_file_put(f);
    toro_file_put(ep);
    return r;
}

static long do_wait(long epfd, long user, long max, uint64_t deadline)
{
    struct toro_epoll_event few[FEW_EVENTS], *ev = few;
    struct toro_file *ep;
    long r;

    if ((int)max <= 0)
        return -EINVAL;
    max = TORO_MIN((int)max, MAX_EVENTS);
    if (!toro_user_ok((void *)user, (size_t)max * sizeof(*ev)))
        return -EFAULT;
    ep = sys_fd_io(epfd);
    if (!ep)
        return -EBADF;
    if (max > FEW_EVENTS)
        ev = toro_kmalloc((size_t)max * sizeof(*ev));
    r = ev ? toro_epoll_wait(ep, ev, (unsigned)max, deadline) : -ENOMEM;
    if (r > 0 && sys_put(user, ev, (size_t)r * sizeof(*ev)) != 0)
        r = -EFAULT;
    if (ev != few)
        toro_kfree(ev);
    toro_file_put(ep);
    return r;
}

static uint64_t deadline_ms(long timeout)
{
    int ms = (int)timeout;

    return ms < 0 ? UINT64_MAX : ms == 0 ? 0 : sys_deadline(false, false, (uint64_t)ms * 1000000u);
}

/* As do_wait(), with a signal mask of its own. */
static long masked_wait(long epfd, long user, long max, uint64_t deadline, long mask, long size)
{
    uint64_t set;
    long r;

    if (mask) {
        if (size != 8)
            return -EINVAL;
        if (sys_get(&set, mask, sizeof(set)) != 0)
            return -EFAULT;
        toro_sigmask_swap(set);
    }
    r = do_wait(epfd, user, max, deadline);
    if (mask && r != -EINTR)
        toro_sigmask_restore();
    return r;
}

CALL4(epoll_wait, epfd, user, max, timeout)
{
    return do_wait(epfd, user, max, deadline_ms(timeout));
}

CALL6(epoll_pwait, epfd, user, max, timeout, mask, size)
{
    return masked_wait(epfd, user, max, deadline_ms(timeout), mask, size);
}

CALL6(epoll_pwait2, epfd, user, max, timeout, mask, size)
{
    uint64_t ns, deadline = UINT64_MAX;
    int err;

    if (timeout) {
        err = toro_user_ok((void *)timeout, 16) ? sys_timespec_get((void *)timeout, &ns) : -EFAULT;
        if (err)
            return err;
        deadline = ns ? sys_deadline(false, false, ns) : 0;
    }
    return masked_wait(epfd, user, max, deadline, mask, size);
}
