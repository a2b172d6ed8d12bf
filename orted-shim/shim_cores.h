/* SPDX-License-Identifier: BSD-3-Clause */
/* How many virtual CPUs a rank gets. */
#ifndef SHIM_CORES_H
#define SHIM_CORES_H

#include <stdbool.h>
#include <stdint.h>

/**
 * N of the modifier PE=N in a mapping policy of mpirun ("slot:PE=2", "ppr:1:node:pe=4,span").
 *
 * @return false if the policy has the modifier, but N is no number from 1 to TOROBUS_MAX_CORES;
 *         *out is 0 if it does not have it.
 */
bool shim_cores_policy(const char *policy, uint32_t *out);

/**
 * Cores per rank as the environment says: TOROBUS_CORES_PER_RANK, else what mpirun was told, which
 * it passes on in MCA variables. 1 if nobody says anything.
 *
 * @param err set to a line for the user on failure
 */
bool shim_cores_env(uint32_t *out, char err[256]);

#endif
