/* SPDX-License-Identifier: BSD-3-Clause */
/* Environments: copies that can be changed, and what a rank in a guest needs in its own. */
#ifndef SHIM_ENV_H
#define SHIM_ENV_H

#include <stdbool.h>
#include <stdint.h>

struct shim_env {
    char **v; /**< NULL-terminated, owned */
    unsigned n, room;
};

/** All functions return false without memory. */
bool shim_env_copy(struct shim_env *e, char *const *from);
const char *shim_env_get(const struct shim_env *e, const char *name);
bool shim_env_set(struct shim_env *e, const char *name, const char *value, bool replace);
void shim_env_free(struct shim_env *e);

/** Place of a rank in its job. */
struct shim_rank_place {
    uint32_t world_rank, world_size;
    uint32_t local_rank, local_size;
    uint32_t app;           /**< number of its application */
    const char *nspace;     /**< decimal job id; NULL: the environment came from mpirun */
    const char *transports; /**< key of orte_precondition_transports, or NULL */
};

/**
 * Turn the environment of a proxy into that of its rank: the settings under which Open MPI starts
 * without a daemon to talk to, and, if there was no mpirun, what mpirun would have set.
 * Depends on nothing but its arguments.
 */
bool shim_env_for_rank(struct shim_env *e, const struct shim_rank_place *r);

#endif
