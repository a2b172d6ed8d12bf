/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program asks about itself and the machine. */
#include <tap.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

static void test_names(void)
{
    struct utsname u;
    char host[256] = "";
    int major = 0;

    t_eq(uname(&u), 0, "uname");
    t_ok(strcmp(u.sysname, "Linux") == 0, "sysname is %s", u.sysname);
    t_ok(strcmp(u.machine, "x86_64") == 0, "machine is %s", u.machine);
    t_ok(sscanf(u.release, "%d.", &major) == 1 && major >= 3, "release is %s", u.release);
    t_ok(u.nodename[0] != '\0', "nodename is %s", u.nodename);
    t_ok(gethostname(host, sizeof(host)) == 0 && strcmp(host, u.nodename) == 0,
         "gethostname agrees");
}

static void test_ids(void)
{
    gid_t groups[64];

    t_ok(getpid() > 0, "pid %d", (int)getpid());
    t_eq(gettid(), getpid(), "the first thread's id is the process's");
    t_ok(getppid() >= 0, "ppid %d", (int)getppid());
    t_ok(getuid() == geteuid() && getgid() == getegid(), "uid %d, gid %d", (int)getuid(),
         (int)getgid());
    t_ok(getpgrp() >= 0 && getsid(0) >= 0, "process group and session");
    t_ok(getgroups(64, groups) >= 0, "getgroups");
}

static void test_rlimits(void)
{
    static const struct {
        const char *name;
        int which;
        rlim_t least;
    } limits[] = {
        {"STACK", RLIMIT_STACK, 1 << 20}, {"NOFILE", RLIMIT_NOFILE, 64},
        {"AS", RLIMIT_AS, 1 << 28},       {"DATA", RLIMIT_DATA, 1 << 28},
        {"CORE", RLIMIT_CORE, 0},         {"MEMLOCK", RLIMIT_MEMLOCK, 0},
        {"NPROC", RLIMIT_NPROC, 1},       {"FSIZE", RLIMIT_FSIZE, 1 << 28},
    };
    struct rlimit r;

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
        t_ok(getrlimit((__rlimit_resource_t)limits[i].which, &r) == 0 &&
                 r.rlim_cur >= limits[i].least && r.rlim_max >= r.rlim_cur,
             "RLIMIT_%s", limits[i].name);
    getrlimit(RLIMIT_CORE, &r);
    r.rlim_cur = 0;
    t_eq(setrlimit(RLIMIT_CORE, &r), 0, "setrlimit to less");
    errno = 0;
    t_ok(getrlimit((__rlimit_resource_t)999, &r) == -1 && errno == EINVAL,
         "an unknown one: EINVAL");
}

static void test_usage(void)
{
    struct rusage a = {0}, b = {0};
    struct sysinfo s = {0};
    volatile char *p;
    volatile unsigned long x = 0;

    t_ok(getrusage(RUSAGE_SELF, &a) == 0 && a.ru_maxrss > 0, "getrusage: %ld KiB", a.ru_maxrss);
    p = malloc(32 << 20);
    for (int i = 0; i < 32 << 20; i += 4096)
        p[i] = 1;
    for (int i = 0; i < 30000000; i++)
        x = x + 1;
    getrusage(RUSAGE_SELF, &b);
    t_ok(b.ru_maxrss >= a.ru_maxrss + 30000, "32 MiB are seen: %ld KiB", b.ru_maxrss);
    free((void *)p);
    t_ok(b.ru_utime.tv_sec * 1000000 + b.ru_utime.tv_usec >
             a.ru_utime.tv_sec * 1000000 + a.ru_utime.tv_usec,
         "and so is the time");
    t_eq(getrusage(RUSAGE_THREAD, &b), 0, "RUSAGE_THREAD");
    t_eq(getrusage(RUSAGE_CHILDREN, &b), 0, "RUSAGE_CHILDREN");
    t_ok(sysinfo(&s) == 0 && s.totalram > 0 && s.freeram <= s.totalram && s.mem_unit > 0,
         "sysinfo: %lu MiB", (unsigned long)(s.totalram * s.mem_unit >> 20));
    t_ok(s.uptime >= 0 && s.procs >= 1, "up for %ld s", s.uptime);
}

static void test_random(void)
{
    unsigned char a[300] = {0}, b[300] = {0};
    int zeroes = 0;

    t_eq(getrandom(a, sizeof(a), 0), sizeof(a), "getrandom");
    t_eq(getrandom(b, sizeof(b), GRND_NONBLOCK), sizeof(b), "GRND_NONBLOCK");
    for (size_t i = 0; i < sizeof(a); i++)
        zeroes += a[i] == 0;
    t_ok(memcmp(a, b, sizeof(a)) != 0 && zeroes < 30, "looks random");
}

int main(void)
{
    mode_t old;

    test_names();
    test_ids();
    test_rlimits();
    test_usage();
    test_random();
    old = umask(027);
    t_eq(umask(old), 027, "umask");
    t_eq(sysconf(_SC_PAGESIZE), 4096, "page size");
    t_ok(sysconf(_SC_OPEN_MAX) >= 64, "open files: %ld", sysconf(_SC_OPEN_MAX));
    return t_done();
}
