/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers to QUERY: where every rank is, which calls were missing, what memory is used. */
#include "sys.h"
#include <toro/bus.h>

#define TEXT_SIZE   65536u
#define CALLERS_MAX 12u
/* How long a core may take to show where its thread is. */
#define LOOK_NS 200000000ull

struct text {
    char *buf;
    size_t at;
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = toro_vsnprintf(t->buf + t->at, TEXT_SIZE - t->at, fmt, ap);
    va_end(ap);
    t->at = TORO_MIN(t->at + (size_t)n, (size_t)TEXT_SIZE - 1);
}

static void stack_of(struct text *text, struct toro_proc *p, const struct toro_thread *t)
{
    static const char *const states[] = {"runs", "ready", "waits", "dead"};
    const struct arch_frame *f = arch_user_frame((struct arch_thread *)&t->arch);
    int state = atomic_load_explicit(&t->state, memory_order_relaxed);
    const char *where = t->where;
    struct sys_place from[CALLERS_MAX];
    unsigned n = sys_backtrace(p, f, from, CALLERS_MAX);
    char name[128];

    add(text, "  thread %d (%s) core %u: %s", t->tid, t->name, t->core,
        state >= 0 && state < 4 ? states[state] : "?");
    if (where != NULL)
        add(text, ": %s", where);
    else if (state == TORO_BLOCKED && t->sysno >= 0)
        add(text, " in system call %ld", t->sysno);
    for (unsigned i = 0; i < n; i++)
        add(text, i == 0 ? ", at %s\n" : "    from %s%s\n",
            sys_place_name(p, &from[i], name, sizeof(name)), from[i].guess ? " (guess)" : "");
}

/* The frame of a thread that runs is that of its last entry into the kernel: let there be a new
 * one. A core that does not answer is shown as it was. */
static void look(void)
{
    uint64_t end = arch_now_ns() + LOOK_NS;
    unsigned before[TORO_MAX_CORES], missing;

    for (unsigned i = 0; i < arch_ncores(); i++) {
        before[i] = toro_core_ipis(i);
        if (i != arch_core())
            arch_ipi(i);
    }
    do {
        missing = 0;
        for (unsigned i = 0; i < arch_ncores(); i++)
            missing += i != arch_core() && toro_core_ipis(i) == before[i];
        if (missing == 0)
            return;
        toro_block_begin();
        (void)toro_block(arch_now_ns() + 1000000u, false);
    } while (arch_now_ns() < end);
}

static uint64_t syscalls_of(struct toro_proc *p)
{
    uint64_t n;

    toro_spin_lock(&p->lock);
    n = p->gone_syscalls;
    toro_list_each(&p->threads, it) n += toro_list_entry(it, struct toro_thread, peer)->syscalls;
    toro_spin_unlock(&p->lock);
    return n;
}

static void stacks(struct text *text)
{
    uint64_t idle = arch_ncores() >= 64 ? ~0ull : (1ull << arch_ncores()) - 1;

    for (unsigned i = 0; i < arch_ncores(); i++) {
        struct toro_proc *p = toro_proc(i);

        if (p == NULL)
            continue;
        idle &= ~p->cores;
        add(text, "rank %u (core %u", p->world_rank, p->core);
        if (p->ncores > 1)
            add(text, "-%u", p->core + p->ncores - 1);
        add(text, ", pid %d): %s, %lu system calls%s\n", p->pid, p->exe,
            (unsigned long)syscalls_of(p),
            p->stopped   ? ", stopped"
            : p->exiting ? ", ending"
                         : "");
        toro_spin_lock(&p->lock);
        toro_list_each(&p->threads, it)
            stack_of(text, p, toro_list_entry(it, struct toro_thread, peer));
        toro_spin_unlock(&p->lock);
    }
    for (; idle != 0; idle &= idle - 1)
        add(text, "core %u: no rank\n", (unsigned)__builtin_ctzll(idle));
}

static void memory(struct text *text)
{
    uint64_t used, size, limit = toro_pools_limit(&used);

    add(text, "guest: %lu KiB of %lu KiB; kernel: %lu KiB\n", (unsigned long)(used >> 10),
        (unsigned long)(limit >> 10), (unsigned long)(toro_kmem_used() >> 10));
    for (unsigned i = 0; i <= arch_ncores(); i++) {
        toro_pool_usage(toro_pool(i), &used, &size);
        if (i < arch_ncores())
            add(text, "core %u: ", i);
        else
            add(text, "shared: ");
        add(text, "%lu KiB of %lu MiB address space\n", (unsigned long)(used >> 10),
            (unsigned long)(size >> 20));
    }
}

static void ports(struct text *text)
{
    for (unsigned i = 0; i < arch_ncores(); i++) {
        uint32_t id = toro_bus.guest * toro_bus.sb.ports_per_guest + i;
        struct torobus_port *p = torobus_port_at(toro_bus.base, &toro_bus.sb, id);

        add(text,
            "port %u: %s%s, epoch %u, sent %lu, received %lu, sleeps %lu, doorbells %lu, pending "
            "%lx\n",
            id,
            atomic_load(&p->state) == TOROBUS_PORT_OPEN   ? "open"
            : atomic_load(&p->state) == TOROBUS_PORT_DEAD ? "dead"
                                                          : "free",
            atomic_load(&p->sleeping) != 0 ? ", sleeping" : "", atomic_load(&p->epoch),
            (unsigned long)atomic_load(&p->stats.msgs_sent),
            (unsigned long)atomic_load(&p->stats.msgs_recv),
            (unsigned long)atomic_load(&p->stats.sleeps),
            (unsigned long)atomic_load(&p->stats.doorbells_recv),
            (unsigned long)atomic_load(&p->pending_summary));
    }
}

static void on_query(const struct torobus_ctl_hdr *h, const void *body)
{
    struct text text = {.buf = toro_kmalloc(TEXT_SIZE)};

    (void)body;
    if (text.buf == NULL) {
        (void)toro_ctl_send(TOROBUS_CTL_REPORT, h->rank, h->arg, "no kernel memory\n", 17);
        return;
    }
    text.buf[0] = '\0';
    switch (h->arg) {
    case TOROBUS_CTL_Q_STACKS:
        look();
        stacks(&text);
        break;
    case TOROBUS_CTL_Q_SYSCALLS:
        text.at = toro_syscall_report(text.buf, TEXT_SIZE);
        if (text.at == 0)
            add(&text, "every system call so far is there\n");
        break;
    case TOROBUS_CTL_Q_MEMORY:
        memory(&text);
        break;
    case TOROBUS_CTL_Q_PORTS:
        ports(&text);
        break;
    default:
        add(&text, "unknown query %u\n", h->arg);
    }
    (void)toro_ctl_send(TOROBUS_CTL_REPORT, h->rank, h->arg, text.buf, (uint32_t)text.at);
    toro_kfree(text.buf);
}

void toro_reports_init(void)
{
    toro_ctl_register(TOROBUS_CTL_QUERY, on_query);
    sys_core_init();
}
