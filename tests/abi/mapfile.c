/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared and private mappings of a file on disk: stores are seen by read() and by other mappings,
 * and are in the file afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tap.h"

#define SIZE 100000

static char path[256];

static void test_shared(int fd)
{
    char b[64];
    char *m = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *part;
    int fd2;

    t_ok(m != MAP_FAILED, "a shared mapping of 100000 bytes");
    t_ok(m[0] == 'a' && m[SIZE - 1] == 0 && m[SIZE] == 0, "shows the file, zero behind its end");
    strcpy(m + 5000, "stored");
    t_ok(pread(fd, b, 7, 5000) == 7 && strcmp(b, "stored") == 0, "read sees a store");
    t_ok(pwrite(fd, "written", 8, 70000) == 8 && strcmp(m + 70000, "written") == 0,
         "the mapping shows a write");
    fd2 = open(path, O_RDONLY);
    part = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd2, 4096);
    t_ok(part != MAP_FAILED && strcmp(part + 904, "stored") == 0, "a second one, of a part");
    m[4097] = 'X';
    t_eq(part[1], 'X', "sees stores through the first");
    errno = 0;
    t_ok(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd2, 0) == MAP_FAILED &&
             errno == EACCES,
         "a file open for reading cannot be mapped for shared writing");
    close(fd2);
    t_eq(part[1], 'X', "a mapping outlives its descriptor");
    munmap(part, 8192);
    m[SIZE - 1] = 'E';
    t_eq(msync(m, SIZE, MS_SYNC), 0, "msync");
    m[60000] = 'L';
    t_eq(munmap(m, SIZE), 0, "munmap");
    t_ok(pread(fd, b, 1, SIZE - 1) == 1 && b[0] == 'E', "what was there at msync is in the file");
    t_ok(pread(fd, b, 1, 60000) == 1 && b[0] == 'L', "and what came later");
}

static void test_private(int fd)
{
    char b[8];
    char *m = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

    t_ok(m != MAP_FAILED && strcmp(m + 5000, "stored") == 0, "a private mapping");
    m[5000] = 'P';
    t_ok(pread(fd, b, 1, 5000) == 1 && b[0] == 's', "keeps its stores to itself");
    munmap(m, SIZE);
    m = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 4096 * 17);
    t_ok(m != MAP_FAILED && strcmp(m + 70000 - 4096 * 17, "written") == 0, "with an offset");
    munmap(m, 4096);
}

int main(void)
{
    const char *dir = getenv("TMPDIR");
    struct stat st;
    int fd;

    t_plan(17);
    snprintf(path, sizeof(path), "%s/toro-abi-map.%d.XXXXXX", dir ? dir : "/tmp", (int)getpid());
    fd = mkstemp(path);
    if (fd < 0)
        t_bail("no temporary file");
    t_ok(write(fd, "abcdef", 6) == 6 && ftruncate(fd, SIZE) == 0, "a file");
    test_shared(fd);
    t_ok(fstat(fd, &st) == 0 && st.st_size == SIZE, "the size is what it was");
    test_private(fd);
    close(fd);
    unlink(path);
    return t_done();
}
