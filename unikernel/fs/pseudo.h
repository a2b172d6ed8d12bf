/* SPDX-License-Identifier: BSD-3-Clause */
/* File systems whose entries are computed from their path: devfs, proc, sys. A provider answers for
 * a path relative to its mount ("" is the root); everything else is common. */
#ifndef TORO_PSEUDO_H
#define TORO_PSEUDO_H

#include <toro/vfs.h>

/** Text that grows; the first failure sticks. */
struct toro_text {
    char *p;
    size_t len, size;
    bool failed;
};
void toro_text_add(struct toro_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct pseudo {
    /** Type of a path: TORO_S_IFDIR, TORO_S_IFREG, TORO_S_IFLNK, TORO_S_IFCHR, or 0: not there. */
    uint32_t (*type)(const char *rel);
    /** i-th entry of a directory, without "." and "..". @return its type, 0 after the last. */
    uint32_t (*entry)(const char *rel, unsigned i, char name[TORO_NAME_MAX + 1]);
    /** Contents of a regular file. @return 0 or -errno. */
    int (*text)(const char *rel, struct toro_text *t);
    /** Target of a symlink. @return length or -errno. */
    toro_ssize (*link)(const char *rel, char *buf, size_t size);
    struct toro_file *(*jump)(const char *rel);        /**< see toro_fs_ops.jump; may be NULL */
    int (*open)(const char *rel, struct toro_file *f); /**< of a device */
    uint64_t (*rdev)(const char *rel);                 /**< of a device */
    int64_t magic;
};

/** Mount a provider. @return 0 or -ENOMEM. */
int toro_pseudo_mount(const char *path, const char *type, const struct pseudo *p);
/** If rel starts with the component `name`, what follows it ("" at the end), else NULL. */
const char *toro_pseudo_below(const char *rel, const char *name);

/* sysfs_cache.c: what is below /sys/devices/system/cpu/cpuN/cache; r is "" or "index0/level". */
uint32_t toro_sysfs_cache_type(const char *r);
uint32_t toro_sysfs_cache_entry(const char *r, unsigned i, char name[TORO_NAME_MAX + 1]);
void toro_sysfs_cache_text(struct toro_text *t, const char *r, unsigned core);
/** "cpu12/x" -> "x" and 12 (prefix "cpu"); NULL if it is not of this form or not below count. */
const char *toro_sysfs_indexed(const char *rel, const char *prefix, unsigned count, unsigned *n);
/** Cores first..last as a mask ("00000003", words of 32 bits) or a list ("0-1"). */
void toro_sysfs_cpus(struct toro_text *t, unsigned first, unsigned last, bool list);

#endif
