/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-serial (virtio 1.x, 5.3) with multiport: control queues and port 1. All queues share one
 * interrupt on the boot core; it frees what was sent, answers control messages and wakes the
 * reader. */
#include <toro/arch.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/lock.h>
#include <toro/virtio.h>
#include <toro/vserial.h>

#define F_MULTIPORT     (1ull << 1)

#define Q_CONTROL_RX    2u
#define Q_CONTROL_TX    3u
#define Q_PORT1_RX      4u
#define Q_PORT1_TX      5u
#define PORT            1u

#define EV_DEVICE_READY 0u
#define EV_PORT_ADD     1u
#define EV_PORT_READY   3u
#define EV_PORT_OPEN    6u
#define EV_PORT_NAME    7u

struct control {
    uint32_t id;
    uint16_t event, value;
};

#define CONTROL_BUFS 16u
#define CONTROL_SIZE 128u
#define RX_BUFS      64u
#define RX_SIZE      4096u
#define TX_MAX_BYTES (3u << 20)
#define NAME_MAX     64u

static struct {
    struct toro_virtio dev;
    struct toro_virtio_queue ctl_rx, ctl_tx, rx, tx;
    struct toro_spinlock lock; /* all queues; the interrupt takes it too */
    struct toro_waitq rx_wait, tx_wait, ready_wait;
    char *control; /* CONTROL_BUFS buffers, then as many for sending */
    char *rx_mem;
    void *ready[RX_BUFS]; /* filled buffers, oldest first */
    uint32_t ready_len[RX_BUFS], ready_at;
    unsigned ready_head, ready_count;
    uint32_t tx_bytes;
    bool present, broken, added;
    char name[NAME_MAX];
} vs;

/* A block on its way out: in front of it lies nothing, so its length is kept here. */
struct tx_block {
    void *data;
    uint32_t len;
};

static void post_rx(void *buf)
{
    struct toro_virtq_buf b = {arch_kva_to_pa(buf), RX_SIZE};

    (void)toro_virtq_add(&vs.rx.q, &b, 0, 1, buf); /* as many entries as buffers */
}

static void post_control(void *buf)
{
    struct toro_virtq_buf b = {arch_kva_to_pa(buf), CONTROL_SIZE};

    (void)toro_virtq_add(&vs.ctl_rx.q, &b, 0, 1, buf);
}

/* Lock held. A send buffer is free when its chain came back. */
static void send_control(uint16_t event, uint32_t id, uint16_t value)
{
    static unsigned next;
    struct control *c;
    struct toro_virtq_buf b;
    void *done;
    uint32_t len;

    while (toro_virtq_pop(&vs.ctl_tx.q, &done, &len) > 0)
        ;
    c = (void *)(vs.control + (CONTROL_BUFS + next++ % CONTROL_BUFS) * CONTROL_SIZE);
    *c = (struct control){.id = id, .event = event, .value = value};
    b = (struct toro_virtq_buf){arch_kva_to_pa(c), sizeof(*c)};
    if (toro_virtq_add(&vs.ctl_tx.q, &b, 1, 0, c) == 0)
        toro_virtio_notify(&vs.ctl_tx);
    else
        vs.broken = true;
}

static void on_control(const char *msg, uint32_t len)
{
    struct control c;

    if (len < sizeof(c))
        return;
    toro_memcpy(&c, msg, sizeof(c));
    if (c.event == EV_PORT_ADD)
        send_control(EV_PORT_READY, c.id, c.id == PORT);
    if (c.id != PORT)
        return;
    if (c.event == EV_PORT_ADD) {
        vs.added = true;
    } else if (c.event == EV_PORT_NAME) {
        uint32_t n = TORO_MIN(len - (uint32_t)sizeof(c), NAME_MAX - 1);

        toro_memcpy(vs.name, msg + sizeof(c), n);
        vs.name[n] = '\0';
        toro_wake(&vs.ready_wait, UINT32_MAX);
    }
}

