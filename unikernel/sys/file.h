/* SPDX-License-Identifier: BSD-3-Clause */
/* What the system calls on files share. */
#ifndef TORO_SYS_FILE_H
#define TORO_SYS_FILE_H

#include "sys.h"
#include <toro/vfs.h>

/* Heads of handlers with n arguments; the others are there but unused. */
#define U_(n)                      __attribute__((unused)) long u##n##_
#define CALL0(name)                long sys_##name(U_(0), U_(1), U_(2), U_(3), U_(4), U_(5))
#define CALL1(name, a)             long sys_##name(long a, U_(1), U_(2), U_(3), U_(4), U_(5))
#define CALL2(name, a, b)          long sys_##name(long a, long b, U_(2), U_(3), U_(4), U_(5))
#define CALL3(name, a, b, c)       long sys_##name(long a, long b, long c, U_(3), U_(4), U_(5))
#define CALL4(name, a, b, c, d)    long sys_##name(long a, long b, long c, long d, U_(4), U_(5))
#define CALL5(name, a, b, c, d, e) long sys_##name(long a, long b, long c, long d, long e, U_(5))
#define CALL6(name, a, b, c, d, e, f)                                                              \
    long sys_##name(long a, long b, long c, long d, long e, long f)

/** File of a descriptor of the current rank, referenced; NULL: EBADF. */
static inline struct toro_file *sys_fd(long fd)
{
    return toro_fd_get(&toro_current_proc()->fds, (int)fd);
}

/** The same for what needs more than a name: O_PATH files are EBADF. */
static inline struct toro_file *sys_fd_io(long fd)
{
    struct toro_file *f = sys_fd(fd);

    if (f && (f->flags & TORO_O_PATH)) {
        toro_file_put(f);
        f = NULL;
    }
    return f;
}

/** Copy in a struct; EFAULT for anything outside user memory. */
static inline int sys_get(void *d, long user, size_t n)
{
    return toro_user_ok((void *)user, n) ? toro_copy_from_user(d, (void *)user, n) : -EFAULT;
}

static inline int sys_put(long user, const void *s, size_t n)
{
    return toro_user_ok((void *)user, n) ? toro_copy_to_user((void *)user, s, n) : -EFAULT;
}

/** A path from user memory, to be freed with toro_kfree(). @return 0, -EFAULT, -ENAMETOOLONG,
 * -ENOMEM. */
int sys_path_in(long user, char **out);
/** Directory that relative paths start at, referenced. @return 0, -EBADF, -ENOTDIR. */
int sys_at(long dirfd, struct toro_node **out);
/** Walk a user path. @return 0 with *out filled. flags are TORO_WALK_*. */
int sys_walk(long dirfd, long path, unsigned flags, struct toro_place *out);
/** Install a new file and pass its descriptor on. */
long sys_install(struct toro_file *f, int err, bool cloexec);
/** Read an iovec array: *out is from toro_kmalloc() or local (room for n_local). @return total
 * bytes or -errno. */
toro_ssize sys_iov_in(long iov, long count, struct toro_iovec *local, unsigned n_local,
                      struct toro_iovec **out);
/** Read or write by one buffer with the checks that all such calls share. pos NULL: the file's. */
toro_ssize sys_rw(struct toro_file *f, void *buf, size_t n, uint64_t *pos, bool write);
toro_ssize sys_rw_iov(struct toro_file *f, const struct toro_iovec *v, unsigned n, uint64_t *pos,
                      bool write);
/** Whether the file has a position. */
bool sys_seekable(const struct toro_file *f);

#endif
