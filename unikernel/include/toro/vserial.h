/* SPDX-License-Identifier: BSD-3-Clause */
/* The one named port of the virtio-serial device: a byte stream each way. */
#ifndef TORO_VSERIAL_H
#define TORO_VSERIAL_H

#include "sched.h"
#include "types.h"

/** Wait until the host has announced port 1 under this name, then open it.
 *  @return 0, -ENODEV (no device, or another name), -ETIMEDOUT. */
int toro_vserial_open(const char *name, uint64_t deadline);
/** Queue one block; it goes out whole. The block is from toro_kmalloc() and is freed in any case.
 *  Waits while the queue is full. @return 0 or -EIO. Caller: thread context. */
int toro_vserial_send(void *block, uint32_t len);
/** Bytes that arrived and are not consumed yet; *len 0 if there are none. One caller. */
const void *toro_vserial_peek(uint32_t *len);
/** Give n bytes of what peek showed back to the host. */
void toro_vserial_consume(uint32_t n);
/** Sleep until something arrives. */
void toro_vserial_wait_rx(void);
/** Wait until all that was queued is with the host. @return 0 or -ETIMEDOUT. */
int toro_vserial_drain(uint64_t deadline);
/** Send from any context, without locks or interrupts; the kernel is dying. */
void toro_vserial_panic(const void *block, uint32_t len);

#endif
