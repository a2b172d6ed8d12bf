/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts of the files in /proc. */
#include <toro/arch.h>
#include <toro/boot.h>
#include <toro/bus.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/mm.h>
#include <toro/proc.h>
#include "proctext.h"

#define TICK_NS 10000000u /* _SC_CLK_TCK is 100 */
#define KIB     1024u

#define add     toro_text_add

static void memory(uint64_t *total, uint64_t *free)
{
    const struct torobus_slice_hdr *h =
        torobus_slice_at(toro_bus.base, &toro_bus.sb, toro_bus.guest);
    uint64_t sum = 0, used, size;

    for (unsigned i = 0; i <= arch_ncores(); i++) {
        toro_pool_usage(toro_pool(i), &used, &size);
        sum += used;
    }
    *total = h->mem_limit && h->mem_limit < toro_bus.sb.slice_size ? h->mem_limit
                                                                   : toro_bus.sb.slice_size;
    *free = *total > sum ? *total - sum : 0;
}

int toro_proc_cpuinfo(struct toro_text *t, struct toro_proc *p)
{
    /* The rate of the TSC since boot, which for a program is its clock rate. */
    uint64_t ns = arch_now_ns(), ticks = arch_tsc() - arch_entry_tsc();
    uint64_t khz = ns >= 1000000u ? ticks / (ns / 1000000u) : 0;
    struct arch_cpuinfo *c = toro_kmalloc(sizeof(*c));

    (void)p;
    if (!c)
        return -ENOMEM;
    arch_cpuinfo(c);
    for (unsigned i = 0; i < arch_ncores(); i++) {
        add(t,
            "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n"
            "model name\t: %s\nstepping\t: %u\ncpu MHz\t\t: %lu.%03lu\n",
            i, c->vendor, c->family, c->model, c->brand, c->stepping, (unsigned long)(khz / 1000),
            (unsigned long)(khz % 1000));
        add(t,
            "physical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\napicid\t\t: %u\n"
            "flags\t\t: %s\nclflush size\t: 64\ncache_alignment\t: 64\n\n",
            arch_ncores(), i, arch_ncores(), i, c->flags);
    }
    toro_kfree(c);
    return 0;
}

int toro_proc_meminfo(struct toro_text *t, struct toro_proc *p)
{
    uint64_t total, free;

    (void)p;
    memory(&total, &free);
    add(t,
        "MemTotal:       %lu kB\nMemFree:        %lu kB\nMemAvailable:   %lu kB\n"
        "Buffers:        0 kB\nCached:         0 kB\nSwapCached:     0 kB\n"
        "SwapTotal:      0 kB\nSwapFree:       0 kB\nShmem:          0 kB\n"
        "HugePages_Total: 0\nHugePages_Free:  0\nHugepagesize:   2048 kB\n",
        total / KIB, free / KIB, free / KIB);
    return 0;
}

int toro_proc_stat(struct toro_text *t, struct toro_proc *p)
{
    uint64_t up = arch_now_ns() / TICK_NS, sum = 0;

    (void)p;
    for (unsigned pass = 0; pass < 2; pass++) {
        if (pass)
            add(t, "cpu  %lu 0 0 %lu 0 0 0 0 0 0\n", sum,
                up * arch_ncores() - TORO_MIN(sum, up * arch_ncores()));
        for (unsigned i = 0; i < arch_ncores(); i++) {
            struct toro_proc *r = toro_proc(i);
            uint64_t busy = TORO_MIN(r ? toro_proc_cpu_ns(r) / TICK_NS : 0, up);

            if (pass)
                add(t, "cpu%u %lu 0 0 %lu 0 0 0 0 0 0\n", i, busy, up - busy);
            else
                sum += busy;
        }
    }
    add(t, "intr 0\nctxt 0\nbtime %lu\nprocesses %u\n",
        (unsigned long)((arch_realtime_ns() - arch_now_ns()) / 1000000000u), arch_ncores());
    return 0;
}

int toro_proc_interrupts(struct toro_text *t, struct toro_proc *p)
{
    static const struct {
        const char *name, *what;
    } kind[ARCH_IRQ_KINDS] = {[ARCH_IRQ_TIMER] = {"LOC", "Local timer interrupts"},
                              [ARCH_IRQ_IPI] = {"RES", "Rescheduling interrupts"},
                              [ARCH_IRQ_TLB] = {"TLB", "TLB shootdowns"},
                              [ARCH_IRQ_DEVICE] = {"MSI", "Devices"}};

    (void)p;
    add(t, "    ");
    for (unsigned i = 0; i < arch_ncores(); i++)
        add(t, "       CPU%u", i);
    add(t, "\n");
    for (unsigned k = 0; k < ARCH_IRQ_KINDS; k++) {
        add(t, "%s:", kind[k].name);
        for (unsigned i = 0; i < arch_ncores(); i++)
            add(t, " %10lu", (unsigned long)arch_irq_count(i, (enum arch_irq_kind)k));
        add(t, "   %s\n", kind[k].what);
    }
    return 0;
}

