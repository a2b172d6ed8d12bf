/* SPDX-License-Identifier: BSD-3-Clause */
/* Pipes, socket pairs, eventfd, epoll, poll and file locks in one thread; who sleeps is woken by
 * what the hook does meanwhile. */
#include "fs-kernel.h"
#include "../../unikernel/fs/eventfd.c"
#include "../../unikernel/fs/pipe.c"
#define next_id pair_next_id
#define take    pair_take
#include "../../unikernel/fs/unixpair.c"
#undef take
#undef next_id
#include "../../unikernel/fs/fd.c"
#include "../../unikernel/fs/fdpoll.c"
#define add  epoll_add
#define find epoll_find
#include "../../unikernel/fs/epoll.c"
#undef find
#undef add
#define drop lock_drop
#include "../../unikernel/fs/lock.c"
#undef drop

#include "tap.h"

void toro_node_put(struct toro_node *n)
{
    (void)n;
}
int toro_vfs_stat(struct toro_node *n, struct toro_linux_stat *st)
{
    (void)n;
    (void)st;
    return -EBADF;
}
int toro_proc_signal(struct toro_proc *p, int tid, int sig)
{
    (void)p;
    (void)tid;
    (void)sig;
    return 0;
}

static struct toro_file *end[2];
static unsigned turns;

static toro_ssize rd(struct toro_file *f, void *b, size_t n)
{
    return f->ops->read(f, b, n, NULL);
}

static toro_ssize wr(struct toro_file *f, const void *b, size_t n)
{
    return f->ops->write(f, b, n, NULL);
}

static bool late_write(void)
{
    return turns++ == 0 && wr(end[1], "late", 4) == 4;
}

static char drain[70000];

static bool late_read(void)
{
    return rd(end[0], drain, 5000) > 0;
}

static void test_pipe(void)
{
    static char big[200000];
    char b[16];

    t_eq(toro_pipe_new(0, end), 0, "a pipe");
    t_eq(end[0]->ops->poll(end[0], NULL), 0, "nothing to read");
    t_eq(end[1]->ops->poll(end[1], NULL), TORO_POLLOUT, "room to write");
    turns = 0;
    host_others = late_write;
    t_ok(rd(end[0], b, 16) == 4 && memcmp(b, "late", 4) == 0,
         "a reader sleeps until something comes");
    end[1]->flags |= TORO_O_NONBLOCK;
    t_eq(wr(end[1], big, sizeof(big)), RING_SIZE, "nonblocking: as much as there is room");
    t_eq(wr(end[1], big, 1), -EAGAIN, "then EAGAIN");
    t_eq(rd(end[0], drain, 4000), 4000, "room of 4000");
    t_eq(wr(end[1], big, 4096), -EAGAIN, "is not enough for 4096, which go whole or not at all");
    t_eq(wr(end[1], big, 4000), 4000, "but for 4000");
    end[1]->flags &= ~TORO_O_NONBLOCK;
    host_others = late_read;
    t_eq(wr(end[1], big, sizeof(big)), sizeof(big), "a writer sleeps until there is room");
    host_others = NULL;
    host_bad_user = b + 8;
    t_eq(rd(end[0], b, 16), -EFAULT, "a bad buffer");
    host_bad_user = NULL;
    toro_file_put(end[1]);
    t_eq(end[0]->ops->poll(end[0], NULL), TORO_POLLIN | TORO_POLLHUP, "no writer any more");
    while (rd(end[0], drain, sizeof(drain)) > 0)
        ;
    t_eq(rd(end[0], b, 16), 0, "the end");
    toro_file_put(end[0]);
    (void)toro_pipe_new(0, end);
    toro_file_put(end[0]);
    t_eq(wr(end[1], "x", 1), -EPIPE, "no reader: EPIPE");
    atomic_store(&host_thread.interrupt, false);
    toro_file_put(end[1]);
    (void)toro_pipe_new(0, end);
    atomic_store(&host_thread.interrupt, true);
    t_eq(rd(end[0], b, 1), -EINTR, "a signal ends the wait");
    atomic_store(&host_thread.interrupt, false);
    toro_file_put(end[0]);
    toro_file_put(end[1]);
    t_eq(host_heap, 0, "all memory is back");
}

