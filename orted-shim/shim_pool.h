/* SPDX-License-Identifier: BSD-3-Clause */
/* Keepers that wait for their next job with their guests (TOROBUS_KEEP), and how a job finds one.
 */
#ifndef SHIM_POOL_H
#define SHIM_POOL_H

#include <stdbool.h>
#include <stdint.h>

#define SHIM_POOL_MAX  64
#define SHIM_POOL_SIZE 16u

/** Seconds that guests stay after the job (TOROBUS_KEEP), 0: not at all.
 *  @return false with a line for the user. */
bool shim_pool_seconds(uint64_t *s, char err[256]);

/** Name of the pool that this process' jobs take guests from and leave them in: same user, same
 * settings, same kernel image, same processors. An address is the name, '-' and a number below
 * SHIM_POOL_SIZE. @return false if the kernel image is not there. */
bool shim_pool_name(char name[SHIM_POOL_MAX]);

/** Ask a waiting keeper to serve this job. @return true if one listens at the job's address now. */
bool shim_pool_adopt(const char *key);

/** Addresses of all waiting keepers of this user. @return how many. */
unsigned shim_pool_list(char (*names)[SHIM_POOL_MAX + 8], unsigned max);

/** Connect to one and tell it to end. @return true when it and its guests are gone. */
bool shim_pool_end(const char *name);

#endif
