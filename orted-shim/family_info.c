/* SPDX-License-Identifier: BSD-3-Clause */
/* What is known of a job and its ranks from the start: the reply to INIT, and gets of such keys. */
#include "family.h"

#include <stdio.h>
#include <string.h>

/** One pass over all there is; keeps what was asked for. */
struct sieve {
    struct pbuf *b;
    const char *key; /**< NULL: all */
    size_t klen;
    unsigned n;
};

static void put(struct sieve *s, const char *key, uint32_t rank, uint8_t type, const void *v,
                uint32_t len)
{
    if (s->key && (strlen(key) != s->klen || memcmp(key, s->key, s->klen) != 0))
        return;
    if (pbuf_item(s->b, key, rank, type, v, len))
        s->n++;
}

static void put_u32(struct sieve *s, const char *key, uint32_t rank, uint8_t type, uint32_t v)
{
    put(s, key, rank, type, &v, sizeof(v));
}

static void put_u16(struct sieve *s, const char *key, uint32_t rank, uint16_t v)
{
    put(s, key, rank, TOROBUS_PMIX_T_U16, &v, sizeof(v));
}

static void put_str(struct sieve *s, const char *key, uint32_t rank, const char *v)
{
    put(s, key, rank, TOROBUS_PMIX_T_STRING, v, (uint32_t)strlen(v));
}

/** The node's name as programs see it. */
static void host_name(const struct family_job *j, char name[64])
{
    snprintf(name, 64, "%.*s", (int)strcspn(j->app[0].job.node, "+"), j->app[0].job.node);
}

static void whole_job(struct sieve *s, const struct family_job *j)
{
    static const char *const sizes[] = {PMIX_JOB_SIZE, PMIX_UNIV_SIZE, PMIX_MAX_PROCS,
                                        PMIX_LOCAL_SIZE, PMIX_NODE_SIZE};
    const uint32_t all = TOROBUS_PMIX_RANK_WILDCARD;
    char peers[TOROBUS_MAX_CORES * 4], host[64];
    int at = 0;

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        put_u32(s, sizes[i], all, TOROBUS_PMIX_T_U32, j->n);
    for (uint32_t i = 0; i < j->n && i < TOROBUS_MAX_CORES; i++)
        at += snprintf(peers + at, sizeof(peers) - (size_t)at, i ? ",%u" : "%u", i);
    host_name(j, host);
    put_str(s, PMIX_LOCAL_PEERS, all, peers);
    put_u32(s, PMIX_NUM_NODES, all, TOROBUS_PMIX_T_U32, 1);
    put_u32(s, PMIX_JOB_NUM_APPS, all, TOROBUS_PMIX_T_U32, j->napps);
    put_u32(s, PMIX_LOCALLDR, all, TOROBUS_PMIX_T_RANK, 0);
    put_str(s, PMIX_NODE_LIST, all, host);
    put_str(s, PMIX_MAPBY, all, "CORE");
}

static void one_rank(struct sieve *s, const struct family_job *j, const struct family_rank *r)
{
    const struct family_app *a = &j->app[r->app];
    char host[64];

    host_name(j, host);
    put_u16(s, PMIX_LOCAL_RANK, r->rank, (uint16_t)r->rank);
    put_u16(s, PMIX_NODE_RANK, r->rank, (uint16_t)r->rank);
    put_u32(s, PMIX_APPNUM, r->rank, TOROBUS_PMIX_T_U32, r->app);
    put_u32(s, PMIX_APP_RANK, r->rank, TOROBUS_PMIX_T_RANK, r->app_rank);
    put_u32(s, PMIX_APPLDR, r->rank, TOROBUS_PMIX_T_RANK, a->first);
    put_u32(s, PMIX_APP_SIZE, r->rank, TOROBUS_PMIX_T_U32, a->n);
    put_u32(s, PMIX_GLOBAL_RANK, r->rank, TOROBUS_PMIX_T_RANK, r->rank);
    put_u32(s, PMIX_NODEID, r->rank, TOROBUS_PMIX_T_U32, j->number - 1);
    put_str(s, PMIX_HOSTNAME, r->rank, host);
    if (*j->parent)
        put(s, PMIX_SPAWNED, r->rank, TOROBUS_PMIX_T_BOOL, "\1", 1);
}

unsigned family_info(struct pbuf *b, const struct family_job *j, uint32_t rank, const char *key,
                     size_t klen)
{
    struct sieve s = {.b = b, .key = key, .klen = klen};

    if (rank == TOROBUS_PMIX_RANK_WILDCARD)
        whole_job(&s, j);
    else if (rank < j->n)
        one_rank(&s, j, &j->rank[rank]);
    return s.n;
}

void family_init(struct family_req *q)
{
    struct family_rank *r = q->from;
    const struct family_job *j = r->job;
    struct pbuf *b = &q->r.reply;

    pbuf_item(b, TOROBUS_PMIX_K_NSPACE, r->rank, TOROBUS_PMIX_T_STRING, j->nspace,
              (uint32_t)strlen(j->nspace));
    pbuf_u32(b, TOROBUS_PMIX_K_RANK, r->rank, TOROBUS_PMIX_T_U32, r->rank);
    pbuf_item(b, TOROBUS_PMIX_K_HOSTED, r->rank, TOROBUS_PMIX_T_BOOL, "\1", 1);
    family_info(b, j, TOROBUS_PMIX_RANK_WILDCARD, NULL, 0);
    /* of the others too, once: they are on the same guest */
    for (uint32_t i = 0; i < j->n; i++)
        if (i == r->rank || r->rank == 0)
            family_info(b, j, i, NULL, 0);
    r->inited = true;
    family_reply(q, TOROBUS_PMIX_SUCCESS);
}