static void test_pair(void)
{
    static char big[80000];
    struct toro_file *s[2];
    size_t full;
    char b[16];

    t_eq(toro_unixpair_new(SOCK_STREAM_, 0, s), 0, "a stream pair");
    t_ok(wr(s[0], "to one", 6) == 6 && wr(s[1], "to zero!", 8) == 8, "both ways");
    t_ok(rd(s[1], b, 16) == 6 && rd(s[0], b, 16) == 8 && memcmp(b, "to zero!", 8) == 0, "arrive");
    t_eq(toro_unixpair_recv(s[0], b, 1, MSG_DONTWAIT_, &full), -EAGAIN, "no more");
    (void)wr(s[0], "abc", 3);
    t_ok(toro_unixpair_recv(s[1], b, 2, MSG_PEEK_, &full) == 2 && rd(s[1], b, 16) == 3,
         "a peek takes nothing");
    t_eq(toro_unixpair_shutdown(s[0], 1), 0, "shutdown of one direction");
    t_eq(rd(s[1], b, 1), 0, "is the end there");
    t_eq(wr(s[0], b, 1), -EPIPE, "and EPIPE here");
    t_eq(wr(s[1], "x", 1), 1, "the other still works");
    toro_file_put(s[1]);
    t_eq(rd(s[0], b, 16), 1, "what was sent before a close");
    t_eq(rd(s[0], b, 16), 0, "then the end");
    toro_file_put(s[0]);

    t_eq(toro_unixpair_new(SOCK_DGRAM_, TORO_O_NONBLOCK, s), 0, "a datagram pair");
    (void)wr(s[0], "first", 5);
    (void)wr(s[0], "", 0);
    (void)wr(s[0], "third", 5);
    t_ok(toro_unixpair_recv(s[1], b, 3, 0, &full) == 3 && full == 5, "a short buffer cuts");
    t_eq(rd(s[1], b, 16), 0, "an empty message");
    t_ok(rd(s[1], b, 16) == 5 && memcmp(b, "third", 5) == 0, "the next begins where it should");
    t_eq(wr(s[0], big, sizeof(big)), -EMSGSIZE, "one that can never fit");
    for (full = 0; wr(s[0], big, 1000) == 1000; full++)
        ;
    t_eq(full, RING_SIZE / 1004, "a full buffer takes no half message");
    toro_file_put(s[0]);
    toro_file_put(s[1]);
    t_eq(host_heap, 0, "all memory is back");
}

static void test_event(void)
{
    struct toro_file *f = toro_eventfd_new(3, TORO_O_NONBLOCK);
    uint64_t v = 0;

    t_ok(rd(f, &v, 8) == 8 && v == 3, "eventfd: the count");
    t_eq(rd(f, &v, 8), -EAGAIN, "is taken");
    t_eq(rd(f, &v, 7), -EINVAL, "7 bytes are too few");
    v = UINT64_MAX;
    t_eq(wr(f, &v, 8), -EINVAL, "2^64 - 1 cannot be added");
    v = UINT64_MAX - 1;
    t_eq(wr(f, &v, 8), 8, "2^64 - 2 can");
    v = 1;
    t_eq(wr(f, &v, 8), -EAGAIN, "but then nothing more");
    t_eq(f->ops->poll(f, NULL), TORO_POLLIN, "which poll shows");
    toro_file_put(f);
    f = toro_eventfd_new(2, 1);
    t_ok(rd(f, &v, 8) == 8 && v == 1 && rd(f, &v, 8) == 8 && v == 1, "a semaphore counts down");
    toro_file_put(f);
    t_eq(host_heap, 0, "all memory is back");
}

