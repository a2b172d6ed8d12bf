/* SPDX-License-Identifier: BSD-3-Clause */
/* Path walk. What is left of the path lies in one buffer; a symlink's target and ".." are put in
 * front of it and the walk starts again at a directory whose canonical path is known. A file system
 * is asked for as many plain components at once as lie inside its mount (one 9p request). */
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/vfs.h>

#define WORK_SIZE (2 * TORO_PATH_MAX)

struct walk {
    struct toro_node *at; /* referenced */
    struct toro_node *root;
    unsigned links;
    char *rest; /* NUL-terminated, inside work */
    char work[WORK_SIZE];
};

static struct toro_node *root_node(const struct walk *w)
{
    toro_node_get(w->root);
    return w->root;
}

/* rest = a + "/" + b + "/" + rest; a is cut to its directory. Starts again at the root. */
static int restart(struct walk *w, const char *a, const char *b)
{
    const char *cut = toro_strrchr(a, '/');
    size_t na = b[0] == '/' ? 0 : (size_t)(cut - a);
    size_t nb = toro_strlen(b), nr = toro_strlen(w->rest);

    if (na + nb + nr + 3 > WORK_SIZE)
        return -ENAMETOOLONG;
    /* a and b are never inside work. */
    toro_memmove(w->work + WORK_SIZE - nr - 1, w->rest, nr + 1);
    w->rest = w->work + WORK_SIZE - nr - 2;
    *w->rest = '/';
    if (nr == 0) {
        /* Nothing follows: no slash either, which would ask for a directory. */
        w->rest++;
    }
    w->rest -= nb;
    toro_memcpy(w->rest, b, nb);
    *--w->rest = '/';
    w->rest -= na;
    toro_memcpy(w->rest, a, na);
    toro_node_put(w->at);
    w->at = root_node(w);
    return 0;
}

static size_t component(const char *p)
{
    size_t n = 0;

    while (p[n] && p[n] != '/')
        n++;
    return n;
}

static const char *skip_slashes(const char *p)
{
    while (*p == '/')
        p++;
    return p;
}

static bool is_dots(const char *p, size_t n)
{
    return p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.'));
}

/* The longest run of plain components at w->rest that stays inside the mount of w->at, written to
 * run (canonical, "a/b"). *m is set if the first component is itself a mount point. */
static int gather(const struct walk *w, bool keep_last, char *run, const char **after,
                  struct toro_mount **m)
{
    const char *p = w->rest;
    size_t base = toro_strlen(w->at->path), n = 0, run_at;

    /* run = canonical path of at + "/" + components, so that mounts can be looked up. */
    if (base == 1)
        base = 0;
    toro_memcpy(run, w->at->path, base);
    run_at = base + 1;
    *m = NULL;
    *after = p;
    n = base;
    for (;;) {
        size_t len = component(p);
        const char *next = skip_slashes(p + len);
        struct toro_mount *x;

        if (len == 0 || is_dots(p, len) || (keep_last && !*next))
            break;
        if (len > TORO_NAME_MAX || n + len + 2 > TORO_PATH_MAX)
            return -ENAMETOOLONG;
        run[n] = '/';
        toro_memcpy(run + n + 1, p, len);
        x = w->root->mnt->hidden ? NULL : toro_mount_at(run, n + 1 + len);
        if (x) {
            if (n + 1 == run_at) { /* the very first */
                *m = x;
                *after = p + len;
            }
            break;
        }
        n += 1 + len;
        *after = p + len;
        p = next;
    }
    run[n] = '\0';
    if (n < run_at)
        run[run_at] = '\0';
    toro_memmove(run, run + run_at, toro_strlen(run + run_at) + 1);
    return 0;
}

/* n is a symlink that is to be followed. @return 0 and the walk goes on, 1 and out->file is set. */
static int follow(struct walk *w, struct toro_node *n, char *buf, struct toro_place *out)
{
    toro_ssize len;

    if (++w->links > TORO_LINK_MAX_FOLLOW)
        return -ELOOP;
    if (n->mnt->ops->jump) {
        out->file = n->mnt->ops->jump(n);
        if (out->file && !*w->rest)
            return 1;
        if (out->file) {
            toro_file_put(out->file);
            out->file = NULL;
            return -ENOTDIR;
        }
    }
    if (!n->mnt->ops->readlink)
        return -EINVAL;
    len = n->mnt->ops->readlink(n, buf, TORO_PATH_MAX - 1);
    if (len < 0)
        return (int)len;
    if (len == 0)
        return -ENOENT;
    buf[len] = '\0';
    return restart(w, n->path, buf);
}

