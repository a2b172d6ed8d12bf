/* SPDX-License-Identifier: BSD-3-Clause */
/* The bus region: one sealed, sparse memfd and its superblock. */
#include "keeper.h"

#include "shim_huge.h"
#include "shim_parse.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#define GIB            ((uint64_t)1 << 30)
#define DEFAULT_GUESTS 15u
#define DEFAULT_SLICE  (16 * GIB)
/** A job that has just ended may not have given its huge pages back yet: tenths of a second. */
#define WAIT_FOR_PAGES 20u

static uint64_t pow2_up(uint64_t v)
{
    uint64_t p = 1;

    while (p < v)
        p <<= 1;
    return p;
}

/** @return false, with a line for the user. */
static bool few_pages(uint64_t bytes, char err[512])
{
    uint64_t need = bytes / SHIM_HUGE_PAGE, have = shim_huge_free();

    snprintf(
        err, 512,
        "TOROBUS_HUGEPAGES=hugetlb: the region takes %" PRIu64 " huge pages of 2 MiB%s, and the "
        "host has %" PRIu64 " free: as root, write a higher number to /proc/sys/vm/nr_hugepages, "
        "or lower TOROBUS_GUESTS or TOROBUS_SLICE_SIZE",
        need, bytes == 2 * GIB ? " at least" : "", have);
    return false;
}

/** Make sure that reserved pages are there for a part of the region: a page that is missing when
 * somebody touches it would be the end of him. What has one already is not counted again. */
static bool reserve(const struct keeper_region *r, uint64_t offset, uint64_t len)
{
    void *p;

    if (r->huge != SHIM_HUGE_TLB)
        return true;
    p = mmap(NULL, len, PROT_NONE, MAP_SHARED, r->memfd, (off_t)offset);
    if (p == MAP_FAILED)
        return false;
    munmap(p, len); /* the reservation is the file's */
    return true;
}

static bool punch(const struct keeper_region *r, uint64_t from, uint64_t to)
{
    return fallocate(r->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                     (off_t)(to - from)) == 0;
}

/** Zero a part of a page of the region, whose rest stays. */
static bool blank(const struct keeper_region *r, uint64_t from, uint64_t to)
{
    uint64_t start = from - from % r->page;
    char *p = mmap(NULL, r->page, PROT_READ | PROT_WRITE, MAP_SHARED, r->memfd, (off_t)start);

    if (p == MAP_FAILED)
        return false;
    memset(p + (from - start), 0, to - from);
    munmap(p, r->page);
    return true;
}

/** Make [from, to) zero, and give whole pages back. */
static bool give_back(const struct keeper_region *r, uint64_t from, uint64_t to)
{
    uint64_t first = (from + r->page - 1) / r->page * r->page, last = to - to % r->page;

    if (first > last) /* within one page */
        return blank(r, from, to);
    return (first == last || (punch(r, first, last) && reserve(r, first, last - first))) &&
           (from == first || blank(r, from, first)) && (last == to || blank(r, last, to));
}

/** Fill in the layout. @return false if the settings do not fit together. */
static bool plan(struct torobus_superblock *sb, enum shim_huge huge, uint64_t *file_size,
                 char err[512])
{
    uint64_t guests, slice, dflt = huge == SHIM_HUGE_TLB ? 0 : DEFAULT_SLICE;

    if (!shim_parse_env("TOROBUS_GUESTS", false, 1, TOROBUS_MAX_GUESTS,
                        huge == SHIM_HUGE_TLB ? 0 : DEFAULT_GUESTS, &guests, err))
        return false;
    /* more guests share the same range in smaller slices, so that the device stays at 256 GiB */
    while (guests * dflt + GIB > 256 * GIB && dflt > GIB)
        dflt /= 2;
    if (!shim_parse_env("TOROBUS_SLICE_SIZE", true, GIB, TOROBUS_REGION_MAX / 2, dflt, &slice, err))
        return false;
    for (unsigned i = 0; huge == SHIM_HUGE_TLB; i++) {
        if (shim_huge_plan(shim_huge_free() * SHIM_HUGE_PAGE, &guests, &slice))
            break;
        if (i == WAIT_FOR_PAGES || !shim_huge_all(2 * GIB))
            return few_pages(2 * GIB, err);
        usleep(100000);
    }
    if ((slice & (slice - 1)) != 0) {
        snprintf(err, 512,
                 "TOROBUS_SLICE_SIZE=%s is impossible: give a power of two from 1G to 256G",
                 getenv("TOROBUS_SLICE_SIZE"));
        return false;
    }
    if (guests * slice + GIB > TOROBUS_REGION_MAX) {
        snprintf(err, 512,
                 "%" PRIu64 " slices of %" PRIu64 " GiB do not fit into a region of %" PRIu64
                 " GiB: lower TOROBUS_GUESTS or TOROBUS_SLICE_SIZE",
                 guests, slice / GIB, (uint64_t)TOROBUS_REGION_MAX / GIB);
        return false;
    }
    memset(sb, 0, sizeof(*sb));
    sb->magic = TOROBUS_REGION_MAGIC;
    sb->version = TOROBUS_ABI_VERSION;
    sb->nguests = (uint32_t)guests;
    sb->slice_offset = GIB;
    sb->slice_size = slice;
    sb->ports_per_guest = TOROBUS_MAX_PORTS / sb->nguests;
    if (sb->ports_per_guest > TOROBUS_MAX_CORES)
        sb->ports_per_guest = TOROBUS_MAX_CORES;
    sb->nports = sb->nguests * sb->ports_per_guest;
    sb->slice_hdr_offset = 4096;
    sb->port_offset =
        4096 + pow2_up(sb->nguests * sizeof(struct torobus_slice_hdr) + 4095) / 4096 * 4096;
    sb->port_stride = TOROBUS_PORT_STRIDE;
    *file_size = pow2_up(sb->slice_offset + guests * slice);
    sb->region_size = *file_size;
    return true;
}

