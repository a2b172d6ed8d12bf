/* SPDX-License-Identifier: BSD-3-Clause */
/* toro-info's look at the machine: each thing that a job needs, and what to do where it is not fit.
 */
#include "info.h"

#include "shim_accel.h"
#include "shim_config.h"
#include "shim_huge.h"
#include "shim_path.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB ((unsigned long long)1 << 20)
/** How long a boot may take that is only to be measured. */
#define BOOT_LIMIT_MS 10000

static bool line(bool ok, const char *what, const char *text)
{
    printf("%-12s %s%s\n", what, ok ? "" : "NOT FIT: ", text);
    return ok;
}

/** First line of a file. @return false if it cannot be read. */
static bool read_line(const char *path, char *text, int size)
{
    FILE *f = fopen(path, "re");
    bool ok = f && fgets(text, size, f);

    if (f)
        fclose(f);
    if (ok)
        text[strcspn(text, "\n")] = '\0';
    return ok;
}

static bool check_memory(void)
{
    unsigned long long total = 0, avail = 0;
    char text[200];
    FILE *f = fopen("/proc/meminfo", "re");

    while (f && fgets(text, sizeof(text), f)) {
        sscanf(text, "MemTotal: %llu kB", &total);
        sscanf(text, "MemAvailable: %llu kB", &avail);
    }
    if (f)
        fclose(f);
    snprintf(text, sizeof(text), "%llu MiB free of %llu MiB%s", avail >> 10, total >> 10,
             avail >> 10 < 128 ? "; a guest wants 128 MiB: end something else" : "");
    return line(avail >> 10 >= 128, "memory", text);
}

/** The memory cgroup counts a region, as shared memory, and kills QEMU when it is full. */
static bool check_cgroup(void)
{
    char where[512], path[700], text[300], max[64], now[64];
    unsigned long long limit, used;
    FILE *f = fopen("/proc/self/cgroup", "re");
    bool found = false;

    while (f && !found && fgets(where, sizeof(where), f)) {
        char *p = strchr(where, ':'), *q = p ? strchr(p + 1, ':') : NULL;

        where[strcspn(where, "\n")] = '\0';
        if (!q)
            continue;
        *q++ = '\0';
        if (p[1] == '\0') { /* version 2 */
            snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", q);
            found = read_line(path, max, sizeof(max));
            snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.current", q);
        } else if (strcmp(p + 1, "memory") == 0) {
            snprintf(path, sizeof(path), "/sys/fs/cgroup/memory%s/memory.limit_in_bytes", q);
            found = read_line(path, max, sizeof(max));
            snprintf(path, sizeof(path), "/sys/fs/cgroup/memory%s/memory.usage_in_bytes", q);
        }
        found = found && read_line(path, now, sizeof(now));
    }
    if (f)
        fclose(f);
    if (!found || sscanf(max, "%llu", &limit) != 1 || limit > MIB << 30 ||
        sscanf(now, "%llu", &used) != 1)
        return line(true, "cgroup", "no limit on memory is seen");
    snprintf(text, sizeof(text), "%llu of %llu MiB used%s", used / MIB, limit / MIB,
             limit < used + 128 * MIB ? "; a guest wants 128 MiB more: raise the memory limit"
                                      : "");
    return line(limit >= used + 128 * MIB, "cgroup", text);
}

static bool check_limits(void)
{
    struct rlimit l;
    char text[300];
    bool fit = true;

    if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
        bool ok = l.rlim_max >= SHIM_NOFILE_LEAST;

        snprintf(text, sizeof(text), "%llu%s", (unsigned long long)l.rlim_max,
                 !ok                 ? ": a guest needs 64 at least: raise ulimit -Hn"
                 : l.rlim_max < 1024 ? "; programs with many open files want 1024 (ulimit -Hn)"
                                     : "");
        fit = line(ok, "open files", text) && fit;
    }
    if (getrlimit(RLIMIT_AS, &l) == 0 && l.rlim_cur != RLIM_INFINITY) {
        snprintf(text, sizeof(text),
                 "%llu GiB: QEMU maps the whole region, 256 GiB by default: ulimit -v unlimited",
                 (unsigned long long)l.rlim_cur >> 30);
        fit = line(l.rlim_cur >> 30 > 260, "addresses", text) && fit;
    }
    if (getrlimit(RLIMIT_FSIZE, &l) == 0 && l.rlim_cur != RLIM_INFINITY) {
        snprintf(text, sizeof(text),
                 "%llu MiB: the region is a file of 256 GiB, of which only touched pages exist: "
                 "ulimit -f unlimited",
                 (unsigned long long)l.rlim_cur >> 20);
        fit = line(l.rlim_cur >> 30 >= 256, "file size", text) && fit;
    }
    if (getrlimit(RLIMIT_NPROC, &l) == 0 && l.rlim_cur != RLIM_INFINITY && l.rlim_cur < 256) {
        snprintf(text, sizeof(text), "%llu: each guest is a process with a thread per core",
                 (unsigned long long)l.rlim_cur);
        fit = line(l.rlim_cur >= 32, "processes", text) && fit;
    }
    return fit;
}

/** The region's pages: small, or taken from the reserved huge ones. */
static bool check_pages(void)
{
    uint64_t reserved = shim_huge_free(), guests = 0, slice = 0;
    bool enough = shim_huge_plan(reserved * SHIM_HUGE_PAGE, &guests, &slice);
    enum shim_huge want;
    char text[512];

    if (!shim_huge_setting(&want, text))
        return line(false, "pages", text);
    if (want == SHIM_HUGE_TLB)
        snprintf(
            text, sizeof(text), "huge: %llu reserved ones of 2 MiB are free%s",
            (unsigned long long)reserved,
            enough ? ""
                   : ", a job takes 1024 at least: as root, echo 1024 >/proc/sys/vm/nr_hugepages");
    else
        snprintf(text, sizeof(text), "small; huge ones: %sTOROBUS_HUGEPAGES=hugetlb",
                 enough ? "" : "as root, echo 1024 >/proc/sys/vm/nr_hugepages, then ");
    return line(want == SHIM_HUGE_OFF || enough, "pages", text);
}

