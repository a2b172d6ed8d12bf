/* SPDX-License-Identifier: BSD-3-Clause */
/* The PMIx server embedded in the kernel. */
#ifndef TORO_KPMIX_H
#define TORO_KPMIX_H

#include "types.h"

struct toro_proc;

/** Register /dev/toro-pmix and the ctl handler for TOROBUS_CTL_PMIX. */
void toro_pmix_init(void);
/** The rank ends: drop its state. Before or after its files are closed; p may go afterwards. */
void toro_pmix_proc_end(struct toro_proc *p);
/** Once after toro_pmix_proc_end(), when the rank's EXIT frame is on its way: its peers learn that
 * it is gone. Not earlier, or the status with which they give up could overtake its own. */
void toro_pmix_proc_gone(unsigned index);
/** Between two jobs: nothing of the old one is remembered. Caller: no rank is there. */
void toro_pmix_reset(void);
/** Messages wait for the rank on /dev/toro-pmix. Any context, no lock. */
bool toro_pmix_pending(const struct toro_proc *p);

#endif
