/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls that move bytes: read, write and their kin, lseek, sendfile. */
#include "file.h"

#define SIGPIPE_     13
#define GATHER_MAX   (64ul << 10)
#define SENDFILE_BUF (64ul << 10)

bool sys_seekable(const struct toro_file *f)
{
    return f->ops->seek || (f->node && f->node->type == TORO_S_IFREG);
}

static bool may(const struct toro_file *f, bool write)
{
    unsigned mode = f->flags & TORO_O_ACCMODE;

    return write ? mode != TORO_O_RDONLY : mode != TORO_O_WRONLY;
}

/* The buffer may be the kernel's here. */
static toro_ssize rw(struct toro_file *f, void *buf, size_t n, uint64_t *pos, bool write)
{
    uint64_t none = 0;
    toro_ssize r;

    n = TORO_MIN(n, TORO_RW_MAX);
    if (!may(f, write))
        return -EBADF;
    if (write ? !f->ops->write : !f->ops->read)
        return f->ops->readdir ? -EISDIR : -EINVAL;
    if (pos) {
        r = write ? f->ops->write(f, buf, n, pos) : f->ops->read(f, buf, n, pos);
    } else if (sys_seekable(f)) {
        toro_mutex_lock(&f->pos_lock);
        r = write ? f->ops->write(f, buf, n, &f->pos) : f->ops->read(f, buf, n, &f->pos);
        toro_mutex_unlock(&f->pos_lock);
    } else {
        r = write ? f->ops->write(f, buf, n, &none) : f->ops->read(f, buf, n, &none);
    }
    if (r == -EPIPE && write)
        (void)toro_proc_signal(toro_current_proc(), toro_current()->tid, SIGPIPE_);
    return r;
}

toro_ssize sys_rw(struct toro_file *f, void *buf, size_t n, uint64_t *pos, bool write)
{
    if (!toro_user_ok(buf, TORO_MIN(n, TORO_RW_MAX)))
        return -EFAULT;
    return rw(f, buf, n, pos, write);
}

static long on_fd(long fd, long buf, long n, uint64_t *pos, bool write)
{
    struct toro_file *f = sys_fd_io(fd);
    toro_ssize r;

    if (!f)
        return -EBADF;
    if (n < 0)
        r = -EINVAL;
    else if (pos && !sys_seekable(f))
        r = -ESPIPE;
    else
        r = sys_rw(f, (void *)buf, (size_t)n, pos, write);
    toro_file_put(f);
    return r;
}

CALL3(read, fd, buf, n)
{
    return on_fd(fd, buf, n, NULL, false);
}

CALL3(write, fd, buf, n)
{
    return on_fd(fd, buf, n, NULL, true);
}

CALL4(pread64, fd, buf, n, off)
{
    uint64_t pos = (uint64_t)off;

    return off < 0 ? -EINVAL : on_fd(fd, buf, n, &pos, false);
}

CALL4(pwrite64, fd, buf, n, off)
{
    uint64_t pos = (uint64_t)off;

    return off < 0 ? -EINVAL : on_fd(fd, buf, n, &pos, true);
}

toro_ssize sys_iov_in(long iov, long count, struct toro_iovec *local, unsigned n_local,
                      struct toro_iovec **out)
{
    struct toro_iovec *v = local;
    uint64_t total = 0;

    if (count < 0 || count > (long)TORO_IOV_MAX)
        return -EINVAL;
    if ((unsigned long)count > n_local) {
        v = toro_kmalloc((size_t)count * sizeof(*v));
        if (!v)
            return -ENOMEM;
    }
    if (sys_get(v, iov, (size_t)count * sizeof(*v)) != 0)
        goto fault;
    for (long i = 0; i < count; i++) {
        if (v[i].len > INT64_MAX || !toro_user_ok(v[i].base, TORO_MIN(v[i].len, TORO_RW_MAX)))
            goto fault;
        v[i].len = TORO_MIN(v[i].len, TORO_RW_MAX - total);
        total += v[i].len;
    }
    *out = v;
    return (toro_ssize)total;
fault:
    if (v != local)
        toro_kfree(v);
    return -EFAULT;
}

