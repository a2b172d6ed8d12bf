/* SPDX-License-Identifier: BSD-3-Clause */
/* The 9p file system: nodes (each holds a fid) and what is done to them by name. */
#include <toro/boot.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/vfs.h>
#include "lock.h"
#include "p9.h"

#define NO_ID 0xffffffffu /* owner, group: leave them as the server makes them */
#define O_WIRE                                                                                     \
    (TORO_O_ACCMODE | TORO_O_EXCL | TORO_O_TRUNC | TORO_O_APPEND | TORO_O_DSYNC | TORO_O_SYNC |    \
     TORO_O_DIRECTORY | TORO_O_NOFOLLOW | TORO_O_NOATIME)

static uint32_t fid_of(const struct toro_node *n)
{
    return ((const struct p9_node *)n->priv)->fid;
}

static uint32_t qid_type(const struct p9_qid *q)
{
    if (q->type & P9_QTDIR)
        return TORO_S_IFDIR;
    return q->type & P9_QTSYMLINK ? TORO_S_IFLNK : TORO_S_IFREG;
}

/* Takes over the fid, also on failure. */
static int new_node(const struct toro_node *dir, const char *rel, size_t len, uint32_t fid,
                    const struct p9_qid *q, bool opened, struct toro_node **out)
{
    struct toro_node *n = toro_node_new(dir->mnt, dir, rel, len);
    struct p9_node *pn = toro_kmalloc(sizeof(*pn));

    if (!n || !pn) {
        toro_kfree(n);
        toro_kfree(pn);
        p9_clunk(fid);
        return -ENOMEM;
    }
    *pn = (struct p9_node){.fid = fid, .opened = opened};
    n->priv = pn;
    n->id = q->path;
    n->type = qid_type(q);
    *out = n;
    return 0;
}

int p9_walk(uint32_t fid, uint32_t newfid, const char *rel, size_t len, unsigned names,
            struct p9_qid *qids, unsigned *nq)
{
    struct p9_req *r = p9_new(P9_TWALK);
    const char *end = rel + len;
    unsigned n = 0;
    int err;

    if (!r)
        return -ENOMEM;
    p9_put32(&r->b, fid);
    p9_put32(&r->b, newfid);
    p9_put16(&r->b, (uint16_t)names);
    for (unsigned i = 0; i < names; i++) {
        size_t k = 0;

        while (rel + k < end && rel[k] != '/')
            k++;
        p9_put_str(&r->b, rel, k);
        rel += k + 1;
    }
    err = p9_call(r, 0, 0, 0, 0);
    if (!err) {
        n = p9_get16(&r->b);
        if (n > names)
            err = -EIO;
        for (unsigned i = 0; i < n && !err; i++)
            p9_get_qid(&r->b, &qids[i]);
        if (r->b.bad)
            err = -EIO;
    }
    p9_end(r);
    if (!err)
        *nq = n;
    return err;
}

/* Characters of the first n components of rel. */
static size_t prefix(const char *rel, unsigned n)
{
    size_t i = 0;

    while (rel[i]) {
        if (rel[i] == '/' && --n == 0)
            break;
        i++;
    }
    return i;
}

static int op_walk(struct toro_node *dir, const char *rel, size_t *used, struct toro_node **out)
{
    struct p9_qid q[P9_WALK_MAX];
    unsigned names = 1, nq = 0, good;
    uint32_t fid = p9_fid_new();
    int err;

    if (fid == P9_NOFID)
        return -ENFILE;
    for (const char *p = rel; *p && names < P9_WALK_MAX; p++)
        names += *p == '/';
    for (;;) {
        size_t len = prefix(rel, names);

        err = p9_walk(fid_of(dir), fid, rel, len, names, q, &nq);
        if (!err && nq == 0)
            err = -ENOENT; /* only the first name may give no qid, and then an error */
        if (err)
            break;
        /* Only directories may be passed through. */
        for (good = 1; good < nq && (q[good - 1].type & P9_QTDIR); good++)
            ;
        if (nq == names && good == names) {
            *used = len;
            return new_node(dir, rel, len, fid, &q[nq - 1], false, out);
        }
        if (nq == names) {
            /* The server went through something that is no directory; it has the fid now. */
            p9_clunk(fid);
            return -EIO;
        }
        /* Stop where it ended: at a symlink, a file, or in front of the name that fails; the next
         * walk from there gives the reason. */
        names = good;
    }
    p9_fid_free(fid);
    return err;
}

