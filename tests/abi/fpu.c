/* SPDX-License-Identifier: BSD-3-Clause */
/* Floating-point and vector registers survive everything that switches threads. */
#include <tap.h>

#include <immintrin.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 300 };

/* Rounding of both units, as a value of MXCSR: without libm. */
static void set_rounding(unsigned mode)
{
    unsigned short cw;

    _MM_SET_ROUNDING_MODE(mode);
    __asm__ volatile("fnstcw %0" : "=m"(cw));
    cw = (unsigned short)((cw & ~0xc00u) | (mode >> 3));
    __asm__ volatile("fldcw %0" : : "m"(cw));
}

static bool rounding_is(unsigned mode)
{
    unsigned short cw;

    __asm__ volatile("fnstcw %0" : "=m"(cw));
    return _MM_GET_ROUNDING_MODE() == mode && (cw & 0xc00u) == mode >> 3;
}

static void pause_somehow(int i)
{
    const struct timespec t = {0, 100000};

    switch (i % 3) {
    case 0:
        sched_yield();
        break;
    case 1:
        nanosleep(&t, NULL);
        break;
    default: /* long enough to be preempted now and then */
        for (volatile int k = 0; k < 20000; k++)
            continue;
    }
}

/* Loads all sixteen registers, waits with only inline assembly's knowledge of them, stores them. */
__attribute__((noinline)) static bool sse_round(uint64_t seed)
{
    uint64_t in[32], out[32];

    for (int i = 0; i < 32; i++)
        in[i] = seed * 0x9e3779b97f4a7c15u + (uint64_t)i;
    memset(out, 0, sizeof(out));
#define L(n) "movups " #n "*16(%1), %%xmm" #n "\n\t"
#define S(n) "movups %%xmm" #n ", " #n "*16(%2)\n\t"
#define EACH(X)                                                                                    \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
    /* sched_yield between load and store: nothing but the kernel can change the registers */
    __asm__ volatile(EACH(L) "mov $24, %%eax\n\tsyscall\n\t" EACH(S)
                     : "+m"(out)
                     : "r"(in), "r"(out)
                     : "rax", "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                       "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
                       "xmm14", "xmm15");
    return memcmp(in, out, sizeof(in)) == 0;
}

__attribute__((target("avx"), noinline)) static bool avx_round(uint64_t seed, int how)
{
    double in[16], out[16];
    __m256d a, b, c, d;

    for (int i = 0; i < 16; i++)
        in[i] = (double)seed + (double)i * 0.5;
    a = _mm256_loadu_pd(in);
    b = _mm256_loadu_pd(in + 4);
    c = _mm256_loadu_pd(in + 8);
    d = _mm256_loadu_pd(in + 12);
    /* the upper halves are the caller's to save: let only a system call lie between */
    for (int i = 0; i < how; i++)
        __asm__ volatile("mov $24, %%eax\n\tsyscall"
                         : "+x"(a), "+x"(b), "+x"(c), "+x"(d)
                         :
                         : "rax", "rcx", "r11", "memory");
    for (volatile int k = 0; k < 3000; k++) /* room for a preemption */
        __asm__ volatile("" : "+x"(a), "+x"(b), "+x"(c), "+x"(d));
    _mm256_storeu_pd(out, a);
    _mm256_storeu_pd(out + 4, b);
    _mm256_storeu_pd(out + 8, c);
    _mm256_storeu_pd(out + 12, d);
    return memcmp(in, out, sizeof(in)) == 0;
}

static atomic_int sse_bad, avx_bad, x87_bad, mode_bad;

static void *mixer(void *arg)
{
    uint64_t me = (uint64_t)(uintptr_t)arg;
    bool avx = __builtin_cpu_supports("avx");
    static const unsigned modes[4] = {_MM_ROUND_NEAREST, _MM_ROUND_DOWN, _MM_ROUND_UP,
                                      _MM_ROUND_TOWARD_ZERO};

    set_rounding(modes[me % 4]);
    for (int i = 0; i < ROUNDS; i++) {
        volatile long double x = 1.0L / (long double)(me + 3);
        volatile long double y = x * (long double)i;

        if (!sse_round(me * 1000 + (uint64_t)i))
            atomic_fetch_add(&sse_bad, 1);
        if (avx && !avx_round(me * 1000 + (uint64_t)i, 1 + i % 3))
            atomic_fetch_add(&avx_bad, 1);
        pause_somehow(i);
        if (y != x * (long double)i)
            atomic_fetch_add(&x87_bad, 1);
        if (!rounding_is(modes[me % 4]))
            atomic_fetch_add(&mode_bad, 1);
    }
    return NULL;
}

static volatile sig_atomic_t handled;

static void clobber(int sig)
{
    volatile double x = 1.25;

    (void)sig;
    for (int i = 0; i < 100; i++)
        x = x * 1.5 + 1.0 / x;
    set_rounding(_MM_ROUND_DOWN);
    handled++;
}

static void test_handler(void)
{
    struct sigaction sa;
    uint64_t in[4] = {1, 2, 3, 4}, out[4] = {0};
    int pid = getpid();
    long rc;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = clobber;
    sigaction(SIGUSR1, &sa, NULL);
    __asm__ volatile("movups (%2), %%xmm6\n\tmovups 16(%2), %%xmm15\n\t"
                     "syscall\n\t"
                     "movups %%xmm6, (%3)\n\tmovups %%xmm15, 16(%3)"
                     : "=a"(rc)
                     : "a"(62L), "r"(in), "r"(out), "D"((long)pid), "S"((long)SIGUSR1)
                     : "rcx", "r11", "memory", "xmm6", "xmm15");
    t_ok(rc == 0 && handled == 1 && memcmp(in, out, sizeof(in)) == 0,
         "a signal handler leaves the registers alone");
    t_ok(rounding_is(_MM_ROUND_NEAREST), "and the rounding mode");
}

int main(void)
{
    pthread_t t[THREADS];
    volatile double zero = 0, one = 1;

    t_ok(1.0 / zero == __builtin_inf() && __builtin_isnan(zero / zero),
         "divisions by zero do not trap");
    t_ok(rounding_is(_MM_ROUND_NEAREST), "rounding is to nearest");
    _MM_SET_EXCEPTION_STATE(0);
    t_ok(one / 3 != 0 && (_MM_GET_EXCEPTION_STATE() & _MM_EXCEPT_INEXACT) != 0,
         "exceptions are flagged");
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, mixer, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    t_eq(atomic_load(&sse_bad), 0, "SSE registers over sched_yield, in four threads");
    if (__builtin_cpu_supports("avx"))
        t_eq(atomic_load(&avx_bad), 0, "AVX registers as well");
    else
        t_skip(1, "the processor has no AVX");
    t_eq(atomic_load(&x87_bad), 0, "x87 registers as well");
    t_eq(atomic_load(&mode_bad), 0, "each thread keeps its rounding mode");
    t_ok(rounding_is(_MM_ROUND_NEAREST), "this one as well");
    test_handler();
    return t_done();
}
