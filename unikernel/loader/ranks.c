/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a rank: RANK_START makes its first thread on the boot core; that thread reads the
 * program, moves to the rank's own core, fills the rank's memory and enters the program. The last
 * thread that ends takes everything down and sends EXIT. */
#include "image.h"
#include <toro/arch.h>
#include <toro/boot.h>
#include <toro/bus.h>
#include <toro/ctl.h>
#include <toro/errno.h>
#include <toro/kpmix.h>
#include <toro/lib.h>
#include <torobus/note.h>

/* Thread ids: guests number apart, so that file names made from a pid do not meet. */
#define TID_STRIDE     32768
#define TID_FIRST      1000
#define RESUME_LOOK_NS 50000000ull
#define WHY_MAX        128u

/* Slots keep an ended rank's struct until the next one starts there: whoever still holds the
 * pointer sees a dead rank, never freed memory. */
static struct toro_proc *slots[TORO_MAX_CORES];
static struct toro_proc *_Atomic live[TORO_MAX_CORES];
static _Atomic int tids;

struct toro_proc *toro_proc(unsigned index)
{
    return index < TORO_MAX_CORES ? atomic_load_explicit(&live[index], memory_order_acquire) : NULL;
}

int toro_tid_new(void)
{
    int n = atomic_fetch_add_explicit(&tids, 1, memory_order_relaxed);

    return TID_FIRST + (int)toro_boot.guest * TID_STRIDE + n % (TID_STRIDE - TID_FIRST);
}

static void fail_line(char *line, size_t size, const char *exe, const char *why)
{
    toro_snprintf(line, size, "%.300s%s%s", exe, exe[0] != '\0' ? ": " : "", why);
}

static void fail(uint32_t rank, int err, const char *exe, const char *why)
{
    char line[512];

    fail_line(line, sizeof(line), exe, why);
    (void)toro_ctl_send(TOROBUS_CTL_FAILED, rank, (uint32_t)err, line, (uint32_t)toro_strlen(line));
}

/* Ended ranks whose memory is still mapped. A peer in this guest may be about to poll a ring there,
 * or copy a message that it was promised: it must find memory, not a fault, and learn of the end by
 * the port's state. Peers in other guests see the whole slice anyway. */
static _Atomic bool lingers[TORO_MAX_CORES];

/* The image last: the rank's code is there. */
static void put_memory(struct toro_proc *p)
{
    toro_mm_clear(&p->mm);
    toro_image_put(p->image);
    p->image = NULL;
}

static void linger_end(unsigned index)
{
    if (atomic_exchange_explicit(&lingers[index], false, memory_order_acq_rel))
        put_memory(slots[index]);
}

/* The last rank that goes puts away the memory of all. When two of them are the last, each takes
 * what the other has not taken, before it sends its EXIT: behind the last EXIT nothing lingers. */
static void linger_end_all(void)
{
    for (unsigned i = 0; i < TORO_MAX_CORES; i++)
        if (toro_proc(i) != NULL)
            return;
    for (unsigned i = 0; i < TORO_MAX_CORES; i++)
        linger_end(i);
}

/* Memory and names of a rank go; its files are closed already. */
static void release(struct toro_proc *p)
{
    if (p->was_on_bus) {
        toro_mm_unshare(&p->mm);
        atomic_store_explicit(&lingers[p->index], true, memory_order_release);
    } else {
        put_memory(p);
    }
    toro_kfree(p->cmdline);
    p->cmdline = NULL;
    p->cmdline_len = 0;
    toro_kfree(p->start_body);
    p->start_body = NULL;
}

/* The rank is no more. Who has fetched the pointer before finds it dead and without threads. */
static void vacate(struct toro_proc *p)
{
    toro_spin_lock(&p->lock);
    p->dead = true;
    toro_list_del(&toro_current()->peer);
    p->nthreads = 0;
    toro_spin_unlock(&p->lock);
    atomic_store_explicit(&live[p->index], NULL, memory_order_release);
}

void toro_proc_finish(struct toro_proc *p)
{
    uint32_t index = p->index, exit_arg;

    toro_proc_timers_end(p);
    toro_bus_proc_end(p);
    toro_pmix_proc_end(p);
    exit_arg = p->exit_arg; /* the end without finalize is an error */
    toro_fs_proc_end(p);
    release(p);
    vacate(p);
    linger_end_all();
    (void)toro_ctl_send(TOROBUS_CTL_EXIT, index, exit_arg, NULL, 0);
    toro_pmix_proc_gone(index);
}

