/* SPDX-License-Identifier: BSD-3-Clause */
/* Random system calls on files with random arguments: pointers to nowhere, into the kernel and half
 * into guard pages, impossible sizes and flags. The kernel must neither die nor hang; a timer ends
 * what blocks.
 *
 * A path may come out of anything, so this refuses to run where it could change a file of the host:
 * t-sysfuzz.sh starts it with --fs none and --fs ro. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "tap.h"

#define CALLS 40000

static const short calls[] = {SYS_read,
                              SYS_write,
                              SYS_open,
                              SYS_close,
                              SYS_stat,
                              SYS_fstat,
                              SYS_lstat,
                              SYS_poll,
                              SYS_lseek,
                              SYS_ioctl,
                              SYS_pread64,
                              SYS_pwrite64,
                              SYS_readv,
                              SYS_writev,
                              SYS_access,
                              SYS_pipe,
                              SYS_select,
                              SYS_dup,
                              SYS_dup2,
                              SYS_sendfile,
                              SYS_socket,
                              SYS_sendto,
                              SYS_recvfrom,
                              SYS_sendmsg,
                              SYS_recvmsg,
                              SYS_shutdown,
                              SYS_getsockname,
                              SYS_socketpair,
                              SYS_setsockopt,
                              SYS_getsockopt,
                              SYS_fcntl,
                              SYS_flock,
                              SYS_fsync,
                              SYS_fdatasync,
                              SYS_truncate,
                              SYS_ftruncate,
                              SYS_getcwd,
                              SYS_fchdir,
                              SYS_rename,
                              SYS_mkdir,
                              SYS_rmdir,
                              SYS_creat,
                              SYS_link,
                              SYS_unlink,
                              SYS_symlink,
                              SYS_readlink,
                              SYS_chmod,
                              SYS_fchmod,
                              SYS_mknod,
                              SYS_statfs,
                              SYS_fstatfs,
                              SYS_fadvise64,
                              SYS_getdents64,
                              SYS_epoll_create,
                              SYS_epoll_wait,
                              SYS_epoll_ctl,
                              SYS_openat,
                              SYS_mkdirat,
                              SYS_newfstatat,
                              SYS_unlinkat,
                              SYS_renameat,
                              SYS_linkat,
                              SYS_symlinkat,
                              SYS_readlinkat,
                              SYS_fchmodat,
                              SYS_faccessat,
                              SYS_pselect6,
                              SYS_ppoll,
                              SYS_utimensat,
                              SYS_epoll_pwait,
                              SYS_eventfd,
                              SYS_fallocate,
                              SYS_timerfd_create,
                              SYS_timerfd_settime,
                              SYS_timerfd_gettime,
                              SYS_eventfd2,
                              SYS_epoll_create1,
                              SYS_dup3,
                              SYS_pipe2,
                              SYS_preadv,
                              SYS_pwritev,
                              SYS_syncfs,
                              SYS_renameat2,
                              SYS_memfd_create,
                              SYS_copy_file_range,
                              SYS_preadv2,
                              SYS_pwritev2,
                              SYS_statx,
                              SYS_faccessat2,
                              SYS_mmap};
static const char *const names[] = {"a",
                                    "b",
                                    "dir",
                                    "dir/x",
                                    "link",
                                    "loop",
                                    ".",
                                    "",
                                    "dir/y/z",
                                    "/dev/null",
                                    "/dev/zero",
                                    "/etc/passwd",
                                    "/usr",
                                    "/proc/self/maps",
                                    "/proc/self/fd",
                                    "/sys/devices/system/cpu/online",
                                    "/dev/urandom",
                                    "/proc/self/fd/5"};
static char *buffer[4];
static unsigned long state;

static unsigned long rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static char *name(void)
{
    return strcpy(buffer[rnd() % 4], names[rnd() % (sizeof(names) / sizeof(names[0]))]);
}

static long argument(void)
{
    switch (rnd() % 16) {
    case 0:
        return 0;
    case 1:
        return -1;
    case 2:
    case 3:
    case 4:
        return (long)(rnd() % 24);
    case 5:
        return (long)buffer[rnd() % 4] + (long)(rnd() % 64);
    case 6:
        return (long)buffer[rnd() % 4] + 8192 - (long)(rnd() % 64); /* the next page is not there */
    case 7:
    case 8:
    case 9:
        return (long)name();
    case 10:
        return (long)(rnd() % 5000);
    case 11:
        return (long)(0xffff800000000000ul + rnd() % 65536);
    case 12:
        return (long)(0xffffffff80100000ul + rnd() % 65536);
    case 13:
        return (long)(rnd() >> rnd() % 64);
    case 14:
        return AT_FDCWD;
    default:
        return 1l << rnd() % 63;
    }
}

