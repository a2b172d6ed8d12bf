/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes a region file with one native slice, for tests that put Linux processes alone on the bus:
 *     region-make FILE [PORTS]
 *     region-make FILE dead PORT      the owner of a port is gone, as its kernel would say
 *     region-make FILE port RANK      prints the port that a rank owns
 * In a job with guests the keeper makes the region. */
#include "torobus/region.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

static struct torobus_superblock *map(const char *path)
{
    struct torobus_superblock *sb =
        mmap(NULL, 1ull << 30, PROT_READ | PROT_WRITE, MAP_SHARED, open(path, O_RDWR), 0);

    return sb == MAP_FAILED || !torobus_superblock_ok(sb, sb->region_size) ? NULL : sb;
}

static int mark_dead(const char *path, uint32_t port)
{
    struct torobus_superblock *sb = map(path);

    if (sb == NULL || port >= sb->nports)
        return 1;
    atomic_store(&torobus_port_at(sb, sb, port)->state, TOROBUS_PORT_DEAD);
    return 0;
}

static int find_rank(const char *path, uint32_t rank)
{
    struct torobus_superblock *sb = map(path);

    for (uint32_t i = 0; sb != NULL && i < sb->nports; i++) {
        const struct torobus_port *p = torobus_port_at(sb, sb, i);

        if (atomic_load(&p->state) == TOROBUS_PORT_OPEN && p->owner_rank == rank) {
            printf("%u\n", i);
            return 0;
        }
    }
    return 1;
}

int main(int argc, char **argv)
{
    const uint64_t gib = 1ull << 30;
    const uint32_t nports = argc > 2 ? (uint32_t)atoi(argv[2]) : 16;
    struct torobus_superblock sb = {
        .magic = TOROBUS_REGION_MAGIC,
        .version = TOROBUS_ABI_VERSION,
        .nguests = 1,
        .region_size = 3 * gib,
        .slice_offset = gib,
        .slice_size = 2 * gib,
        .ports_per_guest = nports,
        .nports = nports,
        .slice_hdr_offset = 4096,
        .port_offset = 16384,
        .port_stride = TOROBUS_PORT_STRIDE,
    };
    struct torobus_slice_hdr *slice;
    char *base;
    int fd;

    if (argc == 4 && strcmp(argv[2], "dead") == 0)
        return mark_dead(argv[1], (uint32_t)atoi(argv[3]));
    if (argc == 4 && strcmp(argv[2], "port") == 0)
        return find_rank(argv[1], (uint32_t)atoi(argv[3]));
    if (argc < 2 || getrandom(sb.uuid, sizeof(sb.uuid), 0) != sizeof(sb.uuid) ||
        !torobus_superblock_ok(&sb, sb.region_size))
        return 2;
    fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)sb.region_size) != 0) {
        perror(argv[1]);
        return 1;
    }
    base = mmap(NULL, gib, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    slice = torobus_slice_at(base, &sb, 0);
    slice->ncores = nports;
    slice->native = 1;
    strcpy(slice->name, "here");
    atomic_store(&slice->state, TOROBUS_SLICE_UP);
    *(struct torobus_superblock *)(void *)base = sb;
    return 0;
}
