/* SPDX-License-Identifier: BSD-3-Clause */
/* Changing directories by path: mkdir, unlink, rename, link, symlink. What fails first, and how, is
 * as on Linux. */
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/vfs.h>

/* The path ended in ".", ".." or was "/": there, but not to be changed. */
static bool immovable(int err)
{
    return err == -EINVAL || err == -ENOTEMPTY || err == -EBUSY;
}

/* The parent of a path, in a file system that may be written. */
static int parent(struct toro_node *at, const char *path, struct toro_place *p)
{
    int err = toro_path_walk(at, path, TORO_WALK_PARENT, p);

    if (!err && p->dir->mnt->ro) {
        toro_place_put(p);
        err = -EROFS;
    }
    return err;
}

/* The same for something new. */
static int new_entry(struct toro_node *at, const char *path, struct toro_place *p)
{
    int err = parent(at, path, p);

    return immovable(err) ? -EEXIST : err;
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

/* Type of an entry that may not be there. @return TORO_S_IF* or -errno */
static int entry_type(const struct toro_place *p)
{
    struct toro_place e;
    int r = toro_path_walk(p->dir, p->last, 0, &e);

    if (!r) {
        r = (int)e.node->type;
        toro_place_put(&e);
    }
    return r;
}

int toro_vfs_mkdir(struct toro_node *at, const char *path, unsigned mode)
{
    struct toro_place p;
    int err = new_entry(at, path, &p);

    if (err)
        return err;
    if (mounted(&p))
        err = -EEXIST;
    else
        err =
            p.dir->mnt->ops->mkdir ? p.dir->mnt->ops->mkdir(p.dir, p.last, mode & 07777u) : -EPERM;
    toro_place_put(&p);
    return err;
}

int toro_vfs_unlink(struct toro_node *at, const char *path, bool directory)
{
    struct toro_place p;
    int err = parent(at, path, &p), type;

    if (!directory && immovable(err))
        return -EISDIR;
    if (err)
        return err;
    if (mounted(&p)) {
        err = directory ? -EBUSY : -EISDIR;
    } else if (!directory && p.slash) {
        type = entry_type(&p);
        err = type < 0 ? type : type == TORO_S_IFDIR ? -EISDIR : -ENOTDIR;
    } else {
        err = p.dir->mnt->ops->unlink ? p.dir->mnt->ops->unlink(p.dir, p.last, directory) : -EPERM;
    }
    toro_place_put(&p);
    return err;
}

static int rename_places(const struct toro_place *a, const struct toro_place *b, unsigned flags)
{
    int type;

    if (a->dir->mnt != b->dir->mnt)
        return -EXDEV;
    if (mounted(a) || mounted(b))
        return -EBUSY;
    if (a->slash || b->slash) { /* good for directories only */
        type = entry_type(a);
        if (type < 0)
            return type;
        if (type != (int)TORO_S_IFDIR)
            return -ENOTDIR;
    }
    if (!a->dir->mnt->ops->rename)
        return -EPERM;
    return a->dir->mnt->ops->rename(a->dir, a->last, b->dir, b->last, flags);
}

int toro_vfs_rename(struct toro_node *at1, const char *from, struct toro_node *at2, const char *to,
                    unsigned flags)
{
    struct toro_place a, b;
    int err = parent(at1, from, &a), err2;

    if (err && !immovable(err))
        return err;
    err2 = parent(at2, to, &b);
    if (!err && !err2)
        err = rename_places(&a, &b, flags);
    else /* what is wrong with the second path counts more than that the first is ".." */
        err = err2 && !immovable(err2) ? err2 : -EBUSY;
    toro_place_put(&a);
    toro_place_put(&b);
    return err;
}

int toro_vfs_link(struct toro_node *at1, const char *from, struct toro_node *at2, const char *to,
                  bool follow)
{
    struct toro_place a, b;
    int err = toro_path_walk(at1, from, follow ? TORO_WALK_FOLLOW : 0, &a);

    if (err)
        return err;
    err = new_entry(at2, to, &b);
    if (!err) {
        if (mounted(&b) || entry_type(&b) >= 0)
            err = -EEXIST;
        else if (b.slash)
            err = -ENOENT;
        else if (!a.node || a.node->mnt != b.dir->mnt)
            err = -EXDEV;
        else if (a.node->type == TORO_S_IFDIR)
            err = -EPERM;
        else
            err = b.dir->mnt->ops->link ? b.dir->mnt->ops->link(a.node, b.dir, b.last) : -EPERM;
    }
    toro_place_put(&b);
    toro_place_put(&a);
    return err;
}

int toro_vfs_symlink(const char *target, struct toro_node *at, const char *path)
{
    struct toro_place p;
    int err = target[0] ? new_entry(at, path, &p) : -ENOENT;

    if (err)
        return err;
    if (mounted(&p) || (p.slash && entry_type(&p) >= 0))
        err = -EEXIST;
    else if (p.slash)
        err = -ENOENT;
    else
        err = p.dir->mnt->ops->symlink ? p.dir->mnt->ops->symlink(p.dir, p.last, target) : -EPERM;
    toro_place_put(&p);
    return err;
}
