/* SPDX-License-Identifier: BSD-3-Clause */
/* Call frame information (DWARF, as gcc and clang put it into .eh_frame): who called whom, without
 * frame pointers. Pure, like elf.h: bytes of a file, and a function that reads the stack. */
#ifndef TORO_CFI_H
#define TORO_CFI_H

#include "elf.h"

/** DWARF's numbers: 0 to 15, and the return address. */
enum { TORO_CFI_RBP = 6, TORO_CFI_RSP = 7, TORO_CFI_RIP = 16, TORO_CFI_REGS = 17 };

/** The tables of one image. */
struct toro_cfi {
    const void *file;
    uint64_t size;
    const struct toro_elf *elf;
    uint64_t header; /**< .eh_frame_hdr, relative to the load address */
    uint64_t table;  /**< its search table's place in the file */
    uint64_t count;  /**< entries of 8 bytes */
};

/** A frame: what the registers hold there. */
struct toro_cfi_frame {
    uint64_t reg[TORO_CFI_REGS];
    uint32_t known; /**< bit n: reg[n] is what it was */
    bool exact;     /**< rip is the instruction itself, not where a call returns to */
};

/** Eight bytes of the program's memory. @return false if there are none at addr. */
typedef bool toro_cfi_read(void *ctx, uint64_t addr, uint64_t *out);

enum toro_cfi_result {
    TORO_CFI_CALLER, /**< the frame is now the caller's */
    TORO_CFI_END,    /**< nobody called this: the thread began here */
    TORO_CFI_LOST,   /**< the tables do not say; the frame is as it was */
};

/** Find an image's tables. elf and file must outlive out. @return false if it has none that can be
 *  used. Trust: every byte of file is hostile. */
bool toro_cfi_find(const void *file, uint64_t size, const struct toro_elf *elf,
                   struct toro_cfi *out);

/**
 * From a frame to that of its caller.
 *
 * @param load_bias  where the image is
 * @param f          rip and rsp must be known
 *
 * Trust: every byte of the file, of the stack, and every register is hostile; work and memory are
 * bounded, though a hostile stack may lead anywhere: callers bound the number of frames.
 */
enum toro_cfi_result toro_cfi_step(const struct toro_cfi *c, uint64_t load_bias,
                                   struct toro_cfi_frame *f, toro_cfi_read *read, void *ctx);

#endif
