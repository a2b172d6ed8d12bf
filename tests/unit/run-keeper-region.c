/* SPDX-License-Identifier: BSD-3-Clause */
/* The region of a keeper: wiping a slice leaves what the guest asked for, where it may ask. */
#include "tap.h"
#include "orted-shim/keeper_region.c"
#include "orted-shim/shim_huge.c"
#include "orted-shim/shim_parse.c"

#define PAGE 4096u

void keeper_log(const char *fmt, ...)
{
    (void)fmt;
}

static struct keeper_region r;
static uint64_t slice;

static void put(uint64_t offset, char c)
{
    uint64_t start = offset - offset % r.page;
    char *p = mmap(NULL, r.page, PROT_READ | PROT_WRITE, MAP_SHARED, r.memfd, (off_t)start);

    if (p == MAP_FAILED)
        t_bail("cannot write to the region");
    memset(p + (offset - start), c, PAGE);
    munmap(p, r.page);
}

static int get(uint64_t offset)
{
    char c = 1;

    return pread(r.memfd, &c, 1, (off_t)offset) == 1 ? c : -1;
}

static void fill(void)
{
    for (unsigned i = 0; i < 16; i++)
        put(slice + i * PAGE, 'x');
    put(slice - PAGE, 'b');
    put(slice + r.sb.slice_size - PAGE, 'x');
    put(slice + r.sb.slice_size, 'a');
}

static void refused(uint64_t offset, uint64_t len, const char *what)
{
    struct torobus_ctl_range k = {offset, len};

    t_ok(!keeper_region_wipe(&r, 1, &k, 1), "refused: %s", what);
}

static void wipe(void)
{
    struct torobus_ctl_range keep[TOROBUS_CTL_KEEP_MAX + 1] = {0};

    slice = torobus_slice_offset(&r.sb, 1);
    fill();
    t_ok(keeper_region_wipe(&r, 1, NULL, 0), "all of a slice");
    t_eq(get(slice), 0, "its beginning");
    t_eq(get(slice + r.sb.slice_size - PAGE), 0, "its end");
    t_eq(get(slice - PAGE), 'b', "not what is before it");
    t_eq(get(slice + r.sb.slice_size), 'a', "nor what is behind");

    fill();
    keep[0] = (struct torobus_ctl_range){slice + 8 * PAGE, 2 * PAGE};
    keep[1] = (struct torobus_ctl_range){slice, PAGE};
    keep[2] = (struct torobus_ctl_range){slice + r.sb.slice_size - PAGE, PAGE};
    t_ok(keeper_region_wipe(&r, 1, keep, 3), "all but three parts, in whatever order");
    for (unsigned i = 0; i < 16; i++)
        t_ok(get(slice + i * PAGE) == (i == 0 || i == 8 || i == 9 ? 'x' : 0), "page %u", i);
    t_eq(get(slice + r.sb.slice_size - PAGE), 'x', "the last page");

    refused(slice - PAGE, 2 * PAGE, "what begins before the slice");
    refused(slice + r.sb.slice_size - PAGE, 2 * PAGE, "what ends behind it");
    refused(slice + PAGE, UINT64_MAX - PAGE + 1, "what wraps round");
    refused(slice + 1, PAGE, "half pages");
    refused(slice, PAGE / 2, "half a page");
    refused(UINT64_MAX - PAGE + 1, PAGE, "the end of the world");
    keep[1].offset = slice + 9 * PAGE;
    t_ok(!keeper_region_wipe(&r, 1, keep, 2), "refused: parts that overlap");
    t_ok(!keeper_region_wipe(&r, 1, keep, TOROBUS_CTL_KEEP_MAX + 1), "refused: too many");
    t_eq(get(slice - PAGE), 'b', "none of that touched what is before the slice");
    t_eq(get(slice + r.sb.slice_size), 'a', "or behind");
}

