/* SPDX-License-Identifier: BSD-3-Clause */
/* 9P2000.L on the wire: little endian, every access bounded. */
#include <toro/errno.h>
#include <toro/lib.h>
#include "p9.h"

static uint8_t *room(struct p9_buf *b, size_t n)
{
    uint8_t *p = b->p;

    if (b->bad || (size_t)(b->end - p) < n) {
        b->bad = true;
        return NULL;
    }
    b->p += n;
    return p;
}

static void put(struct p9_buf *b, const void *v, size_t n)
{
    uint8_t *p = room(b, n);

    if (p)
        toro_memcpy(p, v, n); /* x86 is little endian, as the wire */
}

static void get(struct p9_buf *b, void *v, size_t n)
{
    uint8_t *p = room(b, n);

    if (p)
        toro_memcpy(v, p, n);
}

void p9_put8(struct p9_buf *b, uint8_t v)
{
    put(b, &v, 1);
}

void p9_put16(struct p9_buf *b, uint16_t v)
{
    put(b, &v, 2);
}

void p9_put32(struct p9_buf *b, uint32_t v)
{
    put(b, &v, 4);
}

void p9_put64(struct p9_buf *b, uint64_t v)
{
    put(b, &v, 8);
}

void p9_put_str(struct p9_buf *b, const char *s, size_t n)
{
    if (n > UINT16_MAX)
        b->bad = true;
    p9_put16(b, (uint16_t)n);
    put(b, s, n);
}

uint8_t p9_get8(struct p9_buf *b)
{
    uint8_t v = 0;

    get(b, &v, 1);
    return v;
}

uint16_t p9_get16(struct p9_buf *b)
{
    uint16_t v = 0;

    get(b, &v, 2);
    return v;
}

uint32_t p9_get32(struct p9_buf *b)
{
    uint32_t v = 0;

    get(b, &v, 4);
    return v;
}

uint64_t p9_get64(struct p9_buf *b)
{
    uint64_t v = 0;

    get(b, &v, 8);
    return v;
}

const char *p9_get_str(struct p9_buf *b, uint16_t *n)
{
    uint16_t len = p9_get16(b);
    uint8_t *p = room(b, len);

    if (!p)
        return NULL;
    *n = len;
    return (const char *)p;
}

void p9_get_qid(struct p9_buf *b, struct p9_qid *q)
{
    q->type = p9_get8(b);
    q->version = p9_get32(b);
    q->path = p9_get64(b);
}

static int get_time(struct p9_buf *b, struct toro_timespec *t)
{
    t->sec = (int64_t)p9_get64(b);
    t->nsec = (int64_t)p9_get64(b);
    return t->nsec >= 0 && t->nsec < 1000000000 ? 0 : -EPROTO;
}

int p9_get_attr(struct p9_buf *b, struct p9_qid *q, struct toro_linux_stat *st)
{
    struct toro_linux_stat s = {0};
    uint64_t valid = p9_get64(b);
    int err;

    p9_get_qid(b, q);
    s.mode = p9_get32(b);
    s.uid = p9_get32(b);
    s.gid = p9_get32(b);
    s.nlink = p9_get64(b);
    s.rdev = p9_get64(b);
    s.size = (int64_t)p9_get64(b);
    s.blksize = (int64_t)p9_get64(b);
    s.blocks = (int64_t)p9_get64(b);
    err = get_time(b, &s.atime);
    err = get_time(b, &s.mtime) ? -EPROTO : err;
    err = get_time(b, &s.ctime) ? -EPROTO : err;
    (void)p9_get64(b); /* btime, gen, data_version: not valid in any server */
    (void)p9_get64(b);
    (void)p9_get64(b);
    (void)p9_get64(b);
    if (b->bad || err || (valid & P9_GETATTR_BASIC) != P9_GETATTR_BASIC || s.size < 0 ||
        s.blocks < 0)
        return -EPROTO;
    if (s.blksize < 512 || s.blksize > (int64_t)P9_MSIZE)
        s.blksize = 4096;
    s.ino = q->path;
    *st = s;
    return 0;
}

int p9_check_reply(struct p9_buf *b, uint8_t *msg, uint32_t len, uint8_t request, uint16_t tag)
{
    uint32_t size, err;
    uint8_t type;
    uint16_t t;

    *b = (struct p9_buf){.p = msg, .end = msg + len};
    size = p9_get32(b);
    type = p9_get8(b);
    t = p9_get16(b);
    if (b->bad || size != len || t != tag)
        return -EPROTO;
    if (type == request + 1u)
        return 0;
    if (type != P9_TLERROR + 1u)
        return -EPROTO;
    err = p9_get32(b);
    if (b->bad || err == 0 || err > 4095)
        return -EPROTO;
    return -(int)err;
}
