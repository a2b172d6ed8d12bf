/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of an executable before anything boots. */
#include "shim_elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <torobus/note.h>
#include <unistd.h>

#define HOW_TO_LINK "link it with: mpicc -static-pie"

/** pread() of exactly n bytes. */
static bool read_at(int fd, void *buf, size_t n, uint64_t off)
{
    return off <= INT64_MAX && pread(fd, buf, n, (off_t)off) == (ssize_t)n;
}

/** The version that a segment of notes names, or 0. */
static uint32_t note_abi(int fd, const Elf64_Phdr *ph)
{
    unsigned char notes[TOROBUS_NOTES_MAX];

    if (ph->p_filesz > sizeof(notes) || !read_at(fd, notes, ph->p_filesz, ph->p_offset))
        return 0;
    return torobus_note_find(notes, ph->p_filesz);
}

/** @param[out] abi  left alone if the file does not say */
static const char *check_phdrs(int fd, const Elf64_Ehdr *eh, uint64_t size, uint32_t *abi)
{
    bool load = false, interp = false, truncated = false;

    for (unsigned i = 0; i < eh->e_phnum; i++) {
        Elf64_Phdr ph;

        if (!read_at(fd, &ph, sizeof(ph), eh->e_phoff + (uint64_t)i * sizeof(ph)))
            return "is truncated: its program headers are not all there; copy or build it again";
        if (ph.p_type == PT_INTERP)
            interp = true;
        if (ph.p_type == PT_NOTE && *abi == 0)
            *abi = note_abi(fd, &ph);
        if (ph.p_type != PT_LOAD)
            continue;
        load = true;
        if (ph.p_filesz > size || ph.p_offset > size - ph.p_filesz)
            truncated = true;
        if (ph.p_filesz > ph.p_memsz)
            return "is damaged: a segment is larger in the file than in memory; build it again";
    }
    /* what it is matters more than that a part is missing */
    if (interp)
        return "is dynamically linked, a guest has no shared libraries: " HOW_TO_LINK;
    if (truncated)
        return "is truncated: a segment ends past the end of the file; copy or build it again";
    if (!load)
        return "has nothing to load: build it again";
    return NULL;
}

static const char *check_fd(int fd, uint64_t size, uint32_t *abi)
{
    unsigned char id[EI_NIDENT];
    Elf64_Ehdr eh;

    if (size < 4 || !read_at(fd, id, 4, 0) || memcmp(id, ELFMAG, SELFMAG) != 0) {
        if (size >= 2 && read_at(fd, id, 2, 0) && memcmp(id, "#!", 2) == 0)
            return "is a script: a guest runs ELF executables only";
        return size == 0 ? "is empty: build it again" : "is not an ELF executable";
    }
    if (!read_at(fd, id, sizeof(id), 0))
        return "is truncated: its ELF header is not all there; copy or build it again";
    if (id[EI_CLASS] != ELFCLASS64 || id[EI_DATA] != ELFDATA2LSB)
        return "is not an x86-64 executable: build it for x86-64";
    if (!read_at(fd, &eh, sizeof(eh), 0))
        return "is truncated: its ELF header is not all there; copy or build it again";
    if (eh.e_machine != EM_X86_64)
        return "is not an x86-64 executable: build it for x86-64";
    if (eh.e_type == ET_EXEC)
        return "is linked at a fixed address (not PIE), ranks of a guest share one address "
               "space: " HOW_TO_LINK;
    if (eh.e_type != ET_DYN)
        return "is an object or core file, not an executable";
    if (eh.e_phentsize != sizeof(Elf64_Phdr) || eh.e_phnum == 0 || eh.e_phnum > 256)
        return "is damaged: impossible program headers; build it again";
    if (eh.e_phoff > size || (uint64_t)eh.e_phnum * sizeof(Elf64_Phdr) > size - eh.e_phoff)
        return "is truncated: its program headers are not all there; copy or build it again";
    return check_phdrs(fd, &eh, size, abi);
}

bool shim_elf_check(const char *path, char err[512])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *why = NULL;
    uint32_t abi = 0;
    char other[192];
    struct stat st;

    if (fd < 0) {
        snprintf(err, 512, "cannot open %.300s: %s", path, strerror(errno));
        return false;
    }
    if (fstat(fd, &st) != 0)
        why = strerror(errno);
    else if (S_ISDIR(st.st_mode))
        why = "is a directory";
    else if (!S_ISREG(st.st_mode))
        why = "is not a regular file";
    else
        why = check_fd(fd, (uint64_t)st.st_size, &abi);
    close(fd);
    if (!why && abi != 0 && abi != TOROBUS_ABI_VERSION) {
        snprintf(other, sizeof(other), TOROBUS_NOTE_WRONG, abi, TOROBUS_ABI_VERSION);
        why = other;
    }
    if (why)
        snprintf(err, 512, "%.300s %s", path, why);
    return !why;
}

/** The version that a file names in a note if it is another than ours, else 0. */
static uint32_t file_abi(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint32_t abi = 0;
    Elf64_Ehdr eh;

    if (fd < 0)
        return 0;
    if (read_at(fd, &eh, sizeof(eh), 0) && memcmp(eh.e_ident, ELFMAG, SELFMAG) == 0 &&
        eh.e_ident[EI_CLASS] == ELFCLASS64 && eh.e_phentsize == sizeof(Elf64_Phdr) &&
        eh.e_phnum <= 256 && eh.e_phoff <= INT64_MAX / 2)
        (void)check_phdrs(fd, &eh, 0, &abi);
    close(fd);
    return abi == TOROBUS_ABI_VERSION ? 0 : abi;
}

bool shim_elf_native(const char *path, char err[512])
{
    uint32_t abi = file_abi(path);

    if (abi != 0)
        snprintf(err, 512, "%.300s " TOROBUS_NOTE_WRONG, path, abi, TOROBUS_ABI_VERSION);
    return abi == 0;
}

bool shim_elf_kernel(const char *path, char err[512])
{
    uint32_t abi = file_abi(path);

    if (abi != 0)
        snprintf(err, 512,
                 "the kernel image %.300s has Torobus ABI %u, these programs have %u: take the "
                 "image that was installed with them (unset TOROBUS_KERNEL)",
                 path, abi, TOROBUS_ABI_VERSION);
    return abi == 0;
}
