/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls that change attributes and sizes, and those that flush. */
#include "file.h"

#define UTIME_NOW_  0x3fffffff
#define UTIME_OMIT_ 0x3ffffffe

static long set_node(struct toro_node *n, const struct toro_attr *a)
{
    return n ? toro_vfs_setattr(n, a) : -EPERM;
}

static long set_path(long dirfd, long path, bool follow, const struct toro_attr *a)
{
    struct toro_place p;
    long r = sys_walk(dirfd, path, follow ? TORO_WALK_FOLLOW : 0, &p);

    if (r)
        return r;
    r = set_node(p.node, a);
    toro_place_put(&p);
    return r;
}

static long set_fd(long fd, const struct toro_attr *a)
{
    struct toro_file *f = sys_fd_io(fd);
    long r;

    if (!f)
        return -EBADF;
    r = f->node ? set_node(f->node, a) : -EINVAL;
    toro_file_put(f);
    return r;
}

static struct toro_attr attr_mode(long mode)
{
    return (struct toro_attr){.valid = TORO_ATTR_MODE, .mode = (uint32_t)mode & 07777u};
}

CALL2(chmod, path, mode)
{
    struct toro_attr a = attr_mode(mode);

    return set_path(TORO_AT_FDCWD, path, true, &a);
}

CALL2(fchmod, fd, mode)
{
    struct toro_attr a = attr_mode(mode);

    return set_fd(fd, &a);
}

CALL3(fchmodat, dirfd, path, mode)
{
    struct toro_attr a = attr_mode(mode);

    return set_path(dirfd, path, true, &a);
}

static struct toro_attr attr_owner(long uid, long gid)
{
    struct toro_attr a = {.uid = (uint32_t)uid, .gid = (uint32_t)gid};

    a.valid =
        ((uint32_t)uid != ~0u ? TORO_ATTR_UID : 0) | ((uint32_t)gid != ~0u ? TORO_ATTR_GID : 0);
    return a;
}

CALL3(chown, path, uid, gid)
{
    struct toro_attr a = attr_owner(uid, gid);

    return set_path(TORO_AT_FDCWD, path, true, &a);
}

CALL3(lchown, path, uid, gid)
{
    struct toro_attr a = attr_owner(uid, gid);

    return set_path(TORO_AT_FDCWD, path, false, &a);
}

CALL3(fchown, fd, uid, gid)
{
    struct toro_attr a = attr_owner(uid, gid);

    return set_fd(fd, &a);
}

CALL5(fchownat, dirfd, path, uid, gid, flags)
{
    struct toro_attr a = attr_owner(uid, gid);
    char c;

    if (flags & ~(long)(TORO_AT_SYMLINK_NOFOLLOW | TORO_AT_EMPTY_PATH))
        return -EINVAL;
    if ((flags & TORO_AT_EMPTY_PATH) && sys_get(&c, path, 1) == 0 && !c)
        return set_fd(dirfd, &a);
    return set_path(dirfd, path, !(flags & TORO_AT_SYMLINK_NOFOLLOW), &a);
}

/* @return 0 or -EINVAL */
static int one_time(const struct toro_timespec *t, unsigned now, unsigned set,
                    struct toro_timespec *to, unsigned *valid)
{
    if (t->nsec == UTIME_OMIT_)
        return 0;
    *valid |= now;
    if (t->nsec == UTIME_NOW_)
        return 0;
    if (t->nsec < 0 || t->nsec >= 1000000000)
        return -EINVAL;
    *valid |= set;
    *to = *t;
    return 0;
}

CALL4(utimensat, dirfd, path, times, flags)
{
    struct toro_timespec t[2] = {{0, UTIME_NOW_}, {0, UTIME_NOW_}};
    struct toro_attr a = {0};

    if (flags & ~(long)(TORO_AT_SYMLINK_NOFOLLOW | TORO_AT_EMPTY_PATH))
        return -EINVAL;
    if (times && sys_get(t, times, sizeof(t)) != 0)
        return -EFAULT;
    if (one_time(&t[0], TORO_ATTR_ATIME, TORO_ATTR_ATIME_SET, &a.atime, &a.valid) ||
        one_time(&t[1], TORO_ATTR_MTIME, TORO_ATTR_MTIME_SET, &a.mtime, &a.valid))
        return -EINVAL;
    if (!a.valid)
        return 0;
    if (!path)
        return set_fd(dirfd, &a);
    return set_path(dirfd, path, !(flags & TORO_AT_SYMLINK_NOFOLLOW), &a);
}

CALL2(truncate, path, size)
{
    struct toro_attr a = {.valid = TORO_ATTR_SIZE, .size = (uint64_t)size};
    struct toro_place p;
    long r;

    if (size < 0)
        return -EINVAL;
    r = sys_walk(TORO_AT_FDCWD, path, TORO_WALK_FOLLOW, &p);
    if (r)
        return r;
    if (!p.node || p.node->type != TORO_S_IFREG)
        r = p.node && p.node->type == TORO_S_IFDIR ? -EISDIR : -EINVAL;
    else
        r = toro_vfs_setattr(p.node, &a);
    toro_place_put(&p);
    return r;
}

static bool writable(const struct toro_file *f)
{
    return (f->flags & TORO_O_ACCMODE) != TORO_O_RDONLY;
}

CALL2(ftruncate, fd, size)
{
    struct toro_file *f = sys_fd_io(fd);
    long r;

    if (!f)
        return -EBADF;
    r = size >= 0 && f->ops->truncate && writable(f) ? f->ops->truncate(f, (uint64_t)size)
                                                     : -EINVAL;
    toro_file_put(f);
    return r;
}

/* Where room cannot be set aside (9p has no such request) glibc writes zeros instead. */
CALL4(fallocate, fd, mode, off, len)
{
    struct toro_file *f = sys_fd_io(fd);
    long r, end;

    if (!f)
        return -EBADF;
    if (off < 0 || len <= 0)
        r = -EINVAL;
    else if (__builtin_add_overflow(off, len, &end))
        r = -EFBIG;
    else if (!writable(f))
        r = -EBADF;
    else if (mode || !f->ops->allocate)
        r = f->node ? -EOPNOTSUPP : -ESPIPE;
    else
        r = f->ops->allocate(f, (uint64_t)off, (uint64_t)len);
    toro_file_put(f);
    return r;
}

static long flush(long fd)
{
    struct toro_file *f = sys_fd_io(fd);
    long r;

    if (!f)
        return -EBADF;
    r = f->ops->sync ? f->ops->sync(f) : f->node ? 0 : -EINVAL;
    toro_file_put(f);
    return r;
}

CALL1(fsync, fd)
{
    return flush(fd);
}

CALL1(fdatasync, fd)
{
    return flush(fd);
}

/* Nothing is cached in the guest: all writes are with the host's kernel already. */
CALL0(sync)
{
    return 0;
}

CALL1(syncfs, fd)
{
    struct toro_file *f = sys_fd_io(fd);

    if (!f)
        return -EBADF;
    toro_file_put(f);
    return 0;
}

CALL4(fadvise64, fd, off, len, advice)
{
    struct toro_file *f = sys_fd_io(fd);
    long r = 0;

    (void)off;
    if (!f)
        return -EBADF;
    if (!sys_seekable(f))
        r = -ESPIPE;
    else if (advice < 0 || advice > 5 || len < 0)
        r = -EINVAL;
    toro_file_put(f);
    return r;
}
