/* SPDX-License-Identifier: BSD-3-Clause */
/* Two ranks of one guest: rank 1 attaches to the bus and ends; rank 0 still finds its memory, as a
 * rank does that polls a ring of one that has just ended. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <torobus/dev.h>
#include <unistd.h>

#define NAME  "/dev/shm/leave"
#define MAGIC 0x6c656176u

static volatile uint32_t kept[4096];

static void nap(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

int main(void)
{
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");
    struct torobus_dev_info info = {.version = TOROBUS_ABI_VERSION};
    uint64_t at;
    int fd;

    if (rank != NULL && strcmp(rank, "1") == 0) {
        at = (uint64_t)(uintptr_t)&kept[2048];
        kept[2048] = MAGIC;
        fd = open(TOROBUS_DEV_PATH, O_RDWR);
        if (fd < 0 || ioctl(fd, TOROBUS_IOC_ATTACH, &info) != 0) {
            perror(TOROBUS_DEV_PATH);
            return 1;
        }
        fd = open(NAME ".new", O_RDWR | O_CREAT, 0600);
        if (write(fd, &at, sizeof(at)) != sizeof(at) || rename(NAME ".new", NAME) != 0) {
            perror(NAME);
            return 1;
        }
        return 0;
    }
    for (int i = 0; (fd = open(NAME, O_RDONLY)) < 0 && i < 1000; i++)
        nap(10);
    if (read(fd, &at, sizeof(at)) != sizeof(at)) {
        perror(NAME);
        return 1;
    }
    nap(900); /* and freed memory has gone back to the host by now */
    printf("rank 1 left %x\n", *(volatile uint32_t *)(uintptr_t)at);
    return 0;
}
