/* SPDX-License-Identifier: BSD-3-Clause */
/* What a job leaves in a guest that stays: "leave MIB" fills memory and a file of the guest's own
 * with a number, "look MIB" is the next job and finds none of it, "scan PID" looks for it on the
 * host, in the region of that keeper. The number stands in no program file. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SHM "/dev/shm/left-behind"

static uint64_t secret(void)
{
    volatile uint64_t a = 0x7ee15ec2e7ull, b = 0x1000193;

    return a * b;
}

static uint64_t *memory(size_t n)
{
    uint64_t *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return p;
}

static int leave(size_t n)
{
    uint64_t s = secret(), *p = memory(n);
    FILE *f = fopen(SHM, "w");

    for (size_t i = 0; i < n / 8; i++)
        p[i] = s;
    if (!f || fwrite(p, 8, 8192, f) != 8192 || fclose(f) != 0) {
        perror(SHM);
        return 1;
    }
    puts("left");
    return 0;
}

static int look(size_t n)
{
    const uint64_t *p = memory(n);
    DIR *d = opendir("/dev/shm");
    struct dirent *e;
    size_t found = 0, files = 0;

    for (size_t i = 0; i < n / 8; i++)
        found += p[i] != 0;
    while (d && (e = readdir(d)) != NULL)
        files += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    printf("words %zu files %zu\n", found, files);
    return found || files || !d;
}

static size_t scan_fd(int fd, uint64_t s)
{
    static uint64_t buf[1 << 16];
    size_t found = 0;
    off_t at = 0, end;
    ssize_t r;

    while ((at = lseek(fd, at, SEEK_DATA)) >= 0 && (end = lseek(fd, at, SEEK_HOLE)) > at) {
        for (; at < end && (r = pread(fd, buf, sizeof(buf), at)) > 0; at += r)
            for (ssize_t i = 0; i < r / 8; i++)
                found += buf[i] == s;
    }
    return found;
}

static int scan(const char *pid)
{
    char path[64], link[256];
    unsigned regions = 0;
    size_t found = 0;

    for (int i = 0; i < 256; i++) {
        ssize_t n;
        int fd;

        snprintf(path, sizeof(path), "/proc/%s/fd/%d", pid, i);
        n = readlink(path, link, sizeof(link) - 1);
        if (n < 0)
            continue;
        link[n] = '\0';
        if (strncmp(link, "/memfd:torobus", 14) != 0)
            continue;
        fd = open(path, O_RDONLY);
        if (fd < 0)
            continue;
        regions++;
        found += scan_fd(fd, secret());
        close(fd);
    }
    printf("regions %u words %zu\n", regions, found);
    return 0;
}

int main(int argc, char **argv)
{
    size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) << 20 : 0;

    if (argc == 3 && strcmp(argv[1], "leave") == 0) {
        int r = leave(n);

        /* "leave" stays for a moment, so that the number can be found while the job runs */
        fflush(stdout);
        if (getenv("LINGER"))
            sleep((unsigned)atoi(getenv("LINGER")));
        return r;
    }
    if (argc == 3 && strcmp(argv[1], "look") == 0)
        return look(n);
    if (argc == 3 && strcmp(argv[1], "scan") == 0)
        return scan(argv[2]);
    fprintf(stderr, "usage: keep-mem leave|look MIB | scan PID\n");
    return 2;
}
