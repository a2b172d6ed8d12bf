/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames for those that take them. */
#ifndef FUZZ_FRAME_H
#define FUZZ_FRAME_H

#include "fuzz.h"

#include <torobus/ctl.h>

/** A ctl frame that is one: type, rank and arg from the input, a body of its bytes. @return bytes.
 */
static inline size_t fuzz_frame(struct fuzz *f, uint8_t *to, size_t room)
{
    struct torobus_ctl_hdr h = {.magic = TOROBUS_CTL_MAGIC, .type = fuzz_u8(f) % 96};
    uint8_t rank = fuzz_u8(f);
    size_t len = fuzz_u8(f) % (room - sizeof(h));

    h.rank = rank & 1 ? TOROBUS_CTL_NOBODY : (rank >> 1) % 5u;
    h.arg = fuzz_u32(f) % 600;
    h.len = (uint32_t)len;
    memcpy(to, &h, sizeof(h));
    fuzz_bytes(f, to + sizeof(h), len);
    return sizeof(h) + len;
}

#endif
