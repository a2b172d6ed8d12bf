/* SPDX-License-Identifier: BSD-3-Clause */
/* Open files and directories of the 9p file system. */
#include <toro/errno.h>
#include <toro/fs.h>
#include <toro/lib.h>
#include <toro/vfs.h>
#include "p9.h"

#define READDIR_MAX 16384u

toro_ssize p9_file_io(struct p9_open *o, void *buf, uint32_t n, uint64_t off, bool write)
{
    struct p9_req *r;
    uint64_t pa;
    uint32_t count;
    int err = p9_dma(buf, n, !write, &pa);

    if (err)
        return err;
    r = p9_new(write ? P9_TWRITE : P9_TREAD);
    if (!r)
        return -ENOMEM;
    p9_put32(&r->b, o->fid);
    p9_put64(&r->b, off);
    p9_put32(&r->b, n);
    err = write ? p9_call(r, pa, n, 0, 0) : p9_call(r, 0, 0, pa, n);
    count = p9_get32(&r->b);
    /* A count that does not belong to what arrived is the server's fault, not data. */
    if (!err && (r->b.bad || count > n || (!write && r->len - P9_IO_HDR != count)))
        err = -EIO;
    p9_end(r);
    return err ? err : (toro_ssize)count;
}

static toro_ssize transfer(struct toro_file *f, char *buf, size_t n, uint64_t *pos, bool write)
{
    struct p9_open *o = f->priv;
    size_t done = 0;

    while (done < n) {
        uint32_t k = (uint32_t)TORO_MIN(n - done, (size_t)P9_IO_MAX);
        toro_ssize r = p9_file_io(o, buf + done, k, *pos, write);

        if (r < 0)
            return done ? (toro_ssize)done : r;
        done += (size_t)r;
        *pos += (uint64_t)r;
        if (r < (toro_ssize)k)
            break;
    }
    return (toro_ssize)done;
}

static toro_ssize file_read(struct toro_file *f, void *buf, size_t n, uint64_t *pos)
{
    int err = p9_map_flush(f);

    return err ? err : transfer(f, buf, n, pos, false);
}

static int file_stat(struct toro_file *f, struct toro_linux_stat *st)
{
    struct p9_open *o = f->priv;
    struct p9_qid q;
    int err = p9_getattr(o->fid, &q, st);

    if (!err) {
        st->dev = f->node->mnt->dev;
        o->st = *st;
        o->cached = true;
        return 0;
    }
    if (err != -ENOENT)
        return err;
    /* QEMU finds attributes by path: the file was unlinked while open. What is known is what was
     * seen and written here. */
    if (!o->cached)
        o->st = (struct toro_linux_stat){.dev = f->node->mnt->dev,
                                         .ino = f->node->id,
                                         .mode = f->node->type | 0600,
                                         .blksize = 4096};
    o->st.nlink = 0;
    o->st.size = TORO_MAX(o->st.size, (int64_t)o->end);
    o->st.blocks = (o->st.size + 511) / 512;
    *st = o->st;
    return 0;
}

static toro_ssize file_write(struct toro_file *f, const void *buf, size_t n, uint64_t *pos)
{
    struct p9_open *o = f->priv;
    bool append = f->flags & TORO_O_APPEND;
    struct toro_linux_stat st;
    uint64_t from;
    toro_ssize r;
    int err;

    if (append && !o->append) { /* set by fcntl(): the server's file does not know */
        err = file_stat(f, &st);
        if (err)
            return err;
        *pos = (uint64_t)st.size;
    }
    from = *pos;
    r = transfer(f, (char *)buf, n, pos, true);
    if (r > 0) {
        if (append && o->append && file_stat(f, &st) == 0)
            *pos = (uint64_t)st.size;
        o->end = TORO_MAX(o->end, *pos);
        p9_map_written(f, append ? *pos - (uint64_t)r : from, (uint64_t)r);
    }
    return r;
}

static int file_truncate(struct toro_file *f, uint64_t size)
{
    struct toro_attr a = {.valid = TORO_ATTR_SIZE, .size = size};
    int err = toro_vfs_setattr(f->node, &a);

    if (!err)
        p9_map_cut(f, size);
    return err;
}

static int file_sync(struct toro_file *f)
{
    struct p9_open *o = f->priv;
    int err = p9_map_flush(f);
    struct p9_req *r;

    if (err)
        return err;
    r = p9_new(P9_TFSYNC);
    if (!r)
        return -ENOMEM;
    p9_put32(&r->b, o->fid);
    p9_put32(&r->b, 0);
    err = p9_call(r, 0, 0, 0, 0);
    p9_end(r);
    return err;
}

static unsigned file_poll(struct toro_file *f, struct toro_waitq **q)
{
    (void)f;
    (void)q;
    return TORO_POLLIN | TORO_POLLOUT;
}

static void file_release(struct toro_file *f)
{
    struct p9_open *o = f->priv;

    p9_map_release(f);
    if (o->own)
        p9_clunk(o->fid);
    toro_kfree(o);
}

/* Turn the entries of a reply into linux_dirent64; f->pos follows the last that fits. */
static toro_ssize convert(struct toro_file *f, uint8_t *data, uint32_t count, char *buf, size_t n)
{
    struct p9_buf b = {.p = data, .end = data + count};
    size_t at = 0;

    while (b.p < b.end) {
        struct p9_qid q;
        uint64_t next;
        uint8_t type;
        uint16_t len;
        const char *name;

        p9_get_qid(&b, &q);
        next = p9_get64(&b);
        type = p9_get8(&b);
        name = p9_get_str(&b, &len);
        if (b.bad || len == 0 || len > TORO_NAME_MAX)
            return -EIO;
        for (unsigned i = 0; i < len; i++)
            if (name[i] == '/' || name[i] == '\0')
                return -EIO;
        if (!toro_dirent_put(buf, n, &at, q.path, next, type & 15u, name, len))
            return at ? (toro_ssize)at : -EINVAL;
        f->pos = next;
    }
    return (toro_ssize)at;
}

static toro_ssize dir_readdir(struct toro_file *f, void *buf, size_t n)
{
    struct p9_open *o = f->priv;
    uint32_t size = (uint32_t)TORO_MIN(TORO_MAX(n, (size_t)512), (size_t)READDIR_MAX), count;
    uint8_t *data = toro_kmalloc(size);
    struct p9_req *r;
    toro_ssize ret;
    uint64_t pa;

    if (!data)
        return -ENOMEM;
    r = p9_new(P9_TREADDIR);
    if (!r) {
        toro_kfree(data);
        return -ENOMEM;
    }
    (void)p9_dma(data, size, true, &pa); /* kernel memory */
    p9_put32(&r->b, o->fid);
    p9_put64(&r->b, f->pos);
    p9_put32(&r->b, size);
    ret = p9_call(r, 0, 0, pa, size);
    count = p9_get32(&r->b);
    if (!ret && (r->b.bad || count > size || r->len - P9_IO_HDR < count))
        ret = -EIO;
    p9_end(r);
    if (!ret)
        ret = convert(f, data, count, buf, n);
    toro_kfree(data);
    return ret;
}

const struct toro_file_ops p9_file_ops = {
    .read = file_read,
    .write = file_write,
    .poll = file_poll,
    .mmap = p9_file_mmap,
    .stat = file_stat,
    .truncate = file_truncate,
    .sync = file_sync,
    .release = file_release,
};
const struct toro_file_ops p9_dir_ops = {
    .readdir = dir_readdir,
    .sync = file_sync,
    .release = file_release,
};
