/* SPDX-License-Identifier: BSD-3-Clause */
/* INIT and FINALIZE: becoming a client of the host's PMIx server, and all that it knows about the
 * job, so that the guest need not ask key by key. */
#include "proxy_pmix.h"

#include "shim_msg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** What the server may know about the job (rank wildcard). */
static const char *const job_keys[] = {
    PMIX_JOB_SIZE,  PMIX_UNIV_SIZE,    PMIX_MAX_PROCS,    PMIX_NUM_NODES,    PMIX_LOCAL_SIZE,
    PMIX_NODE_SIZE, PMIX_LOCAL_PEERS,  PMIX_JOB_NUM_APPS, PMIX_MAPBY,        PMIX_RANKBY,
    PMIX_BINDTO,    PMIX_TMPDIR,       PMIX_NSDIR,        PMIX_TDIR_RMCLEAN, PMIX_LOCALLDR,
    PMIX_NODE_LIST, PMIX_NPROC_OFFSET,
};

/** About the own rank. */
static const char *const own_keys[] = {
    PMIX_LOCAL_RANK, PMIX_NODE_RANK,   PMIX_APPNUM,  PMIX_APP_RANK,  PMIX_APPLDR,
    PMIX_APP_SIZE,   PMIX_GLOBAL_RANK, PMIX_NODEID,  PMIX_HOSTNAME,  PMIX_LOCALITY_STRING,
    PMIX_CPUSET,     PMIX_PROCDIR,     PMIX_SPAWNED, PMIX_PARENT_ID,
};

/** About the other ranks of the node. */
static const char *const peer_keys[] = {
    PMIX_LOCAL_RANK, PMIX_NODE_RANK, PMIX_APPNUM, PMIX_HOSTNAME, PMIX_LOCALITY_STRING, PMIX_CPUSET,
};

