/* SPDX-License-Identifier: BSD-3-Clause */
/* Byte ring in kernel memory with copies to and from user memory; what pipes and socket pairs are
 * made of. The caller's lock covers all calls on one ring. */
#ifndef TORO_RING_H
#define TORO_RING_H

#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/proc.h>

#define RING_SIZE 65536u

struct ring {
    char *buf;           /* at first use */
    uint32_t head, tail; /* free running; tail - head bytes are inside */
    bool no_reader, no_writer;
};

static inline uint32_t ring_used(const struct ring *r)
{
    return r->tail - r->head;
}

static inline uint32_t ring_room(const struct ring *r)
{
    return RING_SIZE - ring_used(r);
}

/* Copy n bytes in at tail + off (n fits). @return 0 or -EFAULT/-ENOMEM; the tail stays. */
static inline int ring_put_at(struct ring *r, uint32_t off, const void *src, uint32_t n)
{
    uint32_t at = (r->tail + off) % RING_SIZE, first = TORO_MIN(n, RING_SIZE - at);

    if (!r->buf) {
        r->buf = toro_kmalloc(RING_SIZE);
        if (!r->buf)
            return -ENOMEM;
    }
    if (toro_copy_from_user(r->buf + at, src, first) != 0 ||
        (n > first && toro_copy_from_user(r->buf, (const char *)src + first, n - first) != 0))
        return -EFAULT;
    return 0;
}

/* Copy n bytes out from head + off (n are there). The head stays. */
static inline int ring_get_at(const struct ring *r, uint32_t off, void *dst, uint32_t n)
{
    uint32_t at = (r->head + off) % RING_SIZE, first = TORO_MIN(n, RING_SIZE - at);

    if (toro_copy_to_user(dst, r->buf + at, first) != 0 ||
        (n > first && toro_copy_to_user((char *)dst + first, r->buf, n - first) != 0))
        return -EFAULT;
    return 0;
}

#endif
