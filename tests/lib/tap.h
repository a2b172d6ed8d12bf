/* SPDX-License-Identifier: BSD-3-Clause */
/* TAP for C tests: programs of the host, of a guest, or both. Only stdio, from any thread.
 *
 *     int main(void)
 *     {
 *         t_plan(2);
 *         t_ok(1 + 1 == 2, "sums");
 *         t_eq(read(-1, 0, 0), -1, "read on a bad descriptor");
 *         return t_done();
 *     }
 */
#ifndef TORO_TAP_H
#define TORO_TAP_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_int t_count_, t_failed_, t_planned_ = -1;

/** Says how many results follow. Without it t_done() prints the plan. */
static inline void t_plan(int n)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    atomic_store(&t_planned_, n);
    printf("1..%d\n", n);
}

static inline void t_vline_(bool good, const char *fmt, va_list ap)
{
    char text[512];

    vsnprintf(text, sizeof(text), fmt, ap);
    if (!good)
        atomic_fetch_add(&t_failed_, 1);
    /* One printf: lines of several threads stay whole. */
    printf("%sok %d - %s\n", good ? "" : "not ", atomic_fetch_add(&t_count_, 1) + 1, text);
    fflush(stdout);
}

/** One result. Returns whether it was good. */
__attribute__((format(printf, 2, 3))) static inline bool t_ok_(bool good, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    t_vline_(good, fmt, ap);
    va_end(ap);
    return good;
}

/** A remark for whoever reads the log. */
__attribute__((format(printf, 1, 2))) static inline void t_diag(const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    printf("# %s\n", text);
    fflush(stdout);
}

static inline bool t_eq_(long long got, long long want, const char *file, int line,
                         const char *name)
{
    if (!t_ok_(got == want, "%s", name)) {
        t_diag("%s:%d: got %lld (0x%llx), wanted %lld (0x%llx)", file, line, got,
               (unsigned long long)got, want, (unsigned long long)want);
        return false;
    }
    return true;
}

#define t_ok(cond, ...)                                                                            \
    (t_ok_((cond), __VA_ARGS__) ||                                                                 \
     (t_diag("%s:%d: %s does not hold", __FILE__, __LINE__, #cond), false))

/** Two integers are equal; shows both otherwise. */
#define t_eq(got, want, name) t_eq_((long long)(got), (long long)(want), __FILE__, __LINE__, (name))

/** n results are skipped. */
static inline void t_skip(int n, const char *why)
{
    while (n-- > 0)
        printf("ok %d # SKIP %s\n", atomic_fetch_add(&t_count_, 1) + 1, why);
    fflush(stdout);
}

/** Everything is skipped; call it instead of t_plan(). */
static inline void t_skip_all(const char *why)
{
    printf("1..0 # SKIP %s\n", why);
    fflush(stdout);
    exit(0);
}

/** Nothing more can be tested. */
static inline void t_bail(const char *why)
{
    printf("Bail out! %s\n", why);
    fflush(stdout);
    exit(1);
}

/** The end of main: return t_done(); */
static inline int t_done(void)
{
    int n = atomic_load(&t_count_), planned = atomic_load(&t_planned_);

    if (planned < 0)
        printf("1..%d\n", n);
    else if (planned != n)
        t_diag("planned %d results, there were %d", planned, n);
    fflush(stdout);
    return atomic_load(&t_failed_) != 0 || n == 0 || (planned >= 0 && planned != n);
}

#endif
