/* SPDX-License-Identifier: BSD-3-Clause */
/* Core files: a guest names the memory of a rank that died, a child of the keeper copies it from
 * the region into core.RANK. So it works whatever the guest may see of the host's files, and pages
 * that nobody touched stay holes. */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/** A core file that is being written. */
struct keeper_core {
    struct keeper_core *next;
    struct keeper_guest *guest;
    uint32_t rank;
    pid_t pid;
    int pidfd, textfd; /**< its last word comes through a pipe */
    struct event *ev;
    char temp[SHIM_PATH_MAX];
};

/** Trust: every number is the guest's. */
static bool body_ok(const struct keeper_guest *g, const struct torobus_ctl_core *c, uint32_t len)
{
    const struct torobus_ctl_core_range *r = (const struct torobus_ctl_core_range *)(c + 1);
    const struct torobus_superblock *sb = &g->keeper->region.sb;
    uint64_t base = torobus_slice_offset(sb, g->slice), last;

    if (len < sizeof(*c) || c->nranges > len / sizeof(*r) || c->world_rank > 0x7fffffff ||
        sizeof(*c) + (uint64_t)c->nranges * sizeof(*r) + c->head_len != len)
        return false;
    last = c->head_len;
    for (uint32_t i = 0; i < c->nranges; i++) {
        if (r[i].offset < base || r[i].offset - base > sb->slice_size ||
            r[i].len > sb->slice_size - (r[i].offset - base) || (r[i].offset | r[i].len) % 4096 ||
            r[i].file < last || r[i].file > (uint64_t)1 << 50)
            return false;
        last = r[i].file + r[i].len;
    }
    return true;
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, p, n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

/** Copy [at, stop) to the file's position; zeros become holes. */
static bool copy_plainly(int fd, int memfd, off_t *at, off_t stop, uint64_t *bytes)
{
    static const char zero[64 << 10];
    static char piece[sizeof(zero)];

    while (*at < stop) {
        size_t n = stop - *at < (off_t)sizeof(piece) ? (size_t)(stop - *at) : sizeof(piece);
        ssize_t k = pread(memfd, piece, n, *at);

        if (k == 0)
            errno = EIO;
        if (k <= 0)
            return false;
        if (memcmp(piece, zero, (size_t)k) == 0) {
            if (lseek(fd, k, SEEK_CUR) < 0)
                return false;
        } else if (!write_all(fd, piece, (size_t)k)) {
            return false;
        } else {
            *bytes += (uint64_t)k;
        }
        *at += k;
    }
    return true;
}

/** Copy [from, from + len) of the region to the file; holes stay holes. */
static bool copy_range(int fd, int memfd, const struct torobus_ctl_core_range *r, uint64_t *bytes)
{
    off_t at = (off_t)r->offset, end = (off_t)(r->offset + r->len), stop;

    while (at < end) {
        at = lseek(memfd, at, SEEK_DATA);
        if (at < 0)
            return errno == ENXIO;
        if (at >= end)
            return true;
        stop = lseek(memfd, at, SEEK_HOLE);
        if (stop < 0)
            return false;
        stop = stop < end ? stop : end;
        if (lseek(fd, (off_t)(r->file + ((uint64_t)at - r->offset)), SEEK_SET) < 0)
            return false;
        *bytes += (uint64_t)(stop - at);
        while (at < stop) {
            ssize_t k = sendfile(fd, memfd, &at, (size_t)(stop - at));

            if (k < 0 && errno == EINVAL) { /* huge pages cannot be sent, nor do they have holes */
                *bytes -= (uint64_t)(stop - at);
                return copy_plainly(fd, memfd, &at, stop, bytes);
            }
            if (k == 0)
                errno = EIO;
            if (k <= 0)
                return false;
        }
    }
    return true;
}

/** In the child: @return its text for the user, with errno 0 or not. */
static int write_core(const struct torobus_ctl_core *c, int memfd, const char *temp,
                      const char *path, char *text, size_t size)
{
    const struct torobus_ctl_core_range *r = (const struct torobus_ctl_core_range *)(c + 1);
    uint64_t bytes = 0, end = c->head_len;
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), err;
    /* lseek() moves the position of the region's description, which others share */
    char self[64];
    bool ok = fd >= 0;

    snprintf(self, sizeof(self), "/proc/self/fd/%d", memfd);
    memfd = open(self, O_RDONLY | O_CLOEXEC);
    ok = ok && memfd >= 0 && write_all(fd, (const char *)(r + c->nranges), c->head_len);
    for (uint32_t i = 0; ok && i < c->nranges; i++) {
        ok = copy_range(fd, memfd, &r[i], &bytes);
        end = r[i].file + r[i].len;
    }
    ok = ok && ftruncate(fd, (off_t)end) == 0 && fchmod(fd, 0600) == 0 && close(fd) == 0 &&
         rename(temp, path) == 0;
    err = ok ? 0 : errno ? errno : EIO;
    if (ok) {
        snprintf(text, size, "%s (%llu KiB)", path, (unsigned long long)bytes >> 10);
    } else {
        snprintf(text, size, "%s: %s", path, strerror(err));
        if (fd >= 0)
            unlink(temp);
    }
    return err;
}

