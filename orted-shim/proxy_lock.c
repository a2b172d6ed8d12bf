/* SPDX-License-Identifier: BSD-3-Clause */
/* File locks of a rank. Each key is an open file of its own here, locked with open file description
 * locks, so ranks that share this process are as far apart as any others. A lock that must be
 * waited for is waited for in a thread.
 *
 * Trust: the guest names the file; it is opened with the user's own rights, never written, and only
 * if the guest may see the host's files at all. */
#include "proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES_MAX   4096u
#define WAITERS_MAX 256u

struct lock_file {
    struct lock_file *next;
    uint64_t key;
    bool by_file;
    unsigned waiters;
    bool closed; /* the key is given up; goes with the last waiter */
    int fd;
};

struct waiter {
    struct waiter *next;
    struct lock_file *file;
    struct torobus_ctl_lock req;
    pthread_t thread;
    _Atomic bool cancelled, done;
    int err;
    int wake; /* write end of the pipe */
};

struct proxy_locks {
    struct lock_file *files;
    struct waiter *waiters;
    unsigned nfiles, nwaiters;
    int pipe[2];
    struct event *ev, *nudge;
};

/** A signal that does nothing ends the wait in a system call, if it comes during one. */
static const struct timeval nudge_again = {.tv_usec = 20000};

static int nudge_signal(void)
{
    return SIGRTMIN + 1;
}

static void on_nudge_signal(int sig)
{
    (void)sig;
}

static void answer(struct proxy *p, uint32_t id, int err, const struct flock *found)
{
    struct torobus_ctl_locked a = {.id = id, .err = err, .type = 2};

    if (found && found->l_type != F_UNLCK) {
        a.type = found->l_type == F_WRLCK;
        a.pid = found->l_pid;
        a.start = (uint64_t)found->l_start;
        a.len = (uint64_t)found->l_len;
    }
    proxy_send(p, TOROBUS_CTL_LOCKED, 0, &a, sizeof(a));
}

static struct flock range(const struct torobus_ctl_lock *l)
{
    return (struct flock){.l_type = l->type == 0   ? F_RDLCK
                                    : l->type == 1 ? F_WRLCK
                                                   : F_UNLCK,
                          .l_whence = SEEK_SET,
                          .l_start = (off_t)l->start,
                          .l_len = (off_t)l->len};
}

/** @return 0 or errno; with wait it may take its time. */
static int take(int fd, const struct torobus_ctl_lock *l, bool wait)
{
    static const int ops[] = {LOCK_SH, LOCK_EX, LOCK_UN};
    struct flock r = range(l);
    int rc = l->op == TOROBUS_LOCK_FLOCK ? flock(fd, ops[l->type] | (wait ? 0 : LOCK_NB))
                                         : fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &r);

    return rc == 0 ? 0 : errno == EACCES ? EAGAIN : errno;
}

