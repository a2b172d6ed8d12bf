/* SPDX-License-Identifier: BSD-3-Clause */
/* The superblock check: a good one passes, one with any impossible value does not. */
#include "tap.h"
#include "torobus/region.h"
#include <string.h>

#define GIB (1ull << 30)

static struct torobus_superblock good(void)
{
    return (struct torobus_superblock){
        .magic = TOROBUS_REGION_MAGIC,
        .version = TOROBUS_ABI_VERSION,
        .nguests = 4,
        .region_size = 64 * GIB,
        .slice_offset = GIB,
        .slice_size = 8 * GIB,
        .ports_per_guest = 16,
        .nports = 64,
        .slice_hdr_offset = 4096,
        .port_offset = 16384,
        .port_stride = TOROBUS_PORT_STRIDE,
    };
}

int main(void)
{
    struct torobus_superblock sb = good();
    char *base = (char *)(uintptr_t)TOROBUS_REGION_VA;

    t_ok(torobus_superblock_ok(&sb, 64 * GIB), "a good superblock passes");
    t_ok(torobus_superblock_ok(&sb, 512 * GIB), "more may be mapped than is used");
    t_ok(!torobus_superblock_ok(&sb, 64 * GIB - 1), "but not less");

#define BAD(stmt)                                                                                  \
    do {                                                                                           \
        sb = good();                                                                               \
        stmt;                                                                                      \
        t_ok(!torobus_superblock_ok(&sb, 512 * GIB), "refused: %s", #stmt);                        \
    } while (0)
    BAD(sb.magic++);
    BAD(sb.version++);
    BAD(sb.region_size = 0);
    BAD(sb.region_size = 513 * GIB);
    BAD(sb.region_size = 16 * GIB);
    BAD(sb.nguests = 0);
    BAD(sb.nguests = TOROBUS_MAX_GUESTS + 1);
    BAD(sb.nguests = 0x80000001u; sb.nports = 16);
    BAD(sb.ports_per_guest = 0; sb.nports = 0);
    BAD(sb.ports_per_guest = TOROBUS_MAX_CORES + 1; sb.nports = 4 * (TOROBUS_MAX_CORES + 1));
    BAD(sb.nports = 63);
    BAD(sb.nguests = 64; sb.ports_per_guest = 64; sb.nports = 4096; sb.slice_size = GIB);
    BAD(sb.slice_size = GIB / 2);
    BAD(sb.slice_size = 6 * GIB);
    BAD(sb.slice_size = 1ull << 62);
    BAD(sb.slice_size = 0);
    BAD(sb.slice_offset = 0);
    BAD(sb.slice_offset = GIB + 4096);
    BAD(sb.slice_offset = 40 * GIB);
    BAD(sb.slice_offset = 0xfffffff000000000ull);
    BAD(sb.slice_offset = 1ull << 63);
    BAD(sb.port_stride = 4096);
    BAD(sb.port_offset = 16385);
    BAD(sb.port_offset = GIB);
    BAD(sb.port_offset = GIB - 4096);
    BAD(sb.port_offset = 4096);
    BAD(sb.port_offset = 0xfffffffffffff000ull);
    BAD(sb.slice_hdr_offset = 0);
    BAD(sb.slice_hdr_offset = 4097);
    BAD(sb.slice_hdr_offset = 16384);
    BAD(sb.slice_hdr_offset = 2 * GIB);
    BAD(sb.slice_hdr_offset = 0xffffffffffffffc0ull);

    sb = good();
    t_eq((char *)torobus_port_at(base, &sb, 0) - base, 16384, "port 0");
    t_eq((char *)torobus_port_at(base, &sb, 63) - base, 16384 + 63 * 12288, "port 63");
    t_eq((char *)torobus_slice_at(base, &sb, 3) - base, 4096 + 3 * 64, "slice header 3");
    t_eq(torobus_slice_offset(&sb, 3), 25 * GIB, "slice 3");
    return t_done();
}
