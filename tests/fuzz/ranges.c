/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranges of the region that a guest names, to be given back or to be copied into a core file: what
 * the keeper accepts lies in the guest's own slice. */
#include "../../orted-shim/keeper_core.c"
#undef GIB
#include "../../orted-shim/keeper_region.c"
#include "../../orted-shim/shim_huge.c"
#include "../../orted-shim/shim_parse.c"

#include "fuzz.h"

void keeper_log(const char *fmt, ...)
{
    (void)fmt;
}

void keeper_guest_note(struct keeper_guest *g, const char *fmt, ...)
{
    (void)g;
    (void)fmt;
}

void keeper_guest_send(struct keeper_guest *g, uint16_t type, uint32_t rank, uint32_t arg,
                       const void *body, uint32_t len)
{
    (void)g;
    (void)type;
    (void)rank;
    (void)arg;
    (void)body;
    (void)len;
}

#define MIB   ((uint64_t)1 << 20)
#define SLICE (4 * MIB)
/** A page in every slice; only slice 1 may ever lose one. */
#define PAGES 3

static void fill(int fd, const struct torobus_superblock *sb)
{
    for (unsigned i = 0; i < PAGES; i++)
        FUZZ_ASSERT(pwrite(fd, "x", 1, (off_t)(torobus_slice_offset(sb, i) + SLICE - 4096)) == 1 &&
                    pwrite(fd, "x", 1, (off_t)torobus_slice_offset(sb, i)) == 1);
}

static bool there(int fd, uint64_t at)
{
    char c = 0;

    return pread(fd, &c, 1, (off_t)at) == 1 && c == 'x';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct keeper k;
    static const struct torobus_superblock sb = {
        .nguests = PAGES, .slice_offset = MIB, .slice_size = SLICE, .region_size = 16 * MIB};
    struct keeper_guest g = {.keeper = &k, .slice = 1, .nranks = 1};
    struct torobus_ctl_range *range;
    struct torobus_ctl_core *core;
    uint64_t base = torobus_slice_offset(&sb, 1);

    if (!k.region.file_size) {
        k.region = (struct keeper_region){
            .memfd = memfd_create("fuzz", 0), .file_size = 16 * MIB, .page = 4096, .sb = sb};
        FUZZ_ASSERT(k.region.memfd >= 0 && ftruncate(k.region.memfd, 16 * MIB) == 0);
    }
    fill(k.region.memfd, &sb);
    range = fuzz_copy(data, size);
    (void)keeper_region_punch(&k.region, 1, range, (unsigned)(size / sizeof(*range)));
    free(range);
    for (unsigned i = 0; i < PAGES; i += 2)
        FUZZ_ASSERT(there(k.region.memfd, torobus_slice_offset(&sb, i)) &&
                    there(k.region.memfd, torobus_slice_offset(&sb, i) + SLICE - 4096));
    core = fuzz_copy(data, size);
    if (size <= TOROBUS_CTL_BODY_MAX && body_ok(&g, core, (uint32_t)size)) {
        const struct torobus_ctl_core_range *r = (const void *)(core + 1);

        for (uint32_t i = 0; i < core->nranges; i++)
            FUZZ_ASSERT(r[i].offset >= base && r[i].offset + r[i].len <= base + SLICE);
    }
    free(core);
    return 0;
}