/* Lock held. */
static void reap_tx(void)
{
    struct tx_block *t;
    void *cookie;
    uint32_t len;
    bool any = false;
    int r;

    while ((r = toro_virtq_pop(&vs.tx.q, &cookie, &len)) > 0) {
        t = cookie;
        vs.tx_bytes -= t->len;
        toro_kfree(t->data);
        toro_kfree(t);
        any = true;
    }
    if (r < 0)
        vs.broken = true;
    if (any || r < 0)
        toro_wake(&vs.tx_wait, UINT32_MAX);
}

static void on_interrupt(void *arg)
{
    void *buf;
    uint32_t len;
    int r;
    bool any = false;

    (void)arg;
    toro_spin_lock(&vs.lock);
    while ((r = toro_virtq_pop(&vs.ctl_rx.q, &buf, &len)) > 0) {
        on_control(buf, len);
        post_control(buf);
        any = true;
    }
    if (any)
        toro_virtio_notify(&vs.ctl_rx);
    if (r < 0)
        vs.broken = true;
    reap_tx();
    any = false;
    while ((r = toro_virtq_pop(&vs.rx.q, &buf, &len)) > 0) {
        unsigned i = (vs.ready_head + vs.ready_count) % RX_BUFS;

        if (len == 0) {
            post_rx(buf);
            continue;
        }
        vs.ready[i] = buf;
        vs.ready_len[i] = len;
        vs.ready_count++;
        any = true;
    }
    if (r < 0)
        vs.broken = true;
    if (any || vs.broken)
        toro_wake(&vs.rx_wait, UINT32_MAX);
    toro_spin_unlock(&vs.lock);
    if (vs.broken)
        toro_panic("virtio-serial: the device broke the queue protocol");
}

int toro_vserial_probe(void)
{
    struct toro_pci_dev *d = toro_virtio_find(TORO_VIRTIO_CONSOLE);
    int err;

    if (!d)
        return -ENODEV;
    toro_waitq_init(&vs.rx_wait);
    toro_waitq_init(&vs.tx_wait);
    toro_waitq_init(&vs.ready_wait);
    err = toro_virtio_open(&vs.dev, d, F_MULTIPORT);
    if (err)
        return err;
    if (!(vs.dev.features & F_MULTIPORT)) {
        toro_virtio_fail(&vs.dev);
        return -EOPNOTSUPP;
    }
    vs.control = toro_kpages(2 * CONTROL_BUFS * CONTROL_SIZE / TORO_PAGE_SIZE);
    vs.rx_mem = toro_kpages(RX_BUFS * RX_SIZE / TORO_PAGE_SIZE);
    if (!vs.control || !vs.rx_mem)
        return -ENOMEM;
    err = toro_pci_msix_set(d, 0, 0, on_interrupt, NULL);
    if (!err)
        err = toro_virtio_queue_init(&vs.dev, &vs.ctl_rx, Q_CONTROL_RX, CONTROL_BUFS, 0);
    if (!err)
        err = toro_virtio_queue_init(&vs.dev, &vs.ctl_tx, Q_CONTROL_TX, CONTROL_BUFS, 0);
    if (!err)
        err = toro_virtio_queue_init(&vs.dev, &vs.rx, Q_PORT1_RX, RX_BUFS, 0);
    if (!err)
        err = toro_virtio_queue_init(&vs.dev, &vs.tx, Q_PORT1_TX, 128, 0);
    if (err)
        return err;
    toro_spin_lock(&vs.lock);
    for (unsigned i = 0; i < CONTROL_BUFS && i < vs.ctl_rx.q.size; i++)
        post_control(vs.control + i * CONTROL_SIZE);
    for (unsigned i = 0; i < RX_BUFS && i < vs.rx.q.size; i++)
        post_rx(vs.rx_mem + i * RX_SIZE);
    toro_virtio_start(&vs.dev);
    toro_virtio_notify(&vs.ctl_rx);
    toro_virtio_notify(&vs.rx);
    send_control(EV_DEVICE_READY, 0, 1);
    vs.present = true;
    toro_spin_unlock(&vs.lock);
    return 0;
}

