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
/** Find the port, start the ctl thread on the boot core. */
int toro_ctl_init(void);

#endif
