/* SPDX-License-Identifier: BSD-3-Clause */
/* TORO_CORE: when a signal kills a rank, its threads are halted, their registers and the list of
 * its memory go to the keeper, which writes the core file from the region, and only then the rank
 * ends. */
#include "corefile.h"
#include "../loader/image.h"
#include "sys.h"
#include <toro/bus.h>

/* How long threads may take to come out of the kernel; then they are shown as they went in. */
#define HALT_NS      3000000000ull
#define HALT_LOOK_NS 2000000ull
#define THREADS_MAX  256u
#define SEGMENTS_MAX 8192u

/* One dump at a time per rank; these are its pieces. */
struct dump {
    struct sys_core core;
    struct sys_core_segment *segment;
    struct sys_core_file file[TORO_ELF_SEGMENTS];
    struct sys_core_thread thread[THREADS_MAX];
    uint8_t siginfo[128];
    uint64_t auxv[64];
    unsigned left_out; /* threads */
};

void sys_core_halt(struct toro_thread *t)
{
    struct toro_proc *p = t->proc;

    arch_fpu_save(t->arch.fpu); /* it runs, so its save area is free */
    t->halted = true;
    t->where = "halted for a core dump";
    (void)toro_wait_event(&p->sigwait, p->dumper == NULL || t->killed, UINT64_MAX, false);
    t->where = NULL;
    t->halted = false;
}

/* Interrupt the rank's other threads until all are halted, or time is over. */
static void halt_others(struct toro_proc *p, struct toro_thread *self)
{
    uint64_t end = arch_now_ns() + HALT_NS;

    for (;;) {
        unsigned running = 0;

        toro_spin_lock(&p->lock);
        toro_list_each(&p->threads, it)
        {
            struct toro_thread *t = toro_list_entry(it, struct toro_thread, peer);

            if (t != self && !t->halted) {
                running++;
                toro_thread_interrupt(t);
            }
        }
        toro_spin_unlock(&p->lock);
        if (running == 0 || self->killed || arch_now_ns() >= end)
            return;
        toro_block_begin();
        (void)toro_block(arch_now_ns() + HALT_LOOK_NS, false);
    }
}

static void collect_thread(struct dump *d, struct toro_thread *t, int sig)
{
    if (d->core.nthreads == THREADS_MAX) {
        d->left_out++;
        return;
    }
    d->thread[d->core.nthreads++] = (struct sys_core_thread){.tid = t->tid,
                                                             .sig = sig,
                                                             .sigmask = t->sigmask,
                                                             .sigpending = t->sigpending,
                                                             .cpu_ns = toro_thread_cpu_ns(t),
                                                             .fs_base = t->arch.fs_base,
                                                             .gs_base = t->arch.gs_base,
                                                             .sysno = t->sysno,
                                                             .frame = arch_user_frame(&t->arch),
                                                             .fpu = t->arch.fpu};
}

/* Does the mapping lie in this guest's slice? The bus itself does not, and is nobody's memory. */
static bool own_memory(const struct toro_vma *v)
{
    uint64_t base = TOROBUS_REGION_VA + torobus_slice_offset(&toro_bus.sb, toro_bus.guest);

    return v->start >= base && v->end - base <= toro_bus.sb.slice_size;
}

static int collect_memory(struct dump *d, struct toro_proc *p)
{
    struct toro_vma v;
    unsigned n = 0;

    d->segment = toro_kmalloc(SEGMENTS_MAX * sizeof(*d->segment));
    if (d->segment == NULL)
        return -ENOMEM;
    for (uint64_t at = 0; toro_mm_next(&p->mm, at, &v); at = v.end) {
        struct sys_core_segment *last = n > 0 ? &d->segment[n - 1] : NULL;
        uint64_t start = TORO_MAX(v.start, at);

        if ((!v.committed && v.kind != TORO_VMA_SHARED) || !own_memory(&v))
            continue;
        if (last != NULL && last->end == start && last->prot == v.prot) {
            last->end = v.end;
            continue;
        }
        if (n == SEGMENTS_MAX) {
            toro_proc_complain(p, "torobus: rank %u: memory from 0x%lx on is not in the core\n",
                               p->world_rank, (unsigned long)start);
            break;
        }
        d->segment[n++] = (struct sys_core_segment){start, v.end, v.prot};
    }
    d->core.segment = d->segment;
    d->core.nsegments = n;
    return 0;
}

static void collect_file(struct dump *d, const struct toro_proc *p)
{
    const struct toro_elf *e = &p->image->elf;

    for (unsigned i = 0; i < e->nsegments; i++) {
        const struct toro_elf_segment *s = &e->segment[i];
        uint64_t slip = s->vaddr % TORO_PAGE_SIZE;

        d->file[i] = (struct sys_core_file){
            .start = p->load_bias + s->vaddr - slip,
            .end = p->load_bias + TORO_ALIGN_UP(s->vaddr + s->filesz, TORO_PAGE_SIZE),
            .offset = s->offset - slip};
    }
    d->core.file = d->file;
    d->core.nfiles = e->nsegments;
}

