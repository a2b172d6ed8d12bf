/* SPDX-License-Identifier: BSD-3-Clause */
/* tmpfs: files in memory. Contents lie in one piece in the guest's shared pool, so a shared mapping
 * is at one address for all ranks. */
#ifndef TORO_TMPFS_H
#define TORO_TMPFS_H

#include <toro/vfs.h>
#include <torobus/abi.h>

struct tmp_inode {
    _Atomic unsigned refs; /**< nodes, plus one while it has names */
    uint32_t mode, uid, gid;
    uint64_t ino;
    unsigned nlink;
    struct toro_timespec atime, mtime, ctime;
    /* directory; under the file system's lock */
    struct toro_list entries;
    struct tmp_inode *parent;
    /* symlink */
    char *target;
    /* regular file; under data */
    struct toro_mutex data;
    uint64_t size;
    uint64_t va, reserved, committed; /**< bytes, whole pages */
    unsigned opens;                   /**< open files (a mapping holds one) */
    bool mapped;                      /**< may not move before opens is 0 */
};

extern const struct toro_file_ops tmp_file_ops;

struct toro_timespec tmp_now(void);
/** Data of an inode: set the size. data held. @return 0, -ENOSPC, -EFBIG. */
int tmp_resize(struct tmp_inode *i, uint64_t size);
/** Give the memory back. */
void tmp_drop_data(struct tmp_inode *i);
void tmp_stat(const struct tmp_inode *i, unsigned dev, struct toro_linux_stat *st);
void tmp_inode_put(struct tmp_inode *i);

#endif
