/* SPDX-License-Identifier: BSD-3-Clause */
/* The region of a keeper: wiping a slice leaves what the guest asked for, where it may ask. */
#include "tap.h"
#include "orted-shim/keeper_region.c"
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
    char page[PAGE];

    memset(page, c, sizeof(page));
    if (pwrite(r.memfd, page, PAGE, (off_t)offset) != PAGE)
        t_bail("cannot write to the region");
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

int main(void)
{
    struct torobus_ctl_range keep[TOROBUS_CTL_KEEP_MAX + 1] = {0};
    char err[512];

    if (!keeper_region_make(&r, err))
        t_bail(err);
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
    return t_done();
}
