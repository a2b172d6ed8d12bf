/* SPDX-License-Identifier: BSD-3-Clause */
/* The head of an ELF core file. Pure: memory in, memory out. */
#include "corefile.h"
#include <toro/lib.h>

#define ET_CORE       4
#define EM_X86_64     62
#define PT_LOAD       1
#define PT_NOTE       4

#define NT_PRSTATUS   1u
#define NT_FPREGSET   2u
#define NT_PRPSINFO   3u
#define NT_AUXV       6u
#define NT_X86_XSTATE 0x202u
#define NT_FILE       0x46494c45u
#define NT_SIGINFO    0x53494749u

#define FXSAVE_SIZE   512u
#define XSAVE_XCR0_AT 464u /* where debuggers look for the components in the area */
#define NOTE_HEAD     12u
#define NOTE_NAME     8u /* "CORE" or "LINUX", padded */

struct ehdr {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
_Static_assert(sizeof(struct ehdr) == 64, "Elf64_Ehdr");

struct phdr {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct phdr) == 56, "Elf64_Phdr");

struct prstatus {
    int32_t signo, code, err;
    int16_t cursig;
    uint64_t sigpend, sighold;
    int32_t pid, ppid, pgrp, sid;
    struct {
        int64_t sec, usec;
    } utime, stime, cutime, cstime;
    uint64_t reg[27];
    int32_t fpvalid;
};
_Static_assert(sizeof(struct prstatus) == 336, "struct elf_prstatus");

struct prpsinfo {
    char state, sname, zomb, nice;
    uint64_t flag;
    uint32_t uid, gid;
    int32_t pid, ppid, pgrp, sid;
    char fname[16], psargs[80];
};
_Static_assert(sizeof(struct prpsinfo) == 136, "struct elf_prpsinfo");

static size_t note_size(size_t desc)
{
    return NOTE_HEAD + NOTE_NAME + TORO_ALIGN_UP(desc, 4ul);
}

static size_t file_note_size(const struct sys_core *c)
{
    return 16 + c->nfiles * (24 + toro_strlen(c->exe) + 1);
}

static size_t notes_size(const struct sys_core *c)
{
    size_t thread = note_size(sizeof(struct prstatus)) + note_size(FXSAVE_SIZE) +
                    (c->fpu_features != 0 ? note_size(c->fpu_size) : 0);

    return c->nthreads * thread + note_size(sizeof(struct prpsinfo)) + note_size(128) +
           note_size(c->auxv_len) + note_size(file_note_size(c));
}

size_t sys_core_head_size(const struct sys_core *c)
{
    return sizeof(struct ehdr) + (1 + (size_t)c->nsegments) * sizeof(struct phdr) + notes_size(c);
}

/* Header and name of a note; @return where its desc goes, zeroed. *at moves behind it. */
static char *note(char **at, unsigned type, size_t desc)
{
    bool linux_own = type == NT_X86_XSTATE;
    uint32_t head[3] = {linux_own ? 6 : 5, (uint32_t)desc, type};
    char *p = *at;

    toro_memset(p, 0, note_size(desc));
    toro_memcpy(p, head, sizeof(head));
    toro_memcpy(p + NOTE_HEAD, linux_own ? "LINUX" : "CORE", linux_own ? 6 : 5);
    *at = p + note_size(desc);
    return p + NOTE_HEAD + NOTE_NAME;
}

static void put_status(char **at, const struct sys_core *c, const struct sys_core_thread *t)
{
    const struct arch_frame *f = t->frame;
    const uint64_t reg[27] = {
        f->r15,     f->r14,
        f->r13,     f->r12,
        f->rbp,     f->rbx,
        f->r11,     f->r10,
        f->r9,      f->r8,
        f->rax,     f->rcx,
        f->rdx,     f->rsi,
        f->rdi,     f->vector == ARCH_VECTOR_SYSCALL && t->sysno >= 0 ? (uint64_t)t->sysno : ~0ull,
        f->rip,     0x33,
        f->rflags,  f->rsp,
        0x2b,       t->fs_base,
        t->gs_base,
    };
    struct prstatus s = {
        .signo = t->sig,
        .cursig = (int16_t)t->sig,
        .sigpend = t->sigpending,
        .sighold = t->sigmask,
        .pid = t->tid,
        .ppid = c->ppid,
        .pgrp = c->pid,
        .sid = c->pid,
        .utime = {(int64_t)(t->cpu_ns / 1000000000u), (int64_t)(t->cpu_ns / 1000u % 1000000u)},
        .fpvalid = 1};

    toro_memcpy(s.reg, reg, sizeof(reg));
    toro_memcpy(note(at, NT_PRSTATUS, sizeof(s)), &s, sizeof(s));
}

