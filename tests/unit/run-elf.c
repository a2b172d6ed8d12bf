/* SPDX-License-Identifier: BSD-3-Clause */
/* The ELF parser: this very program (a PIE), images made by hand, and hostile ones: every byte
 * changed, every length, random damage; what it accepts must be safe to load. */
#include "tap.h"
#include "unikernel/loader/elf.c"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define SIZE 12288u

static unsigned seed = 3;

static unsigned rnd(unsigned n)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % n;
}

/* A small static-pie: code, data, symbols. */
static void make(unsigned char *f)
{
    Elf64_Ehdr *e = (void *)f;
    Elf64_Phdr *p = (void *)(f + 64);
    Elf64_Shdr *s = (void *)(f + 8192);
    Elf64_Sym *y = (void *)(f + 8704);

    memset(f, 0, SIZE);
    memcpy(e->e_ident, "\177ELF\2\1\1", 7);
    e->e_type = ET_DYN;
    e->e_machine = EM_X86_64;
    e->e_version = 1;
    e->e_entry = 0x1010;
    e->e_phoff = 64;
    e->e_shoff = 8192;
    e->e_ehsize = 64;
    e->e_phentsize = 56;
    e->e_phnum = 4;
    e->e_shentsize = 64;
    e->e_shnum = 3;
    p[0] = (Elf64_Phdr){PT_LOAD, PF_R, 0, 0, 0, 64 + 4 * 56, 64 + 4 * 56, 4096};
    p[1] = (Elf64_Phdr){PT_LOAD, PF_R | PF_X, 4096, 4096, 4096, 256, 256, 4096};
    p[2] = (Elf64_Phdr){PT_LOAD, PF_R | PF_W, 4352, 0x3100, 0x3100, 128, 5000, 4096};
    p[3] = (Elf64_Phdr){PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16};
    s[1] = (Elf64_Shdr){.sh_type = SHT_SYMTAB,
                        .sh_offset = 8704,
                        .sh_size = 5 * 24,
                        .sh_link = 2,
                        .sh_entsize = 24};
    s[2] = (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = 9000, .sh_size = 32};
    memcpy(f + 9000, "\0main\0helper\0start\0hidden\0data", 31);
    y[1] = (Elf64_Sym){1, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, 0x1040, 0x20};
    y[2] = (Elf64_Sym){6, ELF64_ST_INFO(STB_LOCAL, STT_FUNC), 0, 1, 0x1060, 0x10};
    y[3] = (Elf64_Sym){13, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, 0x1010, 0};
    y[4] = (Elf64_Sym){26, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0, 2, 0x3100, 8};
}

/* What the loader relies on. */
static bool safe(const struct toro_elf *e, uint64_t size)
{
    uint64_t end = 0;

    if (e->nsegments == 0 || e->nsegments > TORO_ELF_SEGMENTS || e->span > TORO_ELF_SPAN_MAX + 4096)
        return false;
    if (e->align < 4096 || (e->align & (e->align - 1)) != 0 || e->align > 2u << 20)
        return false;
    for (unsigned i = 0; i < e->nsegments; i++) {
        const struct toro_elf_segment *s = &e->segment[i];

        if (s->filesz > s->memsz || s->offset > size || s->filesz > size - s->offset ||
            s->vaddr + s->memsz < s->vaddr || s->vaddr + s->memsz > e->span ||
            (i > 0 && (s->vaddr & ~4095ull) < end))
            return false;
        end = (s->vaddr + s->memsz + 4095) & ~4095ull;
    }
    return e->entry < e->span && e->phdr < e->span && e->phdr + e->phnum * 56ull <= e->span &&
           e->span == end;
}

/* Parse a copy that ends where the heap block ends, so that a byte too far is noticed. */
static unsigned look(const unsigned char *f, uint64_t size, const char **why)
{
    unsigned char *c = malloc(size > 0 ? size : 1);
    struct toro_elf e;
    struct toro_elf_symtab t;
    uint64_t off;
    unsigned bad = 0;

    memcpy(c, f, size);
    memset(&e, 0x55, sizeof(e));
    *why = toro_elf_parse(c, size, &e);
    if (*why == NULL)
        bad += !safe(&e, size);
    else
        bad += e.nsegments != 0x55555555; /* written only on success */
    if (toro_elf_symtab(c, size, &t))
        for (unsigned i = 0; i < 8; i++) {
            const char *n = toro_elf_symbol(c, &t, rnd(0x4000), &off);

            bad += n != NULL && strlen(n) > size;
        }
    free(c);
    return bad;
}

