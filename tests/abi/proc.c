/* SPDX-License-Identifier: BSD-3-Clause */
/* What programs and libraries read in /proc, /sys and /dev. */
#include <tap.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char text[1 << 20];

static ssize_t slurp(const char *path)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = 0, k = -1;

    text[0] = '\0';
    if (fd < 0)
        return -1;
    while (n < (ssize_t)sizeof(text) - 1 && (k = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
        n += k;
    close(fd);
    text[n] = '\0';
    return k < 0 ? -1 : n;
}

static bool is_number(const char *s)
{
    return *s >= '0' && *s <= '9';
}

static void test_exe(void)
{
    char path[4096] = "", *slash;
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    unsigned char head[4] = "";
    int fd;

    t_ok(n > 0 && path[0] == '/', "/proc/self/exe is %s", path);
    slash = strrchr(path, '/');
    t_ok(slash != NULL && strncmp(slash, "/proc.", 6) == 0, "it ends in the program's name");
    fd = open("/proc/self/exe", O_RDONLY);
    t_ok(fd >= 0 && read(fd, head, 4) == 4 && memcmp(head, "\177ELF", 4) == 0, "and can be read");
    if (fd >= 0)
        close(fd);
}

static void test_maps(void)
{
    unsigned long lo, hi, last = 0;
    char perms[8], *line, *save = NULL;
    int lines = 0, local = 0;
    bool code = false, stack = false, sorted = true, parsed = true;

    t_ok(slurp("/proc/self/maps") > 0, "/proc/self/maps can be read");
    for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        if (sscanf(line, "%lx-%lx %4s", &lo, &hi, perms) != 3) {
            parsed = false;
            continue;
        }
        lines++;
        sorted &= lo >= last && hi > lo;
        last = hi;
        code |= lo <= (uintptr_t)test_maps && (uintptr_t)test_maps < hi && perms[2] == 'x';
        stack |= lo <= (uintptr_t)&local && (uintptr_t)&local < hi && perms[1] == 'w';
    }
    t_ok(parsed && lines >= 3, "%d lines of the right form", lines);
    t_ok(sorted, "in order");
    t_ok(code, "the code is there, executable");
    t_ok(stack, "the stack is there, writable");
}

static void test_self(void)
{
    ssize_t n;
    int pid = 0;
    char state = 0, comm[64] = "", *p;

    n = slurp("/proc/self/cmdline");
    t_ok(n > 1 && text[n - 1] == '\0' && strstr(text, "proc.") != NULL, "cmdline: %s", text);
    t_ok(slurp("/proc/self/stat") > 0 && sscanf(text, "%d (%60[^)]) %c", &pid, comm, &state) == 3,
         "stat: pid, name, state");
    t_ok(pid == getpid() && state == 'R', "pid %d, state %c", pid, state);
    slurp("/proc/self/status");
    t_ok(strncmp(text, "Name:", 5) == 0, "status: starts with the name");
    p = strstr(text, "\nVmRSS:");
    t_ok(p != NULL && atol(p + 7) > 0, "status: VmRSS is a number");
    p = strstr(text, "\nThreads:");
    t_ok(p != NULL && atol(p + 9) == 1, "status: one thread");
    t_ok(slurp("/proc/self/environ") > 0 && strchr(text, '=') != NULL, "environ");
}

static void test_fds(void)
{
    char path[64], target[256] = "";
    struct dirent *e;
    int seen = 0;
    DIR *d = opendir("/proc/self/fd");

    while (d != NULL && (e = readdir(d)) != NULL)
        if (is_number(e->d_name) && atoi(e->d_name) <= 2)
            seen++;
    if (d != NULL)
        closedir(d);
    t_eq(seen, 3, "/proc/self/fd lists the three streams");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", 1);
    t_ok(readlink(path, target, sizeof(target) - 1) > 0, "and says what they are: %s", target);
}

static void test_machine(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN), found = 0;
    char *p;

    t_ok(slurp("/proc/cpuinfo") > 0, "/proc/cpuinfo can be read");
    for (p = text; (p = strstr(p, "processor\t:")) != NULL; p++)
        found++;
    t_eq(found, cpus, "with one entry per processor");
    t_ok(strstr(text, "vendor_id") != NULL && strstr(text, "cpu MHz") != NULL &&
             strstr(text, "flags") != NULL,
         "and the usual lines");
    t_ok(slurp("/proc/meminfo") > 0 && strncmp(text, "MemTotal:", 9) == 0 && atol(text + 9) > 16384,
         "/proc/meminfo: MemTotal");
    p = strstr(text, "MemFree:");
    t_ok(p != NULL && atol(p + 8) > 0, "MemFree");
    t_ok(sysconf(_SC_PHYS_PAGES) > 4096, "sysconf knows the memory as well");
    t_ok(slurp("/sys/devices/system/cpu/online") > 0 && is_number(text),
         "/sys/devices/system/cpu/online");
    t_ok(cpus >= 1 && sysconf(_SC_NPROCESSORS_CONF) >= cpus, "%ld processors", cpus);
}

/* hwloc takes them from here. Some virtual machines with Linux have none; our guests do. */
static void test_caches(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_CONF), bad = 0;
    char path[96], last[64] = "";

    if (access("/sys/devices/system/cpu/cpu0/cache/index0", F_OK) != 0 &&
        access("/dev/torobus", F_OK) != 0) {
        t_skip(2, "no caches in /sys");
        return;
    }
    for (long i = 0; i < cpus; i++) {
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/cache/index0/level", i);
        bad += slurp(path) <= 0 || atoi(text) != 1;
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/cache/index0/size", i);
        bad += slurp(path) <= 0 || atoi(text) < 1 || strchr(text, 'K') == NULL;
        bad += i > 0 && strcmp(text, last) != 0;
        snprintf(last, sizeof(last), "%.63s", text);
    }
    t_eq(bad, 0, "every processor has the same first cache");
    t_ok(access("/sys/devices/system/cpu/cpu0/cache/index99", F_OK) != 0, "and not a hundred");
}

static void test_devices(void)
{
    unsigned char a[16] = {0}, b[16] = {0};
    int fd = open("/dev/urandom", O_RDONLY);

    t_ok(fd >= 0 && read(fd, a, 16) == 16 && read(fd, b, 16) == 16 && memcmp(a, b, 16) != 0,
         "/dev/urandom");
    if (fd >= 0)
        close(fd);
    fd = open("/dev/null", O_RDWR);
    t_ok(fd >= 0 && write(fd, a, 16) == 16 && read(fd, a, 16) == 0, "/dev/null");
    if (fd >= 0)
        close(fd);
    errno = 0;
    t_ok(open("/proc/nothing/here", O_RDONLY) == -1 && errno == ENOENT,
         "what is not there: ENOENT");
}

int main(void)
{
    test_exe();
    test_maps();
    test_self();
    test_fds();
    test_machine();
    test_caches();
    test_devices();
    return t_done();
}
