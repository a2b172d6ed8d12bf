/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtio 1.x devices on PCI (modern interface, MSI-X). */
#ifndef TORO_VIRTIO_H
#define TORO_VIRTIO_H

#include "pci.h"
#include "virtq.h"

#define TORO_VIRTIO_VENDOR 0x1af4u
/** Device types (virtio 1.x, 5). */
#define TORO_VIRTIO_CONSOLE     3u
#define TORO_VIRTIO_9P          9u

#define TORO_VIRTIO_F_VERSION_1 (1ull << 32)

struct toro_virtio {
    struct toro_pci_dev *pci;
    volatile uint8_t *common, *notify, *device;
    uint32_t notify_len, device_len, notify_mul;
    uint64_t features; /**< negotiated */
};

/** A queue of a device with what is needed to notify it. */
struct toro_virtio_queue {
    struct toro_virtq q;
    volatile uint16_t *doorbell;
    uint16_t index;
    void *mem; /**< rings, from toro_kpages() */
    size_t pages;
};

/** First device of a type, or NULL. */
struct toro_pci_dev *toro_virtio_find(unsigned type);
/** Reset, acknowledge, negotiate (want and VERSION_1), FEATURES_OK. @return 0 or -errno. */
int toro_virtio_open(struct toro_virtio *v, struct toro_pci_dev *pci, uint64_t want);
/** Set up queue `index` with at most `max` entries; its interrupts use MSI-X entry `vector`. */
int toro_virtio_queue_init(struct toro_virtio *v, struct toro_virtio_queue *q, unsigned index,
                           unsigned max, unsigned vector);
/** DRIVER_OK: the device may use its queues from here on. */
void toro_virtio_start(struct toro_virtio *v);
/** Set FAILED: the driver gives up on the device. */
void toro_virtio_fail(struct toro_virtio *v);
/** Tell the device about new buffers, if it wants to know. */
void toro_virtio_notify(struct toro_virtio_queue *q);
/** Read n (1, 2 or 4) bytes of device configuration; consistent by the generation counter. */
uint32_t toro_virtio_config(struct toro_virtio *v, unsigned off, unsigned n);

/* Drivers, called by toro_virtio_init(). Each @return 0, -ENODEV if there is no such device. */
int toro_vserial_probe(void);
int toro_9p_probe(void);

#endif
