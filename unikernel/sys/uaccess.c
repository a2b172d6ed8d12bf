/* SPDX-License-Identifier: BSD-3-Clause */
/* Access to user memory. Programs live in the bus region; the kernel's own buffers are accepted too
 * (file code is called by the kernel as well), but no system call gets here with one of those as an
 * argument: sys/table.c refuses it first. */
#include "sys.h"
#include <toro/bus.h>

/* Kernel half, without the kernel's image and what a small negative number looks like. */
#define KERNEL_FIRST 0xffff800000000000ull
#define KERNEL_END   0xffffffff00000000ull

bool toro_user_ok(const void *p, size_t n)
{
    uint64_t at = (uint64_t)p - (uint64_t)toro_bus.base;

    return n == 0 || (at < toro_bus.size && n <= toro_bus.size - at);
}

static bool allowed(const void *p, size_t n)
{
    uint64_t at = (uint64_t)p;

    return toro_user_ok(p, n) || (at >= KERNEL_FIRST && at < KERNEL_END && n <= KERNEL_END - at);
}

int toro_copy_from_user(void *d, const void *user, size_t n)
{
    return allowed(user, n) && arch_copy_user(d, user, n) == 0 ? 0 : -EFAULT;
}

int toro_copy_to_user(void *user, const void *s, size_t n)
{
    return allowed(user, n) && arch_copy_user(user, s, n) == 0 ? 0 : -EFAULT;
}

toro_ssize toro_copy_string(char *d, const char *user, size_t size)
{
    size_t at = 0;

    while (at < size) {
        size_t n = TORO_PAGE_SIZE - ((uint64_t)(user + at) & (TORO_PAGE_SIZE - 1));
        size_t len;

        n = TORO_MIN(TORO_MIN(n, size - at), 256ul);
        if (toro_copy_from_user(d + at, user + at, n) != 0)
            return -EFAULT;
        len = toro_strnlen(d + at, n);
        if (len < n)
            return (toro_ssize)(at + len);
        at += n;
    }
    return -ENAMETOOLONG;
}
