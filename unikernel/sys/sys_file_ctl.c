/* SPDX-License-Identifier: BSD-3-Clause */
/* fcntl, flock, ioctl. */
#include "file.h"

#define SETFL_MASK (TORO_O_APPEND | TORO_O_NONBLOCK | TORO_O_ASYNC | TORO_O_DIRECT | TORO_O_NOATIME)

static long lock(struct toro_file *f, int cmd, bool ofd, long arg)
{
    struct toro_linux_stat st = {0};
    struct toro_flock l;
    int err;

    if (sys_get(&l, arg, sizeof(l)) != 0)
        return -EFAULT;
    if (l.whence == TORO_SEEK_CUR) {
        l.start = (int64_t)((uint64_t)l.start + f->pos);
    } else if (l.whence == TORO_SEEK_END) {
        err = toro_file_stat(f, &st);
        if (err)
            return err;
        l.start = (int64_t)((uint64_t)l.start + (uint64_t)st.size);
    } else if (l.whence != TORO_SEEK_SET) {
        return -EINVAL;
    }
    l.whence = TORO_SEEK_SET;
    if (ofd && l.pid != 0)
        return -EINVAL;
    if (cmd != TORO_F_GETLK) {
        unsigned mode = f->flags & TORO_O_ACCMODE;

        if ((l.type == TORO_F_RDLCK && mode == TORO_O_WRONLY) ||
            (l.type == TORO_F_WRLCK && mode == TORO_O_RDONLY))
            return -EBADF;
    }
    err = toro_posix_lock(f, cmd, ofd, &l);
    return err || cmd != TORO_F_GETLK ? err : sys_put(arg, &l, sizeof(l));
}

static long set_cloexec(long fd, bool on)
{
    struct toro_fdtable *t = &toro_current_proc()->fds;
    uint64_t bit = 1ull << (fd % 64);

    toro_spin_lock(&t->lock);
    t->cloexec[fd / 64] = on ? t->cloexec[fd / 64] | bit : t->cloexec[fd / 64] & ~bit;
    toro_spin_unlock(&t->lock);
    return 0;
}

static void set_flags(struct toro_file *f, unsigned mask, unsigned v)
{
    toro_spin_lock(&f->lock);
    f->flags = (f->flags & ~mask) | (v & mask);
    toro_spin_unlock(&f->lock);
}

static long do_fcntl(struct toro_file *f, long fd, int cmd, long arg)
{
    struct toro_fdtable *t = &toro_current_proc()->fds;
    long r;

    switch (cmd) {
    case TORO_F_DUPFD:
    case TORO_F_DUPFD_CLOEXEC:
        if ((int)arg < 0 || (int)arg >= TORO_MAX_FDS)
            return -EINVAL;
        toro_file_get(f);
        r = toro_fd_install(t, f, (int)arg, cmd == TORO_F_DUPFD_CLOEXEC);
        if (r < 0)
            toro_file_put(f);
        return r;
    case TORO_F_GETFD:
        return (long)(t->cloexec[fd / 64] >> (fd % 64) & 1u);
    case TORO_F_SETFD:
        return set_cloexec(fd, arg & 1);
    case TORO_F_GETFL:
        /* As on Linux x86-64, where every open file has O_LARGEFILE, but those without a name. */
        return (long)(f->flags | (f->node && !(f->flags & TORO_O_PATH) ? TORO_O_LARGEFILE : 0));
    case TORO_F_SETFL:
        set_flags(f, SETFL_MASK, (unsigned)arg);
        return 0;
    case TORO_F_GETLK:
    case TORO_F_SETLK:
    case TORO_F_SETLKW:
        return f->flags & TORO_O_PATH ? -EBADF : lock(f, cmd, false, arg);
    case TORO_F_OFD_GETLK:
    case TORO_F_OFD_SETLK:
    case TORO_F_OFD_SETLKW:
        return f->flags & TORO_O_PATH ? -EBADF
                                      : lock(f, cmd - TORO_F_OFD_GETLK + TORO_F_GETLK, true, arg);
    case TORO_F_GETPIPE_SZ:
        return f->node ? -EBADF : 65536;
    default:
        return -EINVAL;
    }
}

CALL3(fcntl, fd, cmd, arg)
{
    struct toro_file *f = sys_fd(fd);
    long r;

    if (!f)
        return -EBADF;
    r = do_fcntl(f, (int)fd, (int)cmd, arg);
    toro_file_put(f);
    return r;
}

CALL2(flock, fd, op)
{
    struct toro_file *f = sys_fd_io(fd);
    long r;

    if (!f)
        return -EBADF;
    r = toro_flock_op(f, (unsigned)op);
    toro_file_put(f);
    return r;
}

static long do_ioctl(struct toro_file *f, long fd, unsigned cmd, long arg)
{
    struct toro_linux_stat st;
    int v;

    switch (cmd) {
    case TORO_FIOCLEX:
    case TORO_FIONCLEX:
        return set_cloexec(fd, cmd == TORO_FIOCLEX);
    case TORO_FIONBIO:
        if (sys_get(&v, arg, sizeof(v)) != 0)
            return -EFAULT;
        set_flags(f, TORO_O_NONBLOCK, v ? TORO_O_NONBLOCK : 0);
        return 0;
    case TORO_TCGETS:
        return -ENOTTY; /* no terminal in here, as under mpirun */
    case TORO_FIONREAD:
        if (f->node && f->node->type == TORO_S_IFREG && toro_file_stat(f, &st) == 0) {
            v = (int)TORO_MIN(TORO_MAX(st.size - (int64_t)f->pos, 0l), (int64_t)INT32_MAX);
            return sys_put(arg, &v, sizeof(v));
        }
        break;
    default:
        break;
    }
    return f->ops->ioctl ? f->ops->ioctl(f, cmd, (unsigned long)arg) : -ENOTTY;
}

CALL3(ioctl, fd, cmd, arg)
{
    struct toro_file *f = sys_fd_io(fd);
    long r;

    if (!f)
        return -EBADF;
    r = do_ioctl(f, (int)fd, (unsigned)cmd, arg);
    toro_file_put(f);
    return r;
}