/* A program that is built on other layouts would speak with kernel and peers at cross purposes. */
static int check_abi(uint32_t abi, char text[WHY_MAX], const char **why)
{
    if (abi == 0 || abi == TOROBUS_ABI_VERSION)
        return 0;
    toro_snprintf(text, WHY_MAX, TOROBUS_NOTE_WRONG, abi, TOROBUS_ABI_VERSION);
    *why = text;
    return -ENOEXEC;
}

/* why: a text that may be in text. */
static int prepare(struct toro_proc *p, char text[WHY_MAX], const char **why)
{
    struct toro_thread *t = toro_current();
    struct toro_start_args a;
    struct arch_frame *f;
    uint64_t sp;
    int err;

    (void)toro_start_parse(p->start_body,
                           (uint32_t)(sizeof(struct torobus_ctl_start) +
                                      ((struct torobus_ctl_start *)p->start_body)->strings),
                           &a);
    *why = "its working directory cannot be used in the guest";
    err = toro_fs_proc_init(p, a.cwd);
    if (err != 0)
        return err;
    err = toro_image_get(p->exe, &p->image, why);
    if (err == 0)
        err = check_abi(p->image->elf.abi, text, why);
    if (err != 0)
        return err;
    /* From here on the rank's own core does the work, on its own memory. */
    toro_migrate(p->core);
    t->affinity = p->cores;
    atomic_store_explicit(&p->mm.cores, 1ull << p->core, memory_order_relaxed);
    *why = "not enough memory in the guest for program and stack";
    err = toro_image_map(p, p->image);
    if (err == 0)
        err = toro_stack_build(p, &a, &p->image->elf, &sp);
    if (err == -E2BIG)
        *why = "arguments and environment are too long";
    if (err != 0)
        return err;
    f = arch_user_frame(&t->arch);
    toro_memset(f, 0, sizeof(*f));
    f->rip = p->entry;
    f->rsp = sp;
    f->rflags = 0x202;
    return 0;
}

/* A debugger stores into p->resume when it has set its breakpoints; nobody tells us. */
static void wait_for_debugger(struct toro_proc *p, struct toro_thread *t)
{
    t->where = "waits for a debugger";
    while (atomic_load_explicit(&p->resume, memory_order_relaxed) == 0 && !t->killed) {
        toro_block_begin();
        (void)toro_block(arch_now_ns() + RESUME_LOOK_NS, false);
    }
    t->where = NULL;
}

static void rank_main(void *arg)
{
    struct toro_proc *p = arg;
    struct toro_thread *t = toro_current();
    const char *why = "";
    char text[WHY_MAX];
    struct torobus_ctl_started started;
    int err = prepare(p, text, &why);

    if (err != 0) {
        uint32_t index = p->index;
        char line[512];

        fail_line(line, sizeof(line), p->exe, why);
        toro_fs_proc_end(p);
        release(p);
        vacate(p);
        (void)toro_ctl_send(TOROBUS_CTL_FAILED, index, (uint32_t)-err, line,
                            (uint32_t)toro_strlen(line));
        toro_thread_exit();
    }
    toro_kfree(p->start_body);
    p->start_body = NULL;
    p->start_ns = arch_now_ns();
    started = (struct torobus_ctl_started){p->load_bias, p->entry, (uint64_t)&p->resume};
    (void)toro_ctl_send(TOROBUS_CTL_STARTED, p->index, 0, &started, sizeof(started));
    if ((p->start_flags & TOROBUS_START_STOP) != 0)
        wait_for_debugger(p, t);
    toro_user_return(arch_user_frame(&t->arch), false);
    arch_enter_user(&t->arch);
}

static void set_limits(struct toro_proc *p)
{
    for (unsigned i = 0; i < TORO_NRLIMITS; i++)
        p->rlimit[i] = (struct toro_rlimit){~0ull, ~0ull};
    p->rlimit[3] = (struct toro_rlimit){TORO_STACK_SIZE, TORO_STACK_SIZE}; /* STACK */
    p->rlimit[4] = (struct toro_rlimit){0, 0};                             /* CORE */
    p->rlimit[7] = (struct toro_rlimit){TORO_MAX_FDS, TORO_MAX_FDS};       /* NOFILE */
}

static bool has_env(const char *env, uint32_t count, const char *name)
{
    size_t n = toro_strlen(name);

    for (; count-- > 0; env += toro_strlen(env) + 1)
        if (toro_strncmp(env, name, n) == 0 && env[n] == '=')
            return env[n + 1] != '\0' && env[n + 1] != '0';
    return false;
}

