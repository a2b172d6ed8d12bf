/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls that ask: stat and its kin, access, statfs, getdents64, readlink. */
#include "file.h"

#define GETDENTS_MAX (32ul << 10)

static int stat_place(struct toro_place *p, struct toro_linux_stat *st)
{
    return p->file ? toro_file_stat(p->file, st) : toro_vfs_stat(p->node, st);
}

/* stat of a path, or of dirfd itself with AT_EMPTY_PATH. */
static int stat_at(long dirfd, long path, long flags, struct toro_linux_stat *st)
{
    struct toro_place p;
    struct toro_file *f;
    char first = 1;
    int err;

    if (flags & TORO_AT_EMPTY_PATH) {
        if (!path)
            first = 0;
        else if (sys_get(&first, path, 1) != 0)
            return -EFAULT;
    }
    if (first == 0 && (int)dirfd != TORO_AT_FDCWD) {
        f = sys_fd(dirfd);
        if (!f)
            return -EBADF;
        err = toro_file_stat(f, st);
        toro_file_put(f);
        return err;
    }
    if (first == 0) {
        struct toro_node *n;

        (void)sys_at(TORO_AT_FDCWD, &n);
        err = toro_vfs_stat(n, st);
        toro_node_put(n);
        return err;
    }
    err = sys_walk(dirfd, path, flags & TORO_AT_SYMLINK_NOFOLLOW ? 0 : TORO_WALK_FOLLOW, &p);
    if (err)
        return err;
    err = stat_place(&p, st);
    toro_place_put(&p);
    return err;
}

static long stat_out(int err, const struct toro_linux_stat *st, long user)
{
    return err ? err : sys_put(user, st, sizeof(*st));
}

CALL2(stat, path, buf)
{
    struct toro_linux_stat st;

    return stat_out(stat_at(TORO_AT_FDCWD, path, 0, &st), &st, buf);
}

CALL2(lstat, path, buf)
{
    struct toro_linux_stat st;

    return stat_out(stat_at(TORO_AT_FDCWD, path, TORO_AT_SYMLINK_NOFOLLOW, &st), &st, buf);
}

CALL2(fstat, fd, buf)
{
    struct toro_linux_stat st;
    struct toro_file *f = sys_fd(fd);
    int err;

    if (!f)
        return -EBADF;
    err = toro_file_stat(f, &st);
    toro_file_put(f);
    return stat_out(err, &st, buf);
}

CALL4(newfstatat, dirfd, path, buf, flags)
{
    struct toro_linux_stat st;

    if (flags & ~(long)(TORO_AT_SYMLINK_NOFOLLOW | TORO_AT_EMPTY_PATH | TORO_AT_NO_AUTOMOUNT))
        return -EINVAL;
    return stat_out(stat_at(dirfd, path, flags, &st), &st, buf);
}

static struct toro_statx_time statx_time(struct toro_timespec t)
{
    return (struct toro_statx_time){.sec = t.sec, .nsec = (uint32_t)t.nsec};
}

CALL5(statx, dirfd, path, flags, mask, buf)
{
    struct toro_linux_stat st;
    struct toro_linux_statx x = {0};
    int err;

    if ((flags & ~(long)(TORO_AT_SYMLINK_NOFOLLOW | TORO_AT_EMPTY_PATH | TORO_AT_NO_AUTOMOUNT |
                         TORO_AT_STATX_SYNC_TYPE)) ||
        (mask & 0x80000000l))
        return -EINVAL;
    err = stat_at(dirfd, path, flags, &st);
    if (err)
        return err;
    x.mask = TORO_STATX_BASIC;
    x.blksize = (uint32_t)st.blksize;
    x.nlink = (uint32_t)st.nlink;
    x.uid = st.uid;
    x.gid = st.gid;
    x.mode = (uint16_t)st.mode;
    x.ino = st.ino;
    x.size = (uint64_t)st.size;
    x.blocks = (uint64_t)st.blocks;
    x.atime = statx_time(st.atime);
    x.ctime = statx_time(st.ctime);
    x.mtime = statx_time(st.mtime);
    x.rdev_major = (uint32_t)((st.rdev >> 8) & 0xfffu);
    x.rdev_minor = (uint32_t)((st.rdev & 0xffu) | ((st.rdev >> 12) & ~0xffull));
    x.dev_major = (uint32_t)((st.dev >> 8) & 0xfffu);
    x.dev_minor = (uint32_t)((st.dev & 0xffu) | ((st.dev >> 12) & ~0xffull));
    return sys_put(buf, &x, sizeof(x));
}

