/* SPDX-License-Identifier: BSD-3-Clause */
/* fcntl, F_OFD and flock locks of one process, on a file of the working directory and on one of
 * /dev/shm. What other processes see is tests/mpi/t-locks.sh's. */
#include <tap.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int set(int fd, int cmd, int type, long start, long len)
{
    struct flock l = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

    return fcntl(fd, cmd, &l) == 0 ? 0 : errno;
}

static void test_in(const char *dir)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    char name[300];
    int a, b, ro;

    snprintf(name, sizeof(name), "%s/locks.XXXXXX", dir);
    a = mkstemp(name);
    b = open(name, O_RDWR);
    ro = open(name, O_RDONLY);
    t_ok(a >= 0 && b >= 0 && ro >= 0, "a file in %s, open three times", dir);

    /* fcntl: the process owns them, whatever the descriptor */
    t_eq(set(a, F_SETLK, F_WRLCK, 0, 100), 0, "fcntl: bytes 0-99");
    t_eq(set(b, F_SETLK, F_WRLCK, 50, 100), 0, "the same process has them already");
    t_eq(set(ro, F_SETLK, F_WRLCK, 0, 1), EBADF, "a descriptor for reading: EBADF");
    t_eq(set(ro, F_SETLK, F_RDLCK, 0, 10), 0, "a read lock it can have");
    t_ok(fcntl(b, F_GETLK, &l) == 0 && l.l_type == F_UNLCK, "own locks are in nobody's way");
    t_eq(set(a, F_SETLK, F_WRLCK, -1, 1), EINVAL, "before the start: EINVAL");

    /* F_OFD: the open file owns them, also against its own process */
    t_eq(set(b, F_OFD_SETLK, F_WRLCK, 60, 10), EAGAIN,
         "F_OFD: those of the process are in its way");
    t_eq(set(a, F_SETLK, F_UNLCK, 0, 0), 0, "fcntl: all off");
    t_eq(set(a, F_OFD_SETLK, F_WRLCK, 0, 10), 0, "F_OFD: bytes 0-9");
    t_eq(set(b, F_OFD_SETLK, F_RDLCK, 9, 1), EAGAIN, "another open file cannot read-lock byte 9");
    t_eq(set(b, F_OFD_SETLK, F_WRLCK, 10, 1), 0, "but byte 10");
    l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 5};
    t_ok(fcntl(b, F_OFD_GETLK, &l) == 0 && l.l_type == F_WRLCK && l.l_start == 0 && l.l_len == 10 &&
             l.l_pid == -1,
         "F_OFD_GETLK: who is in the way");
    close(a);
    t_eq(set(b, F_OFD_SETLK, F_WRLCK, 0, 10), 0, "a close frees them");
    a = open(name, O_RDWR);
    t_eq(set(a, F_OFD_SETLK, F_WRLCK, 0, 10), EAGAIN, "held by the other");
    t_eq(set(b, F_OFD_SETLK, F_UNLCK, 0, 0), 0, "until it lets go");
    t_eq(set(a, F_OFD_SETLKW, F_WRLCK, 0, 10), 0, "then it can be had");
    t_eq(set(a, F_OFD_SETLK, F_UNLCK, 0, 0), 0, "off");

    /* flock: the open file owns it, and it does not know the others */
    t_eq(set(a, F_SETLK, F_WRLCK, 0, 0), 0, "fcntl: the whole file");
    t_eq(flock(b, LOCK_SH), 0, "flock is another matter");
    t_eq(flock(ro, LOCK_SH | LOCK_NB), 0, "shared twice");
    t_ok(flock(a, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK, "not exclusive then");
    t_eq(flock(b, LOCK_UN), 0, "one lets go");
    close(ro);
    t_eq(flock(a, LOCK_EX | LOCK_NB), 0, "the other is closed: now exclusive");
    t_ok(flock(b, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK, "and nobody else");
    t_eq(unlink(name), 0, "the name is gone");
    t_eq(flock(a, LOCK_UN), 0, "the lock can still be given back");
    t_eq(flock(b, LOCK_EX | LOCK_NB), 0, "and taken");
    t_ok(flock(a, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK, "by one");
    close(a);
    close(b);
}

int main(void)
{
    test_in(".");
    test_in("/dev/shm");
    return t_done();
}
