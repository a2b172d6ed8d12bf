/* SPDX-License-Identifier: BSD-3-Clause */
/* Files in the working directory: data, names, directories, links, positions. */
#include <tap.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char big[1 << 20], got[1 << 20];

static bool is_errno(long rc, int want)
{
    int e = errno;

    if (rc == -1 && e == want)
        return true;
    t_diag("returned %ld, errno %d; wanted -1 and %d", rc, e, want);
    return false;
}

static void test_data(void)
{
    struct stat st;
    struct iovec v[2] = {{got, 3}, {got + 10, 4}};
    int fd = open("data", O_RDWR | O_CREAT | O_EXCL, 0640);

    t_ok(fd >= 0, "a file is created");
    t_ok(is_errno(open("data", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST), "only once: EEXIST");
    t_eq(write(fd, "0123456789", 10), 10, "write");
    t_eq(lseek(fd, 0, SEEK_CUR), 10, "the position moves along");
    t_eq(lseek(fd, 2, SEEK_SET), 2, "lseek");
    t_ok(read(fd, got, 3) == 3 && memcmp(got, "234", 3) == 0, "read");
    t_ok(pread(fd, got, 4, 6) == 4 && memcmp(got, "6789", 4) == 0, "pread");
    t_eq(lseek(fd, 0, SEEK_CUR), 5, "does not move the position");
    t_ok(pwrite(fd, "AB", 2, 1) == 2 && pread(fd, got, 4, 0) == 4 && memcmp(got, "0AB3", 4) == 0,
         "pwrite");
    t_eq(lseek(fd, -1, SEEK_END), 9, "lseek from the end");
    t_ok(read(fd, got, 10) == 1 && read(fd, got, 10) == 0, "read stops at the end");
    t_ok(is_errno(lseek(fd, -20, SEEK_CUR), EINVAL), "lseek before the start: EINVAL");
    lseek(fd, 0, SEEK_SET);
    t_ok(readv(fd, v, 2) == 7 && memcmp(got, "0AB", 3) == 0 && memcmp(got + 10, "3456", 4) == 0,
         "readv");
    t_ok(fstat(fd, &st) == 0 && st.st_size == 10 && S_ISREG(st.st_mode) && st.st_nlink == 1,
         "fstat: ten bytes, a file, one link");
    t_eq(st.st_mode & 0777, 0640, "permissions are as asked");
    t_eq(st.st_uid, geteuid(), "it is ours");
    t_ok(st.st_mtime > 1600000000 && st.st_mtime <= time(NULL) + 2, "its time is about now");
    t_ok(ftruncate(fd, 5000) == 0 && fstat(fd, &st) == 0 && st.st_size == 5000, "ftruncate longer");
    t_ok(pread(fd, got, 8, 4000) == 8 && memcmp(got, "\0\0\0\0\0\0\0\0", 8) == 0, "with zeroes");
    t_ok(ftruncate(fd, 4) == 0 && pread(fd, got, 10, 0) == 4, "ftruncate shorter");
    t_ok(fsync(fd) == 0 && fdatasync(fd) == 0, "fsync and fdatasync");
    t_eq(close(fd), 0, "close");
    fd = open("data", O_WRONLY | O_APPEND);
    t_ok(write(fd, "++", 2) == 2 && lseek(fd, 0, SEEK_CUR) == 6, "O_APPEND writes at the end");
    t_ok(is_errno(read(fd, got, 1), EBADF), "a descriptor for writing does not read: EBADF");
    close(fd);
    fd = open("data", O_RDONLY);
    t_ok(is_errno(write(fd, "x", 1), EBADF), "one for reading does not write: EBADF");
    close(fd);
    fd = open("data", O_RDWR | O_TRUNC);
    t_ok(fstat(fd, &st) == 0 && st.st_size == 0, "O_TRUNC empties it");
    close(fd);
}

static void test_big(void)
{
    int fd = open("big", O_RDWR | O_CREAT, 0600);
    off_t far = 5l << 30;
    bool good = true;
    struct stat st;
    FILE *f;
    char *p;

    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7 + (i >> 12));
    for (int i = 0; i < 4; i++)
        good &= write(fd, big, sizeof(big)) == (ssize_t)sizeof(big);
    t_ok(good, "four writes of a megabyte");
    lseek(fd, 0, SEEK_SET);
    for (int i = 0; i < 4; i++) {
        size_t have = 0;
        ssize_t n;

        while (have < sizeof(got) && (n = read(fd, got + have, sizeof(got) - have)) > 0)
            have += (size_t)n;
        good &= have == sizeof(got) && memcmp(got, big, sizeof(got)) == 0;
    }
    t_ok(good, "come back as they were");
    p = mmap(NULL, 3 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 1 << 20);
    t_ok(p != MAP_FAILED && memcmp(p, big, sizeof(big)) == 0, "a private mapping of the file");
    if (p != MAP_FAILED) {
        p[0] ^= 1;
        t_ok(pread(fd, got, 1, 1 << 20) == 1 && got[0] == big[0], "whose changes stay private");
        munmap(p, 3 << 20);
    }
    t_ok(pwrite(fd, "far", 3, far) == 3 && pread(fd, got, 3, far) == 3 && got[0] == 'f',
         "bytes at 5 GiB");
    t_ok(fstat(fd, &st) == 0 && st.st_size == far + 3, "the size says so");
    close(fd);
    f = fopen("lines", "w+");
    for (int i = 0; f != NULL && i < 5000; i++)
        fprintf(f, "line %d of the file\n", i);
    good = f != NULL && fseek(f, 0, SEEK_SET) == 0;
    for (int i = 0; good && i < 5000; i++) {
        int n = -1;

        good = fgets(got, 100, f) != NULL && sscanf(got, "line %d", &n) == 1 && n == i;
    }
    t_ok(good && fgets(got, 100, f) == NULL && fclose(f) == 0, "5000 lines through stdio");
}