static void test_poll(void)
{
    struct toro_pollfd p[3];
    struct toro_file *f;

    (void)toro_pipe_new(0, end);
    toro_file_get(end[0]);
    toro_file_get(end[1]);
    t_ok(toro_fd_install(&host_proc.fds, end[0], 0, false) == 0 &&
             toro_fd_install(&host_proc.fds, end[1], 0, true) == 1,
         "the lowest free descriptors");
    p[0] = (struct toro_pollfd){.fd = 0, .events = TORO_POLLIN};
    p[1] = (struct toro_pollfd){.fd = 7, .events = TORO_POLLIN};
    p[2] = (struct toro_pollfd){.fd = -1, .events = TORO_POLLIN};
    t_ok(toro_poll_fds(p, 3, 0) == 1 && p[1].revents == POLLNVAL && p[2].revents == 0,
         "a bad descriptor is told, a negative one ignored");
    t_eq(toro_poll_fds(p, 1, 0), 0, "nothing, without waiting");
    t_eq(toro_poll_fds(p, 1, host_clock + 1000), 0, "nothing until the time is over");
    turns = 0;
    host_others = late_write;
    t_ok(toro_poll_fds(p, 1, UINT64_MAX) == 1 && p[0].revents == TORO_POLLIN,
         "sleeps until there is something");
    host_others = NULL;
    p[0].fd = 1;
    p[0].events = TORO_POLLOUT;
    t_ok(toro_poll_fds(p, 1, UINT64_MAX) == 1 && p[0].revents == TORO_POLLOUT, "ready at once");
    f = toro_eventfd_new(1, 0);
    t_eq(toro_fd_replace(&host_proc.fds, 0, f, false), 0, "a descriptor can be replaced");
    t_eq(toro_fd_close(&host_proc.fds, 5), -EBADF, "one that is not open cannot be closed");
    toro_fdtable_clear(&host_proc.fds);
    toro_file_put(end[0]);
    toro_file_put(end[1]);
    t_eq(host_heap, 0, "all memory is back");
}

static void test_epoll(void)
{
    struct toro_file *ep = toro_epoll_new(), *a = toro_eventfd_new(0, TORO_O_NONBLOCK),
                     *b = toro_eventfd_new(0, TORO_O_NONBLOCK);
    struct toro_epoll_event ev = {.events = TORO_POLLIN, .data = 11}, got[4];
    uint64_t v = 1;

    t_eq(toro_epoll_ctl(ep, EPOLL_CTL_ADD_, a, 3, &ev), 0, "epoll: add");
    t_eq(toro_epoll_ctl(ep, EPOLL_CTL_ADD_, a, 3, &ev), -EEXIST, "once");
    t_eq(toro_epoll_ctl(ep, EPOLL_CTL_DEL_, b, 4, NULL), -ENOENT, "what is not in cannot go");
    t_eq(toro_epoll_ctl(a, EPOLL_CTL_ADD_, b, 4, &ev), -EINVAL, "only an epoll is one");
    t_eq(toro_epoll_ctl(ep, EPOLL_CTL_ADD_, ep, 5, &ev), -EINVAL, "not in itself");
    ev = (struct toro_epoll_event){.events = TORO_POLLIN | EV_ET, .data = 22};
    t_eq(toro_epoll_ctl(ep, EPOLL_CTL_ADD_, b, 4, &ev), 0, "one with edges");
    t_eq(toro_epoll_wait(ep, got, 4, 0), 0, "nothing");
    (void)wr(a, &v, 8);
    (void)wr(b, &v, 8);
    t_ok(toro_epoll_wait(ep, got, 4, 0) == 2 && got[0].data == 11 && got[1].data == 22, "both");
    t_ok(toro_epoll_wait(ep, got, 4, 0) == 1 && got[0].data == 11,
         "a level stays, an edge does not");
    (void)wr(b, &v, 8);
    t_eq(toro_epoll_wait(ep, got, 1, 0), 1, "one at a time");
    t_eq(toro_epoll_wait(ep, got, 1, 0), 1, "then the other");
    (void)rd(a, &v, 8);
    v = 1;
    t_eq(toro_epoll_wait(ep, got, 4, 0), 0, "nothing after reading");
    ev = (struct toro_epoll_event){.events = TORO_POLLIN | EV_ONESHOT, .data = 33};
    (void)toro_epoll_ctl(ep, EPOLL_CTL_MOD_, a, 3, &ev);
    (void)wr(a, &v, 8);
    t_ok(toro_epoll_wait(ep, got, 4, 0) == 1 && got[0].data == 33, "one shot");
    (void)wr(a, &v, 8);
    t_eq(toro_epoll_wait(ep, got, 4, 0), 0, "and no second");
    (void)toro_epoll_ctl(ep, EPOLL_CTL_MOD_, a, 3, &ev);
    t_eq(toro_epoll_wait(ep, got, 4, 0), 1, "until it is set again");
    t_eq(toro_epoll_wait(ep, got, 4, host_clock + 500), 0, "the time is over");
    toro_file_put(a);
    t_eq(toro_epoll_wait(ep, got, 4, 0), 0, "a closed file is gone from it");
    toro_file_put(ep);
    toro_file_put(b);
    t_eq(host_heap, 0, "all memory is back, whatever is closed first");
}

