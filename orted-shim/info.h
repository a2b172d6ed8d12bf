/* SPDX-License-Identifier: BSD-3-Clause */
/* toro-info: what it says about this machine, its settings, and jobs. */
#ifndef INFO_H
#define INFO_H

#include "shim_job.h"

#include <stdbool.h>
#include <stdint.h>

#define INFO_MAX_JOBS 256

/** Check the machine, a line per thing. @return false if something is to be fixed. */
bool info_check(void);

/** Every setting, its value and where that comes from. */
void info_settings(void);

/** Keys of this user's jobs. @return how many */
unsigned info_jobs(char keys[INFO_MAX_JOBS][SHIM_KEY_LEN + 1]);

/** Whether it has the form of a job's key. */
bool info_is_key(const char *text);

/**
 * Ask a keeper.
 *
 * @param query  enum torobus_ctl_query, or 0: its guests
 * @param node   a guest, or "": the keeper itself
 * @param[out] gone  set when there is no keeper (any more), and nothing is printed then; may be
 * NULL
 * @return its text (to be freed), or NULL after a message.
 */
char *info_ask(const char *key, uint32_t query, const char *node, bool *gone);

/**
 * Print what the ports of a job do until it ends.
 *
 * @param argv  [SECONDS] [JOB], ended by NULL
 * @return exit status
 */
int info_watch(char **argv);

#endif