/* Streams and messages must not be torn: one write for all pieces. */
static toro_ssize write_gathered(struct toro_file *f, const struct toro_iovec *v, unsigned n,
                                 size_t total)
{
    char *b = toro_kmalloc(total);
    size_t at = 0;
    toro_ssize r = 0;

    if (!b)
        return -ENOMEM;
    for (unsigned i = 0; i < n && !r; at += v[i++].len)
        r = toro_copy_from_user(b + at, v[i].base, v[i].len);
    if (!r)
        r = rw(f, b, total, NULL, true);
    toro_kfree(b);
    return r;
}

toro_ssize sys_rw_iov(struct toro_file *f, const struct toro_iovec *v, unsigned n, uint64_t *pos,
                      bool write)
{
    size_t total = 0, done = 0;

    for (unsigned i = 0; i < n; i++)
        total += v[i].len;
    if (write && n > 1 && total > 0 && total <= GATHER_MAX && !sys_seekable(f))
        return write_gathered(f, v, n, total);
    for (unsigned i = 0; i < n; i++) {
        toro_ssize r;

        if (v[i].len == 0 && n > 1)
            continue;
        r = rw(f, v[i].base, v[i].len, pos, write);
        if (r < 0)
            return done ? (toro_ssize)done : r;
        done += (size_t)r;
        /* Having something, the rest must not block. */
        if ((size_t)r < v[i].len || (!write && !sys_seekable(f)))
            break;
    }
    return (toro_ssize)done;
}

static long on_fd_iov(long fd, long iov, long count, uint64_t *pos, bool write)
{
    struct toro_iovec local[8], *v;
    struct toro_file *f = sys_fd_io(fd);
    toro_ssize r;

    if (!f)
        return -EBADF;
    r = pos && !sys_seekable(f) ? -ESPIPE
                                : sys_iov_in(iov, count, local, TORO_ARRAY_SIZE(local), &v);
    if (r >= 0) {
        r = sys_rw_iov(f, v, (unsigned)count, pos, write);
        if (v != local)
            toro_kfree(v);
    }
    toro_file_put(f);
    return r;
}

CALL3(readv, fd, iov, count)
{
    return on_fd_iov(fd, iov, count, NULL, false);
}

CALL3(writev, fd, iov, count)
{
    return on_fd_iov(fd, iov, count, NULL, true);
}

CALL4(preadv, fd, iov, count, off)
{
    uint64_t pos = (uint64_t)off;

    return off < 0 ? -EINVAL : on_fd_iov(fd, iov, count, &pos, false);
}

CALL4(pwritev, fd, iov, count, off)
{
    uint64_t pos = (uint64_t)off;

    return off < 0 ? -EINVAL : on_fd_iov(fd, iov, count, &pos, true);
}

/* preadv2 and pwritev2: offset -1 is the file's position. Of the flags only HIPRI, a hint, is
 * known. */
static long rw2(long fd, long iov, long count, long off, long flags, bool write)
{
    uint64_t pos = (uint64_t)off;

    if (flags & ~1l)
        return -EOPNOTSUPP;
    if (off < -1)
        return -EINVAL;
    return on_fd_iov(fd, iov, count, off == -1 ? NULL : &pos, write);
}

CALL6(preadv2, fd, iov, count, off, high, flags)
{
    (void)high;
    return rw2(fd, iov, count, off, flags, false);
}

CALL6(pwritev2, fd, iov, count, off, high, flags)
{
    (void)high;
    return rw2(fd, iov, count, off, flags, true);
}

