/* SPDX-License-Identifier: BSD-3-Clause */
/* ELF64 parser for static-pie images and their symbols. Fields are read byte-wise, so that no
 * offset in a file can make an access unaligned. */
#include "elf.h"

#include <torobus/note.h>

#define EHDR_SIZE  64u
#define PHDR_SIZE  56u
#define SHDR_SIZE  64u
#define SYM_SIZE   24u
#define PAGE       4096ull

#define ET_EXEC    2u
#define ET_DYN     3u
#define EM_X86_64  62u
#define PT_LOAD    1u
#define PT_INTERP  3u
#define PT_NOTE    4u
#define PT_STACK   0x6474e551u
#define SHT_SYMTAB 2u
#define SHT_STRTAB 3u
#define STT_FUNC   2u
#define STT_IFUNC  10u
#define STT_NOTYPE 0u

static uint64_t get(const void *file, uint64_t at, unsigned bytes)
{
    const unsigned char *p = (const unsigned char *)file + at;
    uint64_t v = 0;

    while (bytes-- > 0)
        v = v << 8 | p[bytes];
    return v;
}

/* Is [at, at + n) inside size bytes? */
static bool inside(uint64_t at, uint64_t n, uint64_t size)
{
    return at <= size && n <= size - at;
}

static const char *check_header(const void *file, uint64_t size)
{
    if (size < 4 || get(file, 0, 4) != 0x464c457f)
        return "not an ELF executable (a script cannot be started: give the program itself)";
    if (size < EHDR_SIZE)
        return "truncated: the ELF header is not complete";
    if (get(file, 4, 1) != 2 || get(file, 5, 1) != 1 || get(file, 18, 2) != EM_X86_64)
        return "not a 64-bit x86 program: compile it for x86-64";
    if (get(file, 16, 2) == ET_EXEC)
        return "not position independent: compile with -fPIE and link with -static-pie";
    if (get(file, 16, 2) != ET_DYN)
        return "not an executable (an object file or a core dump?)";
    if (get(file, 54, 2) != PHDR_SIZE || get(file, 56, 2) == 0)
        return "damaged: no usable program headers";
    if (!inside(get(file, 32, 8), get(file, 56, 2) * PHDR_SIZE, size))
        return "truncated: the program headers lie behind the end of the file";
    return NULL;
}

static const char *add_segment(const void *file, uint64_t ph, uint64_t size, struct toro_elf *e)
{
    struct toro_elf_segment s = {
        .flags = (unsigned)get(file, ph + 4, 4) & (TORO_ELF_R | TORO_ELF_W | TORO_ELF_X),
        .offset = get(file, ph + 8, 8),
        .vaddr = get(file, ph + 16, 8),
        .filesz = get(file, ph + 32, 8),
        .memsz = get(file, ph + 40, 8),
    };
    uint64_t align = get(file, ph + 48, 8);
    uint64_t end;

    if (s.memsz == 0)
        return NULL;
    if (e->nsegments == TORO_ELF_SEGMENTS)
        return "too many segments: link with the system's default linker script";
    if (s.filesz > s.memsz || s.vaddr % PAGE != s.offset % PAGE || (align & (align - 1)) != 0)
        return "damaged: a segment's sizes or addresses do not fit together";
    if (s.vaddr > TORO_ELF_SPAN_MAX || s.memsz > TORO_ELF_SPAN_MAX - s.vaddr)
        return "too large: more than 64 GiB of static data";
    if (!inside(s.offset, s.filesz, size))
        return "truncated: a segment lies behind the end of the file";
    /* Segments come in order and share no page: each gets its own protection. */
    end = e->nsegments == 0
              ? 0
              : e->segment[e->nsegments - 1].vaddr + e->segment[e->nsegments - 1].memsz;
    if (e->nsegments > 0 && (s.vaddr & ~(PAGE - 1)) < ((end + PAGE - 1) & ~(PAGE - 1)))
        return "damaged: segments overlap or are not sorted";
    if (align > e->align && align <= 2u << 20)
        e->align = align;
    e->span = (s.vaddr + s.memsz + PAGE - 1) & ~(PAGE - 1);
    e->segment[e->nsegments++] = s;
    return NULL;
}

static uint32_t note_abi(const void *file, uint64_t ph, uint64_t size)
{
    uint64_t at = get(file, ph + 8, 8), n = get(file, ph + 32, 8);

    if (n > TOROBUS_NOTES_MAX || !inside(at, n, size))
        return 0;
    return torobus_note_find((const char *)file + at, n);
}

