/* SPDX-License-Identifier: BSD-3-Clause */
/* Files: open files, descriptor tables, nodes of mounted file systems. */
#ifndef TORO_FS_H
#define TORO_FS_H

#include "list.h"
#include "lock.h"
#include "mutex.h"
#include "sched.h"
#include "types.h"

struct toro_file;
struct toro_node;
struct toro_proc;
struct toro_linux_stat;

#define TORO_MAX_FDS 1024
/* Events of poll() and epoll; the numbers are Linux's. */
#define TORO_POLLIN  0x1u
#define TORO_POLLOUT 0x4u
#define TORO_POLLERR 0x8u
#define TORO_POLLHUP 0x10u

/** Operations of an open file. NULL = the error Linux gives. Buffers are kernel OR checked user
 * memory: copy through toro_copy_to_user()/toro_copy_from_user(), which accept kernel addresses of
 * the caller's own stack and heap too. */
struct toro_file_ops {
    toro_ssize (*read)(struct toro_file *f, void *buf, size_t n, uint64_t *pos);
    toro_ssize (*write)(struct toro_file *f, const void *buf, size_t n, uint64_t *pos);
    long (*ioctl)(struct toro_file *f, unsigned cmd, unsigned long arg);
    /** Ready events now; if q is not NULL set *q to the wait queue that is woken on changes. */
    unsigned (*poll)(struct toro_file *f, struct toro_waitq **q);
    /** Address of [off, off + len) for MAP_SHARED, or -errno (as a negative long). The mapping
     * holds a reference on f (toro_file_get) until the last byte of it is unmapped: release() gives
     * the memory back. The address is the same for all ranks; nothing is to be unmapped or zeroed
     * by the caller, and MAP_FIXED at another address is impossible (-EINVAL). */
    long (*mmap)(struct toro_file *f, uint64_t off, uint64_t len, unsigned prot);
    int (*stat)(struct toro_file *f, struct toro_linux_stat *st);
    toro_ssize (*readdir)(struct toro_file *f, void *buf, size_t n);
    int (*truncate)(struct toro_file *f, uint64_t size);
    int (*sync)(struct toro_file *f);
    /** Memory or disk for [off, off + len), growing the file: fallocate(). */
    int (*allocate)(struct toro_file *f, uint64_t off, uint64_t len);
    long (*seek)(struct toro_file *f, long off, int whence);
    void (*release)(struct toro_file *f);
};

struct toro_file {
    const struct toro_file_ops *ops;
    _Atomic int refs;
    unsigned flags; /**< O_* status flags */
    uint64_t pos;
    struct toro_mutex pos_lock; /**< read() and write() of files with a position */
    struct toro_spinlock lock;
    struct toro_list epolls; /**< epoll items that watch this file */
    void *priv;
    struct toro_node *node; /**< NULL for pipes and the like */
    const char *path;       /**< absolute or like "pipe:[3]", for /proc/self/fd and messages; may be
                               NULL; lives as long as the file */
};

struct toro_fdtable {
    struct toro_spinlock lock;
    struct toro_file *file[TORO_MAX_FDS];
    uint64_t cloexec[TORO_MAX_FDS / 64];
};

/** A place in the tree (mount + node), reference counted by the file system. */
struct toro_node_ref {
    struct toro_node *node;
};

/** New open file with one reference. NULL if out of memory. */
struct toro_file *toro_file_new(const struct toro_file_ops *ops, void *priv, unsigned flags);
void toro_file_get(struct toro_file *f);
void toro_file_put(struct toro_file *f);
/** Lowest free descriptor >= min; takes over the reference. @return fd or -EMFILE. */
int toro_fd_install(struct toro_fdtable *t, struct toro_file *f, int min, bool cloexec);
/** Put f at exactly fd (0 <= fd < TORO_MAX_FDS), closing what is there; takes over the reference.
 */
int toro_fd_replace(struct toro_fdtable *t, int fd, struct toro_file *f, bool cloexec);
/** With a reference, or NULL. */
struct toro_file *toro_fd_get(struct toro_fdtable *t, int fd);
int toro_fd_close(struct toro_fdtable *t, int fd);
/** Close all (end of a rank). */
void toro_fdtable_clear(struct toro_fdtable *t);

/** Open by path from the kernel (loader), relative to the current rank's cwd, else to "/". flags
 * are Linux's O_* (linux.h). @return file or NULL with *err = -errno. */
struct toro_file *toro_fs_open(const char *path, unsigned flags, unsigned mode, int *err);
/** Read whole [off, off + n) into kernel or pool memory. @return bytes or -errno. */
toro_ssize toro_file_pread(struct toro_file *f, void *buf, size_t n, uint64_t off);

/** Attributes as fstat() gives them. @return 0 or -errno. */
int toro_file_stat(struct toro_file *f, struct toro_linux_stat *st);

/** Set up a new rank's files: descriptors 0, 1, 2 on its ctl streams, cwd. @return 0 or -errno. */
int toro_fs_proc_init(struct toro_proc *p, const char *cwd);
/** Flush the rank's stdout and stderr to ctl (waits for credit), close everything. */
void toro_fs_proc_end(struct toro_proc *p);
/** Register a device node /dev/<name>. open() makes the file's ops and priv. */
int toro_dev_register(const char *name, int (*open)(struct toro_file *f));
/** Mount everything (9p at / unless fs=none, tmpfs at /dev/shm, devfs, proc). Thread context, after
 * devices are up. */
int toro_fs_init(void);
/** Between two jobs: the guest's own files go. Caller: no rank is there. @return 0 or -errno. */
int toro_fs_reset(void);

#endif
