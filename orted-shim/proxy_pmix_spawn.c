/* SPDX-License-Identifier: BSD-3-Clause */
/* SPAWN: the launcher starts new ranks, each with a proxy of its own. */
#include "proxy_pmix.h"

#include <stdlib.h>
#include <string.h>

/** Thread: libpmix'. */
static void on_spawned(pmix_status_t status, char nspace[], void *arg)
{
    struct preq *r = arg;
    int s = pmix_toro_status(status);

    /* servers give codes of their own (positive ones) and a namespace even when it failed */
    if (s == TOROBUS_PMIX_SUCCESS && nspace && *nspace)
        pbuf_item(&r->reply, TOROBUS_PMIX_K_NSPACE, 0, TOROBUS_PMIX_T_STRING, nspace,
                  (uint32_t)strnlen(nspace, PMIX_MAX_NSLEN));
    else if (s == TOROBUS_PMIX_SUCCESS)
        s = TOROBUS_PMIX_ERROR;
    preq_done(r, s);
}

/** Append a string to a NULL-terminated list. */
static pmix_status_t append(char ***list, const struct torobus_pmix_item *it)
{
    size_t n = 0;
    char **l, *s = item_string(it);

    if (!s)
        return PMIX_ERR_BAD_PARAM;
    while (*list && (*list)[n])
        n++;
    l = realloc(*list, (n + 2) * sizeof(*l));
    if (!l) {
        free(s);
        return PMIX_ERR_NOMEM;
    }
    l[n] = s;
    l[n + 1] = NULL;
    *list = l;
    return PMIX_SUCCESS;
}

static pmix_status_t set_string(char **to, const struct torobus_pmix_item *it)
{
    free(*to);
    *to = item_string(it);
    return *to ? PMIX_SUCCESS : PMIX_ERR_BAD_PARAM;
}

/** Number of infos of the application that starts at off. */
static size_t count_info(const struct preq *r, uint32_t off)
{
    const struct torobus_pmix_item *it;
    size_t n = 0;

    while (preq_next(r, &off, &it) && !item_is(it, TOROBUS_PMIX_K_APP))
        n += !item_is_arg(it);
    return n;
}

static pmix_status_t add_info(pmix_info_t *info, size_t *n, const struct torobus_pmix_item *it)
{
    pmix_status_t rc;

    if (!item_key(it, info[*n].key, sizeof(info[*n].key)))
        return PMIX_ERR_BAD_PARAM;
    rc = pmix_item_to_value(it, &info[*n].value);
    if (rc == PMIX_SUCCESS)
        ++*n;
    return rc;
}

/** Begin an application. */
static pmix_status_t new_app(struct preq *r, const struct torobus_pmix_item *it, uint32_t off)
{
    pmix_app_t *a = &r->apps[r->napps];
    size_t ninfo = count_info(r, off);
    uint32_t n;

    if (it->type != TOROBUS_PMIX_T_U32 || it->vlen != sizeof(n))
        return PMIX_ERR_BAD_PARAM;
    memcpy(&n, torobus_pmix_item_value(it), sizeof(n));
    if (n > INT32_MAX)
        return PMIX_ERR_BAD_PARAM;
    a->maxprocs = (int)n;
    if (ninfo > 0) {
        PMIX_INFO_CREATE(a->info, ninfo);
        if (!a->info)
            return PMIX_ERR_NOMEM;
    }
    r->napps++;
    return PMIX_SUCCESS;
}

static pmix_status_t take_item(struct preq *r, const struct torobus_pmix_item *it, uint32_t off)
{
    pmix_app_t *a = r->napps ? &r->apps[r->napps - 1] : NULL;

    if (item_is(it, TOROBUS_PMIX_K_APP))
        return new_app(r, it, off);
    if (!item_is_arg(it))
        return a ? add_info(a->info, &a->ninfo, it) : add_info(r->info, &r->ninfo, it);
    if (!a)
        return PMIX_ERR_BAD_PARAM;
    if (item_is(it, TOROBUS_PMIX_K_CMD))
        return set_string(&a->cmd, it);
    if (item_is(it, TOROBUS_PMIX_K_CWD))
        return set_string(&a->cwd, it);
    if (item_is(it, TOROBUS_PMIX_K_ARG))
        return append(&a->argv, it);
    if (item_is(it, TOROBUS_PMIX_K_ENV))
        return append(&a->env, it);
    return PMIX_ERR_BAD_PARAM;
}

void pmix_op_spawn(struct preq *r)
{
    const struct torobus_pmix_item *it;
    size_t napps = preq_count(r, TOROBUS_PMIX_K_APP);
    pmix_status_t rc = napps ? preq_info_room(r, count_info(r, 0)) : PMIX_ERR_BAD_PARAM;

    if (rc == PMIX_SUCCESS) {
        PMIX_APP_CREATE(r->apps, napps);
        rc = r->apps ? PMIX_SUCCESS : PMIX_ERR_NOMEM;
    }
    for (uint32_t off = 0; rc == PMIX_SUCCESS && preq_next(r, &off, &it);)
        rc = take_item(r, it, off);
    for (size_t i = 0; rc == PMIX_SUCCESS && i < r->napps; i++)
        if (!r->apps[i].cmd)
            rc = PMIX_ERR_BAD_PARAM;
    if (pmix_started(r, rc))
        pmix_started(r, PMIx_Spawn_nb(r->info, r->ninfo, r->apps, r->napps, on_spawned, r));
}
