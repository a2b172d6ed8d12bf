/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening by path; attributes and access of nodes. */
#include <toro/boot.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/proc.h>
#include <toro/vfs.h>

/* Flags that only concern open() itself. */
#define OPEN_ONLY                                                                                  \
    (TORO_O_CREAT | TORO_O_EXCL | TORO_O_NOCTTY | TORO_O_TRUNC | TORO_O_CLOEXEC |                  \
     TORO_O_NOFOLLOW | TORO_O_DIRECTORY)

static const struct toro_file_ops path_only_ops;

static int finish(struct toro_file *f, int err, unsigned flags, struct toro_file **out)
{
    if (err) {
        toro_file_put(f);
        return err;
    }
    f->flags = flags & ~OPEN_ONLY;
    if (!f->path && f->node)
        f->path = f->node->path;
    *out = f;
    return 0;
}

static bool writes(unsigned flags)
{
    return (flags & TORO_O_ACCMODE) != TORO_O_RDONLY || (flags & TORO_O_TRUNC);
}

int toro_vfs_open_node(struct toro_node *n, unsigned flags, struct toro_file **out)
{
    bool path_only = flags & TORO_O_PATH;
    struct toro_file *f;

    if (n->type == TORO_S_IFLNK && !path_only)
        return -ELOOP;
    if ((flags & TORO_O_DIRECTORY) && n->type != TORO_S_IFDIR)
        return -ENOTDIR;
    if (!path_only && n->type == TORO_S_IFDIR && (writes(flags) || (flags & TORO_O_CREAT)))
        return -EISDIR;
    if (!path_only && n->mnt->ro && writes(flags) && n->type == TORO_S_IFREG)
        return -EROFS;
    f = toro_file_new(NULL, NULL, flags);
    if (!f)
        return -ENOMEM;
    toro_node_get(n);
    f->node = n;
    if (path_only) {
        f->ops = &path_only_ops;
        return finish(f, 0, TORO_O_PATH, out);
    }
    return finish(f, n->mnt->ops->open(n, f), flags, out);
}

/* The entry `last` of a directory, mount points included. */
static int lookup(struct toro_node *dir, const char *last, struct toro_node **n)
{
    struct toro_place p;
    int err = toro_path_walk(dir, last, 0, &p);

    if (!err)
        *n = p.node;
    return err;
}

static int create(struct toro_place *p, unsigned flags, unsigned mode, struct toro_file **out)
{
    struct toro_file *f;

    if (p->dir->mnt->ro)
        return -EROFS;
    if (!p->dir->mnt->ops->create)
        return -EACCES;
    f = toro_file_new(NULL, NULL, flags);
    if (!f)
        return -ENOMEM;
    return finish(f, p->dir->mnt->ops->create(p->dir, p->last, mode & 07777u, f), flags, out);
}

/* Where a symlink points: *buf = directory of the link + "/" + target. */
static int link_target(struct toro_node *n, char **buf)
{
    size_t dir = (size_t)(toro_strrchr(n->path, '/') - n->path) + 1;
    char *b = toro_kmalloc(dir + TORO_PATH_MAX);
    toro_ssize len;

    if (!b)
        return -ENOMEM;
    toro_memcpy(b, n->path, dir);
    len = n->mnt->ops->readlink ? n->mnt->ops->readlink(n, b + dir, TORO_PATH_MAX - 1) : -EINVAL;
    if (len < 0) {
        toro_kfree(b);
        return (int)len;
    }
    b[dir + (size_t)len] = '\0';
    if (b[dir] == '/')
        toro_memmove(b, b + dir, (size_t)len + 1);
    *buf = b;
    return 0;
}

