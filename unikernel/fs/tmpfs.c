/* SPDX-License-Identifier: BSD-3-Clause */
/* tmpfs: names and inodes. Serves /dev/shm, and as "/" where there is no 9p. */
#include <toro/arch.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/mm.h>
#include <toro/proc.h>
#include "tmpfs.h"

struct entry {
    struct toro_list link;
    struct tmp_inode *inode;
    uint64_t cookie; /* position for readdir; grows */
    char name[];
};

struct tmpfs {
    struct toro_spinlock lock; /* the tree */
    uint64_t next_ino, next_cookie;
};

static const struct toro_fs_ops ops;
static struct toro_mount anon = {.ops = &ops, .path = "", .type = "tmpfs", .source = "tmpfs"};
static struct tmpfs anon_fs = {.next_ino = 1};

static struct tmpfs *fs_of(const struct toro_mount *m)
{
    return m->priv;
}

static struct tmp_inode *inode_new(struct tmpfs *fs, uint32_t mode)
{
    struct tmp_inode *i = toro_kzalloc(sizeof(*i));
    struct toro_proc *p = toro_current_proc();

    if (!i)
        return NULL;
    atomic_init(&i->refs, 1);
    i->mode = mode;
    i->uid = p ? p->uid : 0;
    i->gid = p ? p->gid : 0;
    i->atime = i->mtime = i->ctime = tmp_now();
    toro_list_init(&i->entries);
    toro_mutex_init(&i->data);
    toro_spin_lock(&fs->lock);
    i->ino = fs->next_ino++;
    toro_spin_unlock(&fs->lock);
    return i;
}

void tmp_inode_put(struct tmp_inode *i)
{
    if (atomic_fetch_sub_explicit(&i->refs, 1, memory_order_acq_rel) != 1)
        return;
    tmp_drop_data(i);
    toro_kfree(i->target);
    toro_kfree(i);
}

/* Takes over a reference to the inode. */
static struct toro_node *node_for(const struct toro_node *dir, const char *name, size_t len,
                                  struct tmp_inode *i)
{
    struct toro_node *n = toro_node_new(dir->mnt, dir, name, len);

    if (!n) {
        tmp_inode_put(i);
        return NULL;
    }
    n->type = i->mode & TORO_S_IFMT;
    n->priv = i;
    n->id = i->ino;
    return n;
}

/* lock held */
static struct entry *find(struct tmp_inode *dir, const char *name, size_t len)
{
    toro_list_each(&dir->entries, it)
    {
        struct entry *e = toro_list_entry(it, struct entry, link);

        if (toro_strlen(e->name) == len && toro_memcmp(e->name, name, len) == 0)
            return e;
    }
    return NULL;
}

static int op_walk(struct toro_node *dir, const char *rel, size_t *used, struct toro_node **out)
{
    struct tmpfs *fs = fs_of(dir->mnt);
    const char *slash = toro_strchr(rel, '/');
    size_t len = slash ? (size_t)(slash - rel) : toro_strlen(rel);
    struct tmp_inode *i = NULL;
    struct entry *e;

    toro_spin_lock(&fs->lock);
    e = find(dir->priv, rel, len);
    if (e) {
        i = e->inode;
        atomic_fetch_add_explicit(&i->refs, 1, memory_order_relaxed);
    }
    toro_spin_unlock(&fs->lock);
    if (!i)
        return -ENOENT;
    *out = node_for(dir, rel, len, i);
    *used = len;
    return *out ? 0 : -ENOMEM;
}

static struct entry *entry_new(const char *name, struct tmp_inode *i)
{
    size_t len = toro_strlen(name);
    struct entry *e = toro_kmalloc(sizeof(*e) + len + 1);

    if (!e)
        return NULL;
    toro_list_init(&e->link);
    e->inode = i;
    toro_memcpy(e->name, name, len + 1);
    return e;
}

/* lock held; the directory may have been removed meanwhile */
static int link_entry(struct tmpfs *fs, struct tmp_inode *dir, struct entry *e)
{
    if (dir->nlink == 0)
        return -ENOENT;
    if (find(dir, e->name, toro_strlen(e->name)))
        return -EEXIST;
    e->cookie = fs->next_cookie++;
    toro_list_push(&dir->entries, &e->link);
    dir->mtime = dir->ctime = tmp_now();
    return 0;
}

