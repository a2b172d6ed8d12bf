/* SPDX-License-Identifier: BSD-3-Clause */
/* Pipes and socket pairs. */
#include <tap.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BULK (3l << 20)

static volatile sig_atomic_t pipe_signals;

static void on_pipe(int sig)
{
    (void)sig;
    pipe_signals++;
}

/* Writes BULK bytes in uneven pieces. */
static void *writer(void *arg)
{
    int fd = *(int *)arg;
    static unsigned char buf[10007];
    long sent = 0;

    while (sent < BULK) {
        size_t n = (size_t)(1 + sent % 10007);
        ssize_t k;

        if (n > (size_t)(BULK - sent))
            n = (size_t)(BULK - sent);
        for (size_t i = 0; i < n; i++)
            buf[i] = (unsigned char)((sent + (long)i) % 251);
        for (size_t off = 0; off < n; off += (size_t)k)
            if ((k = write(fd, buf + off, n - off)) <= 0)
                return NULL;
        sent += (long)n;
    }
    close(fd);
    return arg;
}

static void bulk(int in, int out, const char *what)
{
    static unsigned char buf[7001];
    pthread_t t;
    long have = 0;
    ssize_t n;
    bool good = true;

    pthread_create(&t, NULL, writer, &out);
    while ((n = read(in, buf, sizeof(buf))) > 0)
        for (ssize_t i = 0; i < n; i++, have++)
            good &= buf[i] == have % 251;
    pthread_join(t, NULL);
    t_ok(good && have == BULK && n == 0, "%s: 3 MiB from thread to thread, then the end", what);
    close(in);
}

static void test_pipe(void)
{
    int p[2], n = 0;
    char buf[16];
    static char page[4096];
    long filled = 0;
    struct stat st;

    t_eq(pipe(p), 0, "pipe");
    t_ok(fstat(p[0], &st) == 0 && S_ISFIFO(st.st_mode), "fstat: a pipe");
    t_ok(write(p[1], "hello", 5) == 5 && read(p[0], buf, 2) == 2 && read(p[0], buf, 16) == 3 &&
             memcmp(buf, "llo", 3) == 0,
         "bytes go through in order");
    t_ok(lseek(p[0], 0, SEEK_CUR) == -1 && errno == ESPIPE, "lseek: ESPIPE");
    t_eq(fcntl(p[0], F_SETFL, O_NONBLOCK), 0, "O_NONBLOCK");
    t_ok(read(p[0], buf, 1) == -1 && errno == EAGAIN, "an empty one: EAGAIN");
    t_ok(write(p[1], "abc", 3) == 3 && ioctl(p[0], FIONREAD, &n) == 0 && n == 3, "FIONREAD");
    t_eq(read(p[0], buf, 16), 3, "three bytes");
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    for (ssize_t k; (k = write(p[1], page, sizeof(page))) > 0;)
        filled += k;
    t_ok(errno == EAGAIN && filled >= 4096, "a full one: EAGAIN after %ld bytes", filled);
    close(p[0]);
    pipe_signals = 0;
    errno = 0;
    t_ok(write(p[1], "x", 1) == -1 && errno == EPIPE && pipe_signals == 1,
         "no reader: EPIPE and SIGPIPE");
    close(p[1]);
    t_ok(pipe2(p, O_CLOEXEC | O_NONBLOCK) == 0 && fcntl(p[0], F_GETFD) == FD_CLOEXEC &&
             (fcntl(p[1], F_GETFL) & O_NONBLOCK) != 0,
         "pipe2 with flags");
    close(p[1]);
    t_eq(read(p[0], buf, 1), 0, "no writer: the end");
    close(p[0]);
    if (pipe(p) == 0)
        bulk(p[0], p[1], "pipe");
}

static void test_pair(void)
{
    int s[2];
    char buf[16] = "";
    struct iovec v = {buf, sizeof(buf)};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

    t_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0, "socketpair");
    t_ok(write(s[0], "one", 3) == 3 && read(s[1], buf, 16) == 3 && memcmp(buf, "one", 3) == 0,
         "one way");
    t_ok(write(s[1], "two", 3) == 3 && read(s[0], buf, 16) == 3 && memcmp(buf, "two", 3) == 0,
         "and the other");
    t_ok(send(s[0], "more", 4, 0) == 4 && recv(s[1], buf, 16, MSG_PEEK) == 4 &&
             recv(s[1], buf, 16, 0) == 4,
         "send and recv, MSG_PEEK");
    t_ok(recv(s[1], buf, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN, "MSG_DONTWAIT: EAGAIN");
    t_ok(send(s[0], "msg", 3, MSG_NOSIGNAL) == 3 && recvmsg(s[1], &m, 0) == 3, "recvmsg");
    t_eq(shutdown(s[0], SHUT_WR), 0, "shutdown");
    t_eq(read(s[1], buf, 1), 0, "gives the end");
    t_ok(write(s[1], "back", 4) == 4 && read(s[0], buf, 16) == 4, "the other way stays open");
    close(s[1]);
    t_ok(send(s[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE, "after close: EPIPE");
    close(s[0]);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == 0)
        bulk(s[0], s[1], "socketpair");
}

/* Nobody is reached from inside a job but the job itself. Not checked on Linux, which has them. */
static void test_other_sockets(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM, 0);

    t_ok(fd >= 0 || errno == EAFNOSUPPORT, "an internet socket: there, or EAFNOSUPPORT");
    if (fd >= 0)
        close(fd);
    errno = 0;
    t_ok(socket(12345, SOCK_STREAM, 0) == -1 && (errno == EAFNOSUPPORT || errno == EINVAL),
         "an unknown family: EAFNOSUPPORT");
}

int main(void)
{
    signal(SIGPIPE, on_pipe);
    test_pipe();
    test_pair();
    test_other_sockets();
    return t_done();
}
