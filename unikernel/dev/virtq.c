/* SPDX-License-Identifier: BSD-3-Clause */
/* The split virtqueue: descriptors, available ring, used ring. */
#include <toro/errno.h>
#include <toro/virtq.h>

static size_t avail_offset(unsigned size)
{
    return sizeof(struct toro_vring_desc) * size;
}

static size_t used_offset(unsigned size)
{
    size_t end = avail_offset(size) + sizeof(struct toro_vring_avail) + 2ul * size + 2ul;

    return TORO_ALIGN_UP(end, 4ul);
}

size_t toro_virtq_bytes(unsigned size)
{
    return used_offset(size) + sizeof(struct toro_vring_used) +
           sizeof(struct toro_vring_used_elem) * size + 2ul;
}

int toro_virtq_setup(struct toro_virtq *q, unsigned size, void *mem)
{
    if (size == 0 || size > TORO_VIRTQ_MAX || (size & (size - 1)) != 0)
        return -EINVAL;
    q->desc = mem;
    q->avail = (void *)((char *)mem + avail_offset(size));
    q->used = (void *)((char *)mem + used_offset(size));
    q->size = q->nfree = (uint16_t)size;
    q->free_head = q->avail_idx = q->last_used = q->in_flight = 0;
    q->broken = false;
    for (unsigned i = 0; i < size; i++) {
        q->next[i] = (uint16_t)(i + 1);
        q->chain[i].cookie = NULL;
    }
    return 0;
}

int toro_virtq_add(struct toro_virtq *q, const struct toro_virtq_buf *b, unsigned n_out,
                   unsigned n_in, void *cookie)
{
    unsigned n = n_out + n_in;
    uint16_t head = q->free_head, i = head;
    uint64_t writable = 0;

    if (q->broken)
        return -EIO;
    if (n == 0 || n > q->size || !cookie)
        return -EINVAL;
    if (n > q->nfree)
        return -ENOSPC;
    for (unsigned k = 0; k < n; k++) {
        struct toro_vring_desc *d = &q->desc[i];

        d->addr = b[k].pa;
        d->len = b[k].len;
        d->flags =
            (uint16_t)((k + 1 < n ? TORO_VRING_NEXT : 0) | (k >= n_out ? TORO_VRING_WRITE : 0));
        d->next = k + 1 < n ? q->next[i] : 0;
        if (k >= n_out)
            writable += b[k].len;
        i = q->next[i];
    }
    if (writable > UINT32_MAX)
        return -EINVAL; /* nothing was taken off the free list yet */
    q->free_head = i;
    q->nfree = (uint16_t)(q->nfree - n);
    q->in_flight++;
    q->chain[head] = (struct toro_virtq_chain){
        .cookie = cookie, .writable = (uint32_t)writable, .ndesc = (uint16_t)n};
    q->avail->ring[q->avail_idx & (q->size - 1u)] = head;
    q->avail_idx++;
    /* [A] release: the device sees chain and buffers before the index. */
    atomic_store_explicit(&q->avail->idx, q->avail_idx, memory_order_release);
    return 0;
}

bool toro_virtq_must_notify(const struct toro_virtq *q)
{
    /* [B] The index store above must not pass this load, or both sides could sleep. */
    atomic_thread_fence(memory_order_seq_cst);
    return !(atomic_load_explicit(&q->used->flags, memory_order_relaxed) &
             TORO_VRING_USED_NO_NOTIFY);
}

int toro_virtq_pop(struct toro_virtq *q, void **cookie, uint32_t *len)
{
    /* [C] acquire: pairs with the device's publication of the used element and the data. */
    uint16_t idx = atomic_load_explicit(&q->used->idx, memory_order_acquire);
    uint16_t ready = (uint16_t)(idx - q->last_used);
    struct toro_vring_used_elem e;
    struct toro_virtq_chain *c;
    uint16_t i;

    if (q->broken)
        return -EPROTO;
    if (ready == 0)
        return 0;
    e = q->used->ring[q->last_used & (q->size - 1u)];
    if (ready > q->in_flight || e.id >= q->size || !q->chain[e.id].cookie ||
        e.len > q->chain[e.id].writable) {
        q->broken = true;
        return -EPROTO;
    }
    c = &q->chain[e.id];
    *cookie = c->cookie;
    *len = e.len;
    c->cookie = NULL;
    i = (uint16_t)e.id;
    for (unsigned k = 1; k < c->ndesc; k++)
        i = q->next[i];
    q->next[i] = q->free_head;
    q->free_head = (uint16_t)e.id;
    q->nfree = (uint16_t)(q->nfree + c->ndesc);
    q->last_used++;
    q->in_flight--;
    return 1;
}
