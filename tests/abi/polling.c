/* SPDX-License-Identifier: BSD-3-Clause */
/* eventfd, timerfd, poll, select, epoll. */
#include <tap.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *poke(void *arg)
{
    uint64_t one = 1;

    usleep(50000);
    if (write(*(int *)arg, &one, sizeof(one)) != sizeof(one))
        t_diag("the write failed");
    return NULL;
}

/* Calls fn while another thread writes to fd after 50 ms; true if it took about that. */
#define WAKES(fd, expression)                                                                      \
    ({                                                                                             \
        pthread_t t_;                                                                              \
        double before_ = now();                                                                    \
        int fd_ = (fd);                                                                            \
        bool good_;                                                                                \
        pthread_create(&t_, NULL, poke, &fd_);                                                     \
        good_ = (expression);                                                                      \
        good_ &= now() - before_ > 0.045;                                                          \
        pthread_join(t_, NULL);                                                                    \
        good_;                                                                                     \
    })

static void test_eventfd(void)
{
    int fd = eventfd(3, EFD_CLOEXEC);
    uint64_t v = 0;

    t_ok(fd >= 0 && read(fd, &v, 8) == 8 && v == 3, "eventfd starts at its value");
    v = 5;
    t_ok(write(fd, &v, 8) == 8 && write(fd, &v, 8) == 8 && read(fd, &v, 8) == 8 && v == 10,
         "writes add up");
    t_ok(WAKES(fd, read(fd, &v, 8) == 8 && v == 1), "a read waits for a write");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    t_ok(read(fd, &v, 8) == -1 && errno == EAGAIN, "or gives EAGAIN");
    t_ok(read(fd, &v, 4) == -1 && errno == EINVAL, "four bytes are too few: EINVAL");
    close(fd);
    fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    t_ok(read(fd, &v, 8) == 8 && v == 1 && read(fd, &v, 8) == 8 && read(fd, &v, 8) == -1,
         "EFD_SEMAPHORE gives one at a time");
    close(fd);
}

static void test_poll(void)
{
    int fd = eventfd(0, 0), p[2];
    struct pollfd f[3];
    struct timespec limit = {0, 30000000};
    double before;
    uint64_t v;
    int n;

    if (pipe(p) != 0)
        t_bail("pipe failed");
    f[0] = (struct pollfd){.fd = fd, .events = POLLIN};
    f[1] = (struct pollfd){.fd = p[0], .events = POLLIN};
    f[2] = (struct pollfd){.fd = p[1], .events = POLLOUT};
    t_ok(poll(f, 3, 0) == 1 && f[2].revents == POLLOUT && f[0].revents == 0, "poll: one is ready");
    before = now();
    t_ok(poll(f, 2, 30) == 0 && now() - before >= 0.03, "poll: time limit");
    before = now();
    t_ok(ppoll(f, 2, &limit, NULL) == 0 && now() - before >= 0.03, "ppoll: time limit");
    before = now();
    t_ok(poll(NULL, 0, 20) == 0 && now() - before >= 0.02, "poll of nothing sleeps");
    t_ok(WAKES(fd, poll(f, 2, -1) == 1 && f[0].revents == POLLIN), "poll wakes up for an eventfd");
    n = (int)read(fd, &v, 8);
    t_ok(n == 8 && WAKES(p[1], poll(f, 2, 5000) == 1 && f[1].revents == POLLIN), "and for a pipe");
    close(p[1]);
    t_ok(poll(f, 2, 0) == 1 && f[1].revents == (POLLIN | POLLHUP), "bytes and the end: IN and HUP");
    f[0].fd = 999;
    f[1].fd = -7;
    t_ok(poll(f, 2, 0) == 1 && f[0].revents == POLLNVAL && f[1].revents == 0,
         "a bad descriptor: NVAL; a negative one is left out");
    close(p[0]);
    close(fd);
}