int toro_proc_uptime(struct toro_text *t, struct toro_proc *p)
{
    uint64_t cs = arch_now_ns() / 10000000u;

    (void)p;
    add(t, "%lu.%02lu 0.00\n", cs / 100, cs % 100);
    return 0;
}

int toro_proc_loadavg(struct toro_text *t, struct toro_proc *p)
{
    unsigned n = 0;

    (void)p;
    for (unsigned i = 0; i < arch_ncores(); i++)
        n += toro_proc(i) != NULL;
    add(t, "%u.00 %u.00 %u.00 %u/%u 1\n", n, n, n, n, n);
    return 0;
}

int toro_proc_version(struct toro_text *t, struct toro_proc *p)
{
    (void)p;
    add(t, "Linux version 6.1.0-torobus #1 SMP Torobus\n");
    return 0;
}

int toro_proc_filesystems(struct toro_text *t, struct toro_proc *p)
{
    (void)p;
    add(t, "nodev\t9p\nnodev\ttmpfs\nnodev\tdevtmpfs\nnodev\tproc\nnodev\tsysfs\n");
    return 0;
}

int toro_proc_maps(struct toro_text *t, struct toro_proc *p)
{
    static const char *const names[] = {[TORO_VMA_STACK] = "[stack]", [TORO_VMA_BRK] = "[heap]"};
    struct toro_vma v;

    for (uint64_t at = 0; toro_mm_next(&p->mm, at, &v); at = v.end) {
        const char *name = NULL;

        if ((unsigned)v.kind < TORO_ARRAY_SIZE(names))
            name = names[v.kind];
        if (v.kind == TORO_VMA_IMAGE)
            name = p->exe;
        else if (p->vdso >= v.start && p->vdso < v.end)
            name = "[vdso]";
        add(t, "%lx-%lx %c%c%c%c %08lx 00:00 0", v.start, v.end,
            v.prot & ARCH_PROT_READ ? 'r' : '-', v.prot & ARCH_PROT_WRITE ? 'w' : '-',
            v.prot & ARCH_PROT_EXEC ? 'x' : '-', v.kind == TORO_VMA_SHARED ? 's' : 'p', v.off);
        if (name)
            add(t, "                          %s", name);
        add(t, "\n");
    }
    return 0;
}

static const char *comm(const struct toro_proc *p)
{
    const char *slash = toro_strrchr(p->exe, '/');

    return slash ? slash + 1 : p->exe;
}

static uint64_t mapped_bytes(struct toro_proc *p)
{
    struct toro_vma v;
    uint64_t sum = 0;

    for (uint64_t at = 0; toro_mm_next(&p->mm, at, &v); at = v.end)
        sum += v.end - v.start;
    return sum;
}

int toro_proc_status(struct toro_text *t, struct toro_proc *p)
{
    uint64_t peak, committed = toro_mm_committed(&p->mm, &peak);

    add(t,
        "Name:\t%.15s\nUmask:\t%04o\nState:\tR (running)\nTgid:\t%d\nPid:\t%d\nPPid:\t1\n"
        "TracerPid:\t0\nUid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nFDSize:\t%u\n",
        comm(p), p->umask, p->pid, p->pid, p->uid, p->uid, p->uid, p->uid, p->gid, p->gid, p->gid,
        p->gid, TORO_MAX_FDS);
    add(t,
        "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmLck:\t       0 kB\nVmHWM:\t%8lu kB\n"
        "VmRSS:\t%8lu kB\nThreads:\t%u\nSigPnd:\t%016lx\nCpus_allowed:\t%lx\n"
        "Cpus_allowed_list:\t%u-%u\nMems_allowed:\t1\nMems_allowed_list:\t0\n",
        mapped_bytes(p) / KIB, mapped_bytes(p) / KIB, peak / KIB, committed / KIB, p->nthreads,
        p->sigpending, p->cores, p->core, p->core + p->ncores - 1);
    return 0;
}

int toro_proc_self_stat(struct toro_text *t, struct toro_proc *p)
{
    add(t,
        "%d (%.15s) R 1 %d %d 0 -1 0 0 0 0 0 %lu 0 0 0 20 0 %u 0 %lu %lu %lu "
        "18446744073709551615 %lu %lu %lu 0 0 0 0 0 0 0 0 0 17 %u 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
        p->pid, comm(p), p->pid, p->pid, toro_proc_cpu_ns(p) / TICK_NS, p->nthreads,
        p->start_ns / TICK_NS, mapped_bytes(p), toro_mm_committed(&p->mm, NULL) / TORO_PAGE_SIZE,
        p->load_bias, p->load_bias, p->stack_top, p->core);
    return 0;
}