static int lopen(uint32_t fid, unsigned flags)
{
    struct p9_req *r = p9_new(P9_TLOPEN);
    int err;

    if (!r)
        return -ENOMEM;
    p9_put32(&r->b, fid);
    p9_put32(&r->b, flags & O_WIRE);
    err = p9_call(r, 0, 0, 0, 0);
    p9_end(r);
    return err;
}

/* A second fid for the same thing. */
static int clone(uint32_t fid, uint32_t *out)
{
    uint32_t f = p9_fid_new();
    unsigned nq;
    int err;

    if (f == P9_NOFID)
        return -ENFILE;
    err = p9_walk(fid, f, "", 0, 0, NULL, &nq);
    if (err)
        p9_fid_free(f);
    else
        *out = f;
    return err;
}

static int op_open(struct toro_node *n, struct toro_file *f)
{
    struct p9_node *pn = n->priv;
    struct p9_open *o = toro_kzalloc(sizeof(*o));
    int err;

    if (!o)
        return -ENOMEM;
    o->fid = pn->fid;
    if (n->type == TORO_S_IFDIR || pn->opened) {
        err = clone(pn->fid, &o->fid);
        if (err) {
            toro_kfree(o);
            return err;
        }
        o->own = true;
    }
    err = lopen(o->fid, f->flags);
    if (err) {
        if (o->own)
            p9_clunk(o->fid);
        toro_kfree(o);
        return err;
    }
    if (!o->own)
        pn->opened = true;
    o->append = f->flags & TORO_O_APPEND;
    f->priv = o;
    f->ops = n->type == TORO_S_IFDIR ? &p9_dir_ops : &p9_file_ops;
    return 0;
}

static int op_create(struct toro_node *dir, const char *name, unsigned mode, struct toro_file *f)
{
    struct p9_open *o = toro_kzalloc(sizeof(*o));
    struct toro_node *n;
    struct p9_req *r;
    struct p9_qid q;
    uint32_t fid;
    int err = o ? clone(fid_of(dir), &fid) : -ENOMEM;

    if (err) {
        toro_kfree(o);
        return err;
    }
    r = p9_new(P9_TLCREATE);
    if (r) {
        p9_put32(&r->b, fid);
        p9_put_str(&r->b, name, toro_strlen(name));
        p9_put32(&r->b, f->flags & O_WIRE);
        p9_put32(&r->b, mode);
        p9_put32(&r->b, NO_ID);
        err = p9_call(r, 0, 0, 0, 0);
        p9_get_qid(&r->b, &q);
        if (!err && (r->b.bad || qid_type(&q) != TORO_S_IFREG))
            err = -EIO;
        p9_end(r);
    } else {
        err = -ENOMEM;
    }
    if (err) {
        p9_clunk(fid);
        toro_kfree(o);
        return err;
    }
    err = new_node(dir, name, toro_strlen(name), fid, &q, true, &n);
    if (err) {
        toro_kfree(o);
        return err;
    }
    o->fid = fid;
    o->append = f->flags & TORO_O_APPEND;
    f->node = n;
    f->priv = o;
    f->ops = &p9_file_ops;
    return 0;
}

