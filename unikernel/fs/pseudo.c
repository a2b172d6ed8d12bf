/* SPDX-License-Identifier: BSD-3-Clause */
/* The common part of devfs, proc and sys. The text of a file is made when it is opened. */
#include <stdarg.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/proc.h>
#include "pseudo.h"

void toro_text_add(struct toro_text *t, const char *fmt, ...)
{
    va_list ap;
    int n;

    for (;;) {
        size_t room = t->size - t->len;
        char *p;

        if (t->failed)
            return;
        va_start(ap, fmt);
        n = toro_vsnprintf(room ? t->p + t->len : NULL, room, fmt, ap);
        va_end(ap);
        if (n >= 0 && (size_t)n < room) {
            t->len += (size_t)n;
            return;
        }
        p = n < 0 ? NULL : toro_krealloc(t->p, t->size * 2 + (size_t)n + 256);
        if (!p) {
            t->failed = true;
            return;
        }
        t->p = p;
        t->size = t->size * 2 + (size_t)n + 256;
    }
}

const char *toro_pseudo_below(const char *rel, const char *name)
{
    size_t n = toro_strlen(name);

    if (toro_strncmp(rel, name, n) != 0 || (rel[n] && rel[n] != '/'))
        return NULL;
    return rel[n] ? rel + n + 1 : rel + n;
}

static const struct pseudo *provider(const struct toro_node *n)
{
    return n->mnt->priv;
}

static const char *rel_of(const struct toro_node *n)
{
    const char *r = n->path + toro_strlen(n->mnt->path);

    return *r == '/' ? r + 1 : r;
}

/* FNV-1a of the path: stable while the guest runs. */
static uint64_t ino_of(const char *path)
{
    uint64_t h = 0xcbf29ce484222325ull;

    while (*path)
        h = (h ^ (uint8_t)*path++) * 0x100000001b3ull;
    return h >> 8 | 1;
}

static int op_walk(struct toro_node *dir, const char *rel, size_t *used, struct toro_node **out)
{
    const char *slash = toro_strchr(rel, '/');
    size_t len = slash ? (size_t)(slash - rel) : toro_strlen(rel);
    struct toro_node *n = toro_node_new(dir->mnt, dir, rel, len);

    if (!n)
        return -ENOMEM;
    n->type = provider(dir)->type(rel_of(n));
    if (!n->type) {
        toro_node_put(n);
        return -ENOENT;
    }
    n->id = ino_of(n->path);
    *out = n;
    *used = len;
    return 0;
}

static toro_ssize text_read(struct toro_file *f, void *buf, size_t n, uint64_t *pos)
{
    const struct toro_text *t = f->priv;
    size_t k;

    if (*pos >= t->len)
        return 0;
    k = TORO_MIN(n, t->len - (size_t)*pos);
    if (toro_copy_to_user(buf, t->p + *pos, k) != 0)
        return -EFAULT;
    *pos += k;
    return (toro_ssize)k;
}

static unsigned text_poll(struct toro_file *f, struct toro_waitq **q)
{
    (void)f;
    (void)q;
    return TORO_POLLIN | TORO_POLLOUT;
}

static void text_release(struct toro_file *f)
{
    struct toro_text *t = f->priv;

    toro_kfree(t->p);
    toro_kfree(t);
}

static const struct toro_file_ops text_ops = {
    .read = text_read, .poll = text_poll, .release = text_release};

static toro_ssize dir_readdir(struct toro_file *f, void *buf, size_t n)
{
    const struct pseudo *p = provider(f->node);
    const char *rel = rel_of(f->node);
    char name[TORO_NAME_MAX + 1];
    size_t at = 0;

    for (;;) {
        uint32_t type = TORO_S_IFDIR;

        if (f->pos < 2)
            toro_strlcpy(name, f->pos ? ".." : ".", sizeof(name));
        else
            type = p->entry(rel, (unsigned)f->pos - 2, name);
        if (!type)
            return (toro_ssize)at;
        if (!toro_dirent_put(buf, n, &at, f->node->id + f->pos, f->pos + 1, type >> 12, name,
                             toro_strlen(name)))
            return at ? (toro_ssize)at : -EINVAL;
        f->pos++;
    }
}

static const struct toro_file_ops dir_ops = {.readdir = dir_readdir};

static int op_open(struct toro_node *n, struct toro_file *f)
{
    const struct pseudo *p = provider(n);
    struct toro_text *t;
    int err;

    if (n->type == TORO_S_IFDIR) {
        f->ops = &dir_ops;
        return 0;
    }
    if (n->type == TORO_S_IFCHR)
        return p->open(rel_of(n), f);
    if ((f->flags & TORO_O_ACCMODE) != TORO_O_RDONLY)
        return -EACCES;
    t = toro_kzalloc(sizeof(*t));
    if (!t)
        return -ENOMEM;
    err = p->text(rel_of(n), t);
    if (!err && t->failed)
        err = -ENOMEM;
    if (err) {
        toro_kfree(t->p);
        toro_kfree(t);
        return err;
    }
    f->priv = t;
    f->ops = &text_ops;
    return 0;
}

static int op_stat(struct toro_node *n, struct toro_linux_stat *st)
{
    const struct toro_proc *me = toro_current_proc();
    const struct pseudo *p = provider(n);

    *st = (struct toro_linux_stat){.dev = n->mnt->dev,
                                   .ino = n->id ? n->id : 1,
                                   .nlink = n->type == TORO_S_IFDIR ? 2 : 1,
                                   .uid = me ? me->uid : 0,
                                   .gid = me ? me->gid : 0,
                                   .blksize = 4096};
    if (n->type == TORO_S_IFCHR) {
        st->mode = n->type | 0666u;
        st->rdev = p->rdev(rel_of(n));
    } else {
        st->mode = n->type | (n->type == TORO_S_IFREG   ? 0444u
                              : n->type == TORO_S_IFLNK ? 0777u
                                                        : 0555u);
    }
    return 0;
}

static toro_ssize op_readlink(struct toro_node *n, char *buf, size_t size)
{
    const struct pseudo *p = provider(n);

    return p->link ? p->link(rel_of(n), buf, size) : -EINVAL;
}

static struct toro_file *op_jump(struct toro_node *n)
{
    const struct pseudo *p = provider(n);

    return p->jump ? p->jump(rel_of(n)) : NULL;
}

static int op_statfs(struct toro_mount *m, struct toro_node *n, struct toro_linux_statfs *st)
{
    (void)n;
    *st = (struct toro_linux_statfs){.type = ((const struct pseudo *)m->priv)->magic,
                                     .bsize = 4096,
                                     .frsize = 4096,
                                     .namelen = TORO_NAME_MAX};
    return 0;
}

static const struct toro_fs_ops ops = {.walk = op_walk,
                                       .open = op_open,
                                       .stat = op_stat,
                                       .readlink = op_readlink,
                                       .jump = op_jump,
                                       .statfs = op_statfs};

int toro_pseudo_mount(const char *path, const char *type, const struct pseudo *p)
{
    struct toro_mount *m = toro_mount_add(path, type, type, &ops, (void *)p);

    if (!m)
        return -ENOMEM;
    m->root->id = 1;
    return 0;
}