/* The cores of a rank that RANK_START wants, 0 if the guest does not have them. */
static uint64_t cores_of(const struct torobus_ctl_hdr *h, unsigned *first, unsigned *n)
{
    *first = h->arg != 0 ? TOROBUS_CTL_CORES_FIRST(h->arg) : h->rank;
    *n = h->arg != 0 ? TOROBUS_CTL_CORES_COUNT(h->arg) : 1;
    if (h->rank >= arch_ncores() || *n == 0 || *n > arch_ncores() || *first > arch_ncores() - *n)
        return 0;
    return (*n >= 64 ? ~0ull : (1ull << *n) - 1) << *first;
}

static bool cores_taken(uint64_t cores)
{
    for (unsigned i = 0; i < TORO_MAX_CORES; i++) {
        struct toro_proc *p = toro_proc(i);

        if (p != NULL && (p->cores & cores) != 0)
            return true;
    }
    return false;
}

/* A fresh rank from a checked body, which is copied. */
static struct toro_proc *proc_new(unsigned index, unsigned core, unsigned ncores, const void *body,
                                  uint32_t len)
{
    struct toro_proc *p = slots[index];
    struct toro_start_args a;

    linger_end(index);
    if (p == NULL)
        p = slots[index] = toro_kmalloc(sizeof(*p));
    if (p == NULL)
        return NULL;
    toro_memset(p, 0, sizeof(*p));
    p->start_body = toro_kmalloc(len);
    if (p->start_body == NULL)
        return NULL;
    toro_memcpy(p->start_body, body, len);
    (void)toro_start_parse(p->start_body, len, &a);
    p->cmdline = toro_kmalloc(a.argv_len);
    if (p->cmdline == NULL) {
        toro_kfree(p->start_body);
        return NULL;
    }
    toro_memcpy(p->cmdline, a.argv, a.argv_len);
    p->cmdline_len = a.argv_len;
    p->index = index;
    p->world_rank = a.start->world_rank;
    p->world_size = a.start->world_size;
    p->local_size = a.start->local_size;
    p->uid = a.start->uid;
    p->gid = a.start->gid;
    p->umask = a.start->umask & 0777;
    p->start_flags = a.start->flags;
    p->report_syscalls = has_env(a.env, a.start->envc, "TORO_SYSCALL_REPORT");
    toro_strlcpy(p->cwd_path, a.cwd, sizeof(p->cwd_path));
    toro_strlcpy(p->exe, a.exe, sizeof(p->exe));
    toro_list_init(&p->threads);
    toro_waitq_init(&p->sigwait);
    p->core = core;
    toro_mm_init(&p->mm, core, ncores);
    toro_proc_signals_init(p);
    set_limits(p);
    if (has_env(a.env, a.start->envc, "TORO_CORE"))
        p->rlimit[4] = (struct toro_rlimit){~0ull, ~0ull};
    return p;
}

static void on_rank_start(const struct torobus_ctl_hdr *h, const void *body)
{
    struct toro_start_args a;
    struct toro_proc *p;
    struct toro_thread *t;
    const char *base;
    unsigned first, n;
    uint64_t cores = cores_of(h, &first, &n);

    if (cores == 0) {
        fail(h->rank, EINVAL, "", "the guest has no cores for this rank");
        return;
    }
    if (toro_start_parse(body, h->len, &a) != 0) {
        fail(h->rank, EINVAL, "", "the request to start the rank is damaged");
        return;
    }
    if (toro_proc(h->rank) != NULL || cores_taken(cores)) {
        fail(h->rank, EBUSY, a.exe, "the rank's cores are still in use");
        return;
    }
    p = proc_new(h->rank, first, n, body, h->len);
    base = toro_strrchr(a.exe, '/');
    t = p == NULL ? NULL
                  : toro_thread_new(base != NULL ? base + 1 : a.exe, arch_core(), p, rank_main, p);
    if (t == NULL) {
        if (p != NULL)
            release(p);
        fail(h->rank, ENOMEM, a.exe, "no kernel memory in the guest");
        return;
    }
    p->ncores = n;
    p->cores = cores;
    t->tid = p->pid = toro_tid_new();
    toro_list_push(&p->threads, &t->peer);
    p->nthreads = 1;
    atomic_store_explicit(&live[h->rank], p, memory_order_release);
    toro_thread_ready(t);
}

static void on_signal(const struct torobus_ctl_hdr *h, const void *body)
{
    struct toro_proc *p = toro_proc(h->rank);

    (void)body;
    if (p == NULL || h->arg == 0 || h->arg > TORO_NSIG)
        return;
    (void)toro_proc_signal(p, 0, (int)h->arg);
}

void toro_rank_init(void)
{
    toro_images_init(arch_ncores());
    toro_keep_init();
    toro_ctl_register(TOROBUS_CTL_RANK_START, on_rank_start);
    toro_ctl_register(TOROBUS_CTL_SIGNAL, on_signal);
    toro_reports_init();
}
