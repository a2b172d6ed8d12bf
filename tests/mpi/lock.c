/* SPDX-License-Identifier: BSD-3-Clause */
/* lock: takes locks on a file as it is told. Not a test: t-locks.sh starts it on Linux and in
 * guests at once, to see who gets what. No MPI.
 *
 * usage: lock hold|try|count|interrupt|threads fcntl|flock|ofd FILE [N] */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static const char *kind, *path;

static int fail(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    return 2;
}

/* @return 0 or -1 with errno. */
static int set(int fd, int type, int wait)
{
    struct flock l = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = 100, .l_len = 50};

    if (strcmp(kind, "flock") == 0)
        return flock(fd, (type == F_RDLCK   ? LOCK_SH
                          : type == F_WRLCK ? LOCK_EX
                                            : LOCK_UN) |
                             (wait ? 0 : LOCK_NB));
    if (strcmp(kind, "ofd") == 0)
        return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &l);
    return fcntl(fd, wait ? F_SETLKW : F_SETLK, &l);
}

static int hold(int fd)
{
    if (set(fd, F_WRLCK, 1) != 0)
        return fail("lock");
    printf("held\n");
    fflush(stdout);
    pause(); /* until killed */
    return 0;
}

static int try(int fd)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 120, .l_len = 0};

    if (strcmp(kind, "fcntl") == 0) {
        if (fcntl(fd, F_GETLK, &l) != 0)
            return fail("F_GETLK");
        if (l.l_type != F_UNLCK)
            printf("seen: type %d from %ld, %ld bytes\n", l.l_type, (long)l.l_start, (long)l.l_len);
        /* what lies beside it is free */
        l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 150, .l_len = 10};
        if (fcntl(fd, F_SETLK, &l) != 0)
            return fail("beside it");
    }
    if (set(fd, F_WRLCK, 0) == 0)
        printf("free\n");
    else if (errno == EAGAIN || errno == EACCES)
        printf("busy\n");
    else
        return fail("lock");
    return 0;
}

/* A counter in a file is only right if nobody else is at it. */
static int count(int fd, int n)
{
    char text[32];
    ssize_t k;

    while (n-- > 0) {
        if (set(fd, F_WRLCK, 1) != 0)
            return fail("lock");
        k = pread(fd, text, sizeof(text) - 1, 0);
        if (k < 0)
            return fail("read");
        text[k] = '\0';
        k = snprintf(text, sizeof(text), "%ld\n", atol(text) + 1);
        if (pwrite(fd, text, (size_t)k, 0) != k)
            return fail("write");
        if (set(fd, F_UNLCK, 0) != 0)
            return fail("unlock");
    }
    return 0;
}

static void on_alarm(int sig)
{
    (void)sig;
}

static int interrupt(int fd)
{
    struct sigaction act = {.sa_handler = on_alarm};

    sigaction(SIGALRM, &act, NULL);
    alarm(1);
    if (set(fd, F_WRLCK, 1) == 0)
        printf("got it\n");
    else
        printf("%s\n", errno == EINTR ? "interrupted" : strerror(errno));
    return 0;
}

static volatile int waiting = 1;

static void *waiter(void *arg)
{
    if (set(*(int *)arg, F_WRLCK, 1) != 0)
        exit(fail("lock"));
    waiting = 0;
    return NULL;
}

/* One thread waits, the others do not. */
static int threads(int fd)
{
    pthread_t t;

    pthread_create(&t, NULL, waiter, &fd);
    for (int i = 0; i < 10; i++)
        usleep(20000);
    printf("%s\n", waiting ? "works on" : "has it already");
    fflush(stdout);
    pthread_join(t, NULL);
    printf("has it\n");
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 3 ? argv[1] : "";
    int fd;

    if (argc <= 3)
        return 64;
    kind = argv[2];
    path = argv[3];
    fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        return fail(path);
    if (strcmp(what, "hold") == 0)
        return hold(fd);
    if (strcmp(what, "try") == 0)
        return try(fd);
    if (strcmp(what, "count") == 0)
        return count(fd, atoi(argv[4]));
    if (strcmp(what, "interrupt") == 0)
        return interrupt(fd);
    return threads(fd);
}
