/* SPDX-License-Identifier: BSD-3-Clause */
/* Items of PMIx messages: reading requests, building replies. */
#include "proxy_pmix.h"

#include <stdlib.h>
#include <string.h>

static bool append(struct pbuf *b, const char *key, size_t klen, uint32_t rank, uint8_t type,
                   const void *value, uint32_t len)
{
    struct torobus_pmix_item it = {.klen = (uint16_t)klen, .type = type, .rank = rank, .vlen = len};
    uint64_t size;

    if (klen > TOROBUS_PMIX_KEY_MAX || b->failed)
        return false;
    size = torobus_pmix_item_size(it.klen, len);
    if (size + b->len > TOROBUS_PMIX_MSG_MAX - sizeof(struct torobus_pmix_hdr)) {
        b->failed = true;
        return false;
    }
    if (b->len + size > b->room) {
        uint32_t room = (b->len + (uint32_t)size) * 2;
        char *p = realloc(b->p, room);

        if (!p) {
            b->failed = true;
            return false;
        }
        b->p = p;
        b->room = room;
    }
    memset(b->p + b->len, 0, size);
    memcpy(b->p + b->len, &it, sizeof(it));
    memcpy(b->p + b->len + sizeof(it), key, klen);
    if (len)
        memcpy(b->p + b->len + sizeof(it) + klen, value, len);
    b->len += (uint32_t)size;
    return true;
}

bool pbuf_item(struct pbuf *b, const char *key, uint32_t rank, uint8_t type, const void *value,
               uint32_t len)
{
    return append(b, key, strlen(key), rank, type, value, len);
}

bool pbuf_copy(struct pbuf *b, const struct torobus_pmix_item *it, uint32_t rank)
{
    return append(b, torobus_pmix_item_key(it), it->klen, rank, it->type,
                  torobus_pmix_item_value(it), it->vlen);
}

bool pbuf_u32(struct pbuf *b, const char *key, uint32_t rank, uint8_t type, uint32_t value)
{
    return pbuf_item(b, key, rank, type, &value, sizeof(value));
}

void pbuf_free(struct pbuf *b)
{
    free(b->p);
    memset(b, 0, sizeof(*b));
}

bool preq_next(const struct preq *r, uint32_t *off, const struct torobus_pmix_item **it)
{
    return torobus_pmix_next(r->body, r->hdr.len, off, it) == TOROBUS_OK;
}

bool item_is(const struct torobus_pmix_item *it, const char *key)
{
    return strlen(key) == it->klen && memcmp(torobus_pmix_item_key(it), key, it->klen) == 0;
}

bool item_is_arg(const struct torobus_pmix_item *it)
{
    return it->klen >= 5 && memcmp(torobus_pmix_item_key(it), "toro.", 5) == 0;
}

bool item_key(const struct torobus_pmix_item *it, char *key, size_t size)
{
    if (it->klen == 0 || it->klen >= size || memchr(torobus_pmix_item_key(it), 0, it->klen))
        return false;
    memcpy(key, torobus_pmix_item_key(it), it->klen);
    key[it->klen] = '\0';
    return true;
}

char *item_string(const struct torobus_pmix_item *it)
{
    char *s;

    if (it->vlen && memchr(torobus_pmix_item_value(it), 0, it->vlen))
        return NULL;
    s = malloc((size_t)it->vlen + 1);
    if (s) {
        memcpy(s, torobus_pmix_item_value(it), it->vlen);
        s[it->vlen] = '\0';
    }
    return s;
}

const struct torobus_pmix_item *preq_find(const struct preq *r, const char *key)
{
    const struct torobus_pmix_item *it;

    for (uint32_t off = 0; preq_next(r, &off, &it);)
        if (item_is(it, key))
            return it;
    return NULL;
}

uint32_t preq_u32(const struct preq *r, const char *key, uint32_t dflt)
{
    const struct torobus_pmix_item *it = preq_find(r, key);
    uint32_t v = 0;

    if (!it || it->vlen == 0 || it->vlen > sizeof(v))
        return dflt;
    memcpy(&v, torobus_pmix_item_value(it), it->vlen);
    return v;
}