static void test_select(void)
{
    int fd = eventfd(0, 0);
    struct timeval limit = {0, 30000};
    double before = now();
    fd_set in, out;

    FD_ZERO(&in);
    FD_SET(fd, &in);
    t_ok(select(fd + 1, &in, NULL, NULL, &limit) == 0 && now() - before >= 0.03 &&
             !FD_ISSET(fd, &in),
         "select: time limit");
    FD_SET(fd, &in);
    FD_ZERO(&out);
    FD_SET(fd, &out);
    t_ok(select(fd + 1, &in, &out, NULL, NULL) == 1 && FD_ISSET(fd, &out) && !FD_ISSET(fd, &in),
         "select: ready for writing");
    FD_ZERO(&in);
    FD_SET(fd, &in);
    t_ok(WAKES(fd, select(fd + 1, &in, NULL, NULL, NULL) == 1 && FD_ISSET(fd, &in)),
         "select wakes up");
    close(fd);
}

static void test_epoll(void)
{
    int ep = epoll_create1(EPOLL_CLOEXEC), a = eventfd(0, 0), b = eventfd(1, 0);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 0x1234567890abcdefu}, got[4];
    double before;
    uint64_t v = 1;

    t_ok(ep >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, a, &e) == 0, "epoll: add");
    t_ok(epoll_ctl(ep, EPOLL_CTL_ADD, a, &e) == -1 && errno == EEXIST, "twice: EEXIST");
    before = now();
    t_ok(epoll_wait(ep, got, 4, 30) == 0 && now() - before >= 0.03, "epoll: time limit");
    t_ok(WAKES(a, epoll_wait(ep, got, 4, -1) == 1 && got[0].events == EPOLLIN &&
                      got[0].data.u64 == 0x1234567890abcdefu),
         "epoll wakes up and gives the data back");
    t_eq(epoll_wait(ep, got, 4, 0), 1, "level-triggered: still ready");
    e.data.u64 = 2;
    t_ok(epoll_ctl(ep, EPOLL_CTL_ADD, b, &e) == 0 && epoll_wait(ep, got, 4, 0) == 2,
         "two are ready");
    t_eq(epoll_wait(ep, got, 1, 0), 1, "one event is asked for");
    t_ok(read(a, &v, 8) == 8 && epoll_wait(ep, got, 4, 0) == 1 && got[0].data.u64 == 2, "then one");
    e.events = EPOLLIN | EPOLLET;
    t_ok(epoll_ctl(ep, EPOLL_CTL_MOD, b, &e) == 0 && epoll_wait(ep, got, 4, 0) == 1 &&
             epoll_wait(ep, got, 4, 0) == 0,
         "edge-triggered: once");
    v = 1;
    t_ok(write(b, &v, 8) == 8 && epoll_wait(ep, got, 4, 0) == 1, "and once more after a write");
    e.events = EPOLLIN | EPOLLONESHOT;
    t_ok(epoll_ctl(ep, EPOLL_CTL_MOD, b, &e) == 0 && epoll_wait(ep, got, 4, 0) == 1 &&
             epoll_wait(ep, got, 4, 0) == 0,
         "EPOLLONESHOT");
    t_eq(epoll_ctl(ep, EPOLL_CTL_DEL, b, NULL), 0, "delete");
    t_ok(epoll_ctl(ep, EPOLL_CTL_MOD, b, &e) == -1 && errno == ENOENT, "again: ENOENT");
    v = 1;
    t_ok(write(a, &v, 8) == 8 && epoll_wait(ep, got, 4, 0) == 1, "ready");
    close(a);
    t_eq(epoll_wait(ep, got, 4, 0), 0, "a closed descriptor is forgotten");
    close(b);
    close(ep);
}

static void test_timerfd(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct itimerspec t = {.it_value = {0, 30000000}, .it_interval = {0, 20000000}};
    struct pollfd f = {.fd = fd, .events = POLLIN};
    double before = now();
    uint64_t n = 0;

    if (fd < 0) {
        t_skip(4, "there is no timerfd");
        return;
    }
    t_eq(timerfd_settime(fd, 0, &t, NULL), 0, "timerfd: set");
    t_ok(poll(&f, 1, 2000) == 1 && now() - before >= 0.029, "it fires");
    t_ok(read(fd, &n, 8) == 8 && n >= 1, "and is read");
    usleep(70000);
    t_ok(read(fd, &n, 8) == 8 && n >= 3 && read(fd, &n, 8) == -1 && errno == EAGAIN,
         "it counts what was missed");
    close(fd);
}

int main(void)
{
    test_eventfd();
    test_poll();
    test_select();
    test_epoll();
    test_timerfd();
    return t_done();
}