/* A part of a slice goes back: the part is zero, and nothing else is. */
static void punched(uint64_t from, uint64_t to, const char *name)
{
    struct torobus_ctl_range part = {slice + from, to - from};
    uint64_t step = r.page / 4 > PAGE ? r.page / 4 : PAGE;
    bool ok = true;

    for (uint64_t at = 0; at < 16 * step; at += step)
        put(slice + at, 'x');
    ok = keeper_region_punch(&r, 1, &part, 1) == 0;
    for (uint64_t at = 0; at < 16 * step; at += step)
        ok = ok && get(slice + at) == (at >= from && at < to ? 0 : 'x');
    t_ok(ok, "%s", name);
}

static void plan_is(uint64_t gib, uint64_t guests, uint64_t slice_gib, uint64_t g, uint64_t s)
{
    uint64_t have = gib * GIB, size;

    slice_gib *= GIB;
    t_ok(shim_huge_plan(have, &guests, &slice_gib) && guests == g && slice_gib == s * GIB,
         "%" PRIu64 " GiB: %" PRIu64 " slices of %" PRIu64 " GiB", gib, g, s);
    size = pow2_up(GIB + guests * slice_gib);
    if (size > have)
        t_diag("%" PRIu64 " GiB are needed", size / GIB);
}

static void plans(void)
{
    uint64_t guests = 0, s = 0;

    t_ok(!shim_huge_plan(2 * GIB - 1, &guests, &s), "less than 2 GiB do not suffice");
    plan_is(2, 0, 0, 1, 1);
    plan_is(3, 0, 0, 1, 1);
    plan_is(4, 0, 0, 3, 1);
    plan_is(16, 0, 0, 15, 1);
    plan_is(100, 0, 0, 15, 4);
    plan_is(2000, 0, 0, 15, 16);
    plan_is(16, 2, 0, 2, 4);
    plan_is(16, 0, 4, 3, 4);
    plan_is(8, 1, 0, 1, 4);
    plan_is(4, 7, 1, 7, 1); /* as asked for; it does not fit, which making it will say */
}

int main(void)
{
    char err[512];

    plans();
    if (!keeper_region_make(&r, err))
        t_bail(err);
    slice = torobus_slice_offset(&r.sb, 1);
    wipe();
    punched(0, 2 * PAGE, "a hole at the beginning");
    punched(3 * PAGE, 4 * PAGE, "a hole of one page");

    setenv("TOROBUS_HUGEPAGES", "huge", 1);
    t_ok(!keeper_region_make(&r, err) && strstr(err, "give off or hugetlb"), "no such");
    setenv("TOROBUS_HUGEPAGES", "hugetlb", 1);
    setenv("TOROBUS_GUESTS", "3", 1);
    setenv("TOROBUS_SLICE_SIZE", "64G", 1);
    t_ok(!keeper_region_make(&r, err) && strstr(err, "huge pages of 2 MiB"),
         "more huge pages than there are");
    setenv("TOROBUS_SLICE_SIZE", "1G", 1);
    if (shim_huge_free() < 2048) {
        t_skip(1, "2048 free huge pages of 2 MiB are needed (/proc/sys/vm/nr_hugepages)");
        return t_done();
    }
    if (!keeper_region_make(&r, err))
        t_bail(err);
    slice = torobus_slice_offset(&r.sb, 1);
    t_eq(shim_huge_free() < 2048, true, "its pages are reserved");
    wipe();
    punched(0, 2 * r.page, "huge pages: a hole of two");
    punched(r.page / 2, 2 * r.page + r.page / 4, "one with ragged ends");
    punched(r.page / 4, r.page / 2, "one within a page");
    punched(r.page / 2, r.page + r.page / 2, "one with halves of two pages");
    keeper_region_release(&r, 1);
    t_ok(get(slice) == 0 && reserve(&r, slice, r.sb.slice_size), "a slice that is given back");
    return t_done();
}