int p9_getattr(uint32_t fid, struct p9_qid *q, struct toro_linux_stat *st)
{
    struct p9_req *r = p9_new(P9_TGETATTR);
    int err;

    if (!r)
        return -ENOMEM;
    p9_put32(&r->b, fid);
    p9_put64(&r->b, P9_GETATTR_BASIC);
    err = p9_call(r, 0, 0, 0, 0);
    if (!err && p9_get_attr(&r->b, q, st) != 0)
        err = -EIO;
    p9_end(r);
    return err;
}

static int op_stat(struct toro_node *n, struct toro_linux_stat *st)
{
    struct p9_qid q;
    int err = p9_getattr(fid_of(n), &q, st);

    if (!err)
        st->dev = n->mnt->dev;
    return err;
}

static int op_setattr(struct toro_node *n, const struct toro_attr *a)
{
    struct p9_req *r = p9_new(P9_TSETATTR);
    int err;

    if (!r)
        return -ENOMEM;
    p9_put32(&r->b, fid_of(n));
    p9_put32(&r->b, a->valid); /* TORO_ATTR_* are the protocol's bits */
    p9_put32(&r->b, a->mode);
    p9_put32(&r->b, a->uid);
    p9_put32(&r->b, a->gid);
    p9_put64(&r->b, a->size);
    p9_put64(&r->b, (uint64_t)a->atime.sec);
    p9_put64(&r->b, (uint64_t)a->atime.nsec);
    p9_put64(&r->b, (uint64_t)a->mtime.sec);
    p9_put64(&r->b, (uint64_t)a->mtime.nsec);
    err = p9_call(r, 0, 0, 0, 0);
    p9_end(r);
    return err;
}

static toro_ssize op_readlink(struct toro_node *n, char *buf, size_t size)
{
    struct p9_req *r = p9_new(P9_TREADLINK);
    toro_ssize ret;
    const char *s;
    uint16_t len;

    if (!r)
        return -ENOMEM;
    p9_put32(&r->b, fid_of(n));
    ret = p9_call(r, 0, 0, 0, 0);
    if (!ret) {
        s = p9_get_str(&r->b, &len);
        if (s) {
            ret = (toro_ssize)TORO_MIN((size_t)len, size);
            toro_memcpy(buf, s, (size_t)ret);
        } else {
            ret = -EIO;
        }
    }
    p9_end(r);
    return ret;
}

/* Requests that are a directory's fid, a name, and two words or less. */
static int named(uint8_t type, struct toro_node *dir, const char *name, unsigned words, uint32_t a,
                 uint32_t b)
{
    struct p9_req *r = p9_new(type);
    int err;

    if (!r)
        return -ENOMEM;
    p9_put32(&r->b, fid_of(dir));
    p9_put_str(&r->b, name, toro_strlen(name));
    if (words > 0)
        p9_put32(&r->b, a);
    if (words > 1)
        p9_put32(&r->b, b);
    err = p9_call(r, 0, 0, 0, 0);
    p9_end(r);
    return err;
}

static int op_mkdir(struct toro_node *dir, const char *name, unsigned mode)
{
    return named(P9_TMKDIR, dir, name, 2, mode, NO_ID);
}

static int op_unlink(struct toro_node *dir, const char *name, bool directory)
{
    return named(P9_TUNLINKAT, dir, name, 1, directory ? TORO_AT_REMOVEDIR : 0, 0);
}

static int op_rename(struct toro_node *from, const char *old, struct toro_node *to,
                     const char *name, unsigned flags)
{
    struct p9_req *r;
    int err;

    if (flags)
        return -EINVAL; /* the protocol has none: NOREPLACE could not be atomic */
    r = p9_new(P9_TRENAMEAT);
    if (!r)
        return -ENOMEM;
    p9_put32(&r->b, fid_of(from));
    p9_put_str(&r->b, old, toro_strlen(old));
    p9_put32(&r->b, fid_of(to));
    p9_put_str(&r->b, name, toro_strlen(name));
    err = p9_call(r, 0, 0, 0, 0);
    p9_end(r);
    return err;
}