static int last_component(struct walk *w, const char *p, struct toro_place *out)
{
    size_t n = component(p);

    if (w->at->type != TORO_S_IFDIR)
        return -ENOTDIR;
    if (n == 0)
        return -EBUSY;
    if (is_dots(p, n))
        return n == 1 ? -EINVAL : -ENOTEMPTY;
    if (n > TORO_NAME_MAX)
        return -ENAMETOOLONG;
    toro_memcpy(out->last, p, n);
    out->last[n] = '\0';
    out->slash = p[n] == '/';
    out->dir = w->at;
    w->at = NULL;
    return 0;
}

static int step(struct walk *w, unsigned flags, char *run, struct toro_place *out)
{
    struct toro_mount *m;
    struct toro_node *n;
    const char *after;
    size_t used;
    int err = gather(w, flags & TORO_WALK_PARENT, run, &after, &m);

    if (err)
        return err;
    if (m) {
        toro_node_put(w->at);
        w->at = m->root;
        toro_node_get(w->at);
        w->rest = (char *)after;
        return 0;
    }
    err = w->at->mnt->ops->walk(w->at, run, &used, &n);
    if (err)
        return err;
    /* `used` counts in run, where slashes are single; find the same place in rest. */
    for (size_t i = 0; i < used;) {
        size_t k;

        w->rest = (char *)skip_slashes(w->rest);
        k = component(w->rest);
        w->rest += k;
        i += k + 1;
    }
    if (n->type == TORO_S_IFLNK && (*w->rest || (flags & TORO_WALK_FOLLOW))) {
        err = follow(w, n, run, out);
        toro_node_put(n);
        return err;
    }
    toro_node_put(w->at);
    w->at = n;
    return 0;
}

static int walk(struct walk *w, unsigned flags, char *run, struct toro_place *out)
{
    for (;;) {
        const char *p = skip_slashes(w->rest);
        size_t n = component(p);
        bool last = !*skip_slashes(p + n);
        int err;

        if (*w->rest == '/' && w->at->type != TORO_S_IFDIR)
            return -ENOTDIR;
        w->rest = (char *)p;
        if ((flags & TORO_WALK_PARENT) && last)
            return last_component(w, p, out);
        if (n == 0) {
            out->node = w->at;
            w->at = NULL;
            return 0;
        }
        if (w->at->type != TORO_S_IFDIR)
            return -ENOTDIR;
        if (n == 1 && p[0] == '.') {
            w->rest += 1;
            continue;
        }
        if (is_dots(p, n)) {
            struct toro_node *here = w->at;

            w->rest += 2;
            if (here->path[1] == '\0')
                continue; /* above the root is the root */
            toro_node_get(here);
            err = restart(w, here->path, "");
            toro_node_put(here);
        } else {
            err = step(w, flags, run, out);
        }
        if (err)
            return err < 0 ? err : 0;
    }
}

int toro_path_walk(struct toro_node *at, const char *path, unsigned flags, struct toro_place *out)
{
    size_t len = toro_strnlen(path, TORO_PATH_MAX);
    struct walk *w;
    char *run;
    int err;

    *out = (struct toro_place){0};
    if (len == 0)
        return -ENOENT;
    if (len >= TORO_PATH_MAX)
        return -ENAMETOOLONG;
    w = toro_kmalloc(sizeof(*w));
    run = toro_kmalloc(TORO_PATH_MAX + TORO_NAME_MAX + 2);
    err = -ENOMEM;
    if (w && run) {
        w->links = 0;
        /* A hidden tree is a world of its own: its root is where absolute paths start. */
        w->root = at && at->mnt->hidden ? at->mnt->root : toro_mount_nth(0)->root;
        w->rest = w->work;
        toro_memcpy(w->work, path, len + 1);
        if (path[0] == '/' || !at) {
            w->at = root_node(w);
        } else {
            w->at = at;
            toro_node_get(at);
        }
        err = walk(w, flags, run, out);
        toro_node_put(w->at);
    }
    toro_kfree(w);
    toro_kfree(run);
    return err;
}

void toro_place_put(struct toro_place *p)
{
    toro_node_put(p->node);
    toro_node_put(p->dir);
    if (p->file)
        toro_file_put(p->file);
    *p = (struct toro_place){0};
}
