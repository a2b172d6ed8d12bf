/* SPDX-License-Identifier: BSD-3-Clause */
/* A system call that is not there says so, and bad arguments hurt nobody. */
#include <tap.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long raw(long nr, long a, long b, long c, long d, long e, long f)
{
    long rc = syscall(nr, a, b, c, d, e, f);

    return rc == -1 ? -errno : rc;
}

int main(void)
{
    const long bad[] = {
        8, 4096, 0x7ffffffff000, (long)0xffff800000000000, (long)0xffffffff80100000, -4096};
    long calls[] = {SYS_read,          SYS_uname,     SYS_getcwd,
                    SYS_clock_gettime, SYS_nanosleep, SYS_rt_sigaction,
                    SYS_getrandom,     SYS_prlimit64, SYS_newfstatat};
    bool good = true;
    unsigned long r[6] = {0};

    t_eq(raw(999, 0, 0, 0, 0, 0, 0), -ENOSYS, "system call 999: ENOSYS");
    t_eq(raw(100000, 1, 2, 3, 4, 5, 6), -ENOSYS, "100000: ENOSYS");
    t_eq(raw(0x7fffffff, 0, 0, 0, 0, 0, 0), -ENOSYS, "2^31 - 1: ENOSYS");
    t_eq(raw(-5, 0, 0, 0, 0, 0, 0), -ENOSYS, "-5: ENOSYS");
    for (int i = 0; i < 1000; i++)
        good &= raw(600 + i, i, i, i, i, i, i) == -ENOSYS;
    t_ok(good, "1000 numbers that nobody has used: ENOSYS each");

    /* pointers that lead nowhere, or to the kernel: an error, not harm */
    for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
        good = true;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            long rc;

            switch (calls[c]) {
            case SYS_read: {
                int fd = open("/dev/zero", O_RDONLY);

                rc = raw(SYS_read, fd, bad[i], 16, 0, 0, 0);
                close(fd);
                break;
            }
            case SYS_uname:
                rc = raw(SYS_uname, bad[i], 0, 0, 0, 0, 0);
                break;
            case SYS_getcwd:
                rc = raw(SYS_getcwd, bad[i], 4096, 0, 0, 0, 0);
                break;
            case SYS_clock_gettime:
                rc = raw(SYS_clock_gettime, CLOCK_MONOTONIC, bad[i], 0, 0, 0, 0);
                break;
            case SYS_nanosleep:
                rc = raw(SYS_nanosleep, bad[i], 0, 0, 0, 0, 0);
                break;
            case SYS_rt_sigaction:
                rc = raw(SYS_rt_sigaction, 10, bad[i], 0, 8, 0, 0);
                break;
            case SYS_getrandom:
                rc = raw(SYS_getrandom, bad[i], 16, 0, 0, 0, 0);
                break;
            case SYS_prlimit64:
                rc = raw(SYS_prlimit64, 0, 3, 0, bad[i], 0, 0);
                break;
            default:
                rc = raw(SYS_newfstatat, AT_FDCWD, bad[i], bad[i], 0, 0, 0);
            }
            if (rc != -EFAULT) {
                t_diag("call %ld with pointer %lx gives %ld", calls[c], (unsigned long)bad[i], rc);
                good = false;
            }
        }
        t_ok(good, "call %ld with bad pointers: EFAULT", calls[c]);
    }

    /* registers that a system call must leave alone */
    __asm__ volatile("mov $1, %%rbx\n\tmov $2, %%r12\n\tmov $3, %%r13\n\tmov $4, %%r14\n\t"
                     "mov $5, %%r8\n\tmov $6, %%r10\n\tmov $39, %%eax\n\tsyscall\n\t"
                     "mov %%rbx, (%0)\n\tmov %%r12, 8(%0)\n\tmov %%r13, 16(%0)\n\t"
                     "mov %%r14, 24(%0)\n\tmov %%r8, 32(%0)\n\tmov %%r10, 40(%0)"
                     :
                     : "D"(r)
                     : "rax", "rbx", "rcx", "r8", "r10", "r11", "r12", "r13", "r14", "memory");
    t_ok(r[0] == 1 && r[1] == 2 && r[2] == 3 && r[3] == 4 && r[4] == 5 && r[5] == 6,
         "a system call changes rax, rcx and r11 only");
    return t_done();
}
