/* SPDX-License-Identifier: BSD-3-Clause */
/* What parts of the kernel call, for tests that include one of their files: pages from libc,
 * counted, and a panic that the test catches. */
#ifndef KERNEL_STUBS_H
#define KERNEL_STUBS_H

#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <toro/arch.h>
#include <toro/lib.h>

static jmp_buf stub_panic;
static bool stub_panic_expected;

/* The core that a thread of the test stands for. Never inlined, as arch-pthread.h says. */
static __thread unsigned stub_core;

__attribute__((noinline)) unsigned arch_core(void)
{
    __asm__ volatile("" ::: "memory"); /* nor thought to be the same as before */
    return stub_core;
}

void arch_relax(void)
{
    sched_yield();
}

void toro_panic(const char *fmt, ...)
{
    va_list ap;

    if (stub_panic_expected)
        longjmp(stub_panic, 1);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\nBail out! unexpected panic\n");
    abort();
}

/** True if stmt panics. */
#define PANICS(stmt)                                                                               \
    ({                                                                                             \
        volatile bool p_ = true;                                                                   \
        stub_panic_expected = true;                                                                \
        if (setjmp(stub_panic) == 0) {                                                             \
            stmt;                                                                                  \
            p_ = false;                                                                            \
        }                                                                                          \
        stub_panic_expected = false;                                                               \
        p_;                                                                                        \
    })

#ifndef STUBS_NO_PAGES
static _Atomic long stub_pages;
static long stub_pages_max = 1 << 20;

void *toro_kpages(size_t n)
{
    void *p;

    if (stub_pages + (long)n > stub_pages_max)
        return NULL;
    stub_pages += (long)n;
    p = aligned_alloc(TORO_PAGE_SIZE, n * TORO_PAGE_SIZE);
    return p != NULL ? memset(p, 0, n * TORO_PAGE_SIZE) : NULL;
}

void toro_kpages_free(void *p, size_t n)
{
    stub_pages -= (long)n;
    free(p);
}
#endif

#endif