static void expect(const char *text, const unsigned char *f, uint64_t size)
{
    const char *why;

    t_eq(look(f, size, &why), 0, text);
    t_ok(why != NULL && strstr(why, text) != NULL, "it says \"%s\"", why != NULL ? why : "(fine)");
}

static void good(void)
{
    unsigned char f[SIZE];
    struct toro_elf e;
    struct toro_elf_symtab t;
    uint64_t off = 0;
    const char *n;

    make(f);
    t_ok(toro_elf_parse(f, SIZE, &e) == NULL && safe(&e, SIZE), "a good image");
    t_ok(e.nsegments == 3 && e.span == 0x5000 && e.entry == 0x1010 && e.phdr == 64 &&
             e.phnum == 4 && !e.exec_stack,
         "its parts");
    t_ok(e.abi == 0, "which does not say its version");
    ((Elf64_Phdr *)(f + 64))[3].p_flags |= PF_X;
    t_ok(toro_elf_parse(f, SIZE, &e) == NULL && e.exec_stack, "an executable stack is asked for");
    t_ok(toro_elf_symtab(f, SIZE, &t) && t.count == 5, "symbols");
    n = toro_elf_symbol(f, &t, 0x1045, &off);
    t_ok(n != NULL && strcmp(n, "main") == 0 && off == 5, "inside a function");
    n = toro_elf_symbol(f, &t, 0x1060, &off);
    t_ok(n != NULL && strcmp(n, "helper") == 0 && off == 0, "at its start");
    n = toro_elf_symbol(f, &t, 0x1038, &off);
    t_ok(n != NULL && strcmp(n, "start") == 0 && off == 0x28, "one without a size");
    t_ok(toro_elf_symbol(f, &t, 0x100f, &off) == NULL, "before all of them");
    t_ok(toro_elf_symbol(f, &t, 0x3100, &off) == NULL ||
             strcmp(toro_elf_symbol(f, &t, 0x3100, &off), "data") != 0,
         "data is no function");
}

/* A program says the version of Torobus that it was linked with. */
static void version(void)
{
    static const struct torobus_note other = {8, 4, 7, "Torobus", 99},
                                     note = {8, 4, TOROBUS_NOTE_ABI, "Torobus", 12};
    unsigned char f[SIZE];
    Elf64_Phdr *p = (void *)(f + 64);
    struct toro_elf e;

    make(f);
    memcpy(f + 288, &other, sizeof(other));
    memcpy(f + 288 + sizeof(other), &note, sizeof(note));
    p[3] = (Elf64_Phdr){PT_NOTE, PF_R, 288, 288, 288, sizeof(note), sizeof(note), 4};
    t_ok(toro_elf_parse(f, SIZE, &e) == NULL && e.abi == 0, "a note of another kind");
    p[3].p_filesz *= 2;
    t_ok(toro_elf_parse(f, SIZE, &e) == NULL && e.abi == 12, "the version of a program");
    p[3].p_filesz -= 1;
    t_ok(toro_elf_parse(f, SIZE, &e) == NULL && e.abi == 0, "a note that is cut");
    p[3].p_offset = SIZE - 4;
    t_ok(toro_elf_parse(f, SIZE, &e) == NULL && e.abi == 0, "one behind the end of the file");
    p[3].p_offset = 288;
    p[3].p_filesz = 2 * sizeof(note);
    memset(f + 288, 0xff, 4);
    t_ok(toro_elf_parse(f, SIZE, &e) == NULL && e.abi == 0, "one with an endless name");
}

