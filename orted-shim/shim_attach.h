/* SPDX-License-Identifier: BSD-3-Clause */
/* The way from a client (orted-shim, toro-run, toro-info) to its job's keeper. */
#ifndef SHIM_ATTACH_H
#define SHIM_ATTACH_H

#include <stdbool.h>
#include <sys/types.h>

/** First argument that makes a host program a keeper; see shim_attach_is_keeper(). */
#define SHIM_KEEPER_FLAG "--torobus-keeper"

/**
 * Connect to the keeper of a job, starting one if there is none. Whoever binds the job's address
 * starts the keeper, all others wait for it, so there is never more than one.
 *
 * @param key   job key
 * @param start whether to start one
 * @param[out] pid the keeper's pid if this call started it, else -1; may be NULL
 * @param[out] err a line for the user
 * @return a connected, close-on-exec socket whose other end belongs to this user, or -1.
 */
int shim_attach(const char *key, bool start, pid_t *pid, char err[256]);

/** Whether this process was started by shim_attach() to be a keeper. */
bool shim_attach_is_keeper(int argc, char **argv);

#endif