static const struct toro_fs_ops own_ops;
static struct toro_mount own = {.ops = &own_ops};
static struct toro_node node = {.id = 5, .mnt = &own};
static struct toro_proc other_proc = {.pid = 1001};

static int lock_as(struct toro_proc *p, struct toro_file *f, int cmd, int type, long start,
                   long len, struct toro_flock *out)
{
    struct toro_flock l = {.type = (int16_t)type, .start = start, .len = len};
    int err;

    host_thread.proc = p;
    err = toro_posix_lock(f, cmd, false, &l);
    host_thread.proc = &host_proc;
    if (out)
        *out = l;
    return err;
}

static void test_locks(void)
{
    struct toro_file f = {.node = &node}, g = {.node = &node};
    struct toro_flock l;

    t_eq(lock_as(&host_proc, &f, TORO_F_SETLK, TORO_F_WRLCK, 0, 100, NULL), 0, "lock 0-99");
    t_eq(lock_as(&other_proc, &f, TORO_F_SETLK, TORO_F_RDLCK, 99, 1, NULL), -EAGAIN,
         "another rank cannot have byte 99");
    t_eq(lock_as(&other_proc, &f, TORO_F_SETLK, TORO_F_WRLCK, 100, 0, NULL), 0, "but all behind");
    t_eq(lock_as(&host_proc, &f, TORO_F_SETLK, TORO_F_UNLCK, 40, 20, NULL), 0,
         "a hole in the middle");
    t_eq(lock_as(&other_proc, &f, TORO_F_SETLK, TORO_F_WRLCK, 45, 5, NULL), 0, "can be had");
    (void)lock_as(&other_proc, &f, TORO_F_GETLK, TORO_F_WRLCK, 60, 10, &l);
    t_ok(l.type == TORO_F_WRLCK && l.start == 60 && l.len == 40 && l.pid == 1000,
         "who holds the rest");
    (void)lock_as(&host_proc, &f, TORO_F_GETLK, TORO_F_WRLCK, 1000, 1, &l);
    t_ok(l.type == TORO_F_WRLCK && l.start == 100 && l.len == 0 && l.pid == 1001, "and to the end");
    t_eq(lock_as(&host_proc, &f, TORO_F_SETLK, TORO_F_RDLCK, -1, 1, NULL), -EINVAL,
         "before the start");
    toro_locks_end(&other_proc);
    t_eq(lock_as(&host_proc, &f, TORO_F_SETLK, TORO_F_WRLCK, 0, 0, NULL), 0,
         "a rank's end frees all");
    toro_locks_close(&f);
    t_eq(lock_as(&other_proc, &f, TORO_F_SETLK, TORO_F_WRLCK, 0, 0, NULL), 0, "as does a close");
    toro_locks_end(&other_proc);
    t_eq(toro_flock_op(&f, LOCK_SH), 0, "flock: shared");
    t_eq(toro_flock_op(&g, LOCK_SH | LOCK_NB), 0, "twice");
    t_eq(toro_flock_op(&g, LOCK_EX | LOCK_NB), -EAGAIN, "not exclusive then");
    toro_locks_release(&f);
    t_eq(toro_flock_op(&g, LOCK_EX | LOCK_NB), 0, "until the other is gone");
    toro_locks_release(&g);
    t_ok(nlocks == 0 && host_heap == 0, "no lock is left");
}

