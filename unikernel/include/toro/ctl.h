/* SPDX-License-Identifier: BSD-3-Clause */
/* The control channel inside the kernel: ctl frames over virtio-serial (uapi/torobus/ctl.h). */
#ifndef TORO_CTL_H
#define TORO_CTL_H

#include "types.h"
#include <torobus/ctl.h>

/** Handler of one frame type; runs in the ctl kernel thread (may block shortly, may allocate). body
 * is valid during the call only. */
typedef void (*toro_ctl_fn)(const struct torobus_ctl_hdr *h, const void *body);
void toro_ctl_register(unsigned type, toro_ctl_fn fn);
/** Send one frame; copies the body. Waits while the channel is full (thread context). @return 0 or
 * -EMSGSIZE/-ENOMEM. */
int toro_ctl_send(unsigned type, uint32_t rank, uint32_t arg, const void *body, uint32_t len);
/** Room for a frame's body of len bytes, to be filled and then sent (or dropped by
 * toro_ctl_frame_free()) without another copy. NULL if out of memory or len is too large. */
void *toro_ctl_frame_new(uint32_t len);
/** Send the body; the frame is used up in any case. Waits as toro_ctl_send(). @return 0 or -EIO. */
int toro_ctl_frame_send(void *body, unsigned type, uint32_t rank, uint32_t arg, uint32_t len);
void toro_ctl_frame_free(void *body);
/** Last words: a PANIC frame with this text. Any context; no locks, no interrupts, no allocation.
 */
void toro_ctl_panic(const char *text);

/* Input side, apart from the device so that tests can feed it. */
struct toro_ctl_parser {
    struct torobus_ctl_hdr hdr;
    uint32_t have; /**< bytes of header and body so far */
    char *body;    /**< NULL until the header is complete and asks for one */
};
/**
 * Take n bytes of the stream; fn is called for each complete frame.
 *
 * @return 0, -EPROTO for a bad header (the stream cannot be resynchronised), -ENOMEM
 *
 * Trust: the header is checked by torobus_ctl_hdr_ok(); bodies are the handlers' to check.
 */
int toro_ctl_feed(struct toro_ctl_parser *p, const void *data, uint32_t n, toro_ctl_fn fn);

/* dev/stdio.c */
/** Register the handlers for STDIN and CREDIT. */
void toro_stdio_init(void);
/** A RANK_START for this rank arrived: its streams begin afresh. */
void toro_stdio_arm(uint32_t rank);
struct toro_file;
/** Open file on a rank's stream 0, 1 or 2. NULL if out of memory. */
struct toro_file *toro_stdio_file(uint32_t rank, unsigned stream);
/** The rank is gone: forget its unread input and wake whoever still waits on its streams. */
void toro_stdio_end(uint32_t rank);
/** Kernel text on a rank's stderr, in order with what the rank wrote. Does not wait for credit.
 * Caller: thread context. @return 0 or -errno. */
int toro_stdio_complain(uint32_t rank, const char *text, size_t len);

/** Find the port, start the ctl thread on the boot core. */
int toro_ctl_init(void);

#endif
