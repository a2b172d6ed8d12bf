/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a rank is in its job. mpirun says so in the environment; of any other PMIx launcher (srun)
 * the server is asked. The session stays for the rank, as some servers (Slurm's) tell a second one
 * little; if the rank never speaks PMIx it is closed in order, or the rank would look like one that
 * ended improperly. */
#include "run.h"

#include "shim_msg.h"
#include "shim_parse.h"

#include <pmix.h>
#include <stdlib.h>

/** @return false if the variable is not there. */
static bool from_env(const char *name, uint32_t *out)
{
    const char *text = getenv(name);
    uint64_t v;

    if (!text)
        return false;
    if (!shim_parse_u64(text, 0, 0x7fffffff, &v))
        shim_die(SHIM_EXIT_FAIL, "the launcher gave an impossible number: %s=%.64s", name, text);
    *out = (uint32_t)v;
    return true;
}

static uint32_t from_server(const char *nspace, uint32_t rank, const char *key)
{
    pmix_value_t *v = NULL;
    pmix_proc_t proc;
    uint32_t n = 0;
    pmix_status_t rc;

    PMIX_PROC_LOAD(&proc, nspace, rank);
    rc = PMIx_Get(&proc, key, NULL, 0, &v);
    if (rc != PMIX_SUCCESS || !v)
        shim_die(SHIM_EXIT_FAIL, "the launcher's PMIx server does not tell %s: %s", key,
                 PMIx_Error_string(rc));
    PMIX_VALUE_GET_NUMBER(rc, v, n, uint32_t);
    if (rc != PMIX_SUCCESS)
        shim_die(SHIM_EXIT_FAIL, "the launcher's PMIx server gave a wrong %s", key);
    PMIX_VALUE_RELEASE(v);
    return n;
}

static void ask_server(struct shim_rank_place *place)
{
    pmix_proc_t me;
    pmix_status_t rc = PMIx_Init(&me, NULL, 0);

    char why[SHIM_PMIX_WHY];

    if (rc != PMIX_SUCCESS) {
        proxy_pmix_why(rc, why);
        shim_die(SHIM_EXIT_FAIL, "%s", why);
    }
    place->world_rank = me.rank;
    place->world_size = from_server(me.nspace, PMIX_RANK_WILDCARD, PMIX_JOB_SIZE);
    place->local_size = from_server(me.nspace, PMIX_RANK_WILDCARD, PMIX_LOCAL_SIZE);
    place->local_rank = from_server(me.nspace, me.rank, PMIX_LOCAL_RANK);
    proxy_pmix_early = true;
}

void run_place(struct shim_rank_place *place)
{
    if (from_env("PMIX_RANK", &place->world_rank) &&
        from_env("OMPI_COMM_WORLD_SIZE", &place->world_size) &&
        from_env("OMPI_COMM_WORLD_LOCAL_RANK", &place->local_rank) &&
        from_env("OMPI_COMM_WORLD_LOCAL_SIZE", &place->local_size))
        return;
    ask_server(place);
}
