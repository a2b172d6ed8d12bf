/* SPDX-License-Identifier: BSD-3-Clause */
/* The keeper's own log: its stderr, which is /dev/null unless TOROBUS_KEEPER_LOG names a file. */
#include "keeper.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void keeper_log(const char *fmt, ...)
{
    struct timespec now;
    char line[1024];
    va_list ap;
    int n;

    clock_gettime(CLOCK_MONOTONIC, &now);
    n = snprintf(line, sizeof(line), "[%d] %ld.%06ld ", (int)getpid(), (long)now.tv_sec,
                 now.tv_nsec / 1000);
    va_start(ap, fmt);
    n += vsnprintf(line + n, sizeof(line) - 1 - (size_t)n, fmt, ap);
    va_end(ap);
    if (n > (int)sizeof(line) - 2)
        n = (int)sizeof(line) - 2;
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return;
}
