/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls that make and end descriptors of named files. */
#include "file.h"

long sys_install(struct toro_file *f, int err, bool cloexec)
{
    int fd;

    if (err)
        return err;
    if (!f)
        return -ENOMEM;
    fd = toro_fd_install(&toro_current_proc()->fds, f, 0, cloexec);
    if (fd < 0)
        toro_file_put(f);
    return fd;
}

static long do_open(long dirfd, long path, long flags, long mode)
{
    struct toro_node *at = NULL;
    struct toro_file *f = NULL;
    char *s;
    int err = sys_path_in(path, &s);

    if (err)
        return err;
    if (s[0] != '/')
        err = s[0] ? sys_at(dirfd, &at) : -ENOENT;
    if (!err)
        err = toro_vfs_open(at, s, (unsigned)flags,
                            (unsigned)mode & 07777u & ~toro_current_proc()->umask, &f);
    toro_node_put(at);
    toro_kfree(s);
    return sys_install(f, err, flags & TORO_O_CLOEXEC);
}

CALL3(open, path, flags, mode)
{
    return do_open(TORO_AT_FDCWD, path, flags, mode);
}

CALL4(openat, dirfd, path, flags, mode)
{
    return do_open(dirfd, path, flags, mode);
}

CALL2(creat, path, mode)
{
    return do_open(TORO_AT_FDCWD, path, TORO_O_WRONLY | TORO_O_CREAT | TORO_O_TRUNC, mode);
}

CALL1(close, fd)
{
    return toro_fd_close(&toro_current_proc()->fds, (int)fd);
}

CALL3(close_range, first, last, flags)
{
    struct toro_fdtable *t = &toro_current_proc()->fds;

    if ((unsigned)first > (unsigned)last || (flags & ~6l))
        return -EINVAL;
    for (unsigned fd = (unsigned)first; fd <= (unsigned)last && fd < TORO_MAX_FDS; fd++) {
        if (flags & 4l) { /* CLOEXEC */
            toro_spin_lock(&t->lock);
            t->cloexec[fd / 64] |= 1ull << (fd % 64);
            toro_spin_unlock(&t->lock);
        } else {
            (void)toro_fd_close(t, (int)fd);
        }
    }
    return 0;
}

CALL1(dup, fd)
{
    struct toro_file *f = sys_fd(fd);

    return f ? sys_install(f, 0, false) : -EBADF;
}

static long dup_to(long fd, long to, bool same_ok, bool cloexec)
{
    struct toro_file *f = sys_fd(fd);

    if (!f)
        return -EBADF;
    if ((int)fd == (int)to) {
        toro_file_put(f);
        return same_ok ? to : -EINVAL;
    }
    if ((int)to < 0 || (int)to >= TORO_MAX_FDS) {
        toro_file_put(f);
        return -EBADF;
    }
    return toro_fd_replace(&toro_current_proc()->fds, (int)to, f, cloexec);
}

CALL2(dup2, fd, to)
{
    return dup_to(fd, to, true, false);
}

CALL3(dup3, fd, to, flags)
{
    if (flags & ~(long)TORO_O_CLOEXEC)
        return -EINVAL;
    return dup_to(fd, to, false, flags & TORO_O_CLOEXEC);
}
