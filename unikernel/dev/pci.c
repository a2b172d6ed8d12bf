/* SPDX-License-Identifier: BSD-3-Clause */
/* PCI configuration space by ports 0xcf8/0xcfc, BARs, capabilities and MSI-X. What the firmware has
 * assigned is not moved. */
#include <toro/arch.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/boot.h>
#include <toro/lock.h>
#include <toro/pci.h>

#define PCI_MAX_DEVS      64u

#define PCI_COMMAND       0x04u
#define PCI_COMMAND_MEM   0x2u
#define PCI_COMMAND_BUS   0x4u
#define PCI_COMMAND_NOINT 0x400u
#define PCI_STATUS_CAPS   0x10u
#define PCI_HEADER_TYPE   0x0eu
#define PCI_SECONDARY_BUS 0x19u
#define PCI_CAP_POINTER   0x34u

#define MSIX_ENABLE       0x8000u
#define MSIX_MASK_ALL     0x4000u

static struct toro_pci_dev devs[PCI_MAX_DEVS];
static unsigned ndevs;
static struct toro_spinlock cfg_lock = TORO_SPINLOCK_INIT;

static void select_reg(const struct toro_pci_dev *d, unsigned off)
{
    arch_out32(0xcf8, 0x80000000u | (uint32_t)d->bus << 16 | (uint32_t)d->slot << 11 |
                          (uint32_t)d->fn << 8 | (off & 0xfcu));
}

uint32_t toro_pci_read32(const struct toro_pci_dev *d, unsigned off)
{
    uint32_t v;

    toro_spin_lock(&cfg_lock);
    select_reg(d, off);
    v = arch_in32(0xcfc);
    toro_spin_unlock(&cfg_lock);
    return v;
}

void toro_pci_write32(const struct toro_pci_dev *d, unsigned off, uint32_t v)
{
    toro_spin_lock(&cfg_lock);
    select_reg(d, off);
    arch_out32(0xcfc, v);
    toro_spin_unlock(&cfg_lock);
}

uint16_t toro_pci_read16(const struct toro_pci_dev *d, unsigned off)
{
    return (uint16_t)(toro_pci_read32(d, off) >> ((off & 2u) * 8u));
}

uint8_t toro_pci_read8(const struct toro_pci_dev *d, unsigned off)
{
    return (uint8_t)(toro_pci_read32(d, off) >> ((off & 3u) * 8u));
}

static void scan_bus(unsigned bus, unsigned depth)
{
    for (unsigned slot = 0; slot < 32; slot++) {
        for (unsigned fn = 0; fn < 8; fn++) {
            struct toro_pci_dev d = {.bus = (uint8_t)bus, .slot = (uint8_t)slot, .fn = (uint8_t)fn};
            uint32_t id = toro_pci_read32(&d, 0);
            uint8_t type;

            if ((id & 0xffffu) == 0xffffu) {
                if (fn == 0)
                    break;
                continue;
            }
            d.vendor = (uint16_t)id;
            d.device = (uint16_t)(id >> 16);
            type = toro_pci_read8(&d, PCI_HEADER_TYPE);
            if (ndevs < PCI_MAX_DEVS)
                devs[ndevs++] = d;
            if ((type & 0x7fu) == 0)
                toro_pci_assign(&d);
            if ((type & 0x7fu) == 1) {
                unsigned next = toro_pci_read8(&d, PCI_SECONDARY_BUS);

                if (next > bus && depth < 8)
                    scan_bus(next, depth + 1);
            }
            if (fn == 0 && !(type & 0x80u))
                break;
        }
    }
}

void toro_pci_init(void)
{
    ndevs = 0;
    scan_bus(0, 0);
    toro_printk(1, "pci: %u functions", ndevs);
}

struct toro_pci_dev *toro_pci_find(uint16_t vendor, uint16_t device, struct toro_pci_dev *after)
{
    for (struct toro_pci_dev *d = after ? after + 1 : devs; d < devs + ndevs; d++)
        if (d->vendor == vendor && d->device == device)
            return d;
    return NULL;
}

void toro_pci_enable(struct toro_pci_dev *d)
{
    uint32_t cmd = toro_pci_read32(d, PCI_COMMAND) & 0xffffu;

    /* The upper half is the status register, write one to clear: zeros leave it alone. */
    toro_pci_write32(d, PCI_COMMAND, cmd | PCI_COMMAND_MEM | PCI_COMMAND_BUS | PCI_COMMAND_NOINT);
}

