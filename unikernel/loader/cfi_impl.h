/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of cfi.h share. */
#ifndef TORO_CFI_IMPL_H
#define TORO_CFI_IMPL_H

#include "cfi.h"

/** A place in the bytes of a file; once bad, all further values are 0. */
struct toro_cfi_cursor {
    const uint8_t *at, *end;
    bool bad;
};

uint64_t toro_cfi_fixed(struct toro_cfi_cursor *s, unsigned bytes);
uint64_t toro_cfi_uleb(struct toro_cfi_cursor *s);
int64_t toro_cfi_sleb(struct toro_cfi_cursor *s);

/** The next n bytes as a piece of their own. */
struct toro_cfi_cursor toro_cfi_piece(struct toro_cfi_cursor *s, uint64_t n);

/** Evaluate a DWARF expression. @param first  on the stack at its start, NULL: nothing is.
 *  @return false if it is malformed, too long, or reads what is not there. */
bool toro_cfi_expression(struct toro_cfi_cursor s, const struct toro_cfi_frame *f,
                         const uint64_t *first, toro_cfi_read *read, void *ctx, uint64_t *out);

/** A function's entry, and what it has in common with others. */
struct toro_cfi_entry {
    uint64_t begin, len; /**< code, relative to the load address */
    uint64_t code_align;
    int64_t data_align;
    bool signal; /**< not called: a signal's return code */
    unsigned encoding;
    struct toro_cfi_cursor first, own; /**< instructions: of all functions, of this one */
};

/** The entry of the function that has the address (relative). @return false if there is none. */
bool toro_cfi_entry(const struct toro_cfi *c, uint64_t addr, struct toro_cfi_entry *e);

#endif
