/* SPDX-License-Identifier: BSD-3-Clause */
/* Environments. */
#include "shim_env.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool append(struct shim_env *e, char *s)
{
    if (!s)
        return false;
    if (e->n + 1 >= e->room) {
        unsigned room = e->room ? 2 * e->room : 64;
        char **v = realloc(e->v, room * sizeof(*v));

        if (!v) {
            free(s);
            return false;
        }
        e->v = v;
        e->room = room;
    }
    e->v[e->n++] = s;
    e->v[e->n] = NULL;
    return true;
}

bool shim_env_copy(struct shim_env *e, char *const *from)
{
    memset(e, 0, sizeof(*e));
    for (; *from; from++)
        if (!append(e, strdup(*from)))
            return false;
    return e->v || append(e, strdup("TOROBUS=1"));
}

static char **find(const struct shim_env *e, const char *name)
{
    size_t n = strlen(name);

    for (unsigned i = 0; i < e->n; i++)
        if (strncmp(e->v[i], name, n) == 0 && e->v[i][n] == '=')
            return &e->v[i];
    return NULL;
}

const char *shim_env_get(const struct shim_env *e, const char *name)
{
    char **p = find(e, name);

    return p ? *p + strlen(name) + 1 : NULL;
}

bool shim_env_set(struct shim_env *e, const char *name, const char *value, bool replace)
{
    char **p = find(e, name), *s;

    if (p && !replace)
        return true;
    if (asprintf(&s, "%s=%s", name, value) < 0)
        return false;
    if (!p)
        return append(e, s);
    free(*p);
    *p = s;
    return true;
}

void shim_env_free(struct shim_env *e)
{
    for (unsigned i = 0; i < e->n; i++)
        free(e->v[i]);
    free(e->v);
    memset(e, 0, sizeof(*e));
}

static bool set_u32(struct shim_env *e, const char *name, uint32_t value, bool replace)
{
    char text[16];

    snprintf(text, sizeof(text), "%" PRIu32, value);
    return shim_env_set(e, name, text, replace);
}

/** What mpirun gives to a rank; a rank of toro-run -n gets the same. */
static bool set_job(struct shim_env *e, const struct shim_rank_place *r)
{
    return shim_env_set(e, "PMIX_NAMESPACE", r->nspace, true) &&
           set_u32(e, "PMIX_RANK", r->world_rank, true) &&
           set_u32(e, "OMPI_COMM_WORLD_RANK", r->world_rank, true) &&
           set_u32(e, "OMPI_COMM_WORLD_SIZE", r->world_size, true) &&
           set_u32(e, "OMPI_COMM_WORLD_LOCAL_RANK", r->local_rank, true) &&
           set_u32(e, "OMPI_COMM_WORLD_LOCAL_SIZE", r->local_size, true) &&
           set_u32(e, "OMPI_COMM_WORLD_NODE_RANK", r->local_rank, true) &&
           set_u32(e, "OMPI_UNIVERSE_SIZE", r->world_size, true) &&
           set_u32(e, "OMPI_MCA_orte_ess_node_rank", r->local_rank, true) &&
           shim_env_set(e, "OMPI_MCA_orte_num_nodes", "1", true) &&
           set_u32(e, "OMPI_MCA_orte_app_num", r->app, true) &&
           set_u32(e, "OMPI_MCA_orte_ess_num_procs", r->world_size, true) &&
           set_u32(e, "OMPI_APP_CTX_NUM_PROCS", r->world_size, true) &&
           shim_env_set(e, "OMPI_MCA_ess", "^singleton", false);
}

bool shim_env_for_rank(struct shim_env *e, const struct shim_rank_place *r)
{
    if (r->nspace && !set_job(e, r))
        return false;
    if (r->transports &&
        !shim_env_set(e, "OMPI_MCA_orte_precondition_transports", r->transports, false))
        return false;
    return
        /* a rank is on its core from the start, and there is no topology to discover */
        shim_env_set(e, "OMPI_MCA_orte_bound_at_launch", "1", true) &&
        shim_env_set(e, "OMPI_MCA_orte_create_session_dirs", "0", true) &&
        /* only parsed, never connected to: its presence says "started by a daemon" */
        shim_env_set(e, "OMPI_MCA_orte_local_daemon_uri", "65536.1;tcp://127.0.0.1:1", false) &&
        /* namespaces are decimal job ids */
        shim_env_set(e, "OMPI_MCA_orte_launch", "1", false) &&
        set_u32(e, "OMPI_MCA_orte_ess_num_procs", r->world_size, false) &&
        set_u32(e, "OMPI_APP_CTX_NUM_PROCS", r->world_size, false) &&
        /* mpirun turns yielding on when it sees more ranks than slots; ranks in guests sleep in the
         * BTL instead. What the user asked for stays. */
        shim_env_set(e, "OMPI_MCA_mpi_yield_when_idle", "0", false) &&
        shim_env_set(e, "OMPI_MCA_shmem_RUNTIME_QUERY_hint", "mmap", false) &&
        /* A window that MPI_Win_allocate makes within one guest goes to osc/sm (100), which does
         * nothing but load and store; by default osc/rdma (101) would take it as well. */
        shim_env_set(e, "OMPI_MCA_osc_rdma_priority", "99", false) &&
        /* osc/rdma of 4.1 fetches with the BTL's atomics when there are few elements, but then
         * takes a result of a derived type from behind the end of what it fetched. The other way
         * costs no more: both hold the target's lock. */
        shim_env_set(e, "OMPI_MCA_osc_rdma_network_max_amo", "0", false) &&
        /* a guest has no network interfaces to look for */
        shim_env_set(e, "OMPI_MCA_if", "^posix_ipv4,linux_ipv6", false);
}