static bool small(long fd)
{
    return (unsigned)fd < 3;
}

/* Leave the three streams alone and keep files small. @return false: not this one. */
static bool tame(long nr, long *a)
{
    switch (nr) {
    case SYS_dup2:
    case SYS_dup3:
        return !small(a[1]);
    case SYS_copy_file_range:
        a[4] &= 0xffff;
        return !small(a[0]) && !small(a[2]);
    case SYS_sendfile:
        a[3] &= 0xffff;
        return !small(a[0]) && !small(a[1]);
    case SYS_truncate:
    case SYS_ftruncate:
        a[1] &= 0xfffff;
        return true;
    case SYS_fallocate:
        a[2] &= 0xfffff;
        a[3] &= 0xfffff;
        return true;
    case SYS_pwrite64:
    case SYS_pwritev:
    case SYS_pwritev2:
        a[3] &= 0xfffff;
        break;
    case SYS_mmap:
        a[0] = 0;
        a[1] &= 0xfffff;
        a[3] &= ~(MAP_FIXED | MAP_FIXED_NOREPLACE);
        return true;
    default:
        break;
    }
    return !small(a[0]);
}

static void on_alarm(int sig)
{
    (void)sig;
}

/* In a guest, and the root is the guest's own memory or read-only. */
static bool harmless(void)
{
    struct utsname u;
    struct statfs fs;

    return uname(&u) == 0 && strstr(u.release, "torobus") != NULL && statfs("/", &fs) == 0 &&
           (fs.f_type == 0x01021994 || (fs.f_flags & 1) != 0);
}

int main(int argc, char **argv)
{
    struct sigaction sa = {.sa_handler = on_alarm};
    struct itimerval tick = {{0, 5000}, {0, 5000}}, off = {{0, 0}, {0, 0}};
    unsigned long seed = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
    char dir[] = "/dev/shm/fuzz.XXXXXX";
    long good = 0;

    if (!harmless())
        t_bail("only in a guest with --fs none or --fs ro");
    t_plan(3);
    state = seed * 2654435761ul + 88172645463325252ul;
    if (!mkdtemp(dir) || chdir(dir) || mkdir("dir", 0755) || symlink("a", "link") ||
        symlink("loop", "loop"))
        t_bail("no scratch directory");
    for (int i = 0; i < 4; i++) {
        buffer[i] = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int k = 0; k < 8192; k++)
            buffer[i][k] = (char)(rnd() % 20);
        mprotect(buffer[i] + 8192, 8192, PROT_NONE);
    }
    sigaction(SIGALRM, &sa, NULL);
    sigaction(SIGPIPE, &sa, NULL);
    setitimer(ITIMER_REAL, &tick, NULL);
    for (int i = 0; i < CALLS; i++) {
        long nr = calls[rnd() % (sizeof(calls) / sizeof(calls[0]))], a[6], r;

        for (int k = 0; k < 6; k++)
            a[k] = argument();
        if (!tame(nr, a))
            continue;
        r = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
        good += r != -1;
        if (nr == SYS_mmap && r != -1)
            munmap((void *)r, (size_t)a[1]);
        if (i % 500 == 0) {
            close_range(3, 1023, 0);
            (void)!chdir(dir);
        }
    }
    setitimer(ITIMER_REAL, &off, NULL);
    close_range(3, 1023, 0);
    t_ok(true, "%d random calls with seed %lu are survived", CALLS, seed);
    t_ok(good > CALLS / 100, "%ld of them did something", good);
    t_ok(chdir("/") == 0, "and files still work");
    return t_done();
}
