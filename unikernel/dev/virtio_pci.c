/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtio over PCI capabilities (virtio 1.x, 4.1): common configuration, notification, device
 * configuration. */
#include <toro/arch.h>
#include <toro/boot.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/virtio.h>

#define CAP_COMMON 1u
#define CAP_NOTIFY 2u
#define CAP_DEVICE 4u

/* struct virtio_pci_common_cfg */
#define C_DEVICE_FEATURE_SELECT 0
#define C_DEVICE_FEATURE        4
#define C_DRIVER_FEATURE_SELECT 8
#define C_DRIVER_FEATURE        12
#define C_CONFIG_VECTOR         16
#define C_NUM_QUEUES            18
#define C_STATUS                20
#define C_GENERATION            21
#define C_QUEUE_SELECT          22
#define C_QUEUE_SIZE            24
#define C_QUEUE_VECTOR          26
#define C_QUEUE_ENABLE          28
#define C_QUEUE_NOTIFY_OFF      30
#define C_QUEUE_DESC            32
#define C_QUEUE_DRIVER          40
#define C_QUEUE_DEVICE          48
#define C_LENGTH                56u

#define S_ACKNOWLEDGE           1u
#define S_DRIVER                2u
#define S_DRIVER_OK             4u
#define S_FEATURES_OK           8u
#define S_FAILED                128u
#define NO_VECTOR               0xffffu

#define R8(v, off)              (*(volatile uint8_t *)((v)->common + (off)))
#define R16(v, off)             (*(volatile uint16_t *)((v)->common + (off)))
#define R32(v, off)             (*(volatile uint32_t *)((v)->common + (off)))

static void put64(struct toro_virtio *v, unsigned off, uint64_t x)
{
    R32(v, off) = (uint32_t)x;
    R32(v, off + 4) = (uint32_t)(x >> 32);
}

/* Map what a virtio capability of this type points to. */
static int map_cap(struct toro_virtio *v, unsigned type, uint32_t min_len, volatile uint8_t **at,
                   uint32_t *len, uint32_t *extra)
{
    for (unsigned c = 0; (c = toro_pci_cap(v->pci, TORO_PCI_CAP_VENDOR, c)) != 0;) {
        uint32_t w = toro_pci_read32(v->pci, c);
        uint32_t off, n;
        uint64_t pa;
        int err;

        if (w >> 24 != type)
            continue;
        off = toro_pci_read32(v->pci, c + 8);
        n = toro_pci_read32(v->pci, c + 12);
        if (n < min_len)
            return -EINVAL;
        err = toro_pci_bar(v->pci, toro_pci_read8(v->pci, c + 4), &pa);
        if (err)
            return err;
        *at = arch_map_mmio(pa + off, n);
        if (!*at)
            return -ENOMEM;
        *len = n;
        if (extra)
            *extra = toro_pci_read32(v->pci, c + 16);
        return 0;
    }
    return -ENODEV;
}

struct toro_pci_dev *toro_virtio_find(unsigned type)
{
    /* Transitional ids of the types used here; their capabilities are the same. */
    static const uint16_t old[] = {[TORO_VIRTIO_CONSOLE] = 0x1003, [TORO_VIRTIO_9P] = 0x1009};
    struct toro_pci_dev *d = toro_pci_find(TORO_VIRTIO_VENDOR, (uint16_t)(0x1040u + type), NULL);

    if (!d && type < TORO_ARRAY_SIZE(old) && old[type])
        d = toro_pci_find(TORO_VIRTIO_VENDOR, old[type], NULL);
    return d;
}