static void test_names(void)
{
    struct stat a, b;
    char cwd[4096];
    int fd;

    t_ok(is_errno(open("nothing", O_RDONLY), ENOENT), "no such file: ENOENT");
    t_ok(is_errno(open("data/x", O_RDONLY), ENOTDIR), "below a file: ENOTDIR");
    t_ok(is_errno(open("nodir/x", O_WRONLY | O_CREAT, 0600), ENOENT), "below nothing: ENOENT");
    t_ok(is_errno(open(".", O_WRONLY), EISDIR), "a directory for writing: EISDIR");
    t_ok(access("data", R_OK | W_OK) == 0 && is_errno(access("nothing", F_OK), ENOENT), "access");
    stat("data", &a);
    t_eq(rename("data", "renamed"), 0, "rename");
    t_ok(stat("renamed", &b) == 0 && a.st_ino == b.st_ino && is_errno(stat("data", &a), ENOENT),
         "same file, new name");
    t_eq(rename("lines", "renamed"), 0, "rename over another file");
    t_ok(stat("renamed", &b) == 0 && b.st_size > 0, "replaces it");
    t_eq(symlink("renamed", "link"), 0, "symlink");
    memset(got, 0, 16);
    t_ok(readlink("link", got, 100) == 7 && strcmp(got, "renamed") == 0, "readlink");
    t_ok(lstat("link", &a) == 0 && S_ISLNK(a.st_mode) && stat("link", &b) == 0 &&
             S_ISREG(b.st_mode),
         "lstat sees the link, stat the file");
    fd = open("link", O_RDONLY);
    t_ok(fd >= 0 && read(fd, got, 4) == 4 && memcmp(got, "line", 4) == 0, "open follows it");
    close(fd);
    t_eq(unlink("link"), 0, "unlink the link");
    t_eq(chmod("renamed", 0400), 0, "chmod");
    t_ok(stat("renamed", &b) == 0 && (b.st_mode & 0777) == 0400, "is seen");
    fd = open("big", O_RDONLY);
    t_ok(unlink("big") == 0 && is_errno(stat("big", &b), ENOENT), "unlink an open file");
    t_ok(pread(fd, got, 4, 0) == 4 && memcmp(got, big, 4) == 0, "which still can be read");
    close(fd);
    t_ok(is_errno(unlink("big"), ENOENT), "unlink again: ENOENT");
    t_ok(getcwd(cwd, sizeof(cwd)) != NULL && stat(cwd, &a) == 0 && stat(".", &b) == 0 &&
             a.st_ino == b.st_ino,
         "getcwd names this directory");
    t_ok(unlink("renamed") == 0, "clean up");
}

