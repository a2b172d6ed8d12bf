/* SPDX-License-Identifier: BSD-3-Clause */
/* Paths from user memory; the working directory. */
#include "file.h"

int sys_path_in(long user, char **out)
{
    char *b = toro_kmalloc(TORO_PATH_MAX);
    toro_ssize n;

    if (!b)
        return -ENOMEM;
    /* The range is the string's own: toro_copy_string() checks what it touches. */
    n = toro_user_ok((void *)user, 1) ? toro_copy_string(b, (const char *)user, TORO_PATH_MAX)
                                      : -EFAULT;
    if (n < 0) {
        toro_kfree(b);
        return (int)n;
    }
    *out = b;
    return 0;
}

int sys_at(long dirfd, struct toro_node **out)
{
    struct toro_proc *p = toro_current_proc();
    struct toro_file *f;
    int err = 0;

    if ((int)dirfd == TORO_AT_FDCWD) {
        toro_spin_lock(&p->lock);
        *out = p->cwd.node;
        toro_node_get(*out);
        toro_spin_unlock(&p->lock);
        return 0;
    }
    f = sys_fd(dirfd);
    if (!f)
        return -EBADF;
    if (!f->node || f->node->type != TORO_S_IFDIR) {
        err = -ENOTDIR;
    } else {
        *out = f->node;
        toro_node_get(*out);
    }
    toro_file_put(f);
    return err;
}

int sys_walk(long dirfd, long path, unsigned flags, struct toro_place *out)
{
    struct toro_node *at = NULL;
    char *s;
    int err = sys_path_in(path, &s);

    if (err)
        return err;
    if (s[0] != '/') /* an absolute path does not look at dirfd */
        err = s[0] ? sys_at(dirfd, &at) : -ENOENT;
    if (!err)
        err = toro_path_walk(at, s, flags, out);
    toro_node_put(at);
    toro_kfree(s);
    return err;
}

CALL2(getcwd, buf, size)
{
    struct toro_node *n;
    size_t len;
    long r;

    (void)sys_at(TORO_AT_FDCWD, &n);
    len = toro_strlen(n->path) + 1;
    r = size < 0 || (size_t)size < len ? -ERANGE : sys_put(buf, n->path, len);
    toro_node_put(n);
    return r ? r : (long)len;
}

static void set_cwd(struct toro_node *n)
{
    struct toro_proc *p = toro_current_proc();
    struct toro_node *old;

    toro_node_get(n);
    toro_spin_lock(&p->lock);
    old = p->cwd.node;
    p->cwd.node = n;
    toro_strlcpy(p->cwd_path, n->path, sizeof(p->cwd_path));
    toro_spin_unlock(&p->lock);
    toro_node_put(old);
}

CALL1(chdir, path)
{
    struct toro_place p;
    int err = sys_walk(TORO_AT_FDCWD, path, TORO_WALK_FOLLOW, &p);

    if (err)
        return err;
    if (!p.node || p.node->type != TORO_S_IFDIR)
        err = -ENOTDIR;
    else
        err = toro_vfs_access(p.node, 1);
    if (!err)
        set_cwd(p.node);
    toro_place_put(&p);
    return err;
}

CALL1(fchdir, fd)
{
    struct toro_node *n;
    int err;

    if ((int)fd == TORO_AT_FDCWD)
        return -EBADF;
    err = sys_at(fd, &n);
    if (err)
        return err;
    set_cwd(n);
    toro_node_put(n);
    return 0;
}

CALL1(umask, mask)
{
    struct toro_proc *p = toro_current_proc();
    uint32_t old;

    toro_spin_lock(&p->lock);
    old = p->umask;
    p->umask = (uint32_t)mask & 0777u;
    toro_spin_unlock(&p->lock);
    return (long)old;
}