int toro_virtio_open(struct toro_virtio *v, struct toro_pci_dev *pci, uint64_t want)
{
    uint32_t len;
    uint64_t offered;
    int err;

    *v = (struct toro_virtio){.pci = pci};
    toro_pci_enable(pci);
    err = map_cap(v, CAP_COMMON, C_LENGTH, &v->common, &len, NULL);
    if (!err)
        err = map_cap(v, CAP_NOTIFY, 2, &v->notify, &v->notify_len, &v->notify_mul);
    if (!err)
        err = map_cap(v, CAP_DEVICE, 0, &v->device, &v->device_len, NULL);
    if (!err)
        err = toro_pci_msix_init(pci);
    if (err)
        return err;

    R8(v, C_STATUS) = 0;
    for (unsigned i = 0; R8(v, C_STATUS) != 0; i++)
        if (i > 1000000u)
            return -EIO;
    R8(v, C_STATUS) = S_ACKNOWLEDGE;
    R8(v, C_STATUS) = S_ACKNOWLEDGE | S_DRIVER;
    R32(v, C_DEVICE_FEATURE_SELECT) = 0;
    offered = R32(v, C_DEVICE_FEATURE);
    R32(v, C_DEVICE_FEATURE_SELECT) = 1;
    offered |= (uint64_t)R32(v, C_DEVICE_FEATURE) << 32;
    want |= TORO_VIRTIO_F_VERSION_1;
    if (!(offered & TORO_VIRTIO_F_VERSION_1)) {
        toro_virtio_fail(v);
        return -EOPNOTSUPP;
    }
    v->features = offered & want;
    R32(v, C_DRIVER_FEATURE_SELECT) = 0;
    R32(v, C_DRIVER_FEATURE) = (uint32_t)v->features;
    R32(v, C_DRIVER_FEATURE_SELECT) = 1;
    R32(v, C_DRIVER_FEATURE) = (uint32_t)(v->features >> 32);
    R8(v, C_STATUS) = S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK;
    if (!(R8(v, C_STATUS) & S_FEATURES_OK)) {
        toro_virtio_fail(v);
        return -EOPNOTSUPP;
    }
    R16(v, C_CONFIG_VECTOR) = NO_VECTOR;
    return 0;
}

int toro_virtio_queue_init(struct toro_virtio *v, struct toro_virtio_queue *q, unsigned index,
                           unsigned max, unsigned vector)
{
    unsigned size;
    uint32_t off;

    if (index >= R16(v, C_NUM_QUEUES))
        return -ENODEV;
    R16(v, C_QUEUE_SELECT) = (uint16_t)index;
    size = TORO_MIN((unsigned)R16(v, C_QUEUE_SIZE), TORO_MIN(max, TORO_VIRTQ_MAX));
    while (size & (size - 1))
        size &= size - 1;
    if (size == 0)
        return -ENODEV;
    off = R16(v, C_QUEUE_NOTIFY_OFF) * v->notify_mul;
    if (off > v->notify_len - 2)
        return -EINVAL;
    q->pages = TORO_ALIGN_UP(toro_virtq_bytes(size), TORO_PAGE_SIZE) / TORO_PAGE_SIZE;
    q->mem = toro_kpages(q->pages);
    if (!q->mem)
        return -ENOMEM;
    (void)toro_virtq_setup(&q->q, size, q->mem); /* a power of two by now */
    q->index = (uint16_t)index;
    q->doorbell = (volatile uint16_t *)(v->notify + off);
    R16(v, C_QUEUE_SIZE) = (uint16_t)size;
    put64(v, C_QUEUE_DESC, arch_kva_to_pa(q->q.desc));
    put64(v, C_QUEUE_DRIVER, arch_kva_to_pa(q->q.avail));
    put64(v, C_QUEUE_DEVICE, arch_kva_to_pa(q->q.used));
    R16(v, C_QUEUE_VECTOR) = (uint16_t)vector;
    if (R16(v, C_QUEUE_VECTOR) != vector) {
        toro_kpages_free(q->mem, q->pages);
        return -ENOSPC;
    }
    R16(v, C_QUEUE_ENABLE) = 1;
    return 0;
}

void toro_virtio_start(struct toro_virtio *v)
{
    R8(v, C_STATUS) = R8(v, C_STATUS) | S_DRIVER_OK;
}

void toro_virtio_fail(struct toro_virtio *v)
{
    R8(v, C_STATUS) = R8(v, C_STATUS) | S_FAILED;
}

void toro_virtio_notify(struct toro_virtio_queue *q)
{
    if (toro_virtq_must_notify(&q->q))
        *q->doorbell = q->index;
}

uint32_t toro_virtio_config(struct toro_virtio *v, unsigned off, unsigned n)
{
    uint32_t x = 0;
    uint8_t gen;

    if (off + n > v->device_len)
        return 0;
    do {
        gen = R8(v, C_GENERATION);
        if (n == 4)
            x = *(volatile uint32_t *)(v->device + off);
        else if (n == 2)
            x = *(volatile uint16_t *)(v->device + off);
        else
            x = v->device[off];
    } while (gen != R8(v, C_GENERATION));
    return x;
}

void toro_virtio_init(void)
{
    int err = toro_vserial_probe();

    if (err && err != -ENODEV)
        toro_panic("virtio-serial does not work: error %d", -err);
    err = toro_9p_probe();
    if (err && err != -ENODEV)
        toro_panic("virtio-9p does not work: error %d", -err);
}
