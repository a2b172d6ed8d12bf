/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls that make files without a name: pipes, eventfd, timerfd, memfd. */
#include "../fs/timerfd.h"
#include "file.h"

/* Two new files into two descriptors at user[0..1], or none. */
static long install_pair(struct toro_file *end[2], bool cloexec, long user)
{
    struct toro_fdtable *t = &toro_current_proc()->fds;
    int fd[2];

    fd[0] = toro_fd_install(t, end[0], 0, cloexec);
    if (fd[0] < 0) {
        toro_file_put(end[0]);
        toro_file_put(end[1]);
        return fd[0];
    }
    fd[1] = toro_fd_install(t, end[1], 0, cloexec);
    if (fd[1] < 0) {
        (void)toro_fd_close(t, fd[0]);
        toro_file_put(end[1]);
        return fd[1];
    }
    if (sys_put(user, fd, sizeof(fd)) != 0) {
        (void)toro_fd_close(t, fd[0]);
        (void)toro_fd_close(t, fd[1]);
        return -EFAULT;
    }
    return 0;
}

CALL2(pipe2, user, flags)
{
    struct toro_file *end[2];
    int err;

    if (flags & ~(long)(TORO_O_CLOEXEC | TORO_O_NONBLOCK))
        return -EINVAL;
    err = toro_pipe_new((unsigned)flags & TORO_O_NONBLOCK, end);
    return err ? err : install_pair(end, flags & TORO_O_CLOEXEC, user);
}

CALL1(pipe, user)
{
    return sys_pipe2(user, 0, 0, 0, 0, 0);
}

CALL4(socketpair, family, type, protocol, user)
{
    long kind = type & 0xf;
    struct toro_file *end[2];
    int err;

    if (family != 1) /* AF_UNIX */
        return family > 0 && family < 46 ? -EOPNOTSUPP : -EAFNOSUPPORT;
    if (protocol != 0 && protocol != 1)
        return -EPROTONOSUPPORT;
    if ((kind != 1 && kind != 2 && kind != 5) ||
        (type & ~(long)(0xf | TORO_O_CLOEXEC | TORO_O_NONBLOCK)))
        return -ESOCKTNOSUPPORT;
    err = toro_unixpair_new((int)kind, (unsigned)type & TORO_O_NONBLOCK, end);
    return err ? err : install_pair(end, type & TORO_O_CLOEXEC, user);
}

CALL2(eventfd2, count, flags)
{
    if (flags & ~(long)(TORO_O_CLOEXEC | TORO_O_NONBLOCK | 1u))
        return -EINVAL;
    return sys_install(toro_eventfd_new((uint32_t)count, (unsigned)flags), 0,
                       flags & TORO_O_CLOEXEC);
}

CALL1(eventfd, count)
{
    return sys_eventfd2(count, 0, 0, 0, 0, 0);
}

CALL2(memfd_create, user, flags)
{
    struct toro_file *f = NULL;
    char name[TORO_NAME_MAX + 1];
    toro_ssize n;

    if (flags & ~3l) /* CLOEXEC, ALLOW_SEALING */
        return -EINVAL;
    n = toro_user_ok((void *)user, 1) ? toro_copy_string(name, (const char *)user, 250) : -EFAULT;
    if (n < 0)
        return n == -ENAMETOOLONG ? -EINVAL : n;
    n = toro_tmpfs_anon(name, 0, &f);
    return sys_install(f, (int)n, flags & 1);
}

/* timerfd ------------------------------------------------------------------------------------- */
static bool realtime(int clock)
{
    return clock == 0 || clock == 8; /* REALTIME, REALTIME_ALARM */
}

CALL2(timerfd_create, clock, flags)
{
    if (clock != 0 && clock != 1 && clock != 7) /* REALTIME, MONOTONIC, BOOTTIME */
        return -EINVAL;
    if (flags & ~(long)(TORO_O_CLOEXEC | TORO_O_NONBLOCK))
        return -EINVAL;
    return sys_install(toro_timerfd_new((int)clock, (unsigned)flags), 0, flags & TORO_O_CLOEXEC);
}

static bool time_ok(const struct toro_timespec *t)
{
    return t->sec >= 0 && t->nsec >= 0 && t->nsec < (int64_t)SYS_NS_PER_S;
}

static uint64_t ns_of(const struct toro_timespec *t)
{
    /* Beyond 292 years: never. */
    return t->sec > INT64_MAX / (int64_t)SYS_NS_PER_S - 1
               ? INT64_MAX
               : (uint64_t)t->sec * SYS_NS_PER_S + (uint64_t)t->nsec;
}

static struct toro_timespec timespec_of(uint64_t ns)
{
    return (struct toro_timespec){(int64_t)(ns / SYS_NS_PER_S), (int64_t)(ns % SYS_NS_PER_S)};
}

CALL4(timerfd_settime, fd, flags, user, old)
{
    struct toro_itimerspec its, was;
    struct toro_file *f;
    uint64_t left = 0, every = 0, when;
    int err;

    if (flags & ~3l) /* ABSTIME, CANCEL_ON_SET */
        return -EINVAL;
    if (sys_get(&its, user, sizeof(its)) != 0)
        return -EFAULT;
    if (!time_ok(&its.value) || !time_ok(&its.interval))
        return -EINVAL;
    f = sys_fd_io(fd);
    if (!f)
        return -EBADF;
    when = ns_of(&its.value);
    if (when)
        when = sys_deadline(realtime(toro_timerfd_clock(f)), flags & 1, when);
    if (when == 0 && ns_of(&its.value))
        when = 1; /* an absolute time long gone */
    err = toro_timerfd_set(f, when, ns_of(&its.interval), &left, &every);
    toro_file_put(f);
    if (err || !old)
        return err;
    was.value = timespec_of(left);
    was.interval = timespec_of(every);
    return sys_put(old, &was, sizeof(was));
}

CALL2(timerfd_gettime, fd, user)
{
    struct toro_file *f = sys_fd_io(fd);
    struct toro_itimerspec its;
    uint64_t left = 0, every = 0;
    int err;

    if (!f)
        return -EBADF;
    err = toro_timerfd_get(f, &left, &every);
    toro_file_put(f);
    if (err)
        return err;
    its.value = timespec_of(left);
    its.interval = timespec_of(every);
    return sys_put(user, &its, sizeof(its));
}
