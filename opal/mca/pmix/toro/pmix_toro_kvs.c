/* SPDX-License-Identifier: BSD-3-Clause */
/* What this process knows about others and itself: job data from INIT, values it got, values that
 * upper layers stored. OPAL's own table (pmix_base_hash.c) has no lock and cannot serve
 * MPI_THREAD_MULTIPLE. */
#include "pmix_toro.h"

#include <stdlib.h>
#include <string.h>

#include "opal/constants.h"

#define BUCKETS 1024u

typedef struct entry {
    struct entry *next;
    opal_process_name_t proc;
    opal_value_t *val;
} entry_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static entry_t *bucket[BUCKETS];

static entry_t **place(const opal_process_name_t *proc, const char *key)
{
    uint32_t h = 2166136261u;
    entry_t **e;

    for (const char *s = key; '\0' != *s; ++s) {
        h = (h ^ (uint8_t)*s) * 16777619u;
    }
    h = (h ^ proc->vpid) * 16777619u;
    h = (h ^ proc->jobid) * 16777619u;
    h ^= h >> 15;
    for (e = &bucket[h % BUCKETS]; NULL != *e; e = &(*e)->next) {
        if ((*e)->proc.vpid == proc->vpid && (*e)->proc.jobid == proc->jobid &&
            0 == strcmp((*e)->val->key, key)) {
            break;
        }
    }
    return e;
}

int pmix_toro_kvs_store(const opal_process_name_t *proc, const opal_value_t *val)
{
    opal_value_t *copy, *old = NULL;
    entry_t **e;
    int rc = OPAL_SUCCESS;

    if (NULL == val->key) {
        return OPAL_ERR_BAD_PARAM;
    }
    if (NULL == (copy = pmix_toro_value_dup(val))) {
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    pthread_mutex_lock(&lock);
    e = place(proc, copy->key);
    if (NULL != *e) {
        old = (*e)->val;
        (*e)->val = copy;
    } else if (NULL != (*e = malloc(sizeof(**e)))) {
        (*e)->next = NULL;
        (*e)->proc = *proc;
        (*e)->val = copy;
    } else {
        old = copy;
        rc = OPAL_ERR_OUT_OF_RESOURCE;
    }
    pthread_mutex_unlock(&lock);
    if (NULL != old) {
        OBJ_RELEASE(old);
    }
    return rc;
}

opal_value_t *pmix_toro_kvs_fetch(const opal_process_name_t *proc, const char *key)
{
    opal_value_t *copy = NULL;
    entry_t *e;

    pthread_mutex_lock(&lock);
    if (NULL != (e = *place(proc, key))) {
        copy = pmix_toro_value_dup(e->val);
    }
    pthread_mutex_unlock(&lock);
    return copy;
}

void pmix_toro_kvs_finalize(void)
{
    entry_t *e;

    pthread_mutex_lock(&lock);
    for (unsigned i = 0; BUCKETS > i; ++i) {
        while (NULL != (e = bucket[i])) {
            bucket[i] = e->next;
            OBJ_RELEASE(e->val);
            free(e);
        }
    }
    pthread_mutex_unlock(&lock);
}
