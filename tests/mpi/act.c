/* SPDX-License-Identifier: BSD-3-Clause */
/* act: does what it is told and ends as it is told. Not a test: tests start it, on Linux and in
 * guests, to see what becomes of exit statuses, signals, streams, arguments. No MPI.
 *
 * usage: act WHAT [ARGUMENT...] */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

static void default_signals(void)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    for (int s = 1; s < 32; s++)
        if (s != SIGKILL && s != SIGSTOP)
            signal(s, SIG_DFL);
}

static int act_exit(char **a)
{
    exit(atoi(a[0]));
}

static int act_quick(char **a)
{
    printf("buffered text that _exit loses");
    _exit(atoi(a[0]));
}

static int act_return(char **a)
{
    return atoi(a[0]);
}

static int act_signal(char **a)
{
    default_signals();
    raise(atoi(a[0]));
    return 100;
}

static int act_abort(char **a)
{
    (void)a;
    default_signals();
    abort();
}

static int act_segv(char **a)
{
    volatile int *volatile p = (volatile int *)(uintptr_t)16;

    (void)a;
    default_signals();
    *p = 1;
    return 100;
}

static int act_divide(char **a)
{
    volatile int zero = 0, n = 7;

    (void)a;
    default_signals();
    n = n / zero;
    return 100;
}

__attribute__((noinline)) static int recurse(volatile char *p, int n)
{
    volatile char frame[4096];

    frame[0] = p[0];
    if (n > 1 << 24) /* 64 GiB down: no stack is that deep */
        return 100;
    return recurse(frame, n + 1) + frame[0];
}

static int act_overflow(char **a)
{
    volatile char c = 1;

    (void)a;
    default_signals();
    return recurse(&c, 0);
}

static int act_spin(char **a)
{
    volatile unsigned long n = 0;

    (void)a;
    printf("spinning\n");
    fflush(stdout);
    while (n < ~0ul)
        n = n + 1;
    return 100;
}

static int act_sleep(char **a)
{
    printf("sleeping\n");
    fflush(stdout);
    sleep((unsigned)atoi(a[0]));
    return 0;
}

/* a line every 100 ms */
static int act_ticks(char **a)
{
    for (int n = atoi(a[0]); n > 0; n--) {
        printf("tick %d\n", n);
        fflush(stdout);
        usleep(100000);
    }
    return 0;
}

static int act_cat(char **a)
{
    static char buf[65536];
    ssize_t n;

    (void)a;
    while ((n = read(0, buf, sizeof(buf))) > 0)
        for (ssize_t off = 0, k; off < n; off += k)
            if ((k = write(1, buf + off, (size_t)(n - off))) <= 0)
                return 3;
    return n < 0 ? 2 : 0;
}

