/* SPDX-License-Identifier: BSD-3-Clause */
/* 9p requests over the virtio-9p queue: any thread on any core, one slot (= tag) per request in
 * flight. Message buffers belong to the slots; data moves between the device and the caller's
 * memory directly. Slots are never freed, so a late interrupt finds nothing dangling. */
#include <torobus/boot.h>
#include <toro/arch.h>
#include <toro/bus.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/proc.h>
#include <toro/virtio.h>
#include "p9.h"

#define F_MOUNT_TAG 1ull
#define SLOTS       32u /* times four descriptors = the queue of 128 */
#define QUEUE       128u
#define BUF_SIZE    8192u
#define MAX_FIDS    4096u

static struct {
    struct toro_virtio dev;
    struct toro_virtio_queue vq;
    struct toro_spinlock lock; /* queue, slots, fids; the interrupt takes it too */
    struct toro_waitq slot_wait;
    struct p9_req slot[SLOTS];
    struct p9_req *free;
    uint64_t fids[MAX_FIDS / 64];
    bool present;
} p9;

uint32_t p9_fid_new(void)
{
    uint32_t fid = P9_NOFID;

    toro_spin_lock(&p9.lock);
    for (uint32_t w = 0; w < MAX_FIDS / 64 && fid == P9_NOFID; w++) {
        if (p9.fids[w] != ~0ull) {
            unsigned bit = (unsigned)__builtin_ctzll(~p9.fids[w]);

            p9.fids[w] |= 1ull << bit;
            fid = w * 64 + bit;
        }
    }
    toro_spin_unlock(&p9.lock);
    return fid;
}

/* lock held */
static void fid_clear(uint32_t fid)
{
    if (fid < MAX_FIDS)
        p9.fids[fid / 64] &= ~(1ull << (fid % 64));
}

void p9_fid_free(uint32_t fid)
{
    toro_spin_lock(&p9.lock);
    fid_clear(fid);
    toro_spin_unlock(&p9.lock);
}

/* lock held */
static void slot_free(struct p9_req *r)
{
    r->next = p9.free;
    p9.free = r;
    toro_wake(&p9.slot_wait, 1);
}

static struct p9_req *slot_take(void)
{
    struct p9_req *r;

    toro_spin_lock(&p9.lock);
    r = p9.free;
    if (r)
        p9.free = r->next;
    toro_spin_unlock(&p9.lock);
    return r;
}

struct p9_req *p9_new(uint8_t type)
{
    struct p9_req *r = NULL;

    if (!p9.present)
        return NULL;
    (void)toro_wait_event(&p9.slot_wait, (r = slot_take()) != NULL, UINT64_MAX, false);
    if (!r->tx) {
        r->tx = toro_kpages(2 * BUF_SIZE / TORO_PAGE_SIZE);
        r->rx = r->tx + BUF_SIZE;
        if (!r->tx) {
            p9_end(r);
            return NULL;
        }
    }
    r->type = type;
    r->no_wait = false;
    r->fid = P9_NOFID;
    r->b = (struct p9_buf){.p = r->tx, .end = r->tx + BUF_SIZE};
    p9_put32(&r->b, 0); /* size: set when sent */
    p9_put8(&r->b, type);
    p9_put16(&r->b, r->tag);
    return r;
}

void p9_end(struct p9_req *r)
{
    toro_spin_lock(&p9.lock);
    slot_free(r);
    toro_spin_unlock(&p9.lock);
}

static int submit(struct p9_req *r, uint64_t out, uint32_t n_out, uint64_t in, uint32_t n_in)
{
    uint32_t len = (uint32_t)(r->b.p - r->tx), size = len + n_out;
    struct toro_virtq_buf v[4];
    unsigned no = 0, ni = 0;
    int err;

    if (r->b.bad)
        return -ENAMETOOLONG;
    toro_memcpy(r->tx, &size, 4);
    v[no++] = (struct toro_virtq_buf){arch_kva_to_pa(r->tx), len};
    if (n_out)
        v[no++] = (struct toro_virtq_buf){out, n_out};
    v[no + ni++] = (struct toro_virtq_buf){arch_kva_to_pa(r->rx), n_in ? P9_IO_HDR : BUF_SIZE};
    if (n_in)
        v[no + ni++] = (struct toro_virtq_buf){in, n_in};
    atomic_store_explicit(&r->done, false, memory_order_relaxed);
    toro_spin_lock(&p9.lock);
    err = toro_virtq_add(&p9.vq.q, v, no, ni, r);
    toro_spin_unlock(&p9.lock);
    if (!err)
        toro_virtio_notify(&p9.vq);
    return err ? -EIO : 0; /* the queue has room for all slots */
}

