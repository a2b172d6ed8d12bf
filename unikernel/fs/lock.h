/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks on the host's files, asked for at the rank's proxy (lock_host.c). */
#ifndef TORO_FS_LOCK_H
#define TORO_FS_LOCK_H

#include <torobus/ctl.h>
#include <toro/vfs.h>

/**
 * Ask the proxy of the current rank; `id` is filled in.
 *
 * @param out may be NULL
 * @return 0 or -errno; -EINTR if a signal came first. CLOSE does not wait.
 *
 * Caller: thread context, no spin lock held.
 */
int toro_lock_ask(struct toro_node *n, struct torobus_ctl_lock *l, struct torobus_ctl_locked *out);
/** Register the handler of the answers. */
void toro_lock_host_init(void);

#endif