/* pos_lock held */
static long seek_to(struct toro_file *f, long off, int whence)
{
    struct toro_linux_stat st = {0};
    int64_t base = 0;
    int err;

    if (whence > TORO_SEEK_CUR) {
        err = toro_file_stat(f, &st);
        if (err)
            return err;
    }
    switch (whence) {
    case TORO_SEEK_SET:
        break;
    case TORO_SEEK_CUR:
        base = (int64_t)f->pos;
        break;
    case TORO_SEEK_END:
        base = st.size;
        break;
    case TORO_SEEK_DATA:
    case TORO_SEEK_HOLE: /* no holes are known: data up to the end */
        if (off < 0 || off >= st.size)
            return -ENXIO;
        off = whence == TORO_SEEK_HOLE ? st.size : off;
        break;
    default:
        return -EINVAL;
    }
    if (__builtin_add_overflow(base, off, &base))
        return -EOVERFLOW;
    if (base < 0)
        return -EINVAL;
    f->pos = (uint64_t)base;
    return base;
}

CALL3(lseek, fd, off, whence)
{
    struct toro_file *f = sys_fd_io(fd);
    long r;

    if (!f)
        return -EBADF;
    if (f->ops->seek) {
        r = f->ops->seek(f, off, (int)whence);
    } else if (f->ops->readdir || sys_seekable(f)) {
        toro_mutex_lock(&f->pos_lock);
        r = seek_to(f, off, (int)whence);
        toro_mutex_unlock(&f->pos_lock);
    } else {
        r = f->node && f->node->type == TORO_S_IFCHR ? 0 : -ESPIPE;
    }
    toro_file_put(f);
    return r;
}

/* Copy between files through a kernel buffer; stops at the first short step. */
static toro_ssize copy(struct toro_file *in, uint64_t *in_pos, struct toro_file *out,
                       uint64_t *out_pos, size_t n)
{
    char *b = toro_kmalloc(SENDFILE_BUF);
    size_t done = 0;
    toro_ssize r = 0;

    if (!b)
        return -ENOMEM;
    n = TORO_MIN(n, TORO_RW_MAX);
    while (done < n) {
        toro_ssize got = rw(in, b, TORO_MIN(n - done, SENDFILE_BUF), in_pos, false);

        r = got;
        if (got <= 0)
            break;
        for (toro_ssize at = 0; at < got; at += r) {
            r = rw(out, b + at, (size_t)(got - at), out_pos, true);
            if (r <= 0)
                break;
            done += (size_t)r;
        }
        if (r <= 0)
            break;
    }
    toro_kfree(b);
    return done ? (toro_ssize)done : r;
}

/* in_off and out_off are user pointers to offsets, or 0 for the files' positions. */
static long copy_fds(long out_fd, long out_off, long in_fd, long in_off, size_t n)
{
    struct toro_file *in = sys_fd_io(in_fd), *out = sys_fd_io(out_fd);
    uint64_t ip = 0, op = 0;
    long r = in && out ? 0 : -EBADF;

    if (!r && in_off)
        r = sys_get(&ip, in_off, 8);
    if (!r && out_off)
        r = sys_get(&op, out_off, 8);
    if (!r && ((in_off && ip > INT64_MAX) || (out_off && op > INT64_MAX)))
        r = -EINVAL;
    if (!r && ((in_off && !sys_seekable(in)) || (out_off && !sys_seekable(out))))
        r = -ESPIPE;
    if (!r) {
        r = copy(in, in_off ? &ip : NULL, out, out_off ? &op : NULL, n);
        if (r >= 0 && in_off && sys_put(in_off, &ip, 8) != 0)
            r = -EFAULT;
        if (r >= 0 && out_off && sys_put(out_off, &op, 8) != 0)
            r = -EFAULT;
    }
    if (in)
        toro_file_put(in);
    if (out)
        toro_file_put(out);
    return r;
}

CALL4(sendfile, out, in, off, n)
{
    return n < 0 ? -EINVAL : copy_fds(out, 0, in, off, (size_t)n);
}

CALL6(copy_file_range, in, in_off, out, out_off, n, flags)
{
    return flags || n < 0 ? -EINVAL : copy_fds(out, out_off, in, in_off, (size_t)n);
}
