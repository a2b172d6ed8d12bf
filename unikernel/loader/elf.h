/* SPDX-License-Identifier: BSD-3-Clause */
/* Parser of ELF64 static-pie images. Pure: reads bytes, calls nothing, so that it can be fuzzed. */
#ifndef TORO_ELF_H
#define TORO_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TORO_ELF_SEGMENTS 16u
/** Most address space that an image may take. */
#define TORO_ELF_SPAN_MAX (64ull << 30)

#define TORO_ELF_X        1u
#define TORO_ELF_W        2u
#define TORO_ELF_R        4u

/** A PT_LOAD segment; addresses are relative to the image's start, which is page 0 of the span. */
struct toro_elf_segment {
    uint64_t vaddr, filesz, memsz, offset;
    unsigned flags; /**< TORO_ELF_* */
};

struct toro_elf {
    unsigned nsegments;
    struct toro_elf_segment segment[TORO_ELF_SEGMENTS]; /**< by address, not overlapping */
    uint64_t span;  /**< bytes from the load address to the end, whole pages */
    uint64_t align; /**< of the load address: a power of two, at least a page */
    uint64_t entry; /**< relative to the load address, inside an executable segment */
    uint64_t phdr;  /**< the program headers in memory, relative to the load address */
    unsigned phnum;
    bool exec_stack; /**< it wants to run code on its stack (nested functions) */
    uint32_t abi;    /**< the version of Torobus that it was linked with, 0 if it does not say */
};

/** A symbol table inside an image's bytes. */
struct toro_elf_symtab {
    uint64_t offset, count; /**< of Elf64_Sym entries, 24 bytes each */
    uint64_t str_offset, str_size;
};

/**
 * Check an image and take out what loading needs.
 *
 * @param[out] out  written only on success
 * @return NULL, or a text that says what is wrong with the file and what to do
 *
 * Trust: every byte of file is hostile.
 */
const char *toro_elf_parse(const void *file, uint64_t size, struct toro_elf *out);

/** Find .symtab and its strings. @return false if there is none that can be used. */
bool toro_elf_symtab(const void *file, uint64_t size, struct toro_elf_symtab *out);

/**
 * The function that covers a virtual address of the image (relative, as in st_value).
 *
 * @param[out] offset  from the function's start
 * @return its name, NUL-terminated inside the file, or NULL
 */
const char *toro_elf_symbol(const void *file, const struct toro_elf_symtab *tab, uint64_t addr,
                            uint64_t *offset);

#endif
