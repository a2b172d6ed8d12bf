/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls that change directories: mkdir, unlink, rename, link, symlink. */
#include "file.h"

/* A path argument and where it starts. */
struct start {
    char *path;
    struct toro_node *at;
};

static int start(long dirfd, long user, struct start *s)
{
    int err = sys_path_in(user, &s->path);

    s->at = NULL;
    if (err)
        return err;
    if (s->path[0] != '/')
        err = s->path[0] ? sys_at(dirfd, &s->at) : -ENOENT;
    if (err)
        toro_kfree(s->path);
    return err;
}

static void end(struct start *s)
{
    toro_node_put(s->at);
    toro_kfree(s->path);
}

static long do_mkdir(long dirfd, long path, long mode)
{
    struct start s;
    long r = start(dirfd, path, &s);

    if (r)
        return r;
    r = toro_vfs_mkdir(s.at, s.path, (unsigned)mode & ~toro_current_proc()->umask);
    end(&s);
    return r;
}

CALL2(mkdir, path, mode)
{
    return do_mkdir(TORO_AT_FDCWD, path, mode);
}

CALL3(mkdirat, dirfd, path, mode)
{
    return do_mkdir(dirfd, path, mode);
}

static long do_unlink(long dirfd, long path, bool directory)
{
    struct start s;
    long r = start(dirfd, path, &s);

    if (r)
        return r;
    r = toro_vfs_unlink(s.at, s.path, directory);
    end(&s);
    return r;
}

CALL1(rmdir, path)
{
    return do_unlink(TORO_AT_FDCWD, path, true);
}

CALL1(unlink, path)
{
    return do_unlink(TORO_AT_FDCWD, path, false);
}

CALL3(unlinkat, dirfd, path, flags)
{
    if (flags & ~(long)TORO_AT_REMOVEDIR)
        return -EINVAL;
    return do_unlink(dirfd, path, flags != 0);
}

/* Two paths: rename with its flags, or link (follow or not). */
static long two_paths(bool rename, long fd1, long path1, long fd2, long path2, long flags)
{
    struct start a, b;
    long r = start(fd1, path1, &a);

    if (r)
        return r;
    r = start(fd2, path2, &b);
    if (!r) {
        r = rename ? toro_vfs_rename(a.at, a.path, b.at, b.path, (unsigned)flags)
                   : toro_vfs_link(a.at, a.path, b.at, b.path, flags != 0);
        end(&b);
    }
    end(&a);
    return r;
}

CALL2(rename, from, to)
{
    return two_paths(true, TORO_AT_FDCWD, from, TORO_AT_FDCWD, to, 0);
}

CALL4(renameat, fd1, from, fd2, to)
{
    return two_paths(true, fd1, from, fd2, to, 0);
}

CALL5(renameat2, fd1, from, fd2, to, flags)
{
    return flags & ~7l ? -EINVAL : two_paths(true, fd1, from, fd2, to, flags);
}

CALL2(link, from, to)
{
    return two_paths(false, TORO_AT_FDCWD, from, TORO_AT_FDCWD, to, 0);
}

CALL5(linkat, fd1, from, fd2, to, flags)
{
    if (flags & ~(long)TORO_AT_SYMLINK_FOLLOW)
        return -EINVAL;
    return two_paths(false, fd1, from, fd2, to, flags);
}

static long do_symlink(long target, long dirfd, long path)
{
    struct start s;
    char *t;
    long r = sys_path_in(target, &t);

    if (r)
        return r;
    r = start(dirfd, path, &s);
    if (!r) {
        r = toro_vfs_symlink(t, s.at, s.path);
        end(&s);
    }
    toro_kfree(t);
    return r;
}

CALL2(symlink, target, path)
{
    return do_symlink(target, TORO_AT_FDCWD, path);
}

CALL3(symlinkat, target, dirfd, path)
{
    return do_symlink(target, dirfd, path);
}

/* Device nodes and named pipes would be the host's: they are not made from in here. */
CALL3(mknod, path, mode, dev)
{
    (void)path;
    (void)mode;
    (void)dev;
    return -EPERM;
}

CALL4(mknodat, dirfd, path, mode, dev)
{
    (void)dirfd;
    (void)path;
    (void)mode;
    (void)dev;
    return -EPERM;
}
