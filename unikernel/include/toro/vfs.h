/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside fs/: mounts, nodes, and what a file system offers. */
#ifndef TORO_VFS_H
#define TORO_VFS_H

#include "fs.h"
#include "linux.h"

struct toro_fs_ops;
struct torobus_ctl_lock;
struct torobus_ctl_locked;

struct toro_mount {
    const struct toro_fs_ops *ops;
    const char *path, *type, *source; /**< path: canonical, "/" or "/dev/shm" */
    bool ro;
    bool hidden;  /**< not in the tree that programs see */
    unsigned dev; /**< st_dev */
    void *priv;
    struct toro_node *root;
};

/** A named place in a file system. Its file system keeps what belongs to it in priv and id. */
struct toro_node {
    _Atomic int refs;
    uint32_t type; /**< TORO_S_IF*; 9p cannot tell special files from regular ones before stat */
    struct toro_mount *mnt;
    void *priv;
    uint64_t id;
    char path[]; /**< canonical and absolute: no symlinks, no "." and ".." */
};

/** What setattr changes. */
struct toro_attr {
    unsigned valid; /**< TORO_ATTR_* */
    uint32_t mode, uid, gid;
    uint64_t size;
    struct toro_timespec atime, mtime;
};
#define TORO_ATTR_MODE      0x01u
#define TORO_ATTR_UID       0x02u
#define TORO_ATTR_GID       0x04u
#define TORO_ATTR_SIZE      0x08u
#define TORO_ATTR_ATIME     0x10u /**< now, unless ATIME_SET */
#define TORO_ATTR_MTIME     0x20u
#define TORO_ATTR_CTIME     0x40u
#define TORO_ATTR_ATIME_SET 0x80u
#define TORO_ATTR_MTIME_SET 0x100u

/** Operations of a file system. NULL = EROFS for what would change it, else the error Linux gives.
 * Names are single components, never "." or "..", at most TORO_NAME_MAX bytes. */
struct toro_fs_ops {
    /**
     * Go down from dir along rel ("a/b/c", plain components) as far as one step of this file system
     * goes; at least one component, never through a symlink.
     *
     * @param used characters of rel consumed
     * @return 0 with *out (referenced, path set) or -errno
     */
    int (*walk)(struct toro_node *dir, const char *rel, size_t *used, struct toro_node **out);
    /** Open: set f->ops and f->priv. f->node is n and referenced already. */
    int (*open)(struct toro_node *n, struct toro_file *f);
    /** Create (or open, without O_EXCL) a regular file; sets f->node (referenced), ops and priv. */
    int (*create)(struct toro_node *dir, const char *name, unsigned mode, struct toro_file *f);
    int (*stat)(struct toro_node *n, struct toro_linux_stat *st);
    int (*setattr)(struct toro_node *n, const struct toro_attr *a);
    toro_ssize (*readlink)(struct toro_node *n, char *buf, size_t size);
    /** A link that leads to an open file which has no path (/proc/self/fd): referenced, or NULL. */
    struct toro_file *(*jump)(struct toro_node *n);
    int (*mkdir)(struct toro_node *dir, const char *name, unsigned mode);
    int (*unlink)(struct toro_node *dir, const char *name, bool directory);
    int (*rename)(struct toro_node *from, const char *old, struct toro_node *to, const char *name,
                  unsigned flags);
    int (*symlink)(struct toro_node *dir, const char *name, const char *target);
    int (*link)(struct toro_node *n, struct toro_node *dir, const char *name);
    int (*statfs)(struct toro_mount *m, struct toro_node *n, struct toro_linux_statfs *st);
    /** Locks that others than this guest see (fs/lock.h); NULL: there is nobody else. -ENOENT: the
     * file has no name any more. */
    int (*lock)(struct toro_node *n, struct torobus_ctl_lock *l, struct torobus_ctl_locked *out);
    /** The last reference is gone. */
    void (*release)(struct toro_node *n);
};

/* mount.c ------------------------------------------------------------------------------------- */
/** Mount at a canonical path; root becomes the mount's. @return the mount, NULL if out of memory.
 */
struct toro_mount *toro_mount_add(const char *path, const char *type, const char *source,
                                  const struct toro_fs_ops *ops, void *priv);
/** Mount at exactly path[0 .. len), or NULL. */
struct toro_mount *toro_mount_at(const char *path, size_t len);
/** i-th mount, or NULL after the last. */
struct toro_mount *toro_mount_nth(unsigned i);
/** New node with one reference; its path is dir's (NULL: none) + "/" + rel[0 .. len). */
struct toro_node *toro_node_new(struct toro_mount *m, const struct toro_node *dir, const char *rel,
                                size_t len);
void toro_node_get(struct toro_node *n);
void toro_node_put(struct toro_node *n); /**< NULL is harmless */

