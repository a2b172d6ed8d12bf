/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses for memory BARs that have none: a small firmware (qboot) leaves that to the kernel.
 * What the firmware has assigned stays as it is.
 *
 * QEMU's PC never has RAM between LOW_FROM and LOW_TO, and decodes every address above RAM as PCI.
 * Nothing else is there while no device decodes, so addresses are handed out in order, each aligned
 * to its size; the large ones, the bus region, go above HIGH_FROM. */
#include <toro/arch.h>
#include <toro/boot.h>
#include <toro/lib.h>
#include <toro/pci.h>

#define LOW_FROM  0xe0000000ull
#define LOW_TO    0xfec00000ull /* the interrupt controllers */
#define LOW_MAX   (16ull << 20)
#define HIGH_FROM (16ull << 30) /* more RAM than this is never given to a guest's kernel */

static uint64_t low = LOW_FROM, high = HIGH_FROM;

/* @return the address, 0 if there is no room. */
static uint64_t place(uint64_t size, bool wide)
{
    uint64_t at;

    if (size <= LOW_MAX) {
        at = TORO_ALIGN_UP(low, size);
        if (at + size > LOW_TO)
            return 0;
        low = at + size;
        return at;
    }
    at = TORO_ALIGN_UP(high, size);
    if (!wide || at + size < at || (at + size - 1) >> arch_phys_bits() != 0)
        return 0;
    high = at + size;
    return at;
}

void toro_pci_assign(struct toro_pci_dev *d)
{
    for (unsigned bar = 0, next; bar < 6; bar = next) {
        uint32_t lo = toro_pci_read32(d, TORO_PCI_BAR0 + bar * 4);
        bool wide = (lo & 7u) == 4u && bar < 5;
        uint64_t pa, size;

        next = bar + (wide ? 2 : 1);
        /* I/O ports are not used; neither are BARs that have an address already, or no size. */
        if ((lo & 1u) || toro_pci_bar(d, bar, &pa) == 0 || toro_pci_bar_probe(d, bar, &size) != 0)
            continue;
        pa = place(size, wide);
        if (pa == 0) {
            toro_printk(0, "pci %02x:%02x.%u: no address for BAR %u of %lu MiB", d->bus, d->slot,
                        d->fn, bar, (unsigned long)(size >> 20));
            continue;
        }
        toro_printk(2, "pci %02x:%02x.%u: BAR %u of 0x%lx bytes at 0x%lx", d->bus, d->slot, d->fn,
                    bar, (unsigned long)size, (unsigned long)pa);
        toro_pci_write32(d, TORO_PCI_BAR0 + bar * 4, (uint32_t)pa);
        if (wide)
            toro_pci_write32(d, TORO_PCI_BAR0 + bar * 4 + 4, (uint32_t)(pa >> 32));
    }
}
