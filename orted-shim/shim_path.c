/* SPDX-License-Identifier: BSD-3-Clause */
/* Where things are: programs in PATH, the install prefix, the kernel image, QEMU. */
#include "shim_path.h"

#include "shim_elf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char standard_dirs[] = "/usr/local/bin:/usr/bin:/bin";

static int check(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return errno == EACCES ? EACCES : ENOENT;
    if (!S_ISREG(st.st_mode))
        return EACCES;
    return access(path, X_OK) == 0 ? 0 : EACCES;
}

static int absolute(const char *name, char path[SHIM_PATH_MAX])
{
    char cwd[SHIM_PATH_MAX];
    int n;

    if (name[0] == '/')
        n = snprintf(path, SHIM_PATH_MAX, "%s", name);
    else if (!getcwd(cwd, sizeof(cwd)))
        return ENOENT;
    else
        n = snprintf(path, SHIM_PATH_MAX, "%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, name);
    return n < SHIM_PATH_MAX ? 0 : ENOENT;
}

/** @param p  directories as in PATH */
static int find_in(const char *p, const char *name, char path[SHIM_PATH_MAX])
{
    int result = ENOENT;

    for (;;) {
        size_t n = strcspn(p, ":");
        char rel[SHIM_PATH_MAX];
        int r = ENOENT;

        /* an empty element is the current directory */
        if (snprintf(rel, sizeof(rel), "%.*s%s%s", (int)n, p, n ? "/" : "", name) <
            (int)sizeof(rel))
            r = absolute(rel, path) ? ENOENT : check(path);
        if (r == 0)
            return 0;
        if (r == EACCES)
            result = EACCES;
        if (p[n] == '\0')
            return result;
        p += n + 1;
    }
}

int shim_path_find(const char *name, char path[SHIM_PATH_MAX])
{
    const char *p = getenv("PATH");

    if (!*name)
        return ENOENT;
    if (strchr(name, '/'))
        return absolute(name, path) ? ENOENT : check(path);
    return find_in(p ? p : standard_dirs, name, path);
}

bool shim_path_own_dir(char dir[SHIM_PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", dir, SHIM_PATH_MAX - 1);
    char *slash;

    if (n <= 0)
        return false;
    dir[n] = '\0';
    slash = strrchr(dir, '/');
    if (!slash)
        return false;
    *(slash == dir ? slash + 1 : slash) = '\0';
    return true;
}

bool shim_path_kernel(char path[SHIM_PATH_MAX], char err[512])
{
    const char *env = getenv("TOROBUS_KERNEL");
    char dir[SHIM_PATH_MAX];

    if (env && *env) {
        if (absolute(env, path) == 0 && access(path, R_OK) == 0)
            return shim_elf_kernel(path, err);
        snprintf(err, 512, "cannot read the kernel image TOROBUS_KERNEL=%.300s: %s", env,
                 strerror(errno));
        return false;
    }
    if (!shim_path_own_dir(dir) ||
        snprintf(path, SHIM_PATH_MAX, "%s/../lib/torobus/torobus.elf", dir) >= SHIM_PATH_MAX)
        snprintf(path, SHIM_PATH_MAX, "lib/torobus/torobus.elf");
    if (access(path, R_OK) == 0)
        return shim_elf_kernel(path, err);
    snprintf(err, 512,
             "cannot read the kernel image %.300s: %s; has the prefix moved? Install again or set "
             "TOROBUS_KERNEL",
             path, strerror(errno));
    return false;
}

bool shim_path_cache_dir(char dir[SHIM_PATH_MAX])
{
    const char *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");

    if (xdg && *xdg == '/')
        snprintf(dir, SHIM_PATH_MAX, "%.4000s", xdg);
    else if (home && *home == '/')
        snprintf(dir, SHIM_PATH_MAX, "%.4000s/.cache", home);
    else
        return false;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return false;
    strcat(dir, "/torobus");
    return mkdir(dir, 0700) == 0 || errno == EEXIST;
}

bool shim_cache_get(const char *name, const char *key, char *value, unsigned size)
{
    char path[SHIM_PATH_MAX + 64], line[1024];
    size_t klen = strlen(key);
    bool found = false;
    FILE *f;

    if (!shim_path_cache_dir(path))
        return false;
    strcat(path, "/");
    strncat(path, name, 60);
    f = fopen(path, "re");
    if (!f)
        return false;
    /* one line: key, blank, value */
    if (fgets(line, sizeof(line), f) && strncmp(line, key, klen) == 0 && line[klen] == ' ') {
        line[strcspn(line, "\n")] = '\0';
        found = snprintf(value, size, "%s", line + klen + 1) < (int)size;
    }
    fclose(f);
    return found;
}

void shim_cache_put(const char *name, const char *key, const char *value)
{
    char dir[SHIM_PATH_MAX], path[SHIM_PATH_MAX + 64], tmp[SHIM_PATH_MAX + 96], line[1024];
    bool ok;
    int n, fd;

    if (!shim_path_cache_dir(dir))
        return;
    n = snprintf(line, sizeof(line), "%s %s\n", key, value);
    snprintf(path, sizeof(path), "%s/%.60s", dir, name);
    snprintf(tmp, sizeof(tmp), "%s.%d", path, (int)getpid());
    if (n >= (int)sizeof(line))
        return;
    fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    ok = write(fd, line, (size_t)n) == n;
    close(fd);
    /* readers see the old line or the new one, never half of one */
    if (!ok || rename(tmp, path) != 0)
        unlink(tmp);
}

/** Run "qemu --version" with a time limit and read the first line. */
static bool ask_version(const char *path, char *line, size_t size)
{
    struct pollfd pfd = {.events = POLLIN};
    size_t have = 0;
    int p[2], status;
    pid_t pid;

    if (pipe2(p, O_CLOEXEC) != 0)
        return false;
    pid = fork();
    if (pid < 0) {
        close(p[0]);
        close(p[1]);
        return false;
    }
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        dup2(null, 0);
        dup2(p[1], 1);
        dup2(null, 2);
        execl(path, path, "--version", (char *)NULL);
        _exit(127);
    }
    close(p[1]);
    pfd.fd = p[0];
    while (have < size - 1 && poll(&pfd, 1, 10000) > 0) {
        ssize_t n = read(p[0], line + have, size - 1 - have);

        if (n <= 0)
            break;
        have += (size_t)n;
    }
    line[have] = '\0';
    close(p[0]);
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return have > 0;
}

bool shim_path_qemu(char path[SHIM_PATH_MAX], int *version, char err[512])
{
    const char *env = getenv("TOROBUS_QEMU");
    const char *name = env && *env ? env : "qemu-system-x86_64";
    char key[512], text[512], *v;
    int major, minor, found = shim_path_find(name, path);
    struct stat st;

    /* mpirun started with an empty environment gives its daemons a PATH of its own directory only
     */
    if (found == ENOENT && !strchr(name, '/'))
        found = find_in(standard_dirs, name, path);
    switch (found) {
    case 0:
        break;
    case EACCES:
        snprintf(err, 512, "QEMU (%.300s) cannot be executed: check its permissions", name);
        return false;
    default:
        snprintf(err, 512,
                 "QEMU is missing: no %.300s found; install qemu-system-x86 or set TOROBUS_QEMU",
                 name);
        return false;
    }
    if (stat(path, &st) != 0) {
        snprintf(err, 512, "QEMU (%.300s): %s", path, strerror(errno));
        return false;
    }
    snprintf(key, sizeof(key), "%.380s:%llu:%lld.%ld", path, (unsigned long long)st.st_size,
             (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    for (char *c = key; *c; c++)
        if (*c == ' ' || *c == '\n')
            *c = '?';
    if (!shim_cache_get("qemu", key, text, sizeof(text)) || !strstr(text, "version ")) {
        if (!ask_version(path, text, sizeof(text))) {
            snprintf(err, 512, "QEMU (%.300s) does not tell its version: is it broken?", path);
            return false;
        }
        text[strcspn(text, "\n")] = '\0';
        if (strstr(text, "version "))
            shim_cache_put("qemu", key, text);
    }
    v = strstr(text, "version ");
    if (!v || sscanf(v, "version %d.%d", &major, &minor) != 2) {
        snprintf(err, 512, "%.300s is no QEMU: it calls itself \"%.100s\"", path, text);
        return false;
    }
    *version = major * 100 + minor;
    if (*version < SHIM_QEMU_OLDEST) {
        snprintf(err, 512, "QEMU %d.%d (%.300s) is too old: %d.%d or newer is needed", major, minor,
                 path, SHIM_QEMU_OLDEST / 100, SHIM_QEMU_OLDEST % 100);
        return false;
    }
    return true;
}

void shim_path_firmware(const char *qemu, char path[SHIM_PATH_MAX])
{
    char real[PATH_MAX], *slash;

    if (realpath(qemu, real)) {
        for (int i = 0; i < 2; i++) /* the program, then its directory */
            if ((slash = strrchr(real, '/')))
                *slash = '\0';
        if (snprintf(path, SHIM_PATH_MAX, "%s/share/qemu/qboot.rom", real) < SHIM_PATH_MAX &&
            access(path, R_OK) == 0)
            return;
    }
    snprintf(path, SHIM_PATH_MAX, "/usr/share/qemu/qboot.rom");
    if (access(path, R_OK) != 0)
        path[0] = '\0';
}

bool shim_path_nofile(char err[512])
{
    struct rlimit lim;

    if (getrlimit(RLIMIT_NOFILE, &lim) != 0 || lim.rlim_max >= SHIM_NOFILE_LEAST)
        return true;
    snprintf(err, 512,
             "a process may open %llu files only (ulimit -Hn), but a guest needs at least %d, 1024 "
             "for programs with many files: raise the limit",
             (unsigned long long)lim.rlim_max, SHIM_NOFILE_LEAST);
    return false;
}