int toro_proc_statm(struct toro_text *t, struct toro_proc *p)
{
    uint64_t rss = toro_mm_committed(&p->mm, NULL) / TORO_PAGE_SIZE;

    add(t, "%lu %lu 0 0 0 %lu 0\n", mapped_bytes(p) / TORO_PAGE_SIZE, rss, rss);
    return 0;
}

int toro_proc_cmdline(struct toro_text *t, struct toro_proc *p)
{
    char *b = p->cmdline_len ? toro_kmalloc(p->cmdline_len) : NULL;

    if (!p->cmdline_len)
        return 0;
    if (!b)
        return -ENOMEM;
    toro_memcpy(b, p->cmdline, p->cmdline_len);
    toro_kfree(t->p);
    *t = (struct toro_text){.p = b, .len = p->cmdline_len, .size = p->cmdline_len};
    return 0;
}

int toro_proc_environ(struct toro_text *t, struct toro_proc *p)
{
    char *b = p->env_len ? toro_kmalloc(p->env_len) : NULL;

    if (!p->env_len)
        return 0;
    if (!b)
        return -ENOMEM;
    /* The program may have unmapped or overwritten it since: its own affair, as on Linux. */
    if (toro_copy_from_user(b, (void *)p->env_at, p->env_len) != 0) {
        toro_kfree(b);
        return -EIO;
    }
    toro_kfree(t->p);
    *t = (struct toro_text){.p = b, .len = p->env_len, .size = p->env_len};
    return 0;
}

int toro_proc_comm(struct toro_text *t, struct toro_proc *p)
{
    add(t, "%.15s\n", comm(p));
    return 0;
}

static void limit_value(struct toro_text *t, uint64_t v)
{
    if (v == ~0ull)
        add(t, "%-20s ", "unlimited");
    else
        add(t, "%-20lu ", v);
}

int toro_proc_limits(struct toro_text *t, struct toro_proc *p)
{
    static const struct {
        const char *name, *unit;
    } what[TORO_NRLIMITS] = {{"Max cpu time", "seconds"},     {"Max file size", "bytes"},
                             {"Max data size", "bytes"},      {"Max stack size", "bytes"},
                             {"Max core file size", "bytes"}, {"Max resident set", "bytes"},
                             {"Max processes", "processes"},  {"Max open files", "files"},
                             {"Max locked memory", "bytes"},  {"Max address space", "bytes"},
                             {"Max file locks", "locks"},     {"Max pending signals", "signals"},
                             {"Max msgqueue size", "bytes"},  {"Max nice priority", ""},
                             {"Max realtime priority", ""},   {"Max realtime timeout", "us"}};

    add(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (unsigned i = 0; i < TORO_NRLIMITS; i++) {
        add(t, "%-25s ", what[i].name);
        limit_value(t, p->rlimit[i].cur);
        limit_value(t, p->rlimit[i].max);
        add(t, "%s\n", what[i].unit);
    }
    return 0;
}

int toro_proc_mounts(struct toro_text *t, struct toro_proc *p)
{
    struct toro_mount *m;

    (void)p;
    for (unsigned i = 0; (m = toro_mount_nth(i)) != NULL; i++)
        add(t, "%s %s %s %s,relatime 0 0\n", m->source, m->path, m->type, m->ro ? "ro" : "rw");
    return 0;
}

int toro_proc_mountinfo(struct toro_text *t, struct toro_proc *p)
{
    struct toro_mount *m;

    (void)p;
    for (unsigned i = 0; (m = toro_mount_nth(i)) != NULL; i++)
        add(t, "%u %u 0:%u / %s %s,relatime - %s %s %s\n", 20 + i, i ? 20u : 1u, m->dev, m->path,
            m->ro ? "ro" : "rw", m->type, m->source, m->ro ? "ro" : "rw");
    return 0;
}

int toro_proc_cgroup(struct toro_text *t, struct toro_proc *p)
{
    (void)p;
    add(t, "0::/\n");
    return 0;
}

int toro_proc_hostname(struct toro_text *t, struct toro_proc *p)
{
    (void)p;
    add(t, "%s\n", toro_boot.name);
    return 0;
}

int toro_proc_ostype(struct toro_text *t, struct toro_proc *p)
{
    (void)p;
    add(t, "Linux\n");
    return 0;
}

int toro_proc_osrelease(struct toro_text *t, struct toro_proc *p)
{
    (void)p;
    add(t, "6.1.0-torobus\n");
    return 0;
}

int toro_proc_pid_max(struct toro_text *t, struct toro_proc *p)
{
    (void)p;
    add(t, "32768\n");
    return 0;
}
