/* SPDX-License-Identifier: BSD-3-Clause */
/* Keepers that wait for another job: their names, and what is said to them. */
#include "shim_pool.h"

#include "shim_job.h"
#include "shim_parse.h"
#include "shim_path.h"
#include "torobus/ctl.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define PREFIX "keep-"

extern char **environ;

bool shim_pool_seconds(uint64_t *s, char err[256])
{
    return shim_parse_env("TOROBUS_KEEP", false, 0, 86400, 0, s, err);
}

static uint64_t mix(uint64_t h, const void *p, size_t n)
{
    for (const unsigned char *c = p; n > 0; n--)
        h = (h ^ *c++) * 0x100000001b3ull;
    return h;
}

/** Whether a variable says how guests of this process are made. */
static bool matters(const char *var)
{
    static const char *const no[] = {"TOROBUS_NODE=",  "TOROBUS_KEEP=", "TOROBUS_KEEPER_LOG=",
                                     "TOROBUS_ORTED=", "TOROBUS_LOG=",  "TOROBUS_BIND="};

    if (strncmp(var, "TOROBUS_", 8) != 0)
        return false;
    for (unsigned i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        if (strncmp(var, no[i], strlen(no[i])) == 0)
            return false;
    return true;
}

bool shim_pool_name(char name[SHIM_POOL_MAX])
{
    char kernel[SHIM_PATH_MAX], err[512];
    uint64_t h = 0xcbf29ce484222325ull, sum = 0;
    struct stat st;
    cpu_set_t cpus;

    if (!shim_path_kernel(kernel, err) || stat(kernel, &st) != 0)
        return false;
    h = mix(h, kernel, strlen(kernel));
    h = mix(h, &st.st_ino, sizeof(st.st_ino));
    h = mix(h, &st.st_mtim, sizeof(st.st_mtim));
    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
        h = mix(h, &cpus, sizeof(cpus));
    for (char **e = environ; *e; e++) /* in whatever order */
        if (matters(*e))
            sum += mix(0xcbf29ce484222325ull, *e, strlen(*e));
    h = mix(h, &sum, sizeof(sum));
    snprintf(name, SHIM_POOL_MAX, PREFIX "%016" PRIx64, h);
    return true;
}

/** @return a connected socket, or -1. */
static int connect_to(const char *name, unsigned seconds)
{
    const struct timeval limit = {.tv_sec = seconds};
    struct sockaddr_un sa;
    socklen_t len = shim_job_address(name, &sa);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct ucred cred;
    socklen_t clen = sizeof(cred);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, (const struct sockaddr *)&sa, len) == 0 &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &clen) == 0 && cred.uid == getuid())
        return fd;
    close(fd);
    return -1;
}

/** Send a first frame and read the header of what comes back. @return false if nothing comes. */
static bool ask(int fd, uint16_t type, const char *body, struct torobus_ctl_hdr *reply)
{
    struct {
        struct torobus_ctl_hdr h;
        char body[SHIM_KEY_LEN];
    } m = {.h = {.magic = TOROBUS_CTL_MAGIC,
                 .type = type,
                 .rank = TOROBUS_CTL_NOBODY,
                 .len = (uint32_t)strlen(body)}};
    size_t len = sizeof(m.h) + m.h.len;

    memcpy(m.body, body, m.h.len);
    return send(fd, &m, len, MSG_NOSIGNAL) == (ssize_t)len &&
           recv(fd, reply, sizeof(*reply), MSG_WAITALL) == (ssize_t)sizeof(*reply) &&
           torobus_ctl_hdr_ok(reply);
}

bool shim_pool_adopt(const char *key)
{
    char pool[SHIM_POOL_MAX], name[SHIM_POOL_MAX + 8];
    struct torobus_ctl_hdr h;
    bool ok = false;

    if (!shim_pool_name(pool))
        return false;
    for (unsigned i = 0; i < SHIM_POOL_SIZE && !ok; i++) {
        int fd;

        snprintf(name, sizeof(name), "%s-%u", pool, i);
        fd = connect_to(name, 2);
        if (fd < 0)
            continue;
        ok = ask(fd, TOROBUS_CTL_ADOPT, key, &h) && h.type == TOROBUS_CTL_ADOPTED;
        close(fd);
    }
    return ok;
}

unsigned shim_pool_list(char (*names)[SHIM_POOL_MAX + 8], unsigned max)
{
    FILE *f = fopen("/proc/net/unix", "re");
    char line[512], prefix[48];
    unsigned n = 0;

    snprintf(prefix, sizeof(prefix), " @torobus/%u/" PREFIX, (unsigned)getuid());
    while (f && n < max && fgets(line, sizeof(line), f)) {
        char *p = strstr(line, prefix);
        unsigned flags = 0;
        size_t len;

        /* 0x10000: listening; connections made through it have the same name */
        if (!p || sscanf(line, "%*s %*s %*s %x", &flags) != 1 || !(flags & 0x10000))
            continue;
        p = strrchr(p, '/') + 1;
        len = strcspn(p, "\n@");
        if (len < sizeof(names[0]) &&
            strspn(p + strlen(PREFIX), "0123456789abcdef-") == len - strlen(PREFIX))
            snprintf(names[n++], sizeof(names[0]), "%.*s", (int)len, p);
    }
    if (f)
        fclose(f);
    return n;
}

bool shim_pool_end(const char *name)
{
    struct torobus_ctl_hdr h;
    int fd = connect_to(name, 10);
    bool answered;

    if (fd < 0)
        return true; /* it has gone, or has a job by now */
    answered = ask(fd, TOROBUS_CTL_END_IDLE, "", &h);
    close(fd);
    return !answered;
}
