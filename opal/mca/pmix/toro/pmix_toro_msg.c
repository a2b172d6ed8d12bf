/* SPDX-License-Identifier: BSD-3-Clause */
/* Building requests and stepping through replies. */
#include "pmix_toro.h"

#include <stdlib.h>
#include <string.h>

#include "opal/constants.h"

static bool reserve(pmix_toro_msg_t *m, size_t more)
{
    size_t want = m->used + more, size = m->size;
    char *p;

    if (OPAL_SUCCESS != m->rc) {
        return false;
    }
    if (TOROBUS_PMIX_MSG_MAX < more || TOROBUS_PMIX_MSG_MAX < want) {
        m->rc = OPAL_ERR_VALUE_OUT_OF_BOUNDS;
        return false;
    }
    if (want <= size) {
        return true;
    }
    while (size < want) {
        size *= 2;
    }
    if (NULL == (p = realloc(m->buf, size))) {
        m->rc = OPAL_ERR_OUT_OF_RESOURCE;
        return false;
    }
    m->buf = p;
    m->size = size;
    return true;
}

void pmix_toro_msg_init(pmix_toro_msg_t *m, uint16_t op, uint16_t flags)
{
    struct torobus_pmix_hdr h = {.op = op, .flags = flags};

    m->size = 256;
    m->used = sizeof(h);
    m->buf = malloc(m->size);
    m->rc = NULL == m->buf ? OPAL_ERR_OUT_OF_RESOURCE : OPAL_SUCCESS;
    if (NULL != m->buf) {
        memcpy(m->buf, &h, sizeof(h));
    }
}

void pmix_toro_msg_free(pmix_toro_msg_t *m)
{
    free(m->buf);
    memset(m, 0, sizeof(*m));
}

void pmix_toro_msg_add(pmix_toro_msg_t *m, const char *key, uint8_t type, uint8_t scope,
                       uint32_t rank, const void *val, size_t vlen)
{
    struct torobus_pmix_item it = {.type = type, .scope = scope, .rank = rank};
    size_t klen = strlen(key), size;
    char *p;

    if (TOROBUS_PMIX_KEY_MAX < klen || TOROBUS_PMIX_MSG_MAX < vlen) {
        if (OPAL_SUCCESS == m->rc) {
            m->rc = OPAL_ERR_VALUE_OUT_OF_BOUNDS;
        }
        return;
    }
    size = torobus_pmix_item_size((uint32_t)klen, (uint32_t)vlen);
    if (!reserve(m, size)) {
        return;
    }
    it.klen = (uint16_t)klen;
    it.vlen = (uint32_t)vlen;
    p = m->buf + m->used;
    memcpy(p, &it, sizeof(it));
    memcpy(p + sizeof(it), key, klen);
    if (0 < vlen) {
        memcpy(p + sizeof(it) + klen, val, vlen);
    }
    memset(p + sizeof(it) + klen + vlen, 0, size - sizeof(it) - klen - vlen);
    m->used += size;
}

void pmix_toro_msg_str(pmix_toro_msg_t *m, const char *key, const char *s)
{
    pmix_toro_msg_add(m, key, TOROBUS_PMIX_T_STRING, 0, 0, s, strlen(s));
}

void pmix_toro_msg_u32(pmix_toro_msg_t *m, const char *key, uint32_t v)
{
    pmix_toro_msg_add(m, key, TOROBUS_PMIX_T_U32, 0, 0, &v, sizeof(v));
}

void pmix_toro_msg_u8(pmix_toro_msg_t *m, const char *key, uint8_t v)
{
    pmix_toro_msg_add(m, key, TOROBUS_PMIX_T_U8, 0, 0, &v, sizeof(v));
}

void pmix_toro_msg_proc(pmix_toro_msg_t *m, const char *key, const opal_process_name_t *n)
{
    const char *ns = pmix_toro_nspace(n->jobid);

    if (NULL == ns) {
        if (OPAL_SUCCESS == m->rc) {
            m->rc = OPAL_ERR_NOT_FOUND;
        }
        return;
    }
    pmix_toro_msg_add(m, key, TOROBUS_PMIX_T_PROC, 0, pmix_toro_rank(n->vpid), ns, strlen(ns));
}

void pmix_toro_msg_procs(pmix_toro_msg_t *m, opal_list_t *procs)
{
    opal_namelist_t *nm;

    if (NULL == procs) {
        return;
    }
    OPAL_LIST_FOREACH(nm, procs, opal_namelist_t)
    {
        pmix_toro_msg_proc(m, TOROBUS_PMIX_K_PROC, &nm->name);
    }
}

bool pmix_toro_next(const struct torobus_pmix_hdr *h, uint32_t *off, pmix_toro_item_t *item)
{
    if (TOROBUS_OK != torobus_pmix_next(h + 1, h->len, off, &item->it)) {
        return false;
    }
    item->key = torobus_pmix_item_key(item->it);
    item->val = torobus_pmix_item_value(item->it);
    item->klen = item->it->klen;
    item->vlen = item->it->vlen;
    return true;
}

bool pmix_toro_item_is(const pmix_toro_item_t *item, const char *key)
{
    return strlen(key) == item->klen && 0 == memcmp(key, item->key, item->klen);
}

static char *dup_n(const void *s, size_t n)
{
    char *p = malloc(n + 1);

    if (NULL != p) {
        memcpy(p, s, n);
        p[n] = '\0';
    }
    return p;
}

char *pmix_toro_item_keydup(const pmix_toro_item_t *item)
{
    return dup_n(item->key, item->klen);
}

char *pmix_toro_item_strdup(const pmix_toro_item_t *item)
{
    return dup_n(item->val, item->vlen);
}