const char *toro_elf_parse(const void *file, uint64_t size, struct toro_elf *out)
{
    struct toro_elf e = {.align = PAGE};
    const char *why = check_header(file, size);
    uint64_t phoff;
    bool entry_ok = false, phdr_ok = false;

    if (why != NULL)
        return why;
    phoff = get(file, 32, 8);
    e.phnum = (unsigned)get(file, 56, 2);
    e.entry = get(file, 24, 8);
    for (unsigned i = 0; i < e.phnum; i++) {
        uint64_t ph = phoff + i * PHDR_SIZE;

        if (get(file, ph, 4) == PT_INTERP)
            return "dynamically linked: link with -static-pie";
        if (get(file, ph, 4) == PT_STACK)
            e.exec_stack = (get(file, ph + 4, 4) & TORO_ELF_X) != 0;
        if (get(file, ph, 4) == PT_NOTE && e.abi == 0)
            e.abi = note_abi(file, ph, size);
        if (get(file, ph, 4) != PT_LOAD)
            continue;
        why = add_segment(file, ph, size, &e);
        if (why != NULL)
            return why;
    }
    if (e.nsegments == 0)
        return "damaged: nothing to load in it";
    for (unsigned i = 0; i < e.nsegments; i++) {
        const struct toro_elf_segment *s = &e.segment[i];

        if (e.entry >= s->vaddr && e.entry - s->vaddr < s->filesz && (s->flags & TORO_ELF_X) != 0)
            entry_ok = true;
        if (phoff >= s->offset && inside(phoff - s->offset, e.phnum * PHDR_SIZE, s->filesz)) {
            e.phdr = s->vaddr + (phoff - s->offset);
            phdr_ok = true;
        }
    }
    if (!entry_ok)
        return "damaged: the entry point is not in its code (a shared library?)";
    if (!phdr_ok)
        return "damaged: the program headers are not loaded";
    *out = e;
    return NULL;
}

bool toro_elf_symtab(const void *file, uint64_t size, struct toro_elf_symtab *out)
{
    uint64_t shoff, shnum;

    if (check_header(file, size) != NULL || get(file, 58, 2) != SHDR_SIZE)
        return false;
    shoff = get(file, 40, 8);
    shnum = get(file, 60, 2);
    if (!inside(shoff, shnum * SHDR_SIZE, size))
        return false;
    for (uint64_t i = 0; i < shnum; i++) {
        uint64_t sh = shoff + i * SHDR_SIZE, str;
        struct toro_elf_symtab t;

        if (get(file, sh + 4, 4) != SHT_SYMTAB || get(file, sh + 56, 8) != SYM_SIZE ||
            get(file, sh + 40, 4) >= shnum)
            continue;
        str = shoff + get(file, sh + 40, 4) * SHDR_SIZE;
        t.offset = get(file, sh + 24, 8);
        t.count = get(file, sh + 32, 8) / SYM_SIZE;
        t.str_offset = get(file, str + 24, 8);
        t.str_size = get(file, str + 32, 8);
        if (get(file, str + 4, 4) != SHT_STRTAB || !inside(t.offset, t.count * SYM_SIZE, size) ||
            t.str_size == 0 || !inside(t.str_offset, t.str_size, size) ||
            get(file, t.str_offset + t.str_size - 1, 1) != 0)
            continue;
        *out = t;
        return true;
    }
    return false;
}

const char *toro_elf_symbol(const void *file, const struct toro_elf_symtab *tab, uint64_t addr,
                            uint64_t *offset)
{
    const char *best = NULL;
    uint64_t best_value = 0;

    for (uint64_t i = 0; i < tab->count; i++) {
        uint64_t sym = tab->offset + i * SYM_SIZE;
        uint64_t name = get(file, sym, 4), type = get(file, sym + 4, 1) & 15;
        uint64_t value = get(file, sym + 8, 8), size = get(file, sym + 16, 8);

        if ((type != STT_FUNC && type != STT_IFUNC && type != STT_NOTYPE) ||
            get(file, sym + 6, 2) == 0 || name == 0 || name >= tab->str_size || value > addr)
            continue;
        /* Assembly routines may have no size: they reach to the next symbol. */
        if (size != 0 ? addr - value >= size : type == STT_NOTYPE)
            continue;
        if (best == NULL || value > best_value) {
            best = (const char *)file + tab->str_offset + name;
            best_value = value;
        }
    }
    if (best != NULL)
        *offset = addr - best_value;
    return best;
}
