/* SPDX-License-Identifier: BSD-3-Clause */
/* An ELF note by which programs and kernel images say which version of these headers they were
 * built with, so that they can be refused before they run. */
#ifndef TOROBUS_NOTE_H
#define TOROBUS_NOTE_H

#include "abi.h"

#define TOROBUS_NOTE_NAME "Torobus" /* 8 bytes with its NUL */
#define TOROBUS_NOTE_ABI  1u        /**< type: the description is TOROBUS_ABI_VERSION, 4 bytes */
/** Most bytes of notes that are looked through. */
#define TOROBUS_NOTES_MAX 4096u

/** What is wrong with a program: its version, the one it would have to have. */
#define TOROBUS_NOTE_WRONG                                                                         \
    "was linked with Torobus ABI %u, this installation has %u: link it again with its mpicc"

struct torobus_note {
    uint32_t namesz; /**< 8 */
    uint32_t descsz; /**< 4 */
    uint32_t type;   /**< TOROBUS_NOTE_ABI */
    char name[8];
    uint32_t abi;
};
_Static_assert(sizeof(struct torobus_note) == 24, "note layout");

/** Defines the note: once in every program and kernel image, in a file that is always linked. */
#define TOROBUS_NOTE_DEFINE(symbol)                                                                \
    extern const struct torobus_note symbol;                                                       \
    const struct torobus_note symbol                                                               \
        __attribute__((section(".note.torobus"), used, aligned(4))) = {                            \
            sizeof(TOROBUS_NOTE_NAME), sizeof(uint32_t), TOROBUS_NOTE_ABI, TOROBUS_NOTE_NAME,      \
            TOROBUS_ABI_VERSION}

/** 4 bytes, little endian, at any address. */
static inline uint32_t torobus_note_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/**
 * Look for the note in a segment of notes.
 *
 * @param notes the segment's bytes
 * @param len   how many there are
 * @return the version it names, or 0 if there is no such note.
 *
 * Trust: every byte may be anything.
 */
static inline uint32_t torobus_note_find(const void *notes, uint64_t len)
{
    const unsigned char *p = notes;
    static const char name[sizeof(TOROBUS_NOTE_NAME)] = TOROBUS_NOTE_NAME;

    while (len >= 12) {
        uint64_t namesz = torobus_note_u32(p), descsz = torobus_note_u32(p + 4);
        uint64_t desc = 12 + ((namesz + 3) & ~3ull), next = desc + ((descsz + 3) & ~3ull);
        bool same = namesz == sizeof(name) && desc + descsz <= len && descsz == sizeof(uint32_t) &&
                    torobus_note_u32(p + 8) == TOROBUS_NOTE_ABI;

        for (unsigned i = 0; same && i < sizeof(name); i++)
            same = p[12 + i] == (unsigned char)name[i];
        if (same)
            return torobus_note_u32(p + desc);
        if (next > len)
            return 0;
        p += next;
        len -= next;
    }
    return 0;
}

#endif