/* One round of open_creat(): *target is set if the last component is a symlink that leads on. */
static int creat_here(struct toro_node *at, const char *path, unsigned flags, unsigned mode,
                      char **target, struct toro_file **out)
{
    struct toro_place p;
    struct toro_node *n = NULL;
    int err = toro_path_walk(at, path, TORO_WALK_PARENT, &p);

    if (err == -EINVAL || err == -ENOTEMPTY || err == -EBUSY)
        return flags & TORO_O_EXCL ? -EEXIST : -EISDIR; /* ".", "..", "/" */
    if (err)
        return err;
    if (p.slash) { /* even if the directory is there, as on Linux */
        toro_place_put(&p);
        return -EISDIR;
    }
    err = lookup(p.dir, p.last, &n);
    if (err == -ENOENT) {
        err = create(&p, flags, mode, out);
    } else if (!err && (flags & TORO_O_EXCL)) {
        err = -EEXIST;
    } else if (!err && n->type == TORO_S_IFLNK) {
        if (flags & TORO_O_NOFOLLOW)
            err = -ELOOP;
        else if (!n->mnt->ops->jump || (*out = n->mnt->ops->jump(n)) == NULL)
            err = link_target(n, target); /* else: /proc/self/fd, an open file without a path */
    } else if (!err) {
        err = toro_vfs_open_node(n, flags, out);
    }
    toro_node_put(n);
    toro_place_put(&p);
    return err;
}

static int open_creat(struct toro_node *at, const char *path, unsigned flags, unsigned mode,
                      struct toro_file **out)
{
    char *here = NULL, *target = NULL;
    int err = creat_here(at, path, flags, mode, &target, out);

    for (unsigned links = 0; !err && target; links++) {
        toro_kfree(here);
        here = target;
        target = NULL;
        err = links < TORO_LINK_MAX_FOLLOW ? creat_here(NULL, here, flags, mode, &target, out)
                                           : -ELOOP;
    }
    toro_kfree(here);
    toro_kfree(target);
    return err;
}

int toro_vfs_open(struct toro_node *at, const char *path, unsigned flags, unsigned mode,
                  struct toro_file **out)
{
    struct toro_place p;
    int err;

    if ((flags & TORO_O_ACCMODE) == TORO_O_ACCMODE)
        return -EINVAL;
    if ((flags & TORO_O_TMPFILE) == TORO_O_TMPFILE)
        return -EOPNOTSUPP;
    if ((flags & TORO_O_CREAT) && !(flags & TORO_O_PATH))
        return flags & TORO_O_DIRECTORY ? -EINVAL : open_creat(at, path, flags, mode, out);
    err = toro_path_walk(at, path, flags & TORO_O_NOFOLLOW ? 0 : TORO_WALK_FOLLOW, &p);
    if (err)
        return err;
    if (p.file) {
        *out = p.file; /* shares the position with the descriptor it came from, as pipes must */
        return 0;
    }
    err = toro_vfs_open_node(p.node, flags, out);
    toro_place_put(&p);
    return err;
}

int toro_vfs_stat(struct toro_node *n, struct toro_linux_stat *st)
{
    return n->mnt->ops->stat(n, st);
}

int toro_vfs_setattr(struct toro_node *n, const struct toro_attr *a)
{
    if (n->mnt->ro)
        return -EROFS;
    return n->mnt->ops->setattr ? n->mnt->ops->setattr(n, a) : -EPERM;
}

int toro_vfs_access(struct toro_node *n, unsigned mode)
{
    struct toro_proc *p = toro_current_proc();
    struct toro_linux_stat st;
    unsigned bits;
    int err = toro_vfs_stat(n, &st);

    if (err)
        return err;
    if ((mode & 2u) && n->mnt->ro && (st.mode & TORO_S_IFMT) != TORO_S_IFCHR)
        return -EROFS;
    if (!p || p->uid == 0) {
        if ((mode & 1u) && (st.mode & TORO_S_IFMT) != TORO_S_IFDIR && !(st.mode & 0111u))
            return -EACCES;
        return 0;
    }
    /* Supplementary groups are not known here: the host decides again when the file is opened. */
    bits = p->uid == st.uid ? st.mode >> 6 : p->gid == st.gid ? st.mode >> 3 : st.mode;
    return (bits & mode & 7u) == mode ? 0 : -EACCES;
}