/* Bytes of stdin and a sum of them. */
static int act_count(char **a)
{
    static unsigned char buf[65536];
    unsigned long sum = 0, total = 0;
    ssize_t n;

    (void)a;
    while ((n = read(0, buf, sizeof(buf))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            sum = sum * 31 + buf[i];
        total += (unsigned long)n;
    }
    printf("%lu bytes, sum %lx\n", total, sum);
    return n < 0 ? 2 : 0;
}

static int act_lines(char **a)
{
    long n = atol(a[0]);

    for (long i = 0; i < n; i++)
        printf("line %07ld 0123456789 0123456789 0123456789 0123456789\n", i);
    return 0;
}

static int act_both(char **a)
{
    long n = atol(a[0]);

    for (long i = 0; i < n; i++) {
        fprintf(stdout, "out %ld\n", i);
        fflush(stdout);
        fprintf(stderr, "err %ld\n", i);
    }
    return 0;
}

/* A line without a newline is not lost at the end. */
static int act_partial(char **a)
{
    (void)a;
    fputs("no newline", stdout);
    return 0;
}

static int act_args(char **a)
{
    for (int i = 0; a[i] != NULL; i++)
        printf("arg %d: [%s]\n", i, a[i]);
    return 0;
}

static int act_env(char **a)
{
    const char *v;

    if (a[0] == NULL)
        for (char **e = environ; *e != NULL; e++)
            puts(*e);
    for (int i = 0; a[i] != NULL; i++)
        printf("%s=%s\n", a[i], (v = getenv(a[i])) != NULL ? v : "(unset)");
    return 0;
}

static int act_cwd(char **a)
{
    char buf[4096];

    (void)a;
    if (getcwd(buf, sizeof(buf)) == NULL)
        return 2;
    puts(buf);
    return 0;
}

static int act_write(char **a)
{
    FILE *f = fopen(a[0], "w");

    if (f == NULL || fprintf(f, "%s\n", a[1]) < 0 || fclose(f) != 0) {
        perror(a[0]);
        return 2;
    }
    return 0;
}

/* Writes so many bytes into a file; says why it cannot. */
static int act_fill(char **a)
{
    static char buf[4096];
    long n = atol(a[1]);
    int fd = open(a[0], O_WRONLY | O_CREAT | O_TRUNC, 0600);

    for (ssize_t w; fd >= 0 && n > 0; n -= w) {
        w = write(fd, buf, n < (long)sizeof(buf) ? (size_t)n : sizeof(buf));
        if (w < 0)
            break;
    }
    if (fd < 0 || n > 0 || close(fd) != 0) {
        perror(a[0]);
        return 2;
    }
    return 0;
}

static int act_read(char **a)
{
    int fd = open(a[0], O_RDONLY);

    if (fd < 0) {
        perror(a[0]);
        return 2;
    }
    dup2(fd, 0);
    return act_cat(NULL);
}

/* Takes memory, writes to all of it, says how much it got. */
static int act_alloc(char **a)
{
    long want = atol(a[0]), got = 0;

    for (; got < want; got++) {
        char *p = malloc(1 << 20);

        if (p == NULL) {
            printf("%ld of %ld MiB: %s\n", got, want, strerror(errno));
            return 0;
        }
        memset(p, 1, 1 << 20);
    }
    printf("%ld MiB\n", got);
    return 0;
}

static int act_closed(char **a)
{
    (void)a;
    close(0);
    close(1);
    close(2);
    return 5;
}

static volatile sig_atomic_t got;

static void on_signal(int sig)
{
    got = sig;
}

/* Waits for one signal and names it; the tests send it to mpirun. */
static int act_catch(char **a)
{
    for (int i = 0; a[i] != NULL; i++)
        signal(atoi(a[i]), on_signal);
    printf("waiting\n");
    fflush(stdout);
    while (got == 0)
        usleep(10000);
    printf("caught %d\n", (int)got);
    return 0;
}

static const struct {
    const char *name;
    int nargs; /* needed at least */
    int (*run)(char **args);
} acts[] = {
    {"exit", 1, act_exit},     {"quick", 1, act_quick},   {"return", 1, act_return},
    {"signal", 1, act_signal}, {"abort", 0, act_abort},   {"segv", 0, act_segv},
    {"divide", 0, act_divide}, {"spin", 0, act_spin},     {"overflow", 0, act_overflow},
    {"sleep", 1, act_sleep},   {"cat", 0, act_cat},       {"count", 0, act_count},
    {"lines", 1, act_lines},   {"both", 1, act_both},     {"partial", 0, act_partial},
    {"args", 0, act_args},     {"env", 0, act_env},       {"cwd", 0, act_cwd},
    {"write", 2, act_write},   {"read", 1, act_read},     {"fill", 2, act_fill},
    {"ticks", 1, act_ticks},   {"closed", 0, act_closed}, {"alloc", 1, act_alloc},
    {"catch", 1, act_catch},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(acts) / sizeof(acts[0]); i++)
        if (strcmp(argv[1], acts[i].name) == 0 && argc - 2 >= acts[i].nargs)
            return acts[i].run(argv + 2);
    fprintf(stderr, "usage: act WHAT [ARGUMENT...]; WHAT is one of");
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
        fprintf(stderr, " %s", acts[i].name);
    fputc('\n', stderr);
    return 64;
}