static void wrong(void)
{
    unsigned char f[SIZE];
    Elf64_Ehdr *e = (void *)f;
    Elf64_Phdr *p = (void *)(f + 64);

    expect("not an ELF", (const unsigned char *)"#!/bin/sh\n", 10);
    expect("not an ELF", f, 0);
    make(f);
    expect("truncated", f, 40);
    expect("truncated", f, 64);
    expect("truncated", f, 4200);
    e->e_type = ET_EXEC;
    expect("-static-pie", f, SIZE);
    make(f);
    e->e_machine = EM_AARCH64;
    expect("x86-64", f, SIZE);
    make(f);
    e->e_ident[EI_CLASS] = ELFCLASS32;
    expect("64-bit", f, SIZE);
    make(f);
    p[3].p_type = PT_INTERP;
    expect("dynamically linked", f, SIZE);
    make(f);
    e->e_type = ET_REL;
    expect("not an executable", f, SIZE);
    make(f);
    e->e_entry = 0x3100;
    expect("entry point", f, SIZE);
    make(f);
    p[2].p_vaddr = 0x1100;
    expect("overlap", f, SIZE);
    make(f);
    p[2].p_memsz = ~0ull;
    expect("too large", f, SIZE);
    make(f);
    p[2].p_vaddr = ~0ull << 12 | 0x100;
    expect("too large", f, SIZE);
    make(f);
    p[2].p_filesz = 6000;
    expect("do not fit", f, SIZE);
    make(f);
    p[0].p_filesz = p[0].p_memsz = 64;
    expect("program headers are not loaded", f, SIZE);
    make(f);
    e->e_phnum = 0xffff;
    expect("truncated", f, SIZE);
    make(f);
    e->e_phoff = ~0ull - 3;
    expect("truncated", f, SIZE);
    make(f);
    p[1].p_type = p[2].p_type = p[0].p_type = PT_NOTE;
    expect("nothing to load", f, SIZE);
}

static void hostile(void)
{
    static const uint64_t nasty[] = {0,          1,          4095,       4096,       0x7fffffff,
                                     0xffffffff, 1ull << 32, 1ull << 63, ~0ull,      ~0ull - 4095,
                                     SIZE,       SIZE - 1,   SIZE + 1,   ~0ull >> 1, 1ull << 47};
    unsigned char f[SIZE];
    const char *why;
    unsigned bad = 0, fine = 0;

    make(f);
    for (unsigned size = 0; size < SIZE; size += size < 600 || size > 8000 ? 1 : 97)
        bad += look(f, size, &why);
    t_eq(bad, 0, "every length");
    for (unsigned at = 0; at < 64 + 4 * 56; at++)
        for (unsigned v = 0; v < 256; v += rnd(7) + 1) {
            make(f);
            f[at] = (unsigned char)v;
            bad += look(f, SIZE, &why);
        }
    t_eq(bad, 0, "every byte of the headers");
    for (unsigned at = 0; at < SIZE - 8; at += at == 288 ? 8192 - 288 : 8)
        for (unsigned k = 0; k < sizeof(nasty) / sizeof(nasty[0]); k++) {
            make(f);
            memcpy(f + at, &nasty[k], 8);
            bad += look(f, SIZE, &why);
        }
    t_eq(bad, 0, "nasty numbers everywhere");
    for (unsigned r = 0; r < 60000; r++) {
        make(f);
        for (unsigned n = 1 + rnd(6); n > 0; n--) {
            unsigned at = rnd(2) ? rnd(288) : 8192 + rnd(900);
            uint64_t v = rnd(3) ? nasty[rnd(15)] : rnd(1u << 20);

            memcpy(f + at, &v, 1u << rnd(4));
        }
        bad += look(f, rnd(10) ? SIZE : rnd(SIZE), &why);
        fine += why == NULL;
    }
    t_eq(bad, 0, "60000 damaged images");
    t_ok(fine > 100, "of which %u could be loaded", fine);
}

/* A seed of the fuzzer, or a crash it has found: run-elf.t FILE... */
static int files(int n, char **name)
{
    for (int i = 1; i < n; i++) {
        static unsigned char f[1 << 20];
        FILE *in = fopen(name[i], "rb");
        const char *why;

        if (in == NULL)
            t_bail("cannot read a file");
        t_ok(look(f, fread(f, 1, sizeof(f), in), &why) == 0, "%s: %s", name[i],
             why != NULL ? why : "fine");
        fclose(in);
    }
    return t_done();
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return files(argc, argv);
    good();
    version();
    wrong();
    hostile();
    return t_done();
}