/* Enter a new inode (which has one reference, its name's). Frees it on failure. */
static int enter(struct toro_node *dir, const char *name, struct tmp_inode *i)
{
    struct tmpfs *fs = fs_of(dir->mnt);
    struct tmp_inode *d = dir->priv;
    struct entry *e = i ? entry_new(name, i) : NULL;
    int err = -ENOMEM;

    if (e) {
        bool is_dir = (i->mode & TORO_S_IFMT) == TORO_S_IFDIR;

        toro_spin_lock(&fs->lock);
        err = link_entry(fs, d, e);
        if (!err) {
            i->nlink = is_dir ? 2 : 1;
            if (is_dir) {
                i->parent = d;
                d->nlink++;
            }
        }
        toro_spin_unlock(&fs->lock);
    }
    if (err) {
        toro_kfree(e);
        if (i)
            tmp_inode_put(i);
    }
    return err;
}

static void opened(struct tmp_inode *i)
{
    toro_mutex_lock(&i->data);
    i->opens++;
    toro_mutex_unlock(&i->data);
}

static int op_create(struct toro_node *dir, const char *name, unsigned mode, struct toro_file *f)
{
    struct tmp_inode *i = inode_new(fs_of(dir->mnt), TORO_S_IFREG | mode);
    size_t used;
    int err;

    if (i)
        atomic_fetch_add_explicit(&i->refs, 1, memory_order_relaxed);
    err = enter(dir, name, i);
    if (err) {
        if (i)
            tmp_inode_put(i);
        if (err != -EEXIST || (f->flags & TORO_O_EXCL))
            return err;
        /* Another rank was faster: open that one. */
        err = op_walk(dir, name, &used, &f->node);
        if (err)
            return err;
        i = f->node->priv;
        if (f->node->type != TORO_S_IFREG)
            return -EISDIR;
    } else {
        f->node = node_for(dir, name, toro_strlen(name), i);
        if (!f->node)
            return -ENOMEM;
    }
    opened(i);
    f->ops = &tmp_file_ops;
    return 0;
}

static toro_ssize dir_readdir(struct toro_file *f, void *buf, size_t n)
{
    struct tmpfs *fs = fs_of(f->node->mnt);
    struct tmp_inode *d = f->node->priv;
    size_t at = 0;
    bool full = false;

    toro_spin_lock(&fs->lock);
    if (f->pos < 1 && !full) {
        full = !toro_dirent_put(buf, n, &at, d->ino, 1, TORO_DT_DIR, ".", 1);
        f->pos = full ? f->pos : 1;
    }
    if (f->pos < 2 && !full) {
        full = !toro_dirent_put(buf, n, &at, d->parent ? d->parent->ino : d->ino, 2, TORO_DT_DIR,
                                "..", 2);
        f->pos = full ? f->pos : 2;
    }
    toro_list_each(&d->entries, it)
    {
        struct entry *e = toro_list_entry(it, struct entry, link);
        uint64_t cookie = e->cookie + 3;

        if (full)
            break;
        if (cookie <= f->pos)
            continue;
        full =
            !toro_dirent_put(buf, n, &at, e->inode->ino, cookie,
                             (e->inode->mode & TORO_S_IFMT) >> 12, e->name, toro_strlen(e->name));
        if (!full)
            f->pos = cookie;
    }
    toro_spin_unlock(&fs->lock);
    return full && !at ? -EINVAL : (toro_ssize)at;
}

static const struct toro_file_ops dir_ops = {.readdir = dir_readdir};

static int op_open(struct toro_node *n, struct toro_file *f)
{
    struct tmp_inode *i = n->priv;

    if (n->type == TORO_S_IFDIR) {
        f->ops = &dir_ops;
        return 0;
    }
    opened(i);
    f->ops = &tmp_file_ops;
    if (f->flags & TORO_O_TRUNC) {
        toro_mutex_lock(&i->data);
        (void)tmp_resize(i, 0);
        i->mtime = i->ctime = tmp_now();
        toro_mutex_unlock(&i->data);
    }
    return 0;
}

static int op_stat(struct toro_node *n, struct toro_linux_stat *st)
{
    tmp_stat(n->priv, n->mnt->dev, st);
    return 0;
}

static int op_setattr(struct toro_node *n, const struct toro_attr *a)
{
    struct tmp_inode *i = n->priv;
    int err = 0;

    toro_mutex_lock(&i->data);
    if (a->valid & TORO_ATTR_SIZE)
        err = n->type == TORO_S_IFREG ? tmp_resize(i, a->size) : -EINVAL;
    if (!err) {
        if (a->valid & TORO_ATTR_MODE)
            i->mode = (i->mode & TORO_S_IFMT) | (a->mode & 07777u);
        if (a->valid & TORO_ATTR_UID)
            i->uid = a->uid;
        if (a->valid & TORO_ATTR_GID)
            i->gid = a->gid;
        if (a->valid & TORO_ATTR_ATIME)
            i->atime = a->valid & TORO_ATTR_ATIME_SET ? a->atime : tmp_now();
        if (a->valid & TORO_ATTR_MTIME)
            i->mtime = a->valid & TORO_ATTR_MTIME_SET ? a->mtime : tmp_now();
        i->ctime = tmp_now();
    }
    toro_mutex_unlock(&i->data);
    return err;
}

