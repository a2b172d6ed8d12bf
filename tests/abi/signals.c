/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals to oneself: handlers, masks, alternate stacks, timers, interrupted calls. */
#include <tap.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t count, last, code, on_alt, pid_seen;
static void *volatile address;
static sigjmp_buf back;
static char alt_stack[65536];

static void handler(int sig)
{
    count++;
    last = sig;
}

static void info(int sig, siginfo_t *si, void *ctx)
{
    volatile char here = 0;

    (void)ctx;
    count++;
    last = sig;
    code = si->si_code;
    pid_seen = si->si_pid;
    on_alt = (char *)&here >= alt_stack && (char *)&here < alt_stack + sizeof(alt_stack);
    if (sig == SIGSEGV || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP || sig == SIGBUS) {
        address = si->si_addr;
        pid_seen = 0;
        siglongjmp(back, 1);
    }
}

static void catch_it(int sig, int flags)
{
    struct sigaction sa;

    memset(&sa, 0, sizeof(sa));
    sigemptyset(&sa.sa_mask);
    sa.sa_flags = flags;
    if (flags & SA_SIGINFO)
        sa.sa_sigaction = info;
    else
        sa.sa_handler = handler;
    sigaction(sig, &sa, NULL);
}

static void test_raise(void)
{
    struct sigaction sa;

    catch_it(SIGUSR1, 0);
    count = 0;
    t_ok(raise(SIGUSR1) == 0 && count == 1 && last == SIGUSR1, "raise runs the handler at once");
    t_ok(kill(getpid(), SIGUSR1) == 0 && count == 2, "kill to oneself does");
    t_ok(pthread_kill(pthread_self(), SIGUSR1) == 0 && count == 3, "pthread_kill does");
    catch_it(SIGUSR2, SA_SIGINFO);
    t_ok(kill(getpid(), SIGUSR2) == 0 && last == SIGUSR2 && code == SI_USER && pid_seen == getpid(),
         "siginfo: who and how");
    t_ok(sigaction(SIGUSR2, NULL, &sa) == 0 && sa.sa_sigaction == info && sa.sa_flags & SA_SIGINFO,
         "sigaction tells what is set");
    signal(SIGUSR1, SIG_IGN);
    count = 0;
    t_ok(raise(SIGUSR1) == 0 && count == 0, "an ignored signal does nothing");
    catch_it(SIGUSR1, (int)SA_RESETHAND);
    raise(SIGUSR1);
    t_ok(count == 1 && sigaction(SIGUSR1, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL,
         "SA_RESETHAND: once");
    t_ok(raise(SIGCHLD) == 0 && raise(SIGURG) == 0 && raise(SIGWINCH) == 0,
         "signals that are ignored by default");
    errno = 0;
    t_ok(kill(getpid(), 0) == 0, "signal 0 asks whether we are there");
    t_ok(kill(getpid(), 12345) == -1 && errno == EINVAL, "an impossible signal: EINVAL");
    t_ok(signal(SIGKILL, handler) == SIG_ERR && errno == EINVAL, "SIGKILL is not caught: EINVAL");
}

static void test_mask(void)
{
    sigset_t set, old, pending;
    struct timespec soon = {0, 20000000};
    siginfo_t si;

    catch_it(SIGUSR1, 0);
    count = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    t_eq(sigprocmask(SIG_BLOCK, &set, &old), 0, "block a signal");
    raise(SIGUSR1);
    raise(SIGUSR1);
    t_eq(count, 0, "it waits");
    t_ok(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1), "and is pending");
    sigprocmask(SIG_SETMASK, &old, NULL);
    t_eq(count, 1, "unblocked, it comes once");
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    t_ok(sigtimedwait(&set, &si, &soon) == SIGUSR1 && si.si_signo == SIGUSR1 && count == 1,
         "sigtimedwait takes it without the handler");
    t_ok(sigtimedwait(&set, &si, &soon) == -1 && errno == EAGAIN, "and gives up: EAGAIN");
    raise(SIGUSR1);
    t_ok(sigsuspend(&old) == -1 && errno == EINTR && count == 2, "sigsuspend lets it in");
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void test_faults(void)
{
    volatile int zero = 0, result = 77;
    volatile int *volatile nowhere = (volatile int *)(uintptr_t)64;
    stack_t alt = {.ss_sp = alt_stack, .ss_size = sizeof(alt_stack)}, now;

    catch_it(SIGSEGV, SA_SIGINFO | SA_ONSTACK);
    catch_it(SIGFPE, SA_SIGINFO);
    catch_it(SIGILL, SA_SIGINFO);
    t_eq(sigaltstack(&alt, NULL), 0, "sigaltstack");
    t_ok(sigaltstack(NULL, &now) == 0 && now.ss_sp == alt_stack && now.ss_flags == 0, "is set");
    if (sigsetjmp(back, 1) == 0)
        *nowhere = 1;
    t_ok(last == SIGSEGV && address == (void *)64 && on_alt, "SIGSEGV comes on the other stack");
    last = 0;
    if (sigsetjmp(back, 1) == 0)
        nowhere[1] = 1;
    t_ok(last == SIGSEGV && address == (void *)68, "and again");
    if (sigsetjmp(back, 1) == 0)
        result = result / zero;
    t_ok(last == SIGFPE && code == FPE_INTDIV && !on_alt, "a division by zero: SIGFPE");
    (void)result;
    if (sigsetjmp(back, 1) == 0)
        __asm__ volatile("ud2");
    t_ok(last == SIGILL, "an illegal instruction: SIGILL");
    last = 0;
    if (sigsetjmp(back, 1) == 0)
        __asm__ volatile("hlt");
    t_ok(last == SIGSEGV, "a privileged instruction: SIGSEGV");
    signal(SIGSEGV, SIG_DFL);
    signal(SIGFPE, SIG_DFL);
    signal(SIGILL, SIG_DFL);
}

static void skip_ud2(int sig, siginfo_t *si, void *ctx)
{
    ucontext_t *u = ctx;

    (void)si;
    last = sig;
    u->uc_mcontext.gregs[REG_RIP] += 2;
    u->uc_mcontext.gregs[REG_R12] = 4242;
}

static void test_context(void)
{
    struct sigaction sa;
    unsigned long r12 = 1;

    memset(&sa, 0, sizeof(sa));
    sa.sa_sigaction = skip_ud2;
    sa.sa_flags = SA_SIGINFO;
    sigaction(SIGILL, &sa, NULL);
    __asm__ volatile("mov $7, %%r12\n\tud2\n\tmov %%r12, %0" : "=r"(r12) : : "r12", "memory");
    t_ok(last == SIGILL && r12 == 4242, "a handler changes registers and goes on behind the fault");
    signal(SIGILL, SIG_DFL);
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void test_timers(void)
{
    struct itimerval it = {.it_value = {0, 30000}, .it_interval = {0, 20000}}, left;
    struct timespec day = {86400, 0};
    double before = now_s();
    int rc;

    catch_it(SIGALRM, 0);
    count = 0;
    t_eq(setitimer(ITIMER_REAL, &it, NULL), 0, "setitimer");
    rc = nanosleep(&day, &day);
    t_ok(rc == -1 && errno == EINTR && count == 1, "interrupts a sleep: EINTR");
    t_ok(now_s() - before >= 0.029 && day.tv_sec == 86399, "in time, with the rest told");
    while (count < 4 && now_s() - before < 5)
        continue;
    t_ok(count >= 4 && now_s() - before >= 0.089, "repeats while the program works");
    t_ok(getitimer(ITIMER_REAL, &left) == 0 && left.it_interval.tv_usec == 20000, "getitimer");
    memset(&it, 0, sizeof(it));
    setitimer(ITIMER_REAL, &it, NULL);
    count = 0;
    usleep(60000);
    t_eq(count, 0, "and is off");
    alarm(1);
    before = now_s();
    pause();
    t_ok(count == 1 && now_s() - before > 0.9, "alarm and pause: a second");
    t_ok(alarm(100) == 0 && alarm(0) > 98, "alarm tells what was left");
}

static void *target(void *arg)
{
    struct timespec day = {86400, 0};

    *(volatile int *)arg = 1;
    return (void *)(intptr_t)(nanosleep(&day, NULL) == -1 && errno == EINTR);
}

static void test_threads(void)
{
    volatile int started = 0;
    pthread_t t;
    void *r = NULL;

    catch_it(SIGUSR1, 0);
    count = 0;
    pthread_create(&t, NULL, target, (void *)&started);
    while (!started)
        usleep(1000);
    usleep(50000);
    pthread_kill(t, SIGUSR1);
    pthread_join(t, &r);
    t_ok(r == (void *)1 && count == 1, "pthread_kill interrupts another thread's sleep");
}

int main(void)
{
    test_raise();
    test_mask();
    test_faults();
    test_context();
    test_timers();
    test_threads();
    return t_done();
}
