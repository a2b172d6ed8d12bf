/* SPDX-License-Identifier: BSD-3-Clause */
/* Published names: PUBLISH, LOOKUP, UNPUBLISH; and LOG. */
#include "proxy_pmix.h"

#include <stdlib.h>
#include <string.h>

/** Add the range argument, if there is one. */
static void add_range(struct preq *r)
{
    pmix_data_range_t range = (pmix_data_range_t)preq_u32(r, TOROBUS_PMIX_K_RANGE, 0);

    if (preq_find(r, TOROBUS_PMIX_K_RANGE))
        preq_info(r, PMIX_RANGE, &range, PMIX_DATA_RANGE);
}

void pmix_op_publish(struct preq *r)
{
    pmix_persistence_t persist = (pmix_persistence_t)preq_u32(r, TOROBUS_PMIX_K_PERSIST, 0);

    if (!pmix_started(r, preq_info_room(r, preq_count(r, NULL) + 2)) ||
        !pmix_started(r, preq_info_items(r)))
        return;
    if (r->ninfo == 0) {
        preq_done(r, TOROBUS_PMIX_ERR_BAD_PARAM);
        return;
    }
    add_range(r);
    if (preq_find(r, TOROBUS_PMIX_K_PERSIST))
        preq_info(r, PMIX_PERSISTENCE, &persist, PMIX_PERSIST);
    pmix_started(r, PMIx_Publish_nb(r->info, r->ninfo, pmix_on_op, r));
}

/** Thread: libpmix'. */
static void on_found(pmix_status_t status, pmix_pdata_t data[], size_t n, void *arg)
{
    struct preq *r = arg;
    int s = pmix_toro_status(status);
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        if (data[i].value.type == PMIX_UNDEF)
            continue;
        pbuf_item(&r->reply, TOROBUS_PMIX_K_NSPACE, data[i].proc.rank, TOROBUS_PMIX_T_STRING,
                  data[i].proc.nspace, (uint32_t)strlen(data[i].proc.nspace));
        if (!pmix_value_to_item(&r->reply, data[i].key, data[i].proc.rank, &data[i].value)) {
            preq_done(r, TOROBUS_PMIX_ERR_NOT_SUPPORTED);
            return;
        }
        found++;
    }
    /* some of the keys are better than none */
    if (found > 0)
        s = TOROBUS_PMIX_SUCCESS;
    else if (s == TOROBUS_PMIX_SUCCESS)
        s = TOROBUS_PMIX_ERR_NOT_FOUND;
    preq_done(r, s);
}

void pmix_op_lookup(struct preq *r)
{
    int timeout = (int)preq_u32(r, TOROBUS_PMIX_K_TIMEOUT, 0), all = 0;

    if (!pmix_started(r, preq_keys(r)) || !pmix_started(r, preq_info_room(r, 3)))
        return;
    if (!r->keys[0]) {
        preq_done(r, TOROBUS_PMIX_ERR_BAD_PARAM);
        return;
    }
    add_range(r);
    if (r->hdr.flags & TOROBUS_PMIX_F_WAIT)
        preq_info(r, PMIX_WAIT, &all, PMIX_INT);
    if (timeout > 0)
        preq_info(r, PMIX_TIMEOUT, &timeout, PMIX_INT);
    pmix_started(r, PMIx_Lookup_nb(r->keys, r->info, r->ninfo, on_found, r));
}

void pmix_op_unpublish(struct preq *r)
{
    if (!pmix_started(r, preq_keys(r)) || !pmix_started(r, preq_info_room(r, 1)))
        return;
    add_range(r);
    pmix_started(r,
                 PMIx_Unpublish_nb(r->keys[0] ? r->keys : NULL, r->info, r->ninfo, pmix_on_op, r));
}

/** A help text of Open MPI's, packed as only its own launcher can read it. Other servers say that
 * they have logged it, and drop it. */
static bool for_orte(const struct preq *r)
{
    for (size_t i = 0; i < r->ninfo; i++)
        if (strcmp(r->info[i].key, "pmix.log.msg") == 0)
            return true;
    return false;
}

void pmix_op_log(struct preq *r)
{
    if (!pmix_started(r, preq_info_room(r, preq_count(r, NULL))) ||
        !pmix_started(r, preq_info_items(r)))
        return;
    if (r->ninfo == 0) {
        preq_done(r, TOROBUS_PMIX_ERR_BAD_PARAM);
        return;
    }
    if (for_orte(r) && !getenv("OMPI_MCA_orte_hnp_uri")) {
        preq_done(r, TOROBUS_PMIX_ERR_NOT_SUPPORTED); /* the rank prints it itself */
        return;
    }
    pmix_started(r, PMIx_Log_nb(r->info, r->ninfo, NULL, 0, pmix_on_op, r));
}
