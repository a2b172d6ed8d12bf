/* SPDX-License-Identifier: BSD-3-Clause */
/* Control frames in libevent buffers. */
#ifndef SHIM_FRAME_H
#define SHIM_FRAME_H

#include "torobus/ctl.h"

#include <event2/buffer.h>

/**
 * Look for a whole frame at the front of a buffer; nothing is removed.
 *
 * @param[out] h set when a whole frame is there
 * @return 1 a frame, 0 not yet, -1 this is no frame (the peer is broken; drop the connection)
 *
 * Trust: the header is the peer's; magic and length are checked here, rank and type are the
 * caller's.
 */
int shim_frame_peek(struct evbuffer *in, struct torobus_ctl_hdr *h);

/**
 * Take the frame that shim_frame_peek() has just seen.
 *
 * @return its body in malloc()ed, 8-byte aligned memory with a NUL behind it, or NULL without
 * memory (the frame is gone then too).
 */
void *shim_frame_take(struct evbuffer *in, const struct torobus_ctl_hdr *h);

/** Append a frame. @return false without memory. */
bool shim_frame_put(struct evbuffer *out, uint16_t type, uint32_t rank, uint32_t arg,
                    const void *body, uint32_t len);

#endif