static bool check_orted(void)
{
    char dir[SHIM_PATH_MAX], path[SHIM_PATH_MAX + 16];

    if (shim_path_own_dir(dir)) {
        snprintf(path, sizeof(path), "%s/orted", dir);
        if (access(path, X_OK) == 0)
            return line(true, "orted", path);
    }
    if (shim_path_find("orted", path) == 0)
        return line(true, "orted", path);
    return line(false, "orted",
                "none beside this program or in PATH; toro-run -n works, mpirun does not");
}

static bool check_tmp(void)
{
    const char *tmp = getenv("TMPDIR");
    char text[SHIM_PATH_MAX + 80];

    if (!tmp || *tmp != '/')
        tmp = "/tmp";
    if (access(tmp, W_OK | X_OK) == 0)
        return line(true, "temporary", tmp);
    snprintf(text, sizeof(text), "%.4000s: %s; set TMPDIR to a directory that can be written", tmp,
             strerror(errno));
    return line(false, "temporary", text);
}

/** Boot the kernel without any device, where it ends by itself. @return milliseconds, or -1. */
static int boot_ms(const char *qemu, const char *kernel, enum shim_accel accel)
{
    char firmware[SHIM_PATH_MAX];
    const char *argv[] = {qemu,
                          "-M",
                          "pc,vmport=off,hpet=off",
                          "-accel",
                          accel == SHIM_ACCEL_KVM ? "kvm" : "tcg,thread=multi",
                          "-cpu",
                          accel == SHIM_ACCEL_KVM ? "host" : "max",
                          "-smp",
                          "1",
                          "-m",
                          "64",
                          "-nodefaults",
                          "-no-user-config",
                          "-display",
                          "none",
                          "-no-reboot",
                          "-device",
                          "isa-debug-exit,iobase=0xf4,iosize=4",
                          "-kernel",
                          kernel,
                          "-append",
                          "cores=1",
                          "-bios",
                          firmware,
                          NULL};
    struct timespec a, b;
    struct pollfd pfd = {.events = POLLIN};
    int status = 0;
    pid_t pid;

    shim_path_firmware(qemu, firmware);
    if (!firmware[0])
        argv[sizeof(argv) / sizeof(argv[0]) - 3] = NULL;
    clock_gettime(CLOCK_MONOTONIC, &a);
    pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        execv(qemu, (char **)(uintptr_t)argv);
        _exit(127);
    }
    pfd.fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pfd.fd < 0 || poll(&pfd, 1, BOOT_LIMIT_MS) <= 0)
        kill(pid, SIGKILL);
    clock_gettime(CLOCK_MONOTONIC, &b);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pfd.fd >= 0)
        close(pfd.fd);
    /* it misses its devices, says so, and ends as after a panic */
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 35)
        return -1;
    return (int)((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
}

static bool check_accel(const char *qemu, const char *kernel)
{
    char reason[256], text[400];
    enum shim_accel accel;
    int ms;

    if (!shim_accel_choose(&accel, reason))
        return line(false, "accelerator", reason);
    if (!*qemu || !*kernel) {
        snprintf(text, sizeof(text), "%s (%s)", shim_accel_name(accel), reason);
        return line(true, "accelerator", text);
    }
    ms = boot_ms(qemu, kernel, accel);
    if (ms < 0)
        snprintf(text, sizeof(text),
                 "%s (%s), but it does not boot the kernel; TOROBUS_ACCEL=tcg does without KVM",
                 shim_accel_name(accel), reason);
    else
        snprintf(text, sizeof(text), "%s (%s); boots the kernel in %d ms", shim_accel_name(accel),
                 reason, ms);
    return line(ms >= 0, "accelerator", text);
}

bool info_check(void)
{
    char qemu[SHIM_PATH_MAX] = "", kernel[SHIM_PATH_MAX] = "", err[512], text[SHIM_PATH_MAX + 64];
    bool fit = true;
    int version;

    if (shim_path_qemu(qemu, &version, err)) {
        snprintf(text, sizeof(text), "%d.%d (%s)", version / 100, version % 100, qemu);
        line(true, "QEMU", text);
    } else {
        fit = line(false, "QEMU", err);
        qemu[0] = '\0';
    }
    if (shim_path_kernel(kernel, err)) {
        line(true, "kernel", kernel);
    } else {
        fit = line(false, "kernel", err);
        kernel[0] = '\0';
    }
    fit = check_orted() && fit;
    fit = check_accel(qemu, kernel) && fit;
    snprintf(text, sizeof(text), "%u; more ranks than that sleep instead of spinning",
             shim_host_cpus());
    line(true, "cores", text);
    fit = check_memory() && fit;
    fit = check_cgroup() && fit;
    fit = check_limits() && fit;
    fit = check_pages() && fit;
    return check_tmp() && fit;
}

void info_settings(void)
{
    printf("%-15s %-24s %s\n", "setting", "value", "from");
    for (const struct shim_setting *s = shim_settings; s->name; s++) {
        const char *value = getenv(s->env);

        printf("%-15s %-24s %s (%s)\n", s->name, value && *value ? value : s->dflt,
               shim_config_source(s), s->about);
    }
    puts("Command line before environment (TOROBUS_NAME) before torobus.conf; see toro-run(1).");
}
