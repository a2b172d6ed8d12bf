/* SPDX-License-Identifier: BSD-3-Clause */
/* mprotect, and faults that a handler survives: the access, the code and the address are right. */
#include <tap.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096ul
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW   (PROT_READ | PROT_WRITE)

static sigjmp_buf back;
static volatile sig_atomic_t got_signal, got_code;
static void *volatile got_address;

static void on_fault(int sig, siginfo_t *si, void *ctx)
{
    (void)ctx;
    got_signal = sig;
    got_code = si->si_code;
    got_address = si->si_addr;
    siglongjmp(back, 1);
}

enum access { LOAD, STORE, JUMP };

/* The signal that an access raises, or 0. */
static int raised(void *at, enum access how)
{
    got_signal = got_code = 0;
    got_address = NULL;
    if (sigsetjmp(back, 1) == 0) {
        if (how == LOAD)
            (void)*(volatile char *)at;
        else if (how == STORE)
            *(volatile char *)at = 1;
        else
            ((void (*)(void))at)();
    }
    return got_signal;
}

static void expect(void *at, enum access how, int code, const char *what)
{
    int sig = raised(at, how);

    t_ok(sig == SIGSEGV && got_code == code && got_address == at,
         "%s: SIGSEGV with code %d and the address", what, code);
    if (sig != SIGSEGV || got_code != code || got_address != at)
        t_diag("signal %d, code %d, address %p; wanted %p", sig, (int)got_code, got_address, at);
}

static volatile sig_atomic_t works_after_return;

static void on_fault_repair(int sig, siginfo_t *si, void *ctx)
{
    (void)sig;
    (void)ctx;
    works_after_return++;
    mprotect((void *)((uintptr_t)si->si_addr & ~(PAGE - 1)), PAGE, RW);
}

static void set_handler(void (*fn)(int, siginfo_t *, void *))
{
    struct sigaction sa;

    memset(&sa, 0, sizeof(sa));
    sa.sa_sigaction = fn;
    sa.sa_flags = SA_SIGINFO;
    sigemptyset(&sa.sa_mask);
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
}

static const char constant[64] = "read only";

int main(void)
{
    static const unsigned char ret[] = {0xc3};
    unsigned char *p = mmap(NULL, 8 * PAGE, RW, ANON, -1, 0);
    volatile unsigned char *v = p;
    bool same = true;

    set_handler(on_fault);
    memset(p, 4, 8 * PAGE);

    t_eq(raised(p, LOAD), 0, "a page that can be read");
    t_eq(raised(p, STORE), 0, "and written");
    t_eq(mprotect(p + PAGE, PAGE, PROT_READ), 0, "mprotect to read-only");
    t_eq(raised(p + PAGE + 5, LOAD), 0, "it can be read");
    expect(p + PAGE + 5, STORE, SEGV_ACCERR, "written to");
    t_eq(p[PAGE + 5], 4, "and is as before");
    t_eq(raised(p + 2 * PAGE, STORE), 0, "its neighbour can be written");
    t_eq(mprotect(p + 2 * PAGE, 2 * PAGE, PROT_NONE), 0, "mprotect to nothing");
    expect(p + 3 * PAGE - 1, LOAD, SEGV_ACCERR, "read");
    expect(p + 2 * PAGE, STORE, SEGV_ACCERR, "written to");
    t_eq(mprotect(p + PAGE, 3 * PAGE, RW), 0, "mprotect back, over both");
    for (size_t i = PAGE; i < 4 * PAGE; i++)
        same &= p[i] == (i == 2 * PAGE ? 1 : 4);
    t_ok(same, "contents were kept");
    munmap(p + 6 * PAGE, PAGE);
    expect(p + 6 * PAGE + 8, LOAD, SEGV_MAPERR, "read where nothing is mapped");
    expect(p + 6 * PAGE + 8, STORE, SEGV_MAPERR, "written where nothing is mapped");
    expect(NULL, LOAD, SEGV_MAPERR, "read through NULL");
    expect((void *)(uintptr_t)16, STORE, SEGV_MAPERR, "written just above NULL");
    expect((void *)(uintptr_t)constant, STORE, SEGV_ACCERR, "a constant of the program");
    expect((void *)(uintptr_t)main, STORE, SEGV_ACCERR, "the program's code");
    t_eq(raised((void *)0xffff800000001000ul, LOAD), SIGSEGV, "the kernel's half: SIGSEGV");
    t_eq(raised((void *)0x8000000000001000ul, LOAD), SIGSEGV, "an address that is none: SIGSEGV");

    memcpy(p, ret, sizeof(ret));
    expect(p, JUMP, SEGV_ACCERR, "data is not run");
    t_eq(mprotect(p, PAGE, PROT_READ | PROT_EXEC), 0, "mprotect to executable");
    t_eq(raised(p, JUMP), 0, "now it runs");

    errno = 0;
    t_ok(mprotect(p + 1, PAGE, RW) == -1 && errno == EINVAL, "mprotect at an odd address: EINVAL");
    t_ok(mprotect(p + 6 * PAGE, PAGE, RW) == -1 && errno == ENOMEM, "where nothing is: ENOMEM");

    set_handler(on_fault_repair);
    mprotect(p + 4 * PAGE, PAGE, PROT_NONE);
    v[4 * PAGE + 3] = 77;
    t_ok(works_after_return == 1 && v[4 * PAGE + 3] == 77,
         "a handler that mends the page and returns: the store is done again");
    return t_done();
}