/** No symlinks anywhere, as the guest has followed them all: so nothing leads out of --root. */
static int open_plain(const char *path, int flags)
{
    struct open_how how = {.flags = (uint64_t)flags, .resolve = RESOLVE_NO_SYMLINKS};

    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

static int open_file(const struct proxy *p, const char *name, int *err)
{
    const int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    char path[SHIM_PATH_MAX];
    struct stat st;
    int fd = -1;

    if (p->job->fs == SHIM_FS_NONE) {
        *err = EPERM;
        return -1;
    }
    if (snprintf(path, sizeof(path), "%s%s", p->job->root, name) >= (int)sizeof(path)) {
        *err = ENAMETOOLONG;
        return -1;
    }
    if (p->job->fs == SHIM_FS_RW)
        fd = open_plain(path, O_RDWR | flags);
    if (fd < 0)
        fd = open_plain(path, O_RDONLY | flags);
    if (fd < 0 && errno == EACCES && p->job->fs == SHIM_FS_RW)
        fd = open_plain(path, O_WRONLY | flags);
    if (fd < 0) {
        *err = errno;
        return -1;
    }
    /* nothing else is worth the risk that opening it has effects; the guest does not lock it */
    if (fstat(fd, &st) != 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) {
        close(fd);
        *err = EINVAL;
        return -1;
    }
    return fd;
}

static struct lock_file *file_of(struct proxy *p, const struct torobus_ctl_lock *l)
{
    for (struct lock_file *f = p->locks->files; f; f = f->next)
        if (f->key == l->key && f->by_file == (l->by_file != 0) && !f->closed)
            return f;
    return NULL;
}

static struct lock_file *file_new(struct proxy *p, const struct torobus_ctl_lock *l,
                                  const char *path, int *err)
{
    struct lock_file *f = calloc(1, sizeof(*f));

    *err = ENOLCK;
    if (!f || p->locks->nfiles == FILES_MAX || (f->fd = open_file(p, path, err)) < 0) {
        free(f);
        return NULL;
    }
    f->key = l->key;
    f->by_file = l->by_file != 0;
    f->next = p->locks->files;
    p->locks->files = f;
    p->locks->nfiles++;
    return f;
}

static void file_drop(struct proxy_locks *k, struct lock_file *f)
{
    for (struct lock_file **at = &k->files; *at; at = &(*at)->next) {
        if (*at == f) {
            *at = f->next;
            break;
        }
    }
    k->nfiles--;
    close(f->fd);
    free(f);
}

static void *wait_for_lock(void *arg)
{
    struct waiter *w = arg;
    char c = 0;

    do
        w->err = atomic_load(&w->cancelled) ? EINTR : take(w->file->fd, &w->req, true);
    while (w->err == EINTR && !atomic_load(&w->cancelled));
    atomic_store(&w->done, true);
    while (write(w->wake, &c, 1) < 0 && errno == EINTR)
        ;
    return NULL;
}

static void cancel(struct waiter *w)
{
    atomic_store(&w->cancelled, true);
    pthread_kill(w->thread, nudge_signal());
}

static void on_nudge(evutil_socket_t fd, short what, void *arg)
{
    struct proxy *p = arg;
    bool again = false;

    (void)fd;
    (void)what;
    for (struct waiter *w = p->locks->waiters; w; w = w->next) {
        if (atomic_load(&w->cancelled)) {
            pthread_kill(w->thread, nudge_signal());
            again = true;
        }
    }
    if (again)
        evtimer_add(p->locks->nudge, &nudge_again);
}

/** Threads that are through. */
static void on_done(evutil_socket_t fd, short what, void *arg)
{
    struct proxy *p = arg;
    struct proxy_locks *k = p->locks;
    char drain[64];

    (void)what;
    while (read(fd, drain, sizeof(drain)) > 0)
        ;
    for (struct waiter **at = &k->waiters, *w; (w = *at) != NULL;) {
        if (!atomic_load(&w->done)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        pthread_join(w->thread, NULL);
        if (p->state < PROXY_ENDED)
            answer(p, w->req.id, w->err, NULL);
        if (--w->file->waiters == 0 && w->file->closed)
            file_drop(k, w->file);
        k->nwaiters--;
        free(w);
    }
}

static int wait_in_thread(struct proxy *p, struct lock_file *f, const struct torobus_ctl_lock *l)
{
    struct waiter *w = calloc(1, sizeof(*w));
    pthread_attr_t attr;
    sigset_t block, old;
    int err;

    if (!w || p->locks->nwaiters == WAITERS_MAX) {
        free(w);
        return ENOLCK;
    }
    w->file = f;
    w->req = *l;
    w->wake = p->locks->pipe[1];
    /* all signals but ours are the main thread's */
    sigfillset(&block);
    sigdelset(&block, nudge_signal());
    pthread_sigmask(SIG_SETMASK, &block, &old);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 128u << 10);
    err = pthread_create(&w->thread, &attr, wait_for_lock, w);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err) {
        free(w);
        return ENOLCK;
    }
    f->waiters++;
    p->locks->nwaiters++;
    w->next = p->locks->waiters;
    p->locks->waiters = w;
    return 0;
}