int toro_pci_bar(const struct toro_pci_dev *d, unsigned bar, uint64_t *pa)
{
    uint32_t lo, hi = 0;

    if (bar > 5)
        return -EINVAL;
    lo = toro_pci_read32(d, TORO_PCI_BAR0 + bar * 4);
    if (lo & 1u) /* I/O space */
        return -EINVAL;
    if ((lo & 6u) == 4u) {
        if (bar == 5)
            return -EINVAL;
        hi = toro_pci_read32(d, TORO_PCI_BAR0 + bar * 4 + 4);
    }
    if ((lo & ~15u) == 0 && hi == 0)
        return -ENODEV;
    *pa = (uint64_t)hi << 32 | (lo & ~15u);
    return 0;
}

int toro_pci_bar_probe(const struct toro_pci_dev *d, unsigned bar, uint64_t *size)
{
    unsigned off = TORO_PCI_BAR0 + bar * 4;
    uint32_t cmd, lo = toro_pci_read32(d, off), hi = 0;
    bool wide = (lo & 7u) == 4u;
    uint64_t mask;

    if ((lo & 1u) || (wide && bar == 5))
        return -EINVAL;
    if (wide)
        hi = toro_pci_read32(d, off + 4);
    cmd = toro_pci_read32(d, PCI_COMMAND) & 0xffffu;
    toro_pci_write32(d, PCI_COMMAND, cmd & ~PCI_COMMAND_MEM);
    toro_pci_write32(d, off, ~0u);
    mask = toro_pci_read32(d, off) & ~15u;
    if (wide) {
        toro_pci_write32(d, off + 4, ~0u);
        mask |= (uint64_t)toro_pci_read32(d, off + 4) << 32;
        toro_pci_write32(d, off + 4, hi);
    } else if (mask != 0) {
        mask |= 0xffffffffull << 32;
    }
    toro_pci_write32(d, off, lo);
    toro_pci_write32(d, PCI_COMMAND, cmd);
    if (mask == 0)
        return -ENODEV;
    *size = ~mask + 1;
    return 0;
}

int toro_pci_bar_size(const struct toro_pci_dev *d, unsigned bar, uint64_t *size)
{
    uint64_t pa;
    int err = toro_pci_bar(d, bar, &pa);

    return err ? err : toro_pci_bar_probe(d, bar, size);
}

unsigned toro_pci_cap(const struct toro_pci_dev *d, uint8_t id, unsigned after)
{
    unsigned off;

    if (!(toro_pci_read16(d, PCI_COMMAND + 2) & PCI_STATUS_CAPS))
        return 0;
    off = toro_pci_read8(d, after ? after + 1 : PCI_CAP_POINTER) & ~3u;
    for (unsigned n = 0; off >= 0x40 && n < 48; n++) { /* 48 fit: a longer chain is a loop */
        if (toro_pci_read8(d, off) == id)
            return off;
        off = toro_pci_read8(d, off + 1) & ~3u;
    }
    return 0;
}

int toro_pci_msix_init(struct toro_pci_dev *d)
{
    unsigned cap = toro_pci_cap(d, TORO_PCI_CAP_MSIX, 0);
    uint32_t ctl, table;
    unsigned count;
    uint64_t pa;
    volatile uint32_t *t;
    int err;

    if (!cap)
        return -ENODEV;
    ctl = toro_pci_read32(d, cap);
    table = toro_pci_read32(d, cap + 4);
    count = ((ctl >> 16) & 0x7ffu) + 1;
    err = toro_pci_bar(d, table & 7u, &pa);
    if (err)
        return err;
    t = arch_map_mmio(pa + (table & ~7u), count * 16ul);
    if (!t)
        return -ENOMEM;
    toro_pci_write32(d, cap, (ctl & 0xffffu) | (MSIX_ENABLE | MSIX_MASK_ALL) << 16);
    for (unsigned i = 0; i < count; i++)
        t[i * 4 + 3] = 1;
    toro_pci_write32(d, cap, (ctl & 0xffffu) | MSIX_ENABLE << 16);
    d->msix_table = t;
    d->msix_count = count;
    return 0;
}

int toro_pci_msix_set(struct toro_pci_dev *d, unsigned entry, unsigned core, void (*fn)(void *),
                      void *arg)
{
    volatile uint32_t *e = d->msix_table + entry * 4;
    uint64_t addr;
    uint32_t data;
    int vector;

    if (!d->msix_table || entry >= d->msix_count)
        return -ENOSPC;
    vector = arch_irq_alloc(core, fn, arg);
    if (vector < 0)
        return vector;
    arch_msi_message(core, vector, &addr, &data);
    e[0] = (uint32_t)addr;
    e[1] = (uint32_t)(addr >> 32);
    e[2] = data;
    e[3] = 0;
    return 0;
}
