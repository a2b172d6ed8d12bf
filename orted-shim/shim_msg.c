/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of the host programs. A message is one write(), so that lines of several ranks do not
 * mix. */
#include "shim_msg.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *prog = "torobus";
static int verbose;
static struct timespec start;

/** Some callers close descriptors 0 to 2. What is opened next would take their place: a socket
 * would get our messages. Open for reading, so that it is no surprise when writing fails. */
static void need_stdio(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
            _exit(SHIM_EXIT_FAIL);
}

void shim_msg_init(const char *argv0)
{
    const char *slash = argv0 ? strrchr(argv0, '/') : NULL;

    if (argv0 && *argv0)
        prog = slash ? slash + 1 : argv0;
    need_stdio();
    clock_gettime(CLOCK_MONOTONIC, &start);
}

const char *shim_msg_name(void)
{
    return prog;
}

void shim_msg_set_verbose(int level)
{
    verbose = level;
}

int shim_msg_verbose(void)
{
    return verbose;
}

static void put_line(const char *prefix, const char *fmt, va_list ap)
{
    char line[2048];
    int n = snprintf(line, sizeof(line) - 1, "%s%s", prog, prefix);

    n += vsnprintf(line + n, sizeof(line) - 1 - (size_t)n, fmt, ap);
    if (n > (int)sizeof(line) - 2)
        n = (int)sizeof(line) - 2;
    line[n++] = '\n';
    /* nowhere to report a failure to write to stderr */
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return;
}

void shim_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put_line(": ", fmt, ap);
    va_end(ap);
}

void shim_step(const char *fmt, ...)
{
    struct timespec now;
    char prefix[48];
    va_list ap;

    if (verbose < 1)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(prefix, sizeof(prefix), ": +%.1f ms: ",
             (double)(now.tv_sec - start.tv_sec) * 1e3 +
                 (double)(now.tv_nsec - start.tv_nsec) / 1e6);
    va_start(ap, fmt);
    put_line(prefix, fmt, ap);
    va_end(ap);
}

void shim_die(int status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put_line(": ", fmt, ap);
    va_end(ap);
    _exit(status);
}

void shim_print_foreign(const char *text, unsigned len)
{
    char line[1500];

    if (len > sizeof(line))
        len = sizeof(line);
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\0'))
        len--;
    for (unsigned i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        line[i] = (c < 0x20 && c != '\t') || c == 0x7f ? '?' : (char)c;
    }
    shim_error("%.*s", (int)len, line);
}
