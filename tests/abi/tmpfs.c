/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/shm and /tmp: files in memory, shared mappings of them. */
#include <tap.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#define SIZE (4ul << 20)

static char name[64];

/* The other side: opens the file by its name, as another rank would. */
static void *other_side(void *arg)
{
    int fd = open(name, O_RDWR);
    _Atomic int *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    close(fd);
    if (p == MAP_FAILED)
        return NULL;
    for (int i = 1; i <= 500; i++) {
        while (atomic_load(&p[0]) != i)
            sched_yield();
        atomic_store(&p[SIZE / sizeof(int) - 1], i);
    }
    munmap((void *)p, SIZE);
    return arg;
}

static void test_shared(void)
{
    struct stat st;
    struct statfs fs;
    pthread_t t;
    void *r = NULL;
    char *p, *q, *priv, buf[16];
    _Atomic int *words;
    int fd, fd2;

    snprintf(name, sizeof(name), "/dev/shm/toro-abi.%d.%lx", (int)getpid(), (long)(intptr_t)&st);
    t_ok(access("/dev/shm", R_OK | W_OK | X_OK) == 0, "/dev/shm is there");
    t_ok(statfs("/dev/shm", &fs) == 0 && fs.f_type == 0x01021994, "statfs says tmpfs");
    t_ok(fs.f_bavail > SIZE / (unsigned long)fs.f_bsize, "and has room");
    fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    t_ok(fd >= 0 && fstat(fd, &st) == 0 && st.st_size == 0, "a new file is empty");
    t_eq(ftruncate(fd, SIZE), 0, "ftruncate to 4 MiB");
    t_ok(fstat(fd, &st) == 0 && st.st_size == SIZE, "fstat agrees");
    p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    q = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    t_ok(p != MAP_FAILED && q != MAP_FAILED, "two shared mappings"); /* in a guest at one place */
    t_ok(p[0] == 0 && p[SIZE - 1] == 0, "of zeroes");
    strcpy(p + 12345, "through one");
    t_ok(strcmp(q + 12345, "through one") == 0, "a store through one is seen through the other");
    t_ok(pread(fd, buf, 12, 12345) == 12 && strcmp(buf, "through one") == 0, "and by pread");
    t_ok(pwrite(fd, "by write", 9, 8192) == 9 && strcmp(q + 8192, "by write") == 0,
         "pwrite is seen in the mapping");
    priv = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    t_ok(priv != MAP_FAILED && strcmp(priv + 8192, "by write") == 0, "a private mapping");
    if (priv != MAP_FAILED) {
        priv[8192] = 'X';
        t_ok(q[8192] == 'b', "keeps its changes to itself");
        munmap(priv, SIZE);
    }
    t_eq(munmap(q, SIZE), 0, "munmap of one");
    t_ok(strcmp(p + 12345, "through one") == 0, "leaves the other");
    fd2 = open(name, O_RDWR);
    q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd2, 8192);
    t_ok(q != MAP_FAILED && strcmp(q, "by write") == 0, "opened again, mapped from an offset");
    munmap(q, 4096);
    close(fd2);

    words = (_Atomic int *)p;
    pthread_create(&t, NULL, other_side, p);
    for (int i = 1; i <= 500; i++) {
        atomic_store(&words[0], i);
        while (atomic_load(&words[SIZE / sizeof(int) - 1]) != i)
            sched_yield();
    }
    pthread_join(t, &r);
    t_ok(r == p, "500 hand-overs through a mapping that another thread has made");

    t_eq(unlink(name), 0, "unlink");
    errno = 0;
    t_ok(open(name, O_RDWR) == -1 && errno == ENOENT, "the name is gone");
    p[SIZE / 2] = 9;
    t_ok(pread(fd, buf, 1, SIZE / 2) == 1 && buf[0] == 9, "the file lives on while it is used");
    close(fd);
    t_ok(p[SIZE / 2] == 9, "and while it is mapped");
    munmap(p, SIZE);
}

static void test_shm_open(void)
{
    int fd = shm_open("/toro-abi-shm", O_RDWR | O_CREAT, 0600);
    char *p;

    t_ok(fd >= 0 && ftruncate(fd, 8192) == 0, "shm_open");
    p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    t_ok(p != MAP_FAILED && p[8191] == 0, "mapped");
    munmap(p, 8192);
    close(fd);
    t_eq(shm_unlink("/toro-abi-shm"), 0, "shm_unlink");
}

/* One-sided communication makes a file per window, and maps it: there may be very many. */
static void test_many(void)
{
    enum { N = 1500, LEN = 12288 };
    static char *p[N];
    char name[32];
    int n, bad = 0;

    for (n = 0; n < N; n++) {
        snprintf(name, sizeof(name), "/toro-abi-shm.%d", n);
        int fd = shm_open(name, O_RDWR | O_CREAT, 0600);

        p[n] = fd >= 0 && ftruncate(fd, LEN) == 0
                   ? mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                   : MAP_FAILED;
        close(fd);
        shm_unlink(name);
        if (p[n] == MAP_FAILED)
            break;
        p[n][LEN - 1] = (char)n;
    }
    t_eq(n, N, "many small files at once");
    while (n-- > 0) {
        bad += p[n][LEN - 1] != (char)n || p[n][0] != 0;
        munmap(p[n], LEN);
    }
    t_eq(bad, 0, "each with its contents");
}

static void test_anonymous(void)
{
    char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    t_ok(p != MAP_FAILED && p[0] == 0 && p[SIZE - 1] == 0, "shared anonymous memory");
    p[0] = p[SIZE - 1] = 1;
    t_eq(munmap(p, SIZE), 0, "and off");
}

static void test_tmp(void)
{
    char dir[] = "/tmp/toro-abi.XXXXXX", path[64], buf[8];
    int fd;

    t_ok(mkdtemp(dir) != NULL, "a directory in /tmp");
    snprintf(path, sizeof(path), "%s/file", dir);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    t_ok(fd >= 0 && write(fd, "hello", 5) == 5 && pread(fd, buf, 8, 0) == 5, "a file in it");
    close(fd);
    t_ok(unlink(path) == 0 && rmdir(dir) == 0, "and off");
}

int main(void)
{
    test_shared();
    test_shm_open();
    test_many();
    test_anonymous();
    test_tmp();
    return t_done();
}
