/* SPDX-License-Identifier: BSD-3-Clause */
/* Stacks of threads: size, given memory, the guard page below. */
#include <tap.h>

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

static __thread sigjmp_buf back;
static void *volatile fault_address;

static void on_fault(int sig, siginfo_t *si, void *ctx)
{
    (void)sig;
    (void)ctx;
    fault_address = si->si_addr;
    siglongjmp(back, 1);
}

__attribute__((noinline)) static int deeper(volatile char *above, long left)
{
    volatile char here[1024];

    here[0] = above[0];
    here[1023] = (char)left;
    return left == 0 ? here[0] : deeper(here, left - 1) + here[1023];
}

struct job {
    long depth; /* frames of a kilobyte */
    bool faulted;
    char *low; /* lowest address of the stack */
    size_t size;
};

static void *run(void *arg)
{
    struct job *j = arg;
    pthread_attr_t attr;
    stack_t alt = {.ss_sp = malloc(65536), .ss_size = 65536};
    void *low;
    volatile char top = 0;

    sigaltstack(&alt, NULL);
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, &low, &j->size);
    pthread_attr_destroy(&attr);
    j->low = low;
    j->faulted = true;
    if (sigsetjmp(back, 1) == 0) {
        deeper(&top, j->depth);
        j->faulted = false;
    }
    alt.ss_flags = SS_DISABLE;
    sigaltstack(&alt, NULL);
    free(alt.ss_sp);
    return NULL;
}

static struct job thread(size_t size, long depth)
{
    struct job j = {.depth = depth};
    pthread_attr_t attr;
    pthread_t t;

    fault_address = NULL;
    pthread_attr_init(&attr);
    if (size != 0)
        pthread_attr_setstacksize(&attr, size);
    if (pthread_create(&t, &attr, run, &j) != 0)
        t_bail("pthread_create failed");
    pthread_join(t, NULL);
    return j;
}

static void *own_stack(void *arg)
{
    char here;
    char *low = arg;

    return &here > low && &here < low + 262144 ? arg : NULL;
}

int main(void)
{
    struct sigaction sa;
    struct rlimit limit;
    struct job j;
    pthread_attr_t attr;
    pthread_t t;
    void *mem, *r = NULL;
    volatile char top = 0;

    memset(&sa, 0, sizeof(sa));
    sa.sa_sigaction = on_fault;
    sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &sa, NULL);

    t_ok(getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur >= 1 << 20,
         "the first thread may use at least a megabyte");
    deeper(&top, 700);
    t_ok(true, "and uses 700 KiB of it");
    j = thread(0, 1500);
    t_ok(!j.faulted && j.size >= 2u << 20, "a thread uses 1.5 MiB of its %zu KiB", j.size >> 10);
    j = thread(1 << 20, 700);
    t_ok(!j.faulted && j.size >= 1 << 20, "a stack of a megabyte holds 700 KiB");
    j = thread(1 << 20, 3000);
    t_ok(j.faulted, "3000 KiB on it are a fault");
    t_ok((char *)fault_address >= j.low - 8192 && (char *)fault_address < j.low + 8192,
         "just below its low end");
    j = thread(1 << 20, 700);
    t_ok(!j.faulted, "and the next thread is not hurt");

    mem =
        mmap(NULL, 262144, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, mem, 262144);
    if (pthread_create(&t, &attr, own_stack, mem) == 0)
        pthread_join(t, &r);
    t_ok(r == mem, "a thread on memory that the program gives");
    return t_done();
}
