/* SPDX-License-Identifier: BSD-3-Clause */
/* PMIx messages of a guest, as its proxy reads them: the walk over the items, their keys and values
 * on the way to libpmix, and back. */
#include "../../orted-shim/proxy_pmix_args.c"
#include "../../orted-shim/proxy_pmix_msg.c"
#include "../../orted-shim/proxy_pmix_value.c"

#include "fuzz.h"

void preq_done(struct preq *r, int status)
{
    (void)r;
    (void)status;
}

static void value(const struct torobus_pmix_item *it)
{
    struct pbuf b = {0};
    pmix_value_t v;
    char key[PMIX_MAX_KEYLEN + 1];
    char *s = item_string(it);

    if (item_key(it, key, sizeof(key)))
        FUZZ_ASSERT(strlen(key) < sizeof(key));
    if (s)
        FUZZ_ASSERT(strlen(s) <= it->vlen);
    free(s);
    if (pmix_item_to_value(it, &v) == PMIX_SUCCESS)
        (void)pmix_value_to_item(&b, "key", 0, &v);
    PMIX_VALUE_DESTRUCT(&v);
    pbuf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct torobus_pmix_item *it;
    struct preq r = {.hdr = {.len = (uint32_t)size}};
    uint32_t off = 0;
    int rc;

    if (size > TOROBUS_PMIX_MSG_MAX)
        return 0;
    r.body = fuzz_copy(data, size);
    while ((rc = torobus_pmix_next(r.body, r.hdr.len, &off, &it)) == TOROBUS_OK)
        value(it);
    if (rc == TOROBUS_AGAIN) { /* what a proxy accepts */
        (void)preq_u32(&r, TOROBUS_PMIX_K_TIMEOUT, 0);
        (void)preq_procs(&r);
        if (r.procs) /* after an error, too: whose request it is frees it */
            PMIX_PROC_FREE(r.procs, r.nprocs);
    }
    free(r.body);
    return 0;
}