static toro_ssize op_readlink(struct toro_node *n, char *buf, size_t size)
{
    const struct tmp_inode *i = n->priv;
    size_t len = TORO_MIN(toro_strlen(i->target), size);

    toro_memcpy(buf, i->target, len);
    return (toro_ssize)len;
}

static int op_mkdir(struct toro_node *dir, const char *name, unsigned mode)
{
    return enter(dir, name, inode_new(fs_of(dir->mnt), TORO_S_IFDIR | mode));
}

static int op_symlink(struct toro_node *dir, const char *name, const char *target)
{
    struct tmp_inode *i = inode_new(fs_of(dir->mnt), TORO_S_IFLNK | 0777u);

    if (i) {
        i->target = toro_kstrdup(target);
        if (!i->target) {
            tmp_inode_put(i);
            return -ENOMEM;
        }
    }
    return enter(dir, name, i);
}

static int op_link(struct toro_node *n, struct toro_node *dir, const char *name)
{
    struct tmpfs *fs = fs_of(dir->mnt);
    struct tmp_inode *i = n->priv;
    struct entry *e = entry_new(name, i);
    int err;

    if (!e)
        return -ENOMEM;
    toro_spin_lock(&fs->lock);
    err = i->nlink ? link_entry(fs, dir->priv, e) : -ENOENT;
    if (!err)
        i->nlink++;
    toro_spin_unlock(&fs->lock);
    if (err)
        toro_kfree(e);
    return err;
}

/* lock held. The entry is out of its directory; its inode is returned if that was the last name. */
static struct tmp_inode *unlinked(struct tmp_inode *dir, struct entry *e)
{
    struct tmp_inode *i = e->inode;

    toro_list_del(&e->link);
    dir->mtime = dir->ctime = i->ctime = tmp_now();
    if ((i->mode & TORO_S_IFMT) == TORO_S_IFDIR) {
        dir->nlink--;
        i->nlink = 0;
        i->parent = NULL;
    } else {
        i->nlink--;
    }
    return i->nlink == 0 ? i : NULL;
}

static int op_unlink(struct toro_node *dir, const char *name, bool directory)
{
    struct tmpfs *fs = fs_of(dir->mnt);
    struct tmp_inode *gone = NULL;
    struct entry *e;
    int err = 0;

    toro_spin_lock(&fs->lock);
    e = find(dir->priv, name, toro_strlen(name));
    if (!e)
        err = -ENOENT;
    else if (directory && (e->inode->mode & TORO_S_IFMT) != TORO_S_IFDIR)
        err = -ENOTDIR;
    else if (!directory && (e->inode->mode & TORO_S_IFMT) == TORO_S_IFDIR)
        err = -EISDIR;
    else if (directory && !toro_list_empty(&e->inode->entries))
        err = -ENOTEMPTY;
    else
        gone = unlinked(dir->priv, e);
    toro_spin_unlock(&fs->lock);
    if (err)
        return err;
    toro_kfree(e);
    if (gone)
        tmp_inode_put(gone);
    return 0;
}

/* lock held */
static int may_replace(const struct entry *old, const struct entry *target)
{
    bool dir = (old->inode->mode & TORO_S_IFMT) == TORO_S_IFDIR;
    bool to_dir = (target->inode->mode & TORO_S_IFMT) == TORO_S_IFDIR;

    if (dir && !to_dir)
        return -ENOTDIR;
    if (!dir && to_dir)
        return -EISDIR;
    return to_dir && !toro_list_empty(&target->inode->entries) ? -ENOTEMPTY : 0;
}

/* lock held. Whether directory d lies in (or is) top. */
static bool inside(const struct tmp_inode *d, const struct tmp_inode *top)
{
    while (d && d != top)
        d = d->parent;
    return d != NULL;
}