static void child(const struct torobus_ctl_core *c, int memfd, const char *temp, const char *path,
                  int textfd, pid_t keeper)
{
    char text[SHIM_PATH_MAX + 64];
    int err;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper)
        _exit(1);
    signal(SIGTERM, SIG_DFL);
    err = write_core(c, memfd, temp, path, text, sizeof(text));
    _exit(write_all(textfd, text, strlen(text)) ? err & 0xff : EIO);
}

static void reply(struct keeper_guest *g, uint32_t rank, int err, const char *text)
{
    keeper_guest_send(g, TOROBUS_CTL_CORE_DONE, rank, (uint32_t)err, text, (uint32_t)strlen(text));
}

static void core_free(struct keeper_core *o)
{
    for (struct keeper_core **p = &o->guest->cores; *p; p = &(*p)->next) {
        if (*p == o) {
            *p = o->next;
            break;
        }
    }
    if (o->ev)
        event_free(o->ev);
    close(o->pidfd);
    close(o->textfd);
    free(o);
}

static void on_child(evutil_socket_t fd, short what, void *arg)
{
    struct keeper_core *o = arg;
    char text[SHIM_PATH_MAX + 64];
    int status = 0, err;
    ssize_t n;

    (void)fd;
    (void)what;
    if (waitpid(o->pid, &status, WNOHANG) != o->pid)
        return;
    n = read(o->textfd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    err = WIFEXITED(status) && n > 0 ? WEXITSTATUS(status) : EIO;
    if (n <= 0) {
        snprintf(text, sizeof(text), "its writer ended with status %#x", (unsigned)status);
        unlink(o->temp);
    }
    keeper_log("guest %s: core of rank %u: %s", o->guest->name, o->rank, text);
    reply(o->guest, o->rank, err, text);
    core_free(o);
}

/** @return NULL, or why not. */
static const char *start(struct keeper_guest *g, uint32_t rank, const struct torobus_ctl_core *c)
{
    struct keeper_client *client = g->rank[rank];
    const char *dir = client ? client->core_dir : NULL;
    struct keeper_core *o;
    char path[SHIM_PATH_MAX];
    int pipefd[2];
    pid_t self;

    if (!dir)
        return "TORO_CORE was not set when the job started";
    o = calloc(1, sizeof(*o));
    if (!o)
        return "no memory";
    if (snprintf(path, sizeof(path), "%s/core.%u", dir, c->world_rank) >= (int)sizeof(path) ||
        snprintf(o->temp, sizeof(o->temp), "%s/.core.%u.%d", dir, c->world_rank, (int)getpid()) >=
            (int)sizeof(o->temp) ||
        pipe2(pipefd, O_CLOEXEC) != 0) {
        free(o);
        return "the file's name is too long, or there are no descriptors";
    }
    unlink(o->temp);
    o->guest = g;
    o->rank = rank;
    o->textfd = pipefd[0];
    o->pidfd = -1;
    self = getpid();
    o->pid = fork();
    if (o->pid == 0)
        child(c, g->keeper->region.memfd, o->temp, path, pipefd[1], self);
    close(pipefd[1]);
    if (o->pid > 0)
        o->pidfd = (int)syscall(SYS_pidfd_open, o->pid, 0);
    if (o->pidfd >= 0)
        o->ev = event_new(g->keeper->base, o->pidfd, EV_READ | EV_PERSIST, on_child, o);
    if (!o->ev || event_add(o->ev, NULL) != 0) {
        if (o->pid > 0) {
            kill(o->pid, SIGKILL);
            waitpid(o->pid, NULL, 0);
        }
        core_free(o);
        return "no process can be started to write it";
    }
    o->next = g->cores;
    g->cores = o;
    return NULL;
}

bool keeper_core(struct keeper_guest *g, uint32_t rank, const void *body, uint32_t len)
{
    const char *why;

    if (!body_ok(g, body, len))
        return false;
    for (const struct keeper_core *o = g->cores; o; o = o->next)
        if (o->rank == rank)
            return false;
    why = start(g, rank, body);
    if (why)
        reply(g, rank, EIO, why);
    return true;
}

void keeper_core_cancel(struct keeper_guest *g)
{
    while (g->cores) {
        struct keeper_core *o = g->cores;

        kill(o->pid, SIGKILL);
        waitpid(o->pid, NULL, 0);
        unlink(o->temp);
        core_free(o);
    }
}
