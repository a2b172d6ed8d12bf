/* SPDX-License-Identifier: BSD-3-Clause */
/* PMIx messages in kernel memory: building them, checking them, finding items. */
#include "srv.h"

struct pmix_msg *toro_pmix_msg_new(uint16_t op, uint16_t flags, uint32_t id, uint32_t room)
{
    struct pmix_msg *m;

    if (room > TOROBUS_PMIX_MSG_MAX - sizeof(m->h))
        return NULL;
    m = toro_kmalloc(sizeof(*m) + room);
    if (!m)
        return NULL;
    toro_memset(m, 0, sizeof(*m));
    toro_list_init(&m->link);
    m->room = room;
    m->h.op = op;
    m->h.flags = flags;
    m->h.id = id;
    return m;
}

static bool reserve(struct pmix_msg **mp, uint64_t size)
{
    struct pmix_msg *m = *mp;
    uint64_t want = m->h.len + size, room = m->room;

    if (want <= room)
        return true;
    if (want > TOROBUS_PMIX_MSG_MAX - sizeof(m->h))
        return false;
    room = TORO_MIN(TORO_MAX(room * 2, want), (uint64_t)(TOROBUS_PMIX_MSG_MAX - sizeof(m->h)));
    m = toro_krealloc(m, sizeof(*m) + room);
    if (!m)
        return false;
    toro_list_init(&m->link);
    m->room = (uint32_t)room;
    *mp = m;
    return true;
}

bool toro_pmix_add(struct pmix_msg **mp, const void *key, uint32_t klen, unsigned type,
                   uint32_t rank, const void *val, uint32_t vlen)
{
    struct torobus_pmix_item it = {
        .klen = (uint16_t)klen, .type = (uint8_t)type, .rank = rank, .vlen = vlen};
    uint64_t size = torobus_pmix_item_size(klen, vlen);
    char *p;

    if (klen > TOROBUS_PMIX_KEY_MAX || !reserve(mp, size))
        return false;
    p = (char *)toro_pmix_body(*mp) + (*mp)->h.len;
    toro_memset(p + size - 8, 0, 8);
    toro_memcpy(p, &it, sizeof(it));
    toro_memcpy(p + sizeof(it), key, klen);
    if (vlen)
        toro_memcpy(p + sizeof(it) + klen, val, vlen);
    (*mp)->h.len += (uint32_t)size;
    return true;
}

bool toro_pmix_add_str(struct pmix_msg **mp, const char *key, unsigned type, uint32_t rank,
                       const void *val, uint32_t vlen)
{
    return toro_pmix_add(mp, key, (uint32_t)toro_strlen(key), type, rank, val, vlen);
}

bool toro_pmix_add_item(struct pmix_msg **mp, const struct torobus_pmix_item *it)
{
    return toro_pmix_add(mp, torobus_pmix_item_key(it), it->klen, it->type, it->rank,
                         torobus_pmix_item_value(it), it->vlen);
}

bool toro_pmix_check(const struct torobus_pmix_hdr *h, const void *body)
{
    const struct torobus_pmix_item *it;
    uint32_t off = 0;
    int rc;

    do {
        rc = torobus_pmix_next(body, h->len, &off, &it);
    } while (rc == TOROBUS_OK);
    return rc == TOROBUS_AGAIN;
}

bool toro_pmix_key_is(const struct torobus_pmix_item *it, const char *key)
{
    size_t n = toro_strlen(key);

    return it->klen == n && toro_memcmp(torobus_pmix_item_key(it), key, n) == 0;
}

bool toro_pmix_key_starts(const struct torobus_pmix_item *it, const char *prefix)
{
    size_t n = toro_strlen(prefix);

    return it->klen >= n && toro_memcmp(torobus_pmix_item_key(it), prefix, n) == 0;
}

const struct torobus_pmix_item *toro_pmix_find(const struct pmix_msg *m, const char *key)
{
    const struct torobus_pmix_item *it;

    PMIX_EACH(m, it)
    {
        if (toro_pmix_key_is(it, key))
            return it;
    }
    return NULL;
}

bool toro_pmix_u32(const struct torobus_pmix_item *it, uint32_t *v)
{
    if (!it || it->vlen != sizeof(*v))
        return false;
    toro_memcpy(v, torobus_pmix_item_value(it), sizeof(*v));
    return true;
}
