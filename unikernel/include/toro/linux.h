/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers and layouts of the Linux x86-64 system-call ABI that concern files. */
#ifndef TORO_LINUX_H
#define TORO_LINUX_H

#include "types.h"

#define TORO_O_ACCMODE           3u
#define TORO_O_RDONLY            0u
#define TORO_O_WRONLY            1u
#define TORO_O_RDWR              2u
#define TORO_O_CREAT             0x40u
#define TORO_O_EXCL              0x80u
#define TORO_O_NOCTTY            0x100u
#define TORO_O_TRUNC             0x200u
#define TORO_O_APPEND            0x400u
#define TORO_O_NONBLOCK          0x800u
#define TORO_O_DSYNC             0x1000u
#define TORO_O_ASYNC             0x2000u
#define TORO_O_DIRECT            0x4000u
#define TORO_O_LARGEFILE         0x8000u
#define TORO_O_DIRECTORY         0x10000u
#define TORO_O_NOFOLLOW          0x20000u
#define TORO_O_NOATIME           0x40000u
#define TORO_O_CLOEXEC           0x80000u
#define TORO_O_SYNC              0x101000u
#define TORO_O_PATH              0x200000u
#define TORO_O_TMPFILE           0x410000u

#define TORO_S_IFMT              0170000u
#define TORO_S_IFSOCK            0140000u
#define TORO_S_IFLNK             0120000u
#define TORO_S_IFREG             0100000u
#define TORO_S_IFBLK             0060000u
#define TORO_S_IFDIR             0040000u
#define TORO_S_IFCHR             0020000u
#define TORO_S_IFIFO             0010000u

#define TORO_AT_FDCWD            (-100)
#define TORO_AT_SYMLINK_NOFOLLOW 0x100u
#define TORO_AT_EACCESS          0x200u
#define TORO_AT_REMOVEDIR        0x200u
#define TORO_AT_SYMLINK_FOLLOW   0x400u
#define TORO_AT_NO_AUTOMOUNT     0x800u
#define TORO_AT_EMPTY_PATH       0x1000u
#define TORO_AT_STATX_SYNC_TYPE  0x6000u

#define TORO_SEEK_SET            0
#define TORO_SEEK_CUR            1
#define TORO_SEEK_END            2
#define TORO_SEEK_DATA           3
#define TORO_SEEK_HOLE           4

#define TORO_PATH_MAX            4096u
#define TORO_NAME_MAX            255u
#define TORO_IOV_MAX             1024u
/** Most bytes one read or write moves (Linux: MAX_RW_COUNT). */
#define TORO_RW_MAX          0x7ffff000ul

#define TORO_LINK_MAX_FOLLOW 40u

struct toro_timespec {
    int64_t sec, nsec;
};

struct toro_linux_stat {
    uint64_t dev, ino, nlink;
    uint32_t mode, uid, gid, pad0;
    uint64_t rdev;
    int64_t size, blksize, blocks;
    struct toro_timespec atime, mtime, ctime;
    int64_t unused[3];
};
_Static_assert(sizeof(struct toro_linux_stat) == 144, "struct stat layout");

struct toro_linux_statfs {
    int64_t type, bsize;
    uint64_t blocks, bfree, bavail, files, ffree;
    int32_t fsid[2];
    int64_t namelen, frsize, flags, spare[4];
};
_Static_assert(sizeof(struct toro_linux_statfs) == 120, "struct statfs layout");

struct toro_statx_time {
    int64_t sec;
    uint32_t nsec;
    int32_t pad;
};
struct toro_linux_statx {
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, pad0;
    uint64_t ino, size, blocks, attributes_mask;
    struct toro_statx_time atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t spare[14];
};
_Static_assert(sizeof(struct toro_linux_statx) == 256, "struct statx layout");
#define TORO_STATX_BASIC 0x7ffu

/** Fixed part of struct linux_dirent64; the name and its NUL follow at once. */
#define TORO_DIRENT_NAME 19u
#define TORO_DT_FIFO     1u
#define TORO_DT_CHR      2u
#define TORO_DT_DIR      4u
#define TORO_DT_BLK      6u
#define TORO_DT_REG      8u
#define TORO_DT_LNK      10u
#define TORO_DT_SOCK     12u

struct toro_iovec {
    void *base;
    uint64_t len;
};

struct toro_pollfd {
    int32_t fd;
    uint16_t events, revents;
};

struct toro_epoll_event {
    uint32_t events;
    uint64_t data;
} __attribute__((packed));
_Static_assert(sizeof(struct toro_epoll_event) == 12, "struct epoll_event layout");

struct toro_flock {
    int16_t type, whence;
    int64_t start, len;
    int32_t pid;
};
_Static_assert(sizeof(struct toro_flock) == 32, "struct flock layout");

struct toro_itimerspec {
    struct toro_timespec interval, value;
};

struct toro_msghdr {
    void *name;
    uint32_t namelen, pad0;
    struct toro_iovec *iov;
    uint64_t iovlen;
    void *control;
    uint64_t controllen;
    int32_t flags, pad1;
};
_Static_assert(sizeof(struct toro_msghdr) == 56, "struct msghdr layout");

#define TORO_F_DUPFD         0
#define TORO_F_GETFD         1
#define TORO_F_SETFD         2
#define TORO_F_GETFL         3
#define TORO_F_SETFL         4
#define TORO_F_GETLK         5
#define TORO_F_SETLK         6
#define TORO_F_SETLKW        7
#define TORO_F_OFD_GETLK     36
#define TORO_F_OFD_SETLK     37
#define TORO_F_OFD_SETLKW    38
#define TORO_F_DUPFD_CLOEXEC 1030
#define TORO_F_GETPIPE_SZ    1032
#define TORO_F_ADD_SEALS     1033
#define TORO_F_GET_SEALS     1034
#define TORO_F_RDLCK         0
#define TORO_F_WRLCK         1
#define TORO_F_UNLCK         2

#define TORO_TCGETS          0x5401u
#define TORO_FIONREAD        0x541bu
#define TORO_FIONBIO         0x5421u
#define TORO_FIONCLEX        0x5450u
#define TORO_FIOCLEX         0x5451u

#define TORO_TMPFS_MAGIC     0x01021994
#define TORO_PROC_MAGIC      0x9fa0
#define TORO_SYSFS_MAGIC     0x62656572
#define TORO_V9FS_MAGIC      0x01021997

#endif
