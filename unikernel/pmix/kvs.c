/* SPDX-License-Identifier: BSD-3-Clause */
/* Values by job, rank and key. */
#include "srv.h"

#define BUCKETS 1024u

static struct toro_list bucket[BUCKETS];

static struct toro_list *place(const struct pmix_job *job, uint32_t rank, const char *key,
                               uint32_t klen)
{
    uint32_t h = 2166136261u ^ (uint32_t)((uintptr_t)job >> 4);

    for (uint32_t i = 0; i < klen; i++)
        h = (h ^ (uint8_t)key[i]) * 16777619u;
    h = (h ^ rank) * 16777619u;
    return &bucket[(h ^ h >> 15) % BUCKETS];
}

void toro_pmix_kvs_init(void)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        toro_list_init(&bucket[i]);
}

static struct pmix_kv *entry(struct toro_list *l)
{
    return toro_list_entry(l, struct pmix_kv, link);
}

struct pmix_kv *toro_pmix_kv_get(struct pmix_job *job, uint32_t rank, const char *key,
                                 uint32_t klen)
{
    struct toro_list *b = place(job, rank, key, klen);

    toro_list_each(b, l)
    {
        struct pmix_kv *kv = entry(l);

        if (kv->job == job && kv->it.rank == rank && kv->it.klen == klen &&
            toro_memcmp(torobus_pmix_item_key(&kv->it), key, klen) == 0)
            return kv;
    }
    return NULL;
}

static void drop(struct pmix_kv *kv)
{
    if (kv->owner) {
        kv->owner->kv_bytes -= kv->it.klen + kv->it.vlen;
        kv->owner->kv_count--;
    }
    toro_list_del(&kv->link);
    toro_kfree(kv);
}

int32_t toro_pmix_kv_put(struct pmix_job *job, struct pmix_client *owner, bool level,
                         const struct torobus_pmix_item *it)
{
    const char *key = torobus_pmix_item_key(it);
    struct pmix_kv *kv, *old = toro_pmix_kv_get(job, it->rank, key, it->klen);
    uint32_t bytes = it->klen + it->vlen;

    if (old && old->level && !level)
        return TOROBUS_PMIX_SUCCESS; /* the server knows better: the host name, for one */
    if (owner && (owner->kv_count >= PMIX_KV_COUNT || bytes > PMIX_KV_BYTES - owner->kv_bytes))
        return TOROBUS_PMIX_ERR_NOMEM;
    kv = toro_kmalloc(sizeof(*kv) + bytes);
    if (!kv)
        return TOROBUS_PMIX_ERR_NOMEM;
    if (old)
        drop(old);
    kv->job = job;
    kv->owner = owner;
    kv->level = level;
    kv->it = *it;
    toro_memcpy(kv + 1, key, bytes);
    if (owner) {
        owner->kv_bytes += bytes;
        owner->kv_count++;
    }
    toro_list_push(place(job, it->rank, key, it->klen), &kv->link);
    return TOROBUS_PMIX_SUCCESS;
}

bool toro_pmix_kv_all(struct pmix_job *job, uint32_t rank, bool level, struct pmix_msg **m)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        toro_list_each(&bucket[i], l)
        {
            struct pmix_kv *kv = entry(l);

            if (kv->job == job && kv->it.rank == rank && kv->level == level &&
                !toro_pmix_add_item(m, &kv->it))
                return false;
        }
    }
    return true;
}

void toro_pmix_kv_each(void (*fn)(const struct pmix_kv *kv, void *arg), void *arg)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        toro_list_each(&bucket[i], l)
        {
            fn(entry(l), arg);
        }
    }
}

void toro_pmix_kv_drop(struct pmix_job *job)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        toro_list_each_safe(&bucket[i], l, next)
        {
            if (entry(l)->job == job)
                drop(entry(l));
        }
    }
}

void toro_pmix_kv_disown(const struct pmix_client *owner)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        toro_list_each(&bucket[i], l)
        {
            if (entry(l)->owner == owner)
                entry(l)->owner = NULL;
        }
    }
}