int p9_call(struct p9_req *r, uint64_t out, uint32_t n_out, uint64_t in, uint32_t n_in)
{
    int err = submit(r, out, n_out, in, n_in);

    if (err)
        return err;
    /* [A] acquire; pairs with the release in on_interrupt(). */
    (void)toro_wait_event(&r->q, atomic_load_explicit(&r->done, memory_order_acquire), UINT64_MAX,
                          false);
    err = p9_check_reply(&r->b, r->rx, r->len, r->type, r->tag);
    if (n_in) /* only the head of such a reply is in rx */
        r->b.end = r->rx + TORO_MIN(r->len, P9_IO_HDR);
    if (err == -EPROTO)
        toro_printk(0, "9p: impossible reply to request type %u", r->type);
    return err == -EPROTO ? -EIO : err;
}

void p9_clunk(uint32_t fid)
{
    struct p9_req *r = p9_new(P9_TCLUNK);

    if (!r)
        return; /* out of memory: the number stays taken, as it is at the server */
    p9_put32(&r->b, fid);
    r->no_wait = true;
    r->fid = fid;
    if (submit(r, 0, 0, 0, 0) != 0)
        p9_end(r);
}

static void on_interrupt(void *arg)
{
    void *cookie;
    uint32_t len;
    int r;

    (void)arg;
    toro_spin_lock(&p9.lock);
    while ((r = toro_virtq_pop(&p9.vq.q, &cookie, &len)) > 0) {
        struct p9_req *q = cookie;

        q->len = len;
        if (q->no_wait) {
            fid_clear(q->fid);
            slot_free(q);
            continue;
        }
        atomic_store_explicit(&q->done, true, memory_order_release); /* [A] */
        toro_wake(&q->q, UINT32_MAX);
    }
    toro_spin_unlock(&p9.lock);
    if (r < 0)
        toro_panic("virtio-9p: the device broke the queue protocol");
}

int p9_dma(const void *p, size_t n, bool device_writes, uint64_t *pa)
{
    uint64_t at = (uint64_t)(uintptr_t)p, base = (uint64_t)(uintptr_t)toro_bus.base;

    if (at < base || at - base >= toro_bus.size) {
        *pa = arch_kva_to_pa(p);
        return 0;
    }
    if (n > toro_bus.size - (at - base))
        return -EFAULT;
    /* The device does not see page protection: touch every page as the program could. */
    for (uint64_t a = TORO_ALIGN_DOWN(at, 4ul); a < at + n;
         a = TORO_ALIGN_DOWN(a, TORO_PAGE_SIZE) + TORO_PAGE_SIZE) {
        uint32_t *word = (uint32_t *)(uintptr_t)a, v;

        if (arch_user_load32(word, &v) != 0 ||
            (device_writes && arch_user_cmpxchg32(word, &v, v) != 0))
            return -EFAULT;
    }
    *pa = toro_bus.pa + (at - base);
    return 0;
}

int p9_connect(uint32_t uid, uint32_t *root, struct p9_qid *qid)
{
    static const char version[] = "9P2000.L";
    uint32_t fid = p9_fid_new(), msize = 0;
    struct p9_req *r;
    const char *s;
    uint16_t n;
    int err;

    if (!p9.present)
        return -ENODEV;
    r = p9_new(P9_TVERSION);
    if (!r)
        return -ENOMEM;
    p9_put32(&r->b, P9_MSIZE);
    p9_put_str(&r->b, version, sizeof(version) - 1);
    err = p9_call(r, 0, 0, 0, 0);
    if (!err) {
        msize = p9_get32(&r->b);
        s = p9_get_str(&r->b, &n);
        if (!s || n != sizeof(version) - 1 || toro_memcmp(s, version, n) != 0 || msize != P9_MSIZE)
            err = -EPROTO;
    }
    p9_end(r);
    if (err)
        return err;
    r = p9_new(P9_TATTACH);
    if (!r)
        return -ENOMEM;
    p9_put32(&r->b, fid);
    p9_put32(&r->b, P9_NOFID);
    p9_put_str(&r->b, "", 0);
    p9_put_str(&r->b, "", 0);
    p9_put32(&r->b, uid);
    err = p9_call(r, 0, 0, 0, 0);
    if (!err) {
        p9_get_qid(&r->b, qid);
        err = r->b.bad ? -EPROTO : 0;
    }
    p9_end(r);
    if (!err)
        *root = fid;
    return err;
}

int toro_9p_probe(void)
{
    struct toro_pci_dev *d = toro_virtio_find(TORO_VIRTIO_9P);
    int err;

    if (!d)
        return -ENODEV;
    toro_waitq_init(&p9.slot_wait);
    for (unsigned i = 0; i < SLOTS; i++) {
        p9.slot[i].tag = (uint16_t)i;
        toro_waitq_init(&p9.slot[i].q);
        p9.slot[i].next = p9.free;
        p9.free = &p9.slot[i];
    }
    err = toro_virtio_open(&p9.dev, d, F_MOUNT_TAG);
    if (!err)
        err = toro_pci_msix_set(d, 0, 0, on_interrupt, NULL);
    if (!err)
        err = toro_virtio_queue_init(&p9.dev, &p9.vq, 0, QUEUE, 0);
    if (err)
        return err;
    if (p9.vq.q.size < 4 * SLOTS)
        return -EINVAL;
    toro_virtio_start(&p9.dev);
    p9.present = true;
    return 0;
}