/* path.c -------------------------------------------------------------------------------------- */
struct toro_place {
    struct toro_node *node; /**< found, referenced; NULL: look at file, or nothing was asked */
    struct toro_file *file; /**< the path led to an open file without a path, referenced */
    struct toro_node *dir;  /**< with TORO_WALK_PARENT: where `last` lives, referenced */
    char last[TORO_NAME_MAX + 1];
    bool slash; /**< the path ended in a slash: a directory is wanted */
};
#define TORO_WALK_FOLLOW 1u /**< go through a symlink in the last place */
#define TORO_WALK_PARENT 2u /**< stop before the last component */
/**
 * Walk a path.
 *
 * @param at start of a relative path, NULL: the root directory
 * @return 0 with *out filled, -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG, -ENOMEM ...
 *
 * With TORO_WALK_PARENT a last component "." or ".." gives -EINVAL, the root itself -EBUSY.
 */
int toro_path_walk(struct toro_node *at, const char *path, unsigned flags, struct toro_place *out);
void toro_place_put(struct toro_place *p);

/* open.c -------------------------------------------------------------------------------------- */
/** Open a path. umask is applied to mode already. */
int toro_vfs_open(struct toro_node *at, const char *path, unsigned flags, unsigned mode,
                  struct toro_file **out);
/** Make the open file of a node. */
int toro_vfs_open_node(struct toro_node *n, unsigned flags, struct toro_file **out);
/** Whether rank p may access n in these ways (R 4, W 2, X 1). @return 0, -EACCES, -EROFS ... */
int toro_vfs_access(struct toro_node *n, unsigned mode);
int toro_vfs_stat(struct toro_node *n, struct toro_linux_stat *st);
int toro_vfs_setattr(struct toro_node *n, const struct toro_attr *a);

/** Append a linux_dirent64 at kernel buffer + *at if it fits. @return false if it does not. */
bool toro_dirent_put(char *buf, size_t size, size_t *at, uint64_t ino, uint64_t next, unsigned type,
                     const char *name, size_t len);

/* names.c: by path -------------------------------------------------------------------------------
 */
int toro_vfs_mkdir(struct toro_node *at, const char *path, unsigned mode);
int toro_vfs_unlink(struct toro_node *at, const char *path, bool directory);
/** flags: RENAME_* of Linux. */
int toro_vfs_rename(struct toro_node *at1, const char *from, struct toro_node *at2, const char *to,
                    unsigned flags);
int toro_vfs_link(struct toro_node *at1, const char *from, struct toro_node *at2, const char *to,
                  bool follow);
int toro_vfs_symlink(const char *target, struct toro_node *at, const char *path);

/* lock.c -------------------------------------------------------------------------------------- */
/** fcntl(F_GETLK, F_SETLK, F_SETLKW); l is in kernel memory, start is absolute, whence 0. ofd: the
 * lock belongs to the open file, not to the rank (F_OFD_*). Advisory; on files of the host it is
 * taken there. */
int toro_posix_lock(struct toro_file *f, int cmd, bool ofd, struct toro_flock *l);
/** flock(): op as Linux's LOCK_*. */
int toro_flock_op(struct toro_file *f, unsigned op);
/** The current rank closes a descriptor of f: its POSIX locks on that file go. */
void toro_locks_close(struct toro_file *f);
/** The open file ends: its flock() locks go. */
void toro_locks_release(struct toro_file *f);
/** The rank ends. */
void toro_locks_end(struct toro_proc *p);

/* epoll.c ------------------------------------------------------------------------------------- */
/** The open file ends: no epoll watches it any more. */
void toro_epoll_forget(struct toro_file *f);

/* files without a name: with one reference each, or NULL -----------------------------------------
 */
int toro_pipe_new(unsigned flags, struct toro_file *end[2]);
int toro_unixpair_new(int type, unsigned flags, struct toro_file *end[2]);
struct toro_file *toro_eventfd_new(uint64_t count, unsigned flags);
struct toro_file *toro_timerfd_new(int clock, unsigned flags);
struct toro_file *toro_epoll_new(void);

/* fdpoll.c: poll() and select() on an array of descriptors
 * ----------------------------------------- */
/** @return number of entries with revents, 0 on timeout, -EINTR. fds is in kernel memory. */
int toro_poll_fds(struct toro_pollfd *fds, unsigned n, uint64_t deadline);

/* file systems -------------------------------------------------------------------------------- */
int toro_tmpfs_mount(const char *path);
/** Remove all that is in it. Caller: nobody uses it. @return false if it is another file system. */
bool toro_tmpfs_clear(struct toro_mount *m);
int toro_devfs_mount(void);
int toro_procfs_mount(void);
int toro_sysfs_mount(void);
/** The virtio-9p device's tree at "/". @return 0, -ENODEV without a device. */
int toro_p9_mount(bool ro);
/** The same tree, read-only and hidden: the loader reads programs from it where programs see no
 * host files. NULL without a device. */
struct toro_mount *toro_p9_mount_hidden(void);
/** A file in memory only, without a name (memfd_create). */
int toro_tmpfs_anon(const char *name, unsigned flags, struct toro_file **out);

#endif