int toro_vserial_open(const char *name, uint64_t deadline)
{
    int err;

    if (!vs.present)
        return -ENODEV;
    err = toro_wait_event(&vs.ready_wait, vs.name[0] != '\0', deadline, false);
    if (err)
        return err;
    if (toro_strcmp(vs.name, name) != 0)
        return -ENODEV;
    toro_spin_lock(&vs.lock);
    send_control(EV_PORT_OPEN, PORT, 1);
    toro_spin_unlock(&vs.lock);
    return vs.broken ? -EIO : 0;
}

/* @return 1 sent, 0 no room, -EIO. The device is told without the lock: QEMU does the work of
 * sending right then. */
static int try_send(struct tx_block *t)
{
    struct toro_virtq_buf b = {arch_kva_to_pa(t->data), t->len};
    int r = 0;

    toro_spin_lock(&vs.lock);
    if (!vs.broken)
        reap_tx();
    if (vs.broken) {
        r = -EIO;
    } else if (vs.tx_bytes == 0 || vs.tx_bytes + t->len <= TX_MAX_BYTES) {
        r = toro_virtq_add(&vs.tx.q, &b, 1, 0, t);
        if (r == 0)
            vs.tx_bytes += t->len;
        r = r == 0 ? 1 : r == -ENOSPC ? 0 : -EIO;
    }
    toro_spin_unlock(&vs.lock);
    if (r > 0)
        toro_virtio_notify(&vs.tx);
    return r;
}

int toro_vserial_send(void *block, uint32_t len)
{
    struct tx_block *t = vs.present ? toro_kmalloc(sizeof(*t)) : NULL;
    int r = -EIO;

    if (t) {
        *t = (struct tx_block){block, len};
        r = try_send(t);
        if (r == 0)
            (void)toro_wait_event(&vs.tx_wait, (r = try_send(t)) != 0, UINT64_MAX, false);
    }
    if (r > 0)
        return 0;
    toro_kfree(block);
    toro_kfree(t);
    return -EIO;
}

const void *toro_vserial_peek(uint32_t *len)
{
    const char *p = NULL;

    *len = 0;
    toro_spin_lock(&vs.lock);
    if (vs.ready_count) {
        p = (const char *)vs.ready[vs.ready_head] + vs.ready_at;
        *len = vs.ready_len[vs.ready_head] - vs.ready_at;
    }
    toro_spin_unlock(&vs.lock);
    return p;
}

void toro_vserial_consume(uint32_t n)
{
    bool posted = false;

    toro_spin_lock(&vs.lock);
    vs.ready_at += n;
    if (vs.ready_count && vs.ready_at >= vs.ready_len[vs.ready_head]) {
        post_rx(vs.ready[vs.ready_head]);
        vs.ready_head = (vs.ready_head + 1) % RX_BUFS;
        vs.ready_count--;
        vs.ready_at = 0;
        posted = true;
    }
    toro_spin_unlock(&vs.lock);
    if (posted)
        toro_virtio_notify(&vs.rx);
}

void toro_vserial_wait_rx(void)
{
    (void)toro_wait_event(&vs.rx_wait, vs.ready_count != 0 || vs.broken, UINT64_MAX, false);
}

int toro_vserial_drain(uint64_t deadline)
{
    return toro_wait_event(&vs.tx_wait, vs.tx_bytes == 0 || vs.broken, deadline, false);
}

void toro_vserial_panic(const void *block, uint32_t len)
{
    struct toro_virtq_buf b = {arch_kva_to_pa(block), len};
    static char cookie;

    if (!vs.present || vs.broken || toro_virtq_add(&vs.tx.q, &b, 1, 0, &cookie) != 0)
        return;
    *vs.tx.doorbell = vs.tx.index;
    /* The device copies on notification or when the host reads on; give it a moment. */
    for (uint64_t end = arch_now_ns() + 50000000u; arch_now_ns() < end;) {
        uint16_t idx = atomic_load_explicit(&vs.tx.q.used->idx, memory_order_acquire);

        if (idx == vs.tx.q.avail_idx)
            break;
        arch_relax();
    }
}
