/* SPDX-License-Identifier: BSD-3-Clause */
/* OPAL names a job by a 32-bit number, PMIx by a string. Under ORTE the string is that number in
 * decimal; elsewhere the number is a hash of the string. */
#include "pmix_toro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opal/constants.h"

typedef struct job {
    struct job *next;
    opal_jobid_t jobid;
    char nspace[];
} job_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static job_t *jobs;

static bool decimal(const char *s, opal_jobid_t *jobid)
{
    uint64_t v = 0;

    if ('\0' == *s || ('0' == *s && '\0' != s[1])) {
        return false;
    }
    for (; '\0' != *s; ++s) {
        if ('0' > *s || '9' < *s) {
            return false;
        }
        v = v * 10 + (uint64_t)(*s - '0');
        if (OPAL_JOBID_MAX < v) {
            return false;
        }
    }
    *jobid = (opal_jobid_t)v;
    return true;
}

/* The list only grows until finalize, so a namespace handed out stays valid. */
static const char *remember(opal_jobid_t jobid, const char *nspace)
{
    size_t n = strlen(nspace) + 1;
    job_t *j;

    pthread_mutex_lock(&lock);
    for (j = jobs; NULL != j; j = j->next) {
        if (j->jobid == jobid) {
            break;
        }
    }
    if (NULL == j && NULL != (j = malloc(sizeof(*j) + n))) {
        j->jobid = jobid;
        memcpy(j->nspace, nspace, n);
        j->next = jobs;
        jobs = j;
    }
    pthread_mutex_unlock(&lock);
    return NULL == j ? NULL : j->nspace;
}

opal_jobid_t pmix_toro_jobid(const char *nspace)
{
    opal_jobid_t jobid;

    if (!decimal(nspace, &jobid)) {
        OPAL_HASH_JOBID(nspace, jobid);
    }
    (void)remember(jobid, nspace);
    return jobid;
}

opal_jobid_t pmix_toro_jobid_n(const char *nspace, size_t len)
{
    char buf[TOROBUS_PMIX_NSPACE_MAX + 1];

    if (len > TOROBUS_PMIX_NSPACE_MAX) {
        len = TOROBUS_PMIX_NSPACE_MAX;
    }
    memcpy(buf, nspace, len);
    buf[len] = '\0';
    return pmix_toro_jobid(buf);
}

const char *pmix_toro_known_nspace(opal_jobid_t jobid)
{
    const char *ns = NULL;
    job_t *j;

    pthread_mutex_lock(&lock);
    for (j = jobs; NULL != j; j = j->next) {
        if (j->jobid == jobid) {
            ns = j->nspace;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    return ns;
}

const char *pmix_toro_nspace(opal_jobid_t jobid)
{
    const char *ns = pmix_toro_known_nspace(jobid);
    opal_jobid_t own;
    char buf[16];

    if (NULL != ns || !decimal(pmix_toro.nspace, &own) || OPAL_JOBID_MAX < jobid) {
        return ns;
    }
    /* Among decimal namespaces any jobid has one, heard of or not (the daemon's, for one). */
    snprintf(buf, sizeof(buf), "%u", (unsigned)jobid);
    return remember(jobid, buf);
}

void pmix_toro_register_jobid(opal_jobid_t jobid, const char *nspace)
{
    if (NULL != nspace) {
        (void)remember(jobid, nspace);
    }
}

void pmix_toro_job_finalize(void)
{
    job_t *j;

    pthread_mutex_lock(&lock);
    while (NULL != (j = jobs)) {
        jobs = j->next;
        free(j);
    }
    pthread_mutex_unlock(&lock);
}
