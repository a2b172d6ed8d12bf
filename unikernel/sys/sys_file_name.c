/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls that change directories: mkdir, unlink, rename, link, symlink. */
#include "file.h"

/* The parent of a path, in a file system that may be written. */
static int parent(long dirfd, long path, struct toro_place *p)
{
    int err = sys_walk(dirfd, path, TORO_WALK_PARENT, p);

    if (!err && p->dir->mnt->ro) {
        toro_place_put(p);
        err = -EROFS;
    }
    return err;
}

/* The same for making something: ".", ".." and "/" exist already. */
static int new_entry(long dirfd, long path, struct toro_place *p)
{
    int err = parent(dirfd, path, p);

    return err == -EINVAL || err == -ENOTEMPTY || err == -EBUSY ? -EEXIST : err;
}

/* Whether the entry is a mount point, which must stay. */
static bool mounted(const struct toro_place *p)
{
    struct toro_node *n = toro_node_new(p->dir->mnt, p->dir, p->last, toro_strlen(p->last));
    bool yes = true; /* out of memory: better refuse */

    if (n) {
        yes = toro_mount_at(n->path, toro_strlen(n->path)) != NULL;
        toro_kfree(n);
    }
    return yes;
}

static long do_mkdir(long dirfd, long path, long mode)
{
    const struct toro_proc *me = toro_current_proc();
    struct toro_place p;
    int err = new_entry(dirfd, path, &p);

    if (err)
        return err;
    if (mounted(&p))
        err = -EEXIST;
    else
        err = p.dir->mnt->ops->mkdir
                  ? p.dir->mnt->ops->mkdir(p.dir, p.last, (unsigned)mode & 07777u & ~me->umask)
                  : -EPERM;
    toro_place_put(&p);
    return err;
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
    struct toro_place p;
    int err = parent(dirfd, path, &p);

    if (err && !directory && (err == -EINVAL || err == -ENOTEMPTY || err == -EBUSY))
        return -EISDIR;
    if (err)
        return err;
    if (mounted(&p))
        err = directory ? -EBUSY : -EISDIR;
    else if (!directory && p.slash)
        err = -ENOTDIR;
    else
        err = p.dir->mnt->ops->unlink ? p.dir->mnt->ops->unlink(p.dir, p.last, directory) : -EPERM;
    toro_place_put(&p);
    return err;
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

static long do_rename(long fd1, long path1, long fd2, long path2, long flags)
{
    struct toro_place a, b;
    int err = parent(fd1, path1, &a);

    if (err)
        return err == -EINVAL || err == -ENOTEMPTY ? -EBUSY : err;
    err = parent(fd2, path2, &b);
    if (err) {
        toro_place_put(&a);
        return err == -EINVAL || err == -ENOTEMPTY ? -EBUSY : err;
    }
    if (mounted(&a) || mounted(&b))
        err = -EBUSY;
    else if (a.dir->mnt != b.dir->mnt)
        err = -EXDEV;
    else if (a.dir->mnt->ops->rename)
        err = a.dir->mnt->ops->rename(a.dir, a.last, b.dir, b.last, (unsigned)flags);
    else
        err = -EPERM;
    toro_place_put(&a);
    toro_place_put(&b);
    return err;
}

CALL2(rename, from, to)
{
    return do_rename(TORO_AT_FDCWD, from, TORO_AT_FDCWD, to, 0);
}

CALL4(renameat, fd1, from, fd2, to)
{
    return do_rename(fd1, from, fd2, to, 0);
}

CALL5(renameat2, fd1, from, fd2, to, flags)
{
    return flags & ~7l ? -EINVAL : do_rename(fd1, from, fd2, to, flags);
}

static long do_link(long fd1, long path1, long fd2, long path2, long flags)
{
    struct toro_place a, b;
    int err;

    if (flags & ~(long)TORO_AT_SYMLINK_FOLLOW)
        return -EINVAL;
    err = sys_walk(fd1, path1, flags ? TORO_WALK_FOLLOW : 0, &a);
    if (err)
        return err;
    err = new_entry(fd2, path2, &b);
    if (!err) {
        if (!a.node || a.node->mnt != b.dir->mnt)
            err = -EXDEV;
        else if (a.node->type == TORO_S_IFDIR)
            err = -EPERM;
        else if (mounted(&b))
            err = -EEXIST;
        else
            err = b.dir->mnt->ops->link ? b.dir->mnt->ops->link(a.node, b.dir, b.last) : -EPERM;
        toro_place_put(&b);
    }
    toro_place_put(&a);
    return err;
}

CALL2(link, from, to)
{
    return do_link(TORO_AT_FDCWD, from, TORO_AT_FDCWD, to, 0);
}

CALL5(linkat, fd1, from, fd2, to, flags)
{
    return do_link(fd1, from, fd2, to, flags);
}

static long do_symlink(long target, long dirfd, long path)
{
    struct toro_place p;
    char *t;
    int err = sys_path_in(target, &t);

    if (err)
        return err;
    err = t[0] ? new_entry(dirfd, path, &p) : -ENOENT;
    if (!err) {
        if (mounted(&p))
            err = -EEXIST;
        else
            err = p.dir->mnt->ops->symlink ? p.dir->mnt->ops->symlink(p.dir, p.last, t) : -EPERM;
        toro_place_put(&p);
    }
    toro_kfree(t);
    return err;
}

CALL2(symlink, target, path)
{
    return do_symlink(target, TORO_AT_FDCWD, path);
}

CALL3(symlinkat, target, dirfd, path)
{
    return do_symlink(target, dirfd, path);
}

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
