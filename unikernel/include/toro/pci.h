/* SPDX-License-Identifier: BSD-3-Clause */
/* PCI devices: found once at boot through the 0xcf8 configuration ports, BARs as the firmware left
 * them or, where it did not, assigned; interrupts by MSI-X only. */
#ifndef TORO_PCI_H
#define TORO_PCI_H

#include "types.h"

struct toro_pci_dev {
    uint8_t bus, slot, fn;
    uint16_t vendor, device;
    volatile uint32_t *msix_table; /**< NULL before toro_pci_msix_init() */
    unsigned msix_count;
};

#define TORO_PCI_BAR0 0x10u /* in configuration space */

/** Find all functions on bus 0 and behind bridges; BARs without an address get one. */
void toro_pci_init(void);
/** Next device with these ids after `after` (NULL: the first), or NULL. */
struct toro_pci_dev *toro_pci_find(uint16_t vendor, uint16_t device, struct toro_pci_dev *after);

uint32_t toro_pci_read32(const struct toro_pci_dev *d, unsigned off);
uint16_t toro_pci_read16(const struct toro_pci_dev *d, unsigned off);
uint8_t toro_pci_read8(const struct toro_pci_dev *d, unsigned off);
void toro_pci_write32(const struct toro_pci_dev *d, unsigned off, uint32_t v);

/** Let the device decode memory and master the bus; INTx off. */
void toro_pci_enable(struct toro_pci_dev *d);
/** Physical address of a memory BAR, 64-bit ones included. @return 0 or -ENODEV/-EINVAL. */
int toro_pci_bar(const struct toro_pci_dev *d, unsigned bar, uint64_t *pa);
/** Give addresses to the memory BARs of a function that have none. @p d may be on the stack.
 * **Caller** the boot core, before anything is enabled. */
void toro_pci_assign(struct toro_pci_dev *d);
/** Size of a memory BAR that may have no address yet. @return 0, -EINVAL for I/O, or -ENODEV. */
int toro_pci_bar_probe(const struct toro_pci_dev *d, unsigned bar, uint64_t *size);
/** Size of a memory BAR that has an address; decoding is off for a moment. @return 0 or -ENODEV. */
int toro_pci_bar_size(const struct toro_pci_dev *d, unsigned bar, uint64_t *size);
/** Next capability `id` after offset `after` (0: the first). @return its offset or 0. */
unsigned toro_pci_cap(const struct toro_pci_dev *d, uint8_t id, unsigned after);
#define TORO_PCI_CAP_VENDOR 0x09u
#define TORO_PCI_CAP_MSIX   0x11u

/** Map the MSI-X table, all entries masked, and switch MSI-X on. @return 0 or -errno. */
int toro_pci_msix_init(struct toro_pci_dev *d);
/** Route a table entry to fn(arg) on a core (interrupt context). @return 0 or -errno. */
int toro_pci_msix_set(struct toro_pci_dev *d, unsigned entry, unsigned core, void (*fn)(void *),
                      void *arg);

#endif
