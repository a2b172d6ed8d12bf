/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev: null, zero, full, random, urandom, tty, links to /proc/self/fd, and what drivers register.
 */
#include <toro/arch.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/lock.h>
#include <toro/proc.h>
#include "pseudo.h"

#define MAX_DEVICES 16u
#define ZERO_CHUNK  4096u

struct device {
    const char *name;
    int (*open)(struct toro_file *f);
    unsigned major, minor;
};

static struct device devices[MAX_DEVICES];
static unsigned ndevices;
static struct toro_spinlock lock = TORO_SPINLOCK_INIT;

static const struct {
    const char *name, *target;
} links[] = {{"fd", "/proc/self/fd"},
             {"stdin", "/proc/self/fd/0"},
             {"stdout", "/proc/self/fd/1"},
             {"stderr", "/proc/self/fd/2"}};

static toro_ssize read_end(struct toro_file *f, void *buf, size_t n, uint64_t *pos)
{
    (void)f;
    (void)buf;
    (void)n;
    (void)pos;
    return 0;
}

static toro_ssize write_all(struct toro_file *f, const void *buf, size_t n, uint64_t *pos)
{
    (void)f;
    (void)buf;
    (void)pos;
    return (toro_ssize)n;
}

static toro_ssize write_full(struct toro_file *f, const void *buf, size_t n, uint64_t *pos)
{
    (void)f;
    (void)buf;
    (void)pos;
    return n ? -ENOSPC : 0;
}

/* Fill the user's buffer from a page made by `fill`. */
static toro_ssize read_pages(void *buf, size_t n, void (*fill)(void *, size_t))
{
    char *page = toro_kzalloc(ZERO_CHUNK);
    size_t done = 0;

    if (!page)
        return -ENOMEM;
    while (done < n) {
        size_t k = TORO_MIN(n - done, (size_t)ZERO_CHUNK);

        if (fill)
            fill(page, k);
        if (toro_copy_to_user((char *)buf + done, page, k) != 0)
            break;
        done += k;
    }
    toro_kfree(page);
    return done || !n ? (toro_ssize)done : -EFAULT;
}

static toro_ssize read_zero(struct toro_file *f, void *buf, size_t n, uint64_t *pos)
{
    (void)f;
    (void)pos;
    return read_pages(buf, n, NULL);
}

static toro_ssize read_random(struct toro_file *f, void *buf, size_t n, uint64_t *pos)
{
    (void)f;
    (void)pos;
    return read_pages(buf, TORO_MIN(n, (size_t)1 << 25), arch_random);
}

static unsigned always(struct toro_file *f, struct toro_waitq **q)
{
    (void)f;
    (void)q;
    return TORO_POLLIN | TORO_POLLOUT;
}

static const struct toro_file_ops null_ops = {.read = read_end, .write = write_all, .poll = always};
static const struct toro_file_ops zero_ops = {
    .read = read_zero, .write = write_all, .poll = always};
static const struct toro_file_ops full_ops = {
    .read = read_zero, .write = write_full, .poll = always};
static const struct toro_file_ops random_ops = {
    .read = read_random, .write = write_all, .poll = always};

static int open_null(struct toro_file *f)
{
    f->ops = &null_ops;
    return 0;
}

static int open_zero(struct toro_file *f)
{
    f->ops = &zero_ops;
    return 0;
}

static int open_full(struct toro_file *f)
{
    f->ops = &full_ops;
    return 0;
}

static int open_random(struct toro_file *f)
{
    f->ops = &random_ops;
    return 0;
}

static int open_tty(struct toro_file *f)
{
    (void)f;
    return -ENXIO; /* no controlling terminal, as under mpirun */
}

static int add(const char *name, int (*open)(struct toro_file *f), unsigned major, unsigned minor)
{
    int err = -ENOMEM;

    toro_spin_lock(&lock);
    if (ndevices < MAX_DEVICES) {
        devices[ndevices] = (struct device){name, open, major, minor};
        atomic_thread_fence(memory_order_release); /* readers take no lock; entries stay */
        ndevices++;
        err = 0;
    }
    toro_spin_unlock(&lock);
    return err;
}

int toro_dev_register(const char *name, int (*open)(struct toro_file *f))
{
    return add(name, open, 10, 200 + ndevices);
}

static const struct device *find(const char *rel)
{
    for (unsigned i = 0; i < ndevices; i++)
        if (toro_strcmp(devices[i].name, rel) == 0)
            return &devices[i];
    return NULL;
}

static const char *find_link(const char *rel)
{
    for (unsigned i = 0; i < TORO_ARRAY_SIZE(links); i++)
        if (toro_strcmp(links[i].name, rel) == 0)
            return links[i].target;
    return NULL;
}

static uint32_t dev_type(const char *rel)
{
    if (!*rel || toro_strcmp(rel, "shm") == 0)
        return TORO_S_IFDIR;
    if (find(rel))
        return TORO_S_IFCHR;
    return find_link(rel) ? TORO_S_IFLNK : 0;
}

static uint32_t dev_entry(const char *rel, unsigned i, char name[TORO_NAME_MAX + 1])
{
    if (*rel)
        return 0;
    if (i < ndevices) {
        toro_strlcpy(name, devices[i].name, TORO_NAME_MAX + 1);
        return TORO_S_IFCHR;
    }
    i -= ndevices;
    if (i < TORO_ARRAY_SIZE(links)) {
        toro_strlcpy(name, links[i].name, TORO_NAME_MAX + 1);
        return TORO_S_IFLNK;
    }
    if (i > TORO_ARRAY_SIZE(links))
        return 0;
    toro_strlcpy(name, "shm", TORO_NAME_MAX + 1);
    return TORO_S_IFDIR;
}

static toro_ssize dev_link(const char *rel, char *buf, size_t size)
{
    const char *t = find_link(rel);
    size_t n = TORO_MIN(toro_strlen(t), size);

    toro_memcpy(buf, t, n);
    return (toro_ssize)n;
}

static int dev_open(const char *rel, struct toro_file *f)
{
    const struct device *d = find(rel);

    return d ? d->open(f) : -ENXIO;
}

static uint64_t dev_rdev(const char *rel)
{
    const struct device *d = find(rel);

    return d ? (uint64_t)d->major << 8 | d->minor : 0;
}

static const struct pseudo devfs = {.type = dev_type,
                                    .entry = dev_entry,
                                    .link = dev_link,
                                    .open = dev_open,
                                    .rdev = dev_rdev,
                                    .magic = TORO_TMPFS_MAGIC};

int toro_devfs_mount(void)
{
    if (add("null", open_null, 1, 3) || add("zero", open_zero, 1, 5) ||
        add("full", open_full, 1, 7) || add("random", open_random, 1, 8) ||
        add("urandom", open_random, 1, 9) || add("tty", open_tty, 5, 0))
        return -ENOMEM;
    return toro_pseudo_mount("/dev", "devtmpfs", &devfs);
}