static struct torobus_ctl_lock asked;
static unsigned asks;
static int host_says;

static int host_lock(struct toro_node *n, struct torobus_ctl_lock *l,
                     struct torobus_ctl_locked *out)
{
    (void)n;
    asked = *l;
    asks++;
    if (out)
        *out = (struct torobus_ctl_locked){.type = 0, .pid = 77, .start = 8, .len = 9};
    return host_says;
}

/* The host decides, the guest remembers. */
static void test_host_locks(void)
{
    static const struct toro_fs_ops ops = {.lock = host_lock};
    struct toro_mount mnt = {.ops = &ops};
    struct toro_node n = {.id = 9, .mnt = &mnt};
    struct toro_file f = {.node = &n}, g = {.node = &n};
    struct toro_flock l;

    host_says = -EAGAIN;
    t_ok(lock_as(&host_proc, &f, TORO_F_SETLK, TORO_F_WRLCK, 10, 5, NULL) == -EAGAIN && asks == 1 &&
             asked.op == TOROBUS_LOCK_SET && asked.type == 1 && asked.start == 10 &&
             asked.len == 5 && asked.wait == 0 && asked.key == 9 && asked.by_file == 0,
         "the host is asked, and refuses");
    toro_locks_close(&f);
    t_eq(asks, 1, "nothing is held, nothing to close");
    host_says = 0;
    t_ok(lock_as(&host_proc, &f, TORO_F_SETLKW, TORO_F_WRLCK, 10, 5, NULL) == 0 && asked.wait == 1,
         "it agrees");
    t_eq(lock_as(&other_proc, &f, TORO_F_SETLK, TORO_F_WRLCK, 0, 0, NULL), 0,
         "it alone says who else can have it");
    toro_locks_end(&other_proc);
    (void)lock_as(&other_proc, &f, TORO_F_GETLK, TORO_F_WRLCK, 12, 1, &l);
    t_ok(l.type == TORO_F_WRLCK && l.pid == 1000 && l.start == 10 && l.len == 5,
         "a rank of the guest is known by name");
    (void)lock_as(&other_proc, &f, TORO_F_GETLK, TORO_F_WRLCK, 50, 1, &l);
    t_ok(l.type == TORO_F_RDLCK && l.pid == 77 && l.start == 8 && l.len == 9, "others by the host");
    toro_locks_close(&f);
    t_ok(asked.op == TOROBUS_LOCK_CLOSE && asked.key == 9 && asked.by_file == 0,
         "a close gives all of it back");
    asks = 0;
    toro_locks_close(&f);
    t_eq(asks, 0, "once");
    t_ok(toro_flock_op(&f, LOCK_EX) == 0 && asked.op == TOROBUS_LOCK_FLOCK && asked.wait == 1 &&
             asked.by_file == 1,
         "flock goes by open file");
    toro_locks_release(&f);
    t_ok(asked.op == TOROBUS_LOCK_CLOSE && asked.by_file == 1, "and with it");
    host_says = -ENOENT;
    t_ok(toro_flock_op(&f, LOCK_EX) == 0 && toro_flock_op(&g, LOCK_EX | LOCK_NB) == -EAGAIN,
         "a file without a name is locked in the guest");
    toro_locks_release(&f);
    t_ok(nlocks == 0 && host_heap == 0, "no lock is left");
}

int main(void)
{
    test_pipe();
    test_pair();
    test_event();
    test_poll();
    test_epoll();
    test_locks();
    test_host_locks();
    return t_done();
}
