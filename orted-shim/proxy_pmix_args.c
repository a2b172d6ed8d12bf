/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments of upcalls as libpmix wants them. */
#include "proxy_pmix.h"

#include <stdlib.h>
#include <string.h>

size_t preq_count(const struct preq *r, const char *key)
{
    const struct torobus_pmix_item *it;
    size_t n = 0;

    for (uint32_t off = 0; preq_next(r, &off, &it);)
        n += key ? item_is(it, key) : !item_is_arg(it);
    return n;
}

pmix_status_t preq_procs(struct preq *r)
{
    const struct torobus_pmix_item *it;
    size_t n = preq_count(r, TOROBUS_PMIX_K_PROC);

    if (n == 0)
        return PMIX_SUCCESS;
    PMIX_PROC_CREATE(r->procs, n);
    if (!r->procs)
        return PMIX_ERR_NOMEM;
    for (uint32_t off = 0; preq_next(r, &off, &it);) {
        pmix_proc_t *p = &r->procs[r->nprocs];

        if (!item_is(it, TOROBUS_PMIX_K_PROC))
            continue;
        if (it->type != TOROBUS_PMIX_T_PROC || it->vlen > PMIX_MAX_NSLEN)
            return PMIX_ERR_BAD_PARAM;
        memcpy(p->nspace, torobus_pmix_item_value(it), it->vlen);
        p->rank = it->rank;
        r->nprocs++;
    }
    return PMIX_SUCCESS;
}

pmix_status_t preq_info_room(struct preq *r, size_t n)
{
    PMIX_INFO_CREATE(r->info, n ? n : 1);
    return r->info ? PMIX_SUCCESS : PMIX_ERR_NOMEM;
}

void preq_info(struct preq *r, const char *key, const void *value, pmix_data_type_t type)
{
    PMIX_INFO_LOAD(&r->info[r->ninfo], key, value, type);
    r->ninfo++;
}

pmix_status_t preq_info_items(struct preq *r)
{
    const struct torobus_pmix_item *it;
    pmix_status_t rc;

    for (uint32_t off = 0; preq_next(r, &off, &it);) {
        pmix_info_t *info = &r->info[r->ninfo];

        if (item_is_arg(it))
            continue;
        if (!item_key(it, info->key, sizeof(info->key)))
            return PMIX_ERR_BAD_PARAM;
        rc = pmix_item_to_value(it, &info->value);
        if (rc != PMIX_SUCCESS)
            return rc;
        r->ninfo++;
    }
    return PMIX_SUCCESS;
}

pmix_status_t preq_keys(struct preq *r)
{
    const struct torobus_pmix_item *it;
    size_t n = preq_count(r, NULL), i = 0;

    r->keys = calloc(n + 1, sizeof(*r->keys));
    if (!r->keys)
        return PMIX_ERR_NOMEM;
    for (uint32_t off = 0; preq_next(r, &off, &it);) {
        char key[PMIX_MAX_KEYLEN + 1];

        if (item_is_arg(it))
            continue;
        if (!item_key(it, key, sizeof(key)))
            return PMIX_ERR_BAD_PARAM;
        r->keys[i] = strdup(key);
        if (!r->keys[i++])
            return PMIX_ERR_NOMEM;
    }
    return PMIX_SUCCESS;
}
