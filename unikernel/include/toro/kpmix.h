/* SPDX-License-Identifier: BSD-3-Clause */
/* The PMIx server embedded in the kernel. */
#ifndef TORO_KPMIX_H
#define TORO_KPMIX_H

#include "types.h"

struct toro_proc;

/** Register /dev/toro-pmix and the ctl handler for TOROBUS_CTL_PMIX. */
void toro_pmix_init(void);
/** The rank ends (status as in proc.exit_arg): drop its state, tell waiting peers. May be called
 * more than once, before or after the rank's files are closed. */
void toro_pmix_proc_end(struct toro_proc *p);
/** Messages wait for the rank on /dev/toro-pmix. Any context, no lock. */
bool toro_pmix_pending(const struct toro_proc *p);

#endif
