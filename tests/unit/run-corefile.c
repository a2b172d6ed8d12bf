/* SPDX-License-Identifier: BSD-3-Clause */
/* The head of a core file: as long as announced, every note and segment where it should be. */
#include "kernel-stubs.h"
#include "tap.h"

#include "unikernel/sys/corefile.c"

#include <elf.h>
#include <sys/procfs.h>

_Static_assert(sizeof(struct prstatus) == sizeof(struct elf_prstatus), "as on Linux");
_Static_assert(sizeof(struct prpsinfo) == sizeof(struct elf_prpsinfo), "as on Linux");

size_t toro_strlen(const char *s)
{
    return strlen(s);
}

char *toro_strrchr(const char *s, int c)
{
    return strrchr(s, c);
}

void *toro_memcpy(void *d, const void *s, size_t n)
{
    return memcpy(d, s, n);
}

void *toro_memset(void *d, int c, size_t n)
{
    return memset(d, c, n);
}

size_t toro_strlcpy(char *d, const char *s, size_t size)
{
    snprintf(d, size, "%s", s);
    return strlen(s);
}

/* The n-th note of a type. @return its desc, NULL if there is none. */
static const char *find_note(const char *head, unsigned type, unsigned n, uint32_t *len)
{
    const Elf64_Ehdr *e = (const Elf64_Ehdr *)head;
    const Elf64_Phdr *p = (const Elf64_Phdr *)(head + e->e_phoff);
    const char *at = head + p->p_offset, *end = at + p->p_filesz;

    while (at < end) {
        const Elf64_Nhdr *h = (const Elf64_Nhdr *)at; /* notes are 4-aligned, as it is */
        const char *desc = at + sizeof(*h) + ((h->n_namesz + 3) & ~3u);

        if (h->n_type == type && n-- == 0) {
            *len = h->n_descsz;
            return desc;
        }
        at = desc + ((h->n_descsz + 3) & ~3u);
    }
    return NULL;
}

static void one(unsigned nthreads, unsigned nsegments, unsigned nfiles, size_t fpu_size)
{
    static struct arch_frame frame[8];
    static struct sys_core_thread thread[8];
    static struct sys_core_segment segment[50];
    static struct sys_core_file file[4];
    static char fpu[4096];
    static uint8_t siginfo[128] = {11};
    struct sys_core c = {.pid = 1000,
                         .ppid = 1,
                         .sig = 11,
                         .exe = "/some/where/a-program-with-a-long-name",
                         .cmdline = "a\0bc\0",
                         .cmdline_len = 5,
                         .siginfo = siginfo,
                         .auxv = fpu,
                         .auxv_len = 48,
                         .segment = segment,
                         .nsegments = nsegments,
                         .file = file,
                         .nfiles = nfiles,
                         .thread = thread,
                         .nthreads = nthreads,
                         .fpu_size = fpu_size,
                         .fpu_features = fpu_size > 512 ? 7 : 0};
    size_t size;
    char *head;
    const Elf64_Phdr *p;
    uint64_t at;
    uint32_t len;
    bool ok = true;

    for (unsigned i = 0; i < nthreads; i++) {
        frame[i] = (struct arch_frame){.rip = 100 + i, .rsp = 200 + i, .vector = 0x100, .r15 = 7};
        thread[i] = (struct sys_core_thread){.tid = (int)(1000 + i),
                                             .sig = 11,
                                             .sysno = i == 1 ? 202 : -1,
                                             .frame = &frame[i],
                                             .fpu = fpu};
    }
    for (unsigned i = 0; i < nsegments; i++)
        segment[i] = (struct sys_core_segment){i * 0x10000ull, i * 0x10000ull + 0x3000, i % 8};
    size = sys_core_head_size(&c);
    head = malloc(size); /* exactly: one byte more is a crash here */
    sys_core_head(&c, head);
    p = (const Elf64_Phdr *)(head + sizeof(Elf64_Ehdr));
    t_ok(memcmp(head, ELFMAG, 4) == 0 && ((Elf64_Ehdr *)head)->e_type == ET_CORE &&
             ((Elf64_Ehdr *)head)->e_phnum == nsegments + 1 && p->p_type == PT_NOTE &&
             p->p_offset + p->p_filesz == size,
         "%u threads, %u segments, %u file parts: headers", nthreads, nsegments, nfiles);
    at = (size + 4095) / 4096 * 4096;
    for (unsigned i = 0; i < nsegments; i++) {
        p++;
        ok &= p->p_type == PT_LOAD && p->p_offset == at && p->p_vaddr == i * 0x10000ull &&
              p->p_filesz == 0x3000 && p->p_memsz == 0x3000 &&
              p->p_flags == ((i & 4 ? PF_X : 0u) | (i & 2 ? PF_W : 0u) | (i & 1 ? PF_R : 0u));
        at += 0x3000;
    }
    t_ok(ok, "segments one behind the other, with their rights");
    for (unsigned i = 0; i < nthreads; i++) {
        const char *desc = find_note(head, NT_PRSTATUS, i, &len);
        struct user_regs_struct r;
        struct elf_prstatus s;

        ok &= desc != NULL && len == sizeof(s);
        if (!ok)
            break;
        memcpy(&s, desc, sizeof(s));
        memcpy(&r, &s.pr_reg, sizeof(r));
        ok &= s.pr_pid == (int)(1000 + i) && s.pr_cursig == 11 && r.rip == 100 + i &&
              r.rsp == 200 + i && r.r15 == 7 && r.orig_rax == (i == 1 ? 202 : ~0ull) &&
              r.cs == 0x33 && r.ss == 0x2b;
        ok &= find_note(head, NT_FPREGSET, i, &len) != NULL && len == 512;
        ok &= (find_note(head, NT_X86_XSTATE, i, &len) != NULL) == (fpu_size > 512);
    }
    t_ok(ok && find_note(head, NT_PRSTATUS, nthreads, &len) == NULL, "each thread's registers");
    t_ok(
        find_note(head, NT_PRPSINFO, 0, &len) != NULL &&
            strcmp(find_note(head, NT_PRPSINFO, 0, &len) + offsetof(struct elf_prpsinfo, pr_psargs),
                   "a bc") == 0,
        "the command line");
    t_ok(find_note(head, NT_AUXV, 0, &len) != NULL && len == 48 &&
             find_note(head, NT_SIGINFO, 0, &len) != NULL && len == 128 &&
             find_note(head, NT_FILE, 0, &len) != NULL &&
             (uint8_t)*find_note(head, NT_FILE, 0, &len) == nfiles,
         "auxiliary vector, siginfo, files");
    free(head);
}

int main(void)
{
    one(1, 0, 0, 512);
    one(1, 3, 1, 832);
    one(8, 50, 4, 2696);
    return t_done();
}
