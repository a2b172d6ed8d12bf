/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel around fs/ and dev/stdio.c, in one thread on the host: heap from libc (counted), user
 * memory is any memory, a blocking thread runs a hook in place of the others. Include once. */
#ifndef FS_KERNEL_H
#define FS_KERNEL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <toro/arch.h>
#include <toro/errno.h>
#include <toro/fs.h>
#include <toro/lib.h>
#include <toro/linux.h>
#include <toro/mm.h>
#include <toro/proc.h>

#include "../../unikernel/lib/printf.c"
#include "../../unikernel/lib/string.c"
#include "../../unikernel/sched/waitq.c"

static struct toro_proc host_proc = {.pid = 1000, .umask = 022};
static struct toro_thread host_thread = {.proc = &host_proc, .tid = 1000};
static long host_heap;                /* pieces in use */
static long host_heap_fail = -1;      /* allocations until one fails */
static bool (*host_others)(void);     /* what other threads do while this one sleeps */
static const char *host_bad_user;     /* user address that faults */
static uint64_t host_clock = 1000000; /* arch_now_ns() */

struct toro_thread *toro_current(void)
{
    return &host_thread;
}

void toro_thread_wake(struct toro_thread *t)
{
    atomic_store(&t->woken, 1);
}

void toro_ipis_hold(void)
{
}

void toro_ipis_release(void)
{
}

void toro_block_begin(void)
{
    atomic_store(&host_thread.woken, 0);
}

int toro_block(uint64_t deadline, bool interruptible)
{
    while (!atomic_load(&host_thread.woken)) {
        if (interruptible && atomic_load(&host_thread.interrupt))
            return -EINTR;
        if (host_others && host_others())
            continue;
        if (deadline != UINT64_MAX) {
            host_clock = deadline;
            return -ETIMEDOUT;
        }
        printf("Bail out! the only thread sleeps for ever\n");
        abort();
    }
    return 0;
}

void arch_relax(void)
{
    printf("Bail out! a lock is held twice\n");
    abort();
}

uint64_t arch_now_ns(void)
{
    return host_clock;
}

uint64_t arch_realtime_ns(void)
{
    return 1700000000000000000ull + host_clock;
}

unsigned arch_ncores(void)
{
    return 2;
}

void arch_random(void *buf, size_t n)
{
    memset(buf, 0x5a, n);
}

void *toro_kmalloc(size_t size)
{
    if (host_heap_fail == 0)
        return NULL;
    if (host_heap_fail > 0)
        host_heap_fail--;
    host_heap++;
    return malloc(size);
}

void *toro_kzalloc(size_t size)
{
    void *p = toro_kmalloc(size);

    return p ? memset(p, 0, size) : NULL;
}

void *toro_krealloc(void *p, size_t size)
{
    if (host_heap_fail == 0)
        return NULL;
    host_heap += p == NULL;
    return realloc(p, size);
}

void toro_kfree(void *p)
{
    host_heap -= p != NULL;
    free(p);
}

char *toro_kstrdup(const char *s)
{
    char *p = toro_kmalloc(strlen(s) + 1);

    return p ? strcpy(p, s) : NULL;
}

void toro_printk(int level, const char *fmt, ...)
{
    (void)level;
    (void)fmt;
}

void toro_panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\nBail out! panic\n");
    abort();
}

bool toro_user_ok(const void *p, size_t n)
{
    (void)n;
    return p != NULL;
}

static int host_copy(void *d, const void *s, size_t n, const char *user)
{
    if (n && (!user || (host_bad_user && host_bad_user >= user && host_bad_user < user + n)))
        return -EFAULT;
    if (n)
        memcpy(d, s, n);
    return 0;
}

int toro_copy_from_user(void *d, const void *user, size_t n)
{
    return host_copy(d, user, n, user);
}

int toro_copy_to_user(void *user, const void *s, size_t n)
{
    return host_copy(user, s, n, user);
}

#endif