static bool get_ready(struct proxy *p)
{
    const struct sigaction act = {.sa_handler = on_nudge_signal};
    struct proxy_locks *k;

    if (p->locks)
        return true;
    k = calloc(1, sizeof(*k));
    if (!k || pipe2(k->pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
        free(k);
        return false;
    }
    k->ev = event_new(p->base, k->pipe[0], EV_READ | EV_PERSIST, on_done, p);
    k->nudge = evtimer_new(p->base, on_nudge, p);
    if (!k->ev || !k->nudge || event_add(k->ev, NULL) != 0 ||
        sigaction(nudge_signal(), &act, NULL) != 0)
        return false; /* out of memory: the job ends over it soon */
    p->locks = k;
    return true;
}

static void set(struct proxy *p, const struct torobus_ctl_lock *l, const char *path)
{
    struct lock_file *f = file_of(p, l);
    int err = 0;

    if (!f)
        f = file_new(p, l, path, &err);
    if (f)
        err = take(f->fd, l, false);
    if (err == EBADF)
        err = EACCES; /* the rank may write what we may not */
    if ((err == EAGAIN || err == EWOULDBLOCK) && l->wait) {
        err = wait_in_thread(p, f, l);
        if (err == 0)
            return;
    }
    answer(p, l->id, err, NULL);
}

static void get(struct proxy *p, const struct torobus_ctl_lock *l, const char *path)
{
    struct lock_file *f = file_of(p, l);
    struct flock r = range(l);
    int err = 0;

    if (!f)
        f = file_new(p, l, path, &err);
    if (f)
        err = fcntl(f->fd, F_OFD_GETLK, &r) == 0 ? 0 : errno;
    answer(p, l->id, err, err ? NULL : &r);
}

static void close_key(struct proxy *p, const struct torobus_ctl_lock *l)
{
    struct lock_file *f = file_of(p, l);
    struct torobus_ctl_lock all = {.type = 2, .op = TOROBUS_LOCK_SET};

    if (!f)
        return;
    f->closed = true;
    if (f->waiters == 0) {
        file_drop(p->locks, f);
        return;
    }
    take(f->fd, &all, false);
    flock(f->fd, LOCK_UN);
    for (struct waiter *w = p->locks->waiters; w; w = w->next)
        if (w->file == f)
            cancel(w);
    evtimer_add(p->locks->nudge, &nudge_again);
}

static void cancel_id(struct proxy *p, uint32_t id)
{
    for (struct waiter *w = p->locks->waiters; w; w = w->next) {
        if (w->req.id == id) {
            cancel(w);
            evtimer_add(p->locks->nudge, &nudge_again);
        }
    }
}

/** Absolute and without "." and ".." or empty parts, as the guest has resolved it; ".." would lead
 * out of --root. */
static bool canonical(const char *path)
{
    if (path[0] != '/')
        return false;
    for (const char *c = path; *c == '/'; c += 1 + strcspn(c + 1, "/")) {
        size_t n = strcspn(c + 1, "/");

        if ((n == 0 && path[1] != '\0') || (n == 1 && c[1] == '.') ||
            (n == 2 && c[1] == '.' && c[2] == '.'))
            return false;
    }
    return true;
}

bool proxy_lock(struct proxy *p, const void *body, uint32_t len)
{
    const char *path = (const char *)body + sizeof(struct torobus_ctl_lock);
    struct torobus_ctl_lock l;

    if (len < sizeof(l) + 1 || path[len - sizeof(l) - 1] != '\0')
        return false;
    memcpy(&l, body, sizeof(l));
    if (l.type > 2 || l.start > INT64_MAX || l.len > INT64_MAX - l.start)
        return false;
    if (!get_ready(p)) {
        answer(p, l.id, ENOLCK, NULL);
        return true;
    }
    switch (l.op) {
    case TOROBUS_LOCK_SET:
    case TOROBUS_LOCK_FLOCK:
    case TOROBUS_LOCK_GET:
        if (!canonical(path))
            return false;
        if (l.op == TOROBUS_LOCK_GET)
            get(p, &l, path);
        else
            set(p, &l, path);
        return true;
    case TOROBUS_LOCK_CLOSE:
        close_key(p, &l);
        return true;
    case TOROBUS_LOCK_CANCEL:
        cancel_id(p, l.id);
        return true;
    default:
        return false;
    }
}

void proxy_lock_end(struct proxy *p)
{
    struct proxy_locks *k = p->locks;

    if (!k)
        return;
    for (struct waiter *w = k->waiters; w; w = w->next)
        cancel(w);
    for (struct lock_file *f = k->files, *next; f; f = next) {
        next = f->next;
        f->closed = true;
        if (f->waiters == 0)
            file_drop(k, f);
    }
    if (k->waiters)
        evtimer_add(k->nudge, &nudge_again);
}
