/* SPDX-License-Identifier: BSD-3-Clause */
/* The check of executables: this test itself is the seed; every way to cut it, and many ways to
 * damage its headers, must be seen or be harmless, and never read outside the file. */
#include "tap.h"

#include "../../orted-shim/shim_elf.c"

#include <stddef.h>
#include <stdlib.h>

static const char *path;

static bool check(const void *bytes, size_t n, char err[512])
{
    FILE *f = fopen(path, "w");

    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
        abort();
    err[0] = '\0';
    return shim_elf_check(path, err);
}

/** A small program that passes: header, one segment. */
static size_t make_good(unsigned char *p)
{
    Elf64_Ehdr eh = {.e_type = ET_DYN,
                     .e_machine = EM_X86_64,
                     .e_phoff = sizeof(eh),
                     .e_phentsize = sizeof(Elf64_Phdr),
                     .e_phnum = 2};
    Elf64_Phdr ph[2] = {{.p_type = PT_LOAD, .p_offset = 0, .p_filesz = 300, .p_memsz = 400},
                        {.p_type = PT_NULL}};

    memcpy(eh.e_ident, ELFMAG, SELFMAG);
    eh.e_ident[EI_CLASS] = ELFCLASS64;
    eh.e_ident[EI_DATA] = ELFDATA2LSB;
    memset(p, 0, 300);
    memcpy(p, &eh, sizeof(eh));
    memcpy(p + sizeof(eh), ph, sizeof(ph));
    return 300;
}

static void cuts(unsigned char *p, size_t n)
{
    unsigned bad = 0;
    char err[512];

    for (size_t i = 0; i < n; i++)
        if (check(p, i, err) || !err[0] || strchr(err, '\n'))
            bad++;
    t_ok(bad == 0, "all %zu cuts are refused with a line", n);
}

/** Overwrite every aligned field of the headers with awkward values: no verdict is wanted, but
 * there must be one, and the sanitizers watch. */
static void damage(const unsigned char *p, size_t n)
{
    static const uint64_t awkward[] = {0,          1,           0x7f,       0xffff,
                                       0x7fffffff, 0x80000000u, UINT64_MAX, UINT64_MAX - 299,
                                       INT64_MAX,  1ull << 63};
    unsigned silent = 0, passed = 0, tried = 0;
    unsigned char copy[300];
    char err[512];

    for (size_t off = 0; off + 8 <= sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr); off += 2) {
        for (unsigned a = 0; a < sizeof(awkward) / sizeof(awkward[0]); a++) {
            memcpy(copy, p, n);
            memcpy(copy + off, &awkward[a], off % 8 == 0 ? 8 : off % 4 == 0 ? 4 : 2);
            tried++;
            if (check(copy, n, err))
                passed++;
            else if (!err[0])
                silent++;
        }
    }
    t_ok(silent == 0, "%u damaged headers: each refusal has a reason (%u were harmless)", tried,
         passed);
    t_ok(passed < tried, "and there are refusals");
}

static void one(unsigned char *good, size_t n, size_t off, unsigned char value, const char *pattern)
{
    unsigned char copy[300];
    char err[512];

    memcpy(copy, good, n);
    copy[off] = value;
    t_ok(!check(copy, n, err) && strstr(err, pattern), "%s: %s", pattern, err);
}

/** Programs and kernel images that say their version. */
static void versions(const unsigned char *good, size_t n)
{
    struct torobus_note note = {sizeof(TOROBUS_NOTE_NAME), sizeof(uint32_t), TOROBUS_NOTE_ABI,
                                TOROBUS_NOTE_NAME, TOROBUS_ABI_VERSION};
    const size_t at = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
    Elf64_Phdr ph = {.p_type = PT_NOTE, .p_offset = at, .p_filesz = sizeof(note)};
    unsigned char p[300];
    char err[512], want[64];

    memcpy(p, good, n);
    memcpy(p + sizeof(Elf64_Ehdr) + sizeof(ph), &ph, sizeof(ph));
    memcpy(p + at, &note, sizeof(note));
    t_ok(check(p, n, err), "a program of this version: %s", err);
    note.abi = TOROBUS_ABI_VERSION + 6;
    memcpy(p + at, &note, sizeof(note));
    snprintf(want, sizeof(want), "ABI %u, this installation has %u", note.abi, TOROBUS_ABI_VERSION);
    t_ok(!check(p, n, err) && strstr(err, want) && strstr(err, path), "%s", err);
    t_ok(!shim_elf_kernel(path, err) && strstr(err, "TOROBUS_KERNEL"), "as a kernel: %s", err);
    t_ok(!shim_elf_native(path, err) && strstr(err, want), "on the host itself: %s", err);
    memcpy(p + at + 12, "Somebody", 8);
    t_ok(check(p, n, err) && shim_elf_kernel(path, err), "somebody else's note");
    for (unsigned i = 0; i < 12; i++) {
        memcpy(p + at, &note, sizeof(note));
        p[at + i] = 0xff;
        if (!check(p, n, err) || !shim_elf_kernel(path, err))
            t_ok(false, "byte %u of the note damaged: %s", i, err);
    }
    ph.p_filesz = UINT64_MAX;
    memcpy(p + at, &note, sizeof(note));
    memcpy(p + sizeof(Elf64_Ehdr) + sizeof(ph), &ph, sizeof(ph));
    t_ok(check(p, n, err) && shim_elf_kernel(path, err), "notes of impossible length");
    t_ok(shim_elf_kernel("/dev/null", err) && shim_elf_kernel("/", err) &&
             shim_elf_kernel("/nonexistent", err),
         "no kernel: that shows when it boots");
}

int main(int argc, char **argv)
{
    unsigned char good[300];
    char name[] = "/tmp/toro-elf.XXXXXX", err[512];
    size_t n = make_good(good);
    int fd = mkstemp(name);

    (void)argc;
    if (fd < 0)
        return 99;
    close(fd);
    path = name;
    t_ok(check(good, n, err), "a good one: %s", err);
    cuts(good, n);
    damage(good, n);
    versions(good, n);
    one(good, n, 0, 'x', "not an ELF");
    one(good, n, EI_CLASS, ELFCLASS32, "not an x86-64");
    one(good, n, EI_DATA, ELFDATA2MSB, "not an x86-64");
    one(good, n, offsetof(Elf64_Ehdr, e_machine), EM_AARCH64, "not an x86-64");
    one(good, n, offsetof(Elf64_Ehdr, e_type), ET_EXEC, "-static-pie");
    one(good, n, offsetof(Elf64_Ehdr, e_type), ET_REL, "not an executable");
    one(good, n, sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr), PT_INTERP, "dynamically linked");
    one(good, n, sizeof(Elf64_Ehdr), PT_NULL, "nothing to load");
    t_ok(!shim_elf_check("/", err) && strstr(err, "directory"), "a directory: %s", err);
    t_ok(!shim_elf_check("/dev/null", err) && strstr(err, "regular"), "a device: %s", err);
    t_ok(!shim_elf_check("/nonexistent", err) && strstr(err, "No such file"), "nothing: %s", err);
    t_ok(!shim_elf_check(argv[0], err) && strstr(err, "dynamically linked"), "this test: %s", err);
    unlink(name);
    return t_done();
}
