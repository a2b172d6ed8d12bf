/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's log on the serial console: one line per call, with the time since entry. */
#include <toro/arch.h>
#include <toro/boot.h>
#include <toro/lib.h>
#include <toro/lock.h>

#define LINE_MAX 512

static struct toro_spinlock lock = TORO_SPINLOCK_INIT;

void toro_printk(int level, const char *fmt, ...)
{
    char line[LINE_MAX];
    uint64_t us;
    va_list ap;
    int n;

    if (level > (int)toro_boot.log)
        return;
    us = arch_now_ns() / 1000;
    n = toro_snprintf(line, sizeof(line), "[%4lu.%06lu] ", us / 1000000, us % 1000000);
    va_start(ap, fmt);
    n += toro_vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
    va_end(ap);
    n = TORO_MIN(n, (int)sizeof(line) - 3);
    if (n > 0 && line[n - 1] == '\n')
        n--;
    line[n++] = '\r';
    line[n++] = '\n';
    /* In a panic the other cores are stopped, and one of them may hold the lock. */
    if (arch_panicking()) {
        arch_console_write(line, (size_t)n);
        return;
    }
    toro_spin_lock(&lock);
    arch_console_write(line, (size_t)n);
    toro_spin_unlock(&lock);
}