static void put_fpu(char **at, const struct sys_core *c, const struct sys_core_thread *t)
{
    char *d = note(at, NT_FPREGSET, FXSAVE_SIZE);

    toro_memcpy(d, t->fpu, FXSAVE_SIZE);
    if (c->fpu_features == 0)
        return;
    d = note(at, NT_X86_XSTATE, c->fpu_size);
    toro_memcpy(d, t->fpu, c->fpu_size);
    toro_memcpy(d + XSAVE_XCR0_AT, &c->fpu_features, 8);
}

static void put_process(char **at, const struct sys_core *c)
{
    const char *base = toro_strrchr(c->exe, '/');
    struct prpsinfo s = {.state = 0,
                         .sname = 'R',
                         .uid = c->uid,
                         .gid = c->gid,
                         .pid = c->pid,
                         .ppid = c->ppid,
                         .pgrp = c->pid,
                         .sid = c->pid};

    toro_strlcpy(s.fname, base != NULL ? base + 1 : c->exe, sizeof(s.fname));
    for (size_t i = 0; i + 1 < sizeof(s.psargs) && i + 1 < c->cmdline_len; i++)
        s.psargs[i] = c->cmdline[i] != '\0' ? c->cmdline[i] : ' ';
    toro_memcpy(note(at, NT_PRPSINFO, sizeof(s)), &s, sizeof(s));
}

static void put_files(char **at, const struct sys_core *c)
{
    char *d = note(at, NT_FILE, file_note_size(c));
    uint64_t head[2] = {c->nfiles, TORO_PAGE_SIZE};
    size_t n = toro_strlen(c->exe) + 1;

    toro_memcpy(d, head, sizeof(head));
    d += sizeof(head);
    for (unsigned i = 0; i < c->nfiles; i++, d += 24) {
        uint64_t entry[3] = {c->file[i].start, c->file[i].end, c->file[i].offset / TORO_PAGE_SIZE};

        toro_memcpy(d, entry, sizeof(entry));
    }
    for (unsigned i = 0; i < c->nfiles; i++, d += n)
        toro_memcpy(d, c->exe, n);
}

static void put_headers(const struct sys_core *c, char *out)
{
    uint64_t notes_at = sizeof(struct ehdr) + (1 + (uint64_t)c->nsegments) * sizeof(struct phdr);
    uint64_t at = TORO_ALIGN_UP(sys_core_head_size(c), TORO_PAGE_SIZE);
    const struct ehdr e = {.ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
                           .type = ET_CORE,
                           .machine = EM_X86_64,
                           .version = 1,
                           .phoff = sizeof(e),
                           .ehsize = sizeof(e),
                           .phentsize = sizeof(struct phdr),
                           .phnum = (uint16_t)(1 + c->nsegments)};
    struct phdr p = {.type = PT_NOTE, .offset = notes_at, .filesz = notes_size(c), .align = 4};

    toro_memcpy(out, &e, sizeof(e));
    out += sizeof(e);
    toro_memcpy(out, &p, sizeof(p));
    for (unsigned i = 0; i < c->nsegments; i++) {
        const struct sys_core_segment *s = &c->segment[i];

        out += sizeof(p);
        p = (struct phdr){.type = PT_LOAD,
                          .flags = (s->prot & ARCH_PROT_EXEC ? 1u : 0) |
                                   (s->prot & ARCH_PROT_WRITE ? 2u : 0) |
                                   (s->prot & ARCH_PROT_READ ? 4u : 0),
                          .offset = at,
                          .vaddr = s->start,
                          .filesz = s->end - s->start,
                          .memsz = s->end - s->start,
                          .align = TORO_PAGE_SIZE};
        toro_memcpy(out, &p, sizeof(p));
        at += s->end - s->start;
    }
}

void sys_core_head(const struct sys_core *c, char *out)
{
    char *at = out + sizeof(struct ehdr) + (1 + (size_t)c->nsegments) * sizeof(struct phdr);

    put_headers(c, out);
    for (unsigned i = 0; i < c->nthreads; i++) {
        put_status(&at, c, &c->thread[i]);
        if (i == 0) {
            put_process(&at, c);
            toro_memcpy(note(&at, NT_SIGINFO, 128), c->siginfo, 128);
            toro_memcpy(note(&at, NT_AUXV, c->auxv_len), c->auxv, c->auxv_len);
            put_files(&at, c);
        }
        put_fpu(&at, c, &c->thread[i]);
    }
}