bool keeper_region_make(struct keeper_region *r, char err[512])
{
    struct torobus_superblock sb;
    bool reserved = false;
    uint64_t size;
    size_t head;
    void *p;
    int fd;

    if (!shim_huge_setting(&r->huge, err))
        return false;
    if (!plan(&sb, r->huge, &size, err))
        return false;
    r->page = r->huge == SHIM_HUGE_TLB ? SHIM_HUGE_PAGE : 4096;
    if (getrandom(sb.uuid, sizeof(sb.uuid), 0) != (ssize_t)sizeof(sb.uuid)) {
        snprintf(err, 512, "no random bytes for the region: %s", strerror(errno));
        return false;
    }
    fd = memfd_create("torobus", MFD_CLOEXEC | MFD_ALLOW_SEALING |
                                     (r->huge == SHIM_HUGE_TLB ? MFD_HUGETLB | MFD_HUGE_2MB : 0));
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        snprintf(err, 512,
                 "no memory for the region (%" PRIu64 " GiB of address space): %s; see ulimit -f "
                 "and -v, or lower TOROBUS_GUESTS or TOROBUS_SLICE_SIZE",
                 size / GIB, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    r->memfd = fd;
    for (unsigned i = 0;
         i < WAIT_FOR_PAGES && !(reserved = reserve(r, 0, size)) && shim_huge_all(size); i++)
        usleep(100000);
    if (!reserved) {
        close(fd);
        r->memfd = -1;
        return few_pages(size, err);
    }
    head = (size_t)(sb.port_offset + (uint64_t)sb.nports * sb.port_stride);
    head = (head + r->page - 1) / r->page * r->page;
    p = mmap(NULL, head, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        snprintf(err, 512, "no memory for the region: %s", strerror(errno));
        close(fd);
        r->memfd = -1;
        return false;
    }
    memcpy(p, &sb, sizeof(sb));
    r->file_size = size;
    r->head = p;
    r->head_size = head;
    r->sb = sb;
    return true;
}

void keeper_region_reserve(struct keeper_region *r, unsigned slice, const char *name,
                           unsigned ncores, uint64_t mem_limit)
{
    struct torobus_slice_hdr *s = torobus_slice_at(r->head, &r->sb, slice);

    s->ncores = ncores;
    s->ivshmem_id = slice;
    s->native = 0;
    s->mem_limit = mem_limit;
    memset(s->name, 0, sizeof(s->name));
    memcpy(s->name, name, strnlen(name, sizeof(s->name) - 1));
}

void keeper_region_state(struct keeper_region *r, unsigned slice, enum torobus_slice_state state)
{
    struct torobus_slice_hdr *s = torobus_slice_at(r->head, &r->sb, slice);

    /* release: a guest that sees the state sees the header written before it */
    atomic_store_explicit(&s->state, (uint32_t)state, memory_order_release);
}

void keeper_region_retire(struct keeper_region *r, unsigned slice)
{
    uint32_t first = slice * r->sb.ports_per_guest;

    keeper_region_state(r, slice, TOROBUS_SLICE_DEAD);
    for (uint32_t i = 0; i < r->sb.ports_per_guest; i++) {
        struct torobus_port *p = torobus_port_at(r->head, &r->sb, first + i);

        if (atomic_load_explicit(&p->state, memory_order_relaxed) != TOROBUS_PORT_FREE)
            atomic_store_explicit(&p->state, TOROBUS_PORT_DEAD, memory_order_release);
    }
}

void keeper_region_release(struct keeper_region *r, unsigned slice)
{
    /* ports keep their epochs: a peer that still knows the old owner must not take the next one
     * for it */
    uint64_t at = torobus_slice_offset(&r->sb, slice);

    if (give_back(r, at, at + r->sb.slice_size))
        keeper_region_state(r, slice, TOROBUS_SLICE_FREE);
    else
        keeper_log("slice %u cannot be given back: %s", slice, strerror(errno));
}

int keeper_region_punch(struct keeper_region *r, unsigned slice,
                        const struct torobus_ctl_range *range, uint32_t n)
{
    uint64_t base = torobus_slice_offset(&r->sb, slice), size = r->sb.slice_size;

    for (uint32_t i = 0; i < n; i++)
        if (range[i].offset < base || range[i].offset - base > size || range[i].len == 0 ||
            range[i].len > size - (range[i].offset - base) ||
            (range[i].offset | range[i].len) % 4096 != 0)
            return EINVAL;
    for (uint32_t i = 0; i < n; i++)
        if (!give_back(r, range[i].offset, range[i].offset + range[i].len))
            return errno;
    return 0;
}

static int by_offset(const void *a, const void *b)
{
    const struct torobus_ctl_range *x = a, *y = b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

bool keeper_region_wipe(struct keeper_region *r, unsigned slice,
                        const struct torobus_ctl_range *keep, uint32_t nkeep)
{
    struct torobus_ctl_range part[TOROBUS_CTL_KEEP_MAX + 1];
    uint64_t at = torobus_slice_offset(&r->sb, slice), end = at + r->sb.slice_size;

    if (nkeep > TOROBUS_CTL_KEEP_MAX)
        return false;
    if (nkeep > 0) {
        memcpy(part, keep, nkeep * sizeof(part[0]));
        qsort(part, nkeep, sizeof(part[0]), by_offset);
    }
    part[nkeep] = (struct torobus_ctl_range){end, 0};
    for (uint32_t i = 0; i <= nkeep; i++) {
        const struct torobus_ctl_range *k = &part[i];

        if (k->offset < at || k->offset > end || k->len > end - k->offset ||
            ((k->offset | k->len) & 4095) != 0)
            return false;
        if (k->offset > at && !give_back(r, at, k->offset))
            return false;
        at = k->offset + k->len;
    }
    return true;
}

/** MemAvailable in bytes, 0 if unknown. */
static uint64_t mem_available(void)
{
    unsigned long long kib = 0;
    char line[128];
    FILE *f = fopen("/proc/meminfo", "re");

    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return (uint64_t)kib << 10;
}

bool keeper_region_mem_limit(const struct keeper_region *r, unsigned nguests, const char *setting,
                             uint64_t *limit, char err[512])
{
    /* reserved pages are there already */
    uint64_t avail = r->huge == SHIM_HUGE_TLB ? 0 : mem_available(), each;
    uint64_t slice_size = r->sb.slice_size;

    if (setting && *setting) {
        if (!shim_parse_size(setting, 1u << 20, TOROBUS_REGION_MAX, &each)) {
            snprintf(err, 512, "memory %.32s is impossible: give a size from 1M to %" PRIu64 "G",
                     setting, (uint64_t)TOROBUS_REGION_MAX / GIB);
            return false;
        }
        if (each > slice_size) {
            snprintf(err, 512,
                     "memory %.32s per guest is more than a slice of the region has (%" PRIu64
                     " GiB): raise TOROBUS_SLICE_SIZE or ask for less",
                     setting, slice_size / GIB);
            return false;
        }
        if (avail && each * nguests > avail) {
            snprintf(err, 512,
                     "no memory for the region: %u guest%s of %.32s, but the host has only %" PRIu64
                     " MiB free",
                     nguests, nguests == 1 ? "" : "s", setting, avail >> 20);
            return false;
        }
        *limit = each;
        return true;
    }
    /* leave an eighth to the host */
    each = avail ? (avail - avail / 8) / nguests : slice_size;
    *limit = each < slice_size ? each & ~0x1fffffull : slice_size;
    if (*limit < 16u << 20) {
        snprintf(err, 512, "no memory for the region: the host has only %" PRIu64 " MiB free",
                 avail >> 20);
        return false;
    }
    return true;
}