/* The frame for the keeper. @return its body or NULL. */
static void *pack(struct dump *d, struct toro_proc *p, uint32_t *len, uint64_t *bytes)
{
    size_t head = sys_core_head_size(&d->core);
    size_t total = sizeof(struct torobus_ctl_core) +
                   d->core.nsegments * sizeof(struct torobus_ctl_core_range) + head;
    uint64_t file = TORO_ALIGN_UP(head, TORO_PAGE_SIZE);
    struct torobus_ctl_core_range *r;
    struct torobus_ctl_core *c;

    if (total > TOROBUS_CTL_BODY_MAX || (c = toro_ctl_frame_new((uint32_t)total)) == NULL)
        return NULL;
    *c = (struct torobus_ctl_core){
        .world_rank = p->world_rank, .nranges = d->core.nsegments, .head_len = (uint32_t)head};
    r = (struct torobus_ctl_core_range *)(c + 1);
    *bytes = 0;
    for (unsigned i = 0; i < d->core.nsegments; i++, r++) {
        const struct sys_core_segment *s = &d->segment[i];

        *r = (struct torobus_ctl_core_range){s->start - TOROBUS_REGION_VA, s->end - s->start, file};
        file += s->end - s->start;
        *bytes += s->end - s->start;
    }
    sys_core_head(&d->core, (char *)r);
    *len = (uint32_t)total;
    return c;
}

static void on_core_done(const struct torobus_ctl_hdr *h, const void *body)
{
    struct toro_proc *p = toro_proc(h->rank);

    if (p == NULL || p->dumper == NULL || p->core_state != TORO_CORE_ASKED)
        return;
    if (h->arg == 0)
        toro_proc_complain(p, "torobus: rank %u: core dumped: %.*s\n", p->world_rank,
                           (int)TORO_MIN(h->len, 400u), (const char *)body);
    else
        toro_proc_complain(p, "torobus: rank %u: no core: %.*s\n", p->world_rank,
                           (int)TORO_MIN(h->len, 400u), (const char *)body);
    p->core_state = TORO_CORE_DONE;
    toro_wake(&p->sigwait, UINT32_MAX);
}

static const char *dump(struct dump *d, struct toro_proc *p, struct toro_thread *self, int sig)
{
    uint32_t len = 0;
    uint64_t bytes;
    void *body;

    d->core = (struct sys_core){.pid = p->pid,
                                .ppid = 1,
                                .sig = sig,
                                .uid = p->uid,
                                .gid = p->gid,
                                .exe = p->exe,
                                .cmdline = p->cmdline,
                                .cmdline_len = p->cmdline_len,
                                .siginfo = d->siginfo,
                                .auxv = d->auxv,
                                .auxv_len = TORO_MIN(p->auxv_len, sizeof(d->auxv)),
                                .thread = d->thread,
                                .fpu_size = arch_fpu_size(),
                                .fpu_features = arch_fpu_features()};
    if (toro_copy_from_user(d->auxv, (void *)p->auxv_at, d->core.auxv_len) != 0)
        d->core.auxv_len = 0;
    halt_others(p, self);
    if (self->killed)
        return "the rank was killed meanwhile";
    if (collect_memory(d, p) != 0)
        return "no kernel memory";
    collect_file(d, p);
    arch_fpu_save(self->arch.fpu);
    /* Under the lock no thread can go; what they wait in cannot end them before it is open again.
     */
    toro_spin_lock(&p->lock);
    collect_thread(d, self, sig);
    toro_list_each(&p->threads, it)
    {
        struct toro_thread *t = toro_list_entry(it, struct toro_thread, peer);

        if (t != self)
            collect_thread(d, t, sig); /* as Linux has it: debuggers take any */
    }
    body = pack(d, p, &len, &bytes);
    toro_spin_unlock(&p->lock);
    if (body == NULL)
        return "no kernel memory for its threads and the list of its memory";
    if (d->left_out != 0)
        toro_proc_complain(p, "torobus: rank %u: %u threads are not in the core\n", p->world_rank,
                           d->left_out);
    p->core_state = TORO_CORE_ASKED;
    if (toro_ctl_frame_send(body, TOROBUS_CTL_CORE, p->index, (uint32_t)sig, len) != 0)
        return "the keeper cannot be asked";
    (void)toro_wait_event(&p->sigwait, p->core_state == TORO_CORE_DONE || self->killed, UINT64_MAX,
                          false);
    return p->core_state == TORO_CORE_DONE ? NULL : "the rank was killed meanwhile";
}

void sys_core_dump(int sig, const struct toro_siginfo *info)
{
    struct toro_thread *self = toro_current();
    struct toro_proc *p = self->proc;
    const char *why = "no kernel memory";
    bool mine = false;
    struct dump *d;

    /* What the program sets with setrlimit() counts; TORO_CORE=1 is where it starts. */
    if ((SIG_BIT(sig) & SYS_CORE_SIGNALS) == 0 || p->rlimit[4].cur == 0)
        return;
    toro_spin_lock(&p->lock);
    if (p->dumper == NULL && !p->exiting) {
        p->dumper = self;
        mine = true;
    }
    toro_spin_unlock(&p->lock);
    if (!mine) {
        /* Another thread died first: this one is in its dump. */
        if (!self->killed)
            sys_core_halt(self);
        return;
    }
    d = toro_kzalloc(sizeof(*d));
    if (d != NULL) {
        sys_siginfo_fill(d->siginfo, sig, info);
        why = dump(d, p, self, sig);
        toro_kfree(d->segment);
        toro_kfree(d);
    }
    if (why != NULL)
        toro_proc_complain(p, "torobus: rank %u: no core: %s\n", p->world_rank, why);
    p->core_state = TORO_CORE_NONE;
    /* The others go on only to find that the rank is over. */
    toro_proc_end(p, 256 + (uint32_t)sig);
    p->dumper = NULL;
    toro_wake(&p->sigwait, UINT32_MAX);
}

void sys_core_init(void)
{
    toro_ctl_register(TOROBUS_CTL_CORE_DONE, on_core_done);
}