static void test_directories(void)
{
    struct dirent *e;
    struct stat st;
    struct statfs fs;
    int seen = 0, dots = 0, strange = 0, at, fd;
    bool good = true;
    char name[32];
    DIR *d;

    t_eq(mkdir("dir", 0700), 0, "mkdir");
    t_ok(is_errno(mkdir("dir", 0700), EEXIST), "again: EEXIST");
    t_ok(stat("dir", &st) == 0 && S_ISDIR(st.st_mode), "stat: a directory");
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "dir/entry-%03d", i);
        fd = open(name, O_WRONLY | O_CREAT, 0600);
        good &= fd >= 0 && close(fd) == 0;
    }
    t_ok(good, "300 files in it");
    d = opendir("dir");
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            dots++;
        else if (strncmp(e->d_name, "entry-", 6) == 0)
            seen++;
        else
            strange++;
    }
    t_ok(seen == 300 && dots == 2 && strange == 0, "readdir: %d files, %d dots, %d others", seen,
         dots, strange);
    if (d != NULL) {
        rewinddir(d);
        t_ok(readdir(d) != NULL, "rewinddir");
        closedir(d);
    }
    t_ok(is_errno(rmdir("dir"), ENOTEMPTY), "rmdir while files are in it: ENOTEMPTY");
    at = open("dir", O_RDONLY | O_DIRECTORY);
    fd = openat(at, "entry-007", O_RDONLY);
    t_ok(at >= 0 && fd >= 0, "openat");
    t_ok(fstatat(at, "entry-008", &st, 0) == 0 && S_ISREG(st.st_mode), "fstatat");
    close(fd);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "entry-%03d", i);
        good &= unlinkat(at, name, 0) == 0;
    }
    close(at);
    t_ok(good, "unlinkat");
    t_ok(chdir("dir") == 0 && access("../dir", F_OK) == 0 && chdir("..") == 0, "chdir");
    t_eq(rmdir("dir"), 0, "rmdir");
    t_ok(is_errno(rmdir("dir"), ENOENT), "again: ENOENT");
    t_ok(is_errno(open("dir", O_RDONLY | O_DIRECTORY), ENOENT), "and opening it");
    t_ok(statfs(".", &fs) == 0 && fs.f_bsize > 0 && fs.f_blocks > 0, "statfs");
}

static void test_locks(void)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
    int fd = open("lock", O_RDWR | O_CREAT, 0600);

    t_eq(fcntl(fd, F_SETLKW, &l), 0, "a lock on ten bytes");
    l.l_type = F_UNLCK;
    t_eq(fcntl(fd, F_SETLK, &l), 0, "and off");
    close(fd);
    unlink("lock");
}

int main(void)
{
    char dir[] = "toro-files.XXXXXX";

    umask(022);
    if (mkdtemp(dir) == NULL) {
        if (errno == EROFS)
            t_skip_all("the working directory is read-only");
        t_bail("mkdtemp failed");
    }
    if (chdir(dir) != 0)
        t_bail("chdir failed");
    test_data();
    test_big();
    test_names();
    test_directories();
    test_locks();
    t_ok(chdir("..") == 0 && rmdir(dir) == 0, "nothing is left");
    return t_done();
}