static int op_symlink(struct toro_node *dir, const char *name, const char *target)
{
    struct p9_req *r = p9_new(P9_TSYMLINK);
    int err;

    if (!r)
        return -ENOMEM;
    p9_put32(&r->b, fid_of(dir));
    p9_put_str(&r->b, name, toro_strlen(name));
    p9_put_str(&r->b, target, toro_strlen(target));
    p9_put32(&r->b, NO_ID);
    err = p9_call(r, 0, 0, 0, 0);
    p9_end(r);
    return err;
}

static int op_link(struct toro_node *n, struct toro_node *dir, const char *name)
{
    struct p9_req *r = p9_new(P9_TLINK);
    int err;

    if (!r)
        return -ENOMEM;
    p9_put32(&r->b, fid_of(dir));
    p9_put32(&r->b, fid_of(n));
    p9_put_str(&r->b, name, toro_strlen(name));
    err = p9_call(r, 0, 0, 0, 0);
    p9_end(r);
    return err;
}

static int op_statfs(struct toro_mount *m, struct toro_node *n, struct toro_linux_statfs *st)
{
    struct p9_req *r = p9_new(P9_TSTATFS);
    struct toro_linux_statfs s = {.type = TORO_V9FS_MAGIC};
    uint64_t fsid;
    int err;

    if (!r)
        return -ENOMEM;
    p9_put32(&r->b, fid_of(n));
    err = p9_call(r, 0, 0, 0, 0);
    (void)p9_get32(&r->b); /* the host's type: programs would use that type's ioctls */
    s.bsize = s.frsize = p9_get32(&r->b);
    s.blocks = p9_get64(&r->b);
    s.bfree = p9_get64(&r->b);
    s.bavail = p9_get64(&r->b);
    s.files = p9_get64(&r->b);
    s.ffree = p9_get64(&r->b);
    fsid = p9_get64(&r->b);
    s.namelen = p9_get32(&r->b);
    if (!err && (r->b.bad || s.bsize == 0))
        err = -EIO;
    p9_end(r);
    if (err)
        return err;
    s.fsid[0] = (int32_t)fsid;
    s.fsid[1] = (int32_t)(fsid >> 32);
    s.flags = m->ro ? 1 : 0;
    *st = s;
    return 0;
}

static void op_release(struct toro_node *n)
{
    p9_clunk(fid_of(n));
    toro_kfree(n->priv);
}

static const struct toro_fs_ops ops = {
    .walk = op_walk,
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
    .lock = toro_lock_ask,
    .release = op_release,
};

static int attach(struct toro_mount *m, struct p9_node *pn)
{
    struct p9_qid q;
    int err = p9_connect(NO_ID, &pn->fid, &q);

    if (!err && !(q.type & P9_QTDIR))
        err = -ENOTDIR;
    if (!err) {
        m->root->priv = pn;
        m->root->id = q.path;
    }
    return err;
}

int toro_p9_mount(bool ro)
{
    struct p9_node *pn = toro_kzalloc(sizeof(*pn));
    struct toro_mount *m = pn ? toro_mount_add("/", "9p", "root", &ops, NULL) : NULL;

    if (!m) {
        toro_kfree(pn);
        return -ENOMEM;
    }
    m->ro = ro;
    return attach(m, pn); /* a failure ends the boot */
}

struct toro_mount *toro_p9_mount_hidden(void)
{
    static struct toro_mount hidden = {
        .path = "/", .type = "9p", .source = "root", .ops = &ops, .ro = true, .hidden = true};
    struct p9_node *pn = toro_kzalloc(sizeof(*pn));

    hidden.root = pn ? toro_node_new(&hidden, NULL, "/", 1) : NULL;
    if (!hidden.root || attach(&hidden, pn) != 0) {
        toro_kfree(hidden.root);
        toro_kfree(pn);
        return NULL;
    }
    hidden.root->type = TORO_S_IFDIR;
    return &hidden;
}