/** About any rank of the job; asked for when some rank of the guest wants to know. */
static const char *const fact_keys[] = {
    PMIX_HOSTNAME, PMIX_LOCAL_RANK, PMIX_NODE_RANK, PMIX_NODEID, PMIX_APPNUM, PMIX_GLOBAL_RANK,
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/** Append what the server knows of a list of keys; what it does not know is simply not there. */
static void gather(struct preq *r, uint32_t rank, const char *const *keys, size_t n, size_t nhow)
{
    pmix_info_t how;
    pmix_proc_t proc;

    PMIX_PROC_LOAD(&proc, r->px->me.nspace, rank);
    PMIX_INFO_LOAD(&how, PMIX_OPTIONAL, NULL, PMIX_BOOL);
    for (size_t i = 0; i < n; i++) {
        pmix_value_t *v = NULL;

        pmix_status_t rc = PMIx_Get(&proc, keys[i], &how, nhow, &v);

        if (rc != PMIX_SUCCESS || !v) {
            shim_step("PMIx: %s of rank %d: %s", keys[i], (int)rank, PMIx_Error_string(rc));
            continue;
        }
        if (!pmix_value_to_item(&r->reply, keys[i], rank, v) && !r->reply.failed)
            shim_step("PMIx: %s has type %d, which no guest knows; left out", keys[i], v->type);
        PMIX_VALUE_RELEASE(v);
    }
    PMIX_INFO_DESTRUCT(&how);
}

/** ORTE hands over all it knows at INIT; other servers (Slurm's) tell some of it on request. */
static size_t only_here(void)
{
    return getenv("OMPI_MCA_orte_hnp_uri") != NULL;
}

void pmix_gather_facts(struct preq *r)
{
    pmix_value_t *v = NULL;
    pmix_proc_t all;
    uint32_t n = 0;

    PMIX_PROC_LOAD(&all, r->px->me.nspace, PMIX_RANK_WILDCARD);
    if (PMIx_Get(&all, PMIX_JOB_SIZE, NULL, 0, &v) == PMIX_SUCCESS && v) {
        if (v->type == PMIX_UINT32)
            n = v->data.uint32;
        PMIX_VALUE_RELEASE(v);
    }
    for (uint32_t i = 0; i < n && !r->reply.failed; i++)
        gather(r, i, fact_keys, COUNT(fact_keys), 1);
}

/** Facts about the node's other ranks; one rank's proxy fetches them for all. */
static void gather_peers(struct preq *r)
{
    pmix_value_t *v = NULL;
    pmix_proc_t proc;
    char *save, *t;

    PMIX_PROC_LOAD(&proc, r->px->me.nspace, PMIX_RANK_WILDCARD);
    if (PMIx_Get(&proc, PMIX_LOCAL_PEERS, NULL, 0, &v) != PMIX_SUCCESS || !v)
        return;
    if (v->type == PMIX_STRING && v->data.string) {
        for (t = strtok_r(v->data.string, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
            uint32_t rank = (uint32_t)strtoul(t, NULL, 10);

            if (rank != r->px->me.rank)
                gather(r, rank, peer_keys, COUNT(peer_keys), only_here());
        }
    }
    PMIX_VALUE_RELEASE(v);
}

/** Have the own node's number go along with what the rank commits: see on_value(). */
static void put_nodeid(struct preq *r)
{
    pmix_value_t *v = NULL;

    if (PMIx_Get(&r->px->me, PMIX_NODEID, NULL, 0, &v) != PMIX_SUCCESS || !v)
        return;
    if (PMIx_Put(PMIX_REMOTE, PROXY_PMIX_NODEID, v) != PMIX_SUCCESS)
        shim_step("PMIx: the number of this node cannot be put");
    PMIX_VALUE_RELEASE(v);
}

void proxy_pmix_why(int rc, char text[SHIM_PMIX_WHY])
{
    /* "OpenPMIx 4.2.2, repo ..." */
    const char *mine = PMIx_Get_version(), *theirs = getenv("PMIX_VERSION");
    /* Open MPI 4.1 and Slurm */
    bool known = !theirs || strncmp(theirs, "3.", 2) == 0 || strncmp(theirs, "4.", 2) == 0;
    int n;

    mine += strcspn(mine, "0123456789");
    n = (int)strcspn(mine, ", ");
    snprintf(text, SHIM_PMIX_WHY,
             "the launcher's PMIx server (version %.40s, this program's is %.*s) does not answer: "
             "%s%s",
             theirs ? theirs : "unknown", n < 40 ? n : 40, mine, PMIx_Error_string(rc),
             known ? ""
                   : "; 3 and 4 are known to work: start the job with this "
                     "installation's mpirun");
}

bool proxy_pmix_early;

void proxy_pmix_unused(void)
{
    if (proxy_pmix_early)
        PMIx_Finalize(NULL, 0);
    proxy_pmix_early = false;
}

void pmix_op_init(struct preq *r)
{
    struct proxy_pmix *px = r->px;
    pmix_status_t rc;

    if (px->inited) {
        preq_done(r, TOROBUS_PMIX_ERR_EXISTS);
        return;
    }
    rc = PMIx_Init(&px->me, NULL, 0);
    if (rc != PMIX_SUCCESS) {
        char why[SHIM_PMIX_WHY];

        proxy_pmix_why(rc, why);
        shim_error("rank %u: %s", px->proxy->world_rank, why);
        preq_done(r, pmix_toro_status(rc));
        return;
    }
    proxy_pmix_unused(); /* libpmix counts: one session is left */
    px->inited = true;
    pmix_watch_events(px);
    pbuf_item(&r->reply, TOROBUS_PMIX_K_NSPACE, px->me.rank, TOROBUS_PMIX_T_STRING, px->me.nspace,
              (uint32_t)strlen(px->me.nspace));
    pbuf_u32(&r->reply, TOROBUS_PMIX_K_RANK, px->me.rank, TOROBUS_PMIX_T_U32, px->me.rank);
    pbuf_item(&r->reply, TOROBUS_PMIX_K_HOSTED, px->me.rank, TOROBUS_PMIX_T_BOOL, "\1", 1);
    gather(r, PMIX_RANK_WILDCARD, job_keys, COUNT(job_keys), only_here());
    gather(r, px->me.rank, own_keys, COUNT(own_keys), only_here());
    put_nodeid(r);
    if (px->proxy->rank == 0)
        gather_peers(r);
    preq_done(r, TOROBUS_PMIX_SUCCESS);
}

void pmix_op_finalize(struct preq *r)
{
    pmix_status_t rc = PMIx_Finalize(NULL, 0);

    r->px->inited = false;
    preq_done(r, pmix_toro_status(rc));
}