static long access_at(long dirfd, long path, long mode, long flags)
{
    struct toro_place p;
    int err;

    if (mode & ~7l)
        return -EINVAL;
    err = sys_walk(dirfd, path, flags & TORO_AT_SYMLINK_NOFOLLOW ? 0 : TORO_WALK_FOLLOW, &p);
    if (err)
        return err;
    err = p.node && mode ? toro_vfs_access(p.node, (unsigned)mode) : 0;
    toro_place_put(&p);
    return err;
}

CALL2(access, path, mode)
{
    return access_at(TORO_AT_FDCWD, path, mode, 0);
}

CALL3(faccessat, dirfd, path, mode)
{
    return access_at(dirfd, path, mode, 0);
}

CALL4(faccessat2, dirfd, path, mode, flags)
{
    if (flags & ~(long)(TORO_AT_SYMLINK_NOFOLLOW | TORO_AT_EACCESS))
        return -EINVAL;
    return access_at(dirfd, path, mode, flags);
}

static long statfs_node(struct toro_node *n, long buf)
{
    struct toro_linux_statfs st = {0};
    int err = n->mnt->ops->statfs ? n->mnt->ops->statfs(n->mnt, n, &st) : -ENOSYS;

    return err ? err : sys_put(buf, &st, sizeof(st));
}

CALL2(statfs, path, buf)
{
    struct toro_place p;
    long r = sys_walk(TORO_AT_FDCWD, path, TORO_WALK_FOLLOW, &p);

    if (r)
        return r;
    r = p.node ? statfs_node(p.node, buf) : -ENOSYS;
    toro_place_put(&p);
    return r;
}

CALL2(fstatfs, fd, buf)
{
    struct toro_file *f = sys_fd(fd);
    long r;

    if (!f)
        return -EBADF;
    r = f->node ? statfs_node(f->node, buf) : -ENOSYS;
    toro_file_put(f);
    return r;
}

CALL3(getdents64, fd, buf, size)
{
    struct toro_file *f = sys_fd_io(fd);
    size_t n = TORO_MIN((size_t)(unsigned)size, GETDENTS_MAX);
    toro_ssize r;
    void *b;

    if (!f)
        return -EBADF;
    b = toro_kmalloc(TORO_MAX(n, 1ul));
    if (!f->ops->readdir) {
        r = -ENOTDIR;
    } else if (!b) {
        r = -ENOMEM;
    } else {
        uint64_t before;

        toro_mutex_lock(&f->pos_lock);
        before = f->pos;
        r = f->ops->readdir(f, b, n);
        if (r > 0 && sys_put(buf, b, (size_t)r) != 0) {
            f->pos = before;
            r = -EFAULT;
        }
        toro_mutex_unlock(&f->pos_lock);
    }
    toro_kfree(b);
    toro_file_put(f);
    return r;
}

static long readlink_at(long dirfd, long path, long buf, long size)
{
    struct toro_place p;
    toro_ssize r;
    char *b;

    if (size <= 0)
        return -EINVAL;
    r = sys_walk(dirfd, path, 0, &p);
    if (r)
        return r;
    b = toro_kmalloc(TORO_PATH_MAX);
    if (!b)
        r = -ENOMEM;
    else if (!p.node || p.node->type != TORO_S_IFLNK || !p.node->mnt->ops->readlink)
        r = -EINVAL;
    else
        r = p.node->mnt->ops->readlink(p.node, b, TORO_MIN((size_t)size, (size_t)TORO_PATH_MAX));
    if (r > 0 && sys_put(buf, b, (size_t)r) != 0)
        r = -EFAULT;
    toro_kfree(b);
    toro_place_put(&p);
    return r;
}

CALL3(readlink, path, buf, size)
{
    return readlink_at(TORO_AT_FDCWD, path, buf, (int)size);
}

CALL4(readlinkat, dirfd, path, buf, size)
{
    return readlink_at(dirfd, path, buf, (int)size);
}