static int op_rename(struct toro_node *from, const char *old, struct toro_node *to,
                     const char *name, unsigned flags)
{
    struct tmpfs *fs = fs_of(from->mnt);
    struct tmp_inode *a = from->priv, *b = to->priv, *gone = NULL;
    struct entry *fresh = entry_new(name, NULL), *e, *target;
    int err = 0;

    if (!fresh)
        return -ENOMEM;
    toro_spin_lock(&fs->lock);
    e = find(a, old, toro_strlen(old));
    target = find(b, name, toro_strlen(name));
    if (flags & ~1u) /* EXCHANGE, WHITEOUT */
        err = -EINVAL;
    else if (!e || b->nlink == 0)
        err = -ENOENT;
    else if (target && (flags & 1u))
        err = -EEXIST;
    else if (inside(b, e->inode))
        err = -EINVAL;
    else if (target && inside(a, target->inode))
        err = -ENOTEMPTY;
    else if (target && target->inode != e->inode)
        err = may_replace(e, target);
    if (!err && !(target && target->inode == e->inode)) {
        bool dir = (e->inode->mode & TORO_S_IFMT) == TORO_S_IFDIR;

        if (target)
            gone = unlinked(b, target);
        toro_list_del(&e->link);
        fresh->inode = e->inode;
        if (dir) {
            a->nlink--;
            b->nlink++;
            e->inode->parent = b;
        }
        a->mtime = a->ctime = tmp_now();
        (void)link_entry(fs, b, fresh); /* the name is free now */
    } else {
        e = target = NULL; /* nothing to do: both names are the same file, or an error */
        toro_kfree(fresh);
    }
    toro_spin_unlock(&fs->lock);
    if (!err) {
        toro_kfree(e);
        toro_kfree(target);
        if (gone)
            tmp_inode_put(gone);
    }
    return err;
}

static int op_statfs(struct toro_mount *m, struct toro_node *n, struct toro_linux_statfs *st)
{
    uint64_t used, size;

    (void)m;
    (void)n;
    toro_pool_usage(toro_pool(arch_ncores()), &used, &size);
    *st = (struct toro_linux_statfs){.type = TORO_TMPFS_MAGIC,
                                     .bsize = 4096,
                                     .frsize = 4096,
                                     .blocks = size / 4096,
                                     .bfree = (size - used) / 4096,
                                     .bavail = (size - used) / 4096,
                                     .files = 1u << 20,
                                     .ffree = 1u << 20,
                                     .namelen = TORO_NAME_MAX};
    return 0;
}

static void op_release(struct toro_node *n)
{
    tmp_inode_put(n->priv);
}

static const struct toro_fs_ops ops = {.walk = op_walk,
                                       .open = op_open,
                                       .create = op_create,
                                       .stat = op_stat,
                                       .setattr = op_setattr,
                                       .readlink = op_readlink,
                                       .mkdir = op_mkdir,
                                       .unlink = op_unlink,
                                       .rename = op_rename,
                                       .symlink = op_symlink,
                                       .link = op_link,
                                       .statfs = op_statfs,
                                       .release = op_release};

int toro_tmpfs_mount(const char *path)
{
    struct tmpfs *fs = toro_kzalloc(sizeof(*fs));
    struct tmp_inode *root;
    struct toro_mount *m;

    if (!fs)
        return -ENOMEM;
    fs->next_ino = 1;
    root = inode_new(fs, TORO_S_IFDIR | 01777u);
    m = root ? toro_mount_add(path, "tmpfs", "tmpfs", &ops, fs) : NULL;
    if (!m) {
        toro_kfree(root);
        toro_kfree(fs);
        return -ENOMEM;
    }
    root->nlink = 2;
    m->root->priv = root;
    m->root->id = root->ino;
    return 0;
}

static void clear(struct tmp_inode *dir)
{
    struct toro_list *l;

    while ((l = toro_list_pop(&dir->entries)) != NULL) {
        struct entry *e = toro_list_entry(l, struct entry, link);

        if ((e->inode->mode & TORO_S_IFMT) == TORO_S_IFDIR) {
            clear(e->inode); /* as deep as a path is long */
            dir->nlink--;
        }
        e->inode->nlink = 0;
        tmp_inode_put(e->inode);
        toro_kfree(e);
    }
}

bool toro_tmpfs_clear(struct toro_mount *m)
{
    if (m->ops != &ops)
        return false;
    clear(m->root->priv);
    return true;
}

int toro_tmpfs_anon(const char *name, unsigned flags, struct toro_file **out)
{
    static const char deleted[] = " (deleted)";
    char label[TORO_NAME_MAX + 32];
    struct tmp_inode *i;
    struct toro_node *n;
    struct toro_file *f;

    anon.priv = &anon_fs;
    anon.dev = 1;
    i = inode_new(&anon_fs, TORO_S_IFREG | 0777u);
    if (!i)
        return -ENOMEM;
    toro_snprintf(label, sizeof(label), "/memfd:%s%s", name, deleted);
    n = toro_node_new(&anon, NULL, label, toro_strlen(label));
    f = n ? toro_file_new(&tmp_file_ops, NULL, TORO_O_RDWR | flags) : NULL;
    if (!f) {
        toro_kfree(n);
        tmp_inode_put(i);
        return -ENOMEM;
    }
    n->type = TORO_S_IFREG;
    n->priv = i;
    n->id = i->ino;
    f->node = n;
    f->path = n->path;
    opened(i);
    *out = f;
    return 0;
}
