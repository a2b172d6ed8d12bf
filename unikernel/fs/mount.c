/* SPDX-License-Identifier: BSD-3-Clause */
/* Mount table and nodes. Mounts are made at boot and stay. */
#include <toro/boot.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/vfs.h>

#define MAX_MOUNTS 8u

static struct toro_mount mounts[MAX_MOUNTS];
static unsigned nmounts;

struct toro_node *toro_node_new(struct toro_mount *m, const struct toro_node *dir, const char *rel,
                                size_t len)
{
    size_t base = dir ? toro_strlen(dir->path) : 0;
    struct toro_node *n;

    if (base == 1) /* "/" + "/" + rel */
        base = 0;
    n = toro_kzalloc(sizeof(*n) + base + len + 2);
    if (!n)
        return NULL;
    atomic_init(&n->refs, 1);
    n->mnt = m;
    if (dir) {
        toro_memcpy(n->path, dir->path, base);
        n->path[base] = '/';
        toro_memcpy(n->path + base + 1, rel, len);
    } else {
        toro_memcpy(n->path, rel, len);
    }
    return n;
}

void toro_node_get(struct toro_node *n)
{
    atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
}

void toro_node_put(struct toro_node *n)
{
    if (!n || atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (n->mnt->ops->release)
        n->mnt->ops->release(n);
    toro_kfree(n);
}

struct toro_mount *toro_mount_add(const char *path, const char *type, const char *source,
                                  const struct toro_fs_ops *ops, void *priv)
{
    struct toro_mount *m;

    if (nmounts == MAX_MOUNTS)
        return NULL;
    m = &mounts[nmounts];
    *m = (struct toro_mount){.ops = ops,
                             .path = path,
                             .type = type,
                             .source = source,
                             .dev = 0x20 + nmounts,
                             .priv = priv};
    m->root = toro_node_new(m, NULL, path, toro_strlen(path));
    if (!m->root)
        return NULL;
    m->root->type = TORO_S_IFDIR;
    nmounts++;
    return m;
}

struct toro_mount *toro_mount_at(const char *path, size_t len)
{
    for (unsigned i = 0; i < nmounts; i++)
        if (toro_strlen(mounts[i].path) == len && toro_memcmp(mounts[i].path, path, len) == 0)
            return &mounts[i];
    return NULL;
}

struct toro_mount *toro_mount_nth(unsigned i)
{
    return i < nmounts ? &mounts[i] : NULL;
}

bool toro_dirent_put(char *buf, size_t size, size_t *at, uint64_t ino, uint64_t next, unsigned type,
                     const char *name, size_t len)
{
    size_t reclen = TORO_ALIGN_UP(TORO_DIRENT_NAME + len + 1, 8ul);
    char *d = buf + *at;
    uint16_t rl = (uint16_t)reclen;

    if (reclen > size - *at)
        return false;
    toro_memset(d, 0, reclen);
    toro_memcpy(d, &ino, 8);
    toro_memcpy(d + 8, &next, 8);
    toro_memcpy(d + 16, &rl, 2);
    d[18] = (char)type;
    toro_memcpy(d + TORO_DIRENT_NAME, name, len);
    *at += reclen;
    return true;
}
