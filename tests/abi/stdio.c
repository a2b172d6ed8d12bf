/* SPDX-License-Identifier: BSD-3-Clause */
/* The three standard streams and what is done with descriptors. */
#include <tap.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void test_writes(void)
{
    static char line[5001];
    char a[] = "# written ", b[] = "in three ", c[] = "pieces\n";
    struct iovec v[3] = {{a, sizeof(a) - 1}, {b, sizeof(b) - 1}, {c, sizeof(c) - 1}};
    ssize_t total = (ssize_t)(sizeof(a) + sizeof(b) + sizeof(c) - 3);
    bool whole = true;
    void *volatile nowhere = (void *)8;

    t_eq(write(1, "# stdout\n", 9), 9, "write to stdout");
    t_eq(write(2, "stderr\n", 7), 7, "write to stderr");
    t_eq(writev(1, v, 3), total, "writev to stdout");
    t_eq(writev(2, v, 3), total, "writev to stderr");
    t_eq(write(1, "", 0), 0, "writing nothing");
    memset(line, 'x', sizeof(line));
    line[0] = '#';
    line[sizeof(line) - 1] = '\n';
    for (int i = 0; i < 40; i++)
        whole &= write(1, line, sizeof(line)) == (ssize_t)sizeof(line);
    t_ok(whole, "forty long lines are taken whole");
    t_ok(fprintf(stderr, "%d %s %.3f %p\n", 42, "text", 1.5, (void *)line) > 0, "fprintf");
    errno = 0;
    t_ok(write(1, nowhere, 16) == -1 && errno == EFAULT, "a bad buffer gives EFAULT");
}

static void test_descriptors(void)
{
    int fd, flags;
    struct stat st;

    errno = 0;
    t_ok(write(-1, "x", 1) == -1 && errno == EBADF, "descriptor -1 gives EBADF");
    t_ok(write(999, "x", 1) == -1 && errno == EBADF, "a descriptor that is not open gives EBADF");
    t_ok(read(999, &st, 1) == -1 && errno == EBADF, "to read as well");
    t_ok(close(999) == -1 && errno == EBADF, "and to close");
    for (int i = 0; i < 3; i++)
        t_ok(fstat(i, &st) == 0, "fstat(%d): type 0%o", i, (unsigned)(st.st_mode & S_IFMT));
    fd = dup(1);
    t_ok(fd > 2, "dup gives %d", fd);
    t_eq(write(fd, "# through dup\n", 14), 14, "and it writes");
    t_eq(fcntl(fd, F_GETFD), 0, "dup clears close-on-exec");
    t_eq(fcntl(fd, F_SETFD, FD_CLOEXEC), 0, "F_SETFD");
    t_eq(fcntl(fd, F_GETFD), FD_CLOEXEC, "F_GETFD");
    flags = fcntl(fd, F_GETFL);
    t_ok(flags >= 0 && (flags & O_ACCMODE) != O_RDONLY, "F_GETFL: 0%o, can be written", flags);
    t_eq(dup2(fd, 77), 77, "dup2 to 77");
    t_eq(write(77, "# through 77\n", 13), 13, "and it writes");
    t_eq(dup3(fd, 77, O_CLOEXEC), 77, "dup3 over it");
    t_eq(fcntl(77, F_GETFD), FD_CLOEXEC, "with close-on-exec");
    errno = 0;
    t_ok(dup3(fd, fd, 0) == -1 && errno == EINVAL, "dup3 onto itself gives EINVAL");
    t_eq(dup2(fd, fd), fd, "dup2 onto itself does nothing");
    t_ok(fcntl(fd, F_DUPFD_CLOEXEC, 100) >= 100, "F_DUPFD_CLOEXEC from 100 up");
    t_eq(close(77), 0, "close");
    t_eq(close(fd), 0, "close");
    errno = 0;
    t_ok(fcntl(fd, F_GETFD) == -1 && errno == EBADF, "it is closed");
}

static void test_streams(void)
{
    char got[64] = "";
    FILE *f = fopen("/dev/null", "w");

    t_ok(f != NULL && fputs("gone\n", f) >= 0 && fclose(f) == 0, "/dev/null takes everything");
    f = fopen("/dev/null", "r");
    t_ok(f != NULL && fgets(got, sizeof(got), f) == NULL && feof(f), "and gives nothing");
    if (f != NULL)
        fclose(f);
    f = fopen("/dev/zero", "r");
    memset(got, 1, sizeof(got));
    t_ok(f != NULL && fread(got, 1, 32, f) == 32 && got[0] == 0 && got[31] == 0, "/dev/zero");
    if (f != NULL)
        fclose(f);
    f = fmemopen(got, sizeof(got), "w");
    t_ok(f != NULL && fprintf(f, "%05d", 42) == 5 && fclose(f) == 0 && strcmp(got, "00042") == 0,
         "a stream in memory");
}

int main(void)
{
    test_writes();
    test_descriptors();
    test_streams();
    return t_done();
}
