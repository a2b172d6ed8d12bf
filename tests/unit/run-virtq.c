/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtqueue core against a device of a few lines: order, wrap of the 16-bit indices with a full
 * ring, completion out of order, and a device that breaks the rules. */
#include "../../unikernel/dev/virtq.c"

#include <stdlib.h>
#include <string.h>
#include "tap.h"

/* The device's side: it reads descriptors and the available ring, writes the used ring. */
struct device {
    struct toro_virtq *q;
    uint16_t seen, used;
};

static bool dev_get(struct device *d, uint16_t *head)
{
    if (d->seen == atomic_load(&d->q->avail->idx))
        return false;
    *head = d->q->avail->ring[d->seen++ & (d->q->size - 1)];
    return true;
}

static void dev_put(struct device *d, uint32_t id, uint32_t len)
{
    d->q->used->ring[d->used++ & (d->q->size - 1)] = (struct toro_vring_used_elem){id, len};
    atomic_store(&d->q->used->idx, d->used);
}

static struct toro_virtq *make(unsigned size, struct device *d)
{
    struct toro_virtq *q = calloc(1, sizeof(*q));

    if (toro_virtq_setup(q, size, calloc(1, toro_virtq_bytes(size))) != 0)
        abort();
    *d = (struct device){.q = q};
    return q;
}

static void drop(struct toro_virtq *q)
{
    free(q->desc);
    free(q);
}

static void test_sizes(void)
{
    struct toro_virtq q;
    char mem[8];

    t_eq(toro_virtq_setup(&q, 0, mem), -EINVAL, "size 0 is refused");
    t_eq(toro_virtq_setup(&q, 3, mem), -EINVAL, "as is one that is no power of two");
    t_eq(toro_virtq_setup(&q, 512, mem), -EINVAL, "and one above the limit");
    t_eq(toro_virtq_bytes(128), 128 * 16 + 4 + 2 * 128 + 2 + 2 + 4 + 8 * 128 + 2,
         "bytes of a queue of 128: the used ring starts at a multiple of four");
}

static void test_chain(void)
{
    struct device d;
    struct toro_virtq *q = make(8, &d);
    struct toro_virtq_buf b[3] = {{0x1000, 10}, {0x2000, 20}, {0x3000, 30}};
    uint16_t head;
    void *cookie;
    uint32_t len;
    int me;

    t_eq(toro_virtq_add(q, b, 0, 0, &me), -EINVAL, "an empty chain is refused");
    t_eq(toro_virtq_add(q, b, 1, 2, &me), 0, "one readable and two writable buffers");
    t_ok(dev_get(&d, &head), "the device sees it");
    t_ok(q->desc[head].addr == 0x1000 && q->desc[head].len == 10 &&
             q->desc[head].flags == TORO_VRING_NEXT,
         "first descriptor");
    head = q->desc[head].next;
    t_ok(q->desc[head].addr == 0x2000 &&
             q->desc[head].flags == (TORO_VRING_NEXT | TORO_VRING_WRITE),
         "second");
    head = q->desc[head].next;
    t_ok(q->desc[head].addr == 0x3000 && q->desc[head].flags == TORO_VRING_WRITE, "third and last");
    t_eq(toro_virtq_pop(q, &cookie, &len), 0, "nothing is done yet");
    dev_put(&d, 0, 50);
    t_ok(toro_virtq_pop(q, &cookie, &len) == 1 && cookie == &me && len == 50, "it comes back");
    t_eq(q->nfree, 8, "with all its descriptors");
    drop(q);
}

/* Full ring, past 2^16 several times, completions in a shuffled order. */
static void test_wrap(void)
{
    struct device d;
    struct toro_virtq *q = make(16, &d);
    uint16_t heads[16];
    uintptr_t sent = 0, back = 0, sum_sent = 0, sum_back = 0;
    unsigned full = 0;
    bool good = true;

    srand(1);
    while (back < 300000) {
        struct toro_virtq_buf b[2] = {{1, 1}, {2, 64}};
        unsigned n = 0;

        while (toro_virtq_add(q, b, 1, 1, (void *)(sent + 1)) == 0)
            sum_sent += ++sent;
        full += q->nfree == 0;
        while (dev_get(&d, &heads[n]))
            n++;
        for (unsigned i = 0; i + 1 < n; i++) {
            unsigned k = i + (unsigned)rand() % (n - i);
            uint16_t h = heads[i];

            heads[i] = heads[k];
            heads[k] = h;
        }
        for (unsigned i = 0; i < n; i++)
            dev_put(&d, heads[i], 64);
        for (;;) {
            void *c;
            uint32_t len;
            int r = toro_virtq_pop(q, &c, &len);

            if (r <= 0) {
                good &= r == 0;
                break;
            }
            good &= len == 64;
            sum_back += (uintptr_t)c;
            back++;
        }
    }
    t_ok(good && sum_sent == sum_back, "300000 chains through a queue of 16, each back once");
    t_ok(full > 30000, "which was full every time");
    drop(q);
}

static void hostile(const char *what, uint32_t id, uint32_t len, uint16_t ahead)
{
    struct device d;
    struct toro_virtq *q = make(8, &d);
    struct toro_virtq_buf b[2] = {{1, 16}, {2, 32}};
    void *cookie = NULL;
    uint32_t n = 7;
    int me;

    (void)toro_virtq_add(q, b, 1, 1, &me);
    dev_put(&d, id, len);
    atomic_store(&q->used->idx, (uint16_t)(d.used + ahead));
    t_ok(toro_virtq_pop(q, &cookie, &n) == -EPROTO && cookie == NULL && n == 7, "%s is noticed",
         what);
    t_ok(q->broken && toro_virtq_pop(q, &cookie, &n) == -EPROTO &&
             toro_virtq_add(q, b, 1, 1, &me) == -EIO,
         "and the queue is used no more");
    drop(q);
}

static void test_twice(void)
{
    struct device d;
    struct toro_virtq *q = make(8, &d);
    struct toro_virtq_buf b = {1, 16};
    void *cookie;
    uint32_t n;
    int me;

    (void)toro_virtq_add(q, &b, 1, 0, &me);
    (void)toro_virtq_add(q, &b, 1, 0, &me);
    dev_put(&d, 0, 0);
    dev_put(&d, 0, 0);
    t_eq(toro_virtq_pop(q, &cookie, &n), 1, "a chain comes back");
    t_eq(toro_virtq_pop(q, &cookie, &n), -EPROTO, "a second time it does not");
    drop(q);
}

static void test_notify(void)
{
    struct device d;
    struct toro_virtq *q = make(8, &d);

    t_ok(toro_virtq_must_notify(q), "a device wants to be told");
    atomic_store(&q->used->flags, TORO_VRING_USED_NO_NOTIFY);
    t_ok(!toro_virtq_must_notify(q), "unless it says no");
    drop(q);
}

int main(void)
{
    test_sizes();
    test_chain();
    test_wrap();
    hostile("an id beyond the queue", 8, 0, 0);
    hostile("an id of a chain that is not out", 3, 0, 0);
    hostile("the id of a middle descriptor", 1, 0, 0);
    hostile("more bytes than were writable", 0, 33, 0);
    hostile("an index ahead of what is out", 0, 0, 1);
    hostile("an index that ran backwards", 0, 0, 0xfff0);
    test_twice();
    test_notify();
    return t_done();
}
