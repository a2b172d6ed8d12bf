/* SPDX-License-Identifier: BSD-3-Clause */
/* The ivshmem-doorbell device: BAR2 is the bus region, BAR0 has the doorbell, BAR1 one MSI-X vector
 * per core. Runs early on the boot core; whatever does not fit ends the boot with a clear text. */
#include <toro/arch.h>
#include <toro/boot.h>
#include <toro/bus.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/pci.h>

#define IVSHMEM_VENDOR 0x1af4u
#define IVSHMEM_DEVICE 0x1110u
#define REG_POSITION   2 /* words of BAR0 */
#define REG_DOORBELL   3

struct toro_bus toro_bus;
static volatile uint32_t *regs;

static void on_vector(void *core)
{
    toro_bus_on_doorbell((unsigned)(uintptr_t)core);
}

static void map_region(struct toro_pci_dev *d)
{
    uint64_t pa, size;
    int err = toro_pci_bar(d, 2, &pa);

    if (!err)
        err = toro_pci_bar_size(d, 2, &size);
    if (err)
        toro_panic(
            "ivshmem: the bus region has no address (error %d); use -cpu max and a region of "
            "at most 512 GiB",
            -err);
    if (size > TOROBUS_REGION_MAX || size % (1ull << 30) != 0 || pa % (1ull << 30) != 0)
        toro_panic("ivshmem: impossible region: %lu MiB at 0x%lx, whole GiB up to 512 wanted",
                   (unsigned long)(size >> 20), (unsigned long)pa);
    err = arch_map_region(pa, size);
    if (err)
        toro_panic("ivshmem: cannot map the bus region (error %d)", -err);
    toro_bus.base = (void *)TOROBUS_REGION_VA;
    toro_bus.size = size;
    toro_bus.pa = pa;
}

static void join(unsigned guest)
{
    struct torobus_slice_hdr *h;
    uint32_t ncores;

    toro_memcpy(&toro_bus.sb, toro_bus.base, sizeof(toro_bus.sb));
    if (toro_bus.sb.magic == TOROBUS_REGION_MAGIC && toro_bus.sb.version != TOROBUS_ABI_VERSION)
        toro_panic("the bus region has Torobus ABI %u, this kernel has %u: take the kernel image "
                   "that was installed with the programs (unset TOROBUS_KERNEL)",
                   toro_bus.sb.version, TOROBUS_ABI_VERSION);
    if (!torobus_superblock_ok(&toro_bus.sb, toro_bus.size))
        toro_panic("bus region of %lu MiB has no valid superblock",
                   (unsigned long)(toro_bus.size >> 20));
    if (guest >= toro_bus.sb.nguests)
        toro_panic("guest %u does not exist: the region has %u slices", guest, toro_bus.sb.nguests);
    h = torobus_slice_at(toro_bus.base, &toro_bus.sb, guest);
    ncores = h->ncores;
    if (arch_ncores() > ncores || ncores > toro_bus.sb.ports_per_guest)
        toro_panic("guest %u has %u cores, but its slice is for %u (at most %u)", guest,
                   arch_ncores(), ncores, toro_bus.sb.ports_per_guest);
    if (atomic_load_explicit(&h->state, memory_order_acquire) == TOROBUS_SLICE_UP)
        toro_panic("slice %u is in use by another guest", guest);
    toro_bus.guest = guest;
    h->ivshmem_id = toro_bus.ivposition;
    /* Release: a peer that reads UP (acquire) finds the id to ring. */
    atomic_store_explicit(&h->state, TOROBUS_SLICE_UP, memory_order_release);
}

void toro_ivshmem_init(unsigned guest)
{
    struct toro_pci_dev *d = toro_pci_find(IVSHMEM_VENDOR, IVSHMEM_DEVICE, NULL);
    uint64_t pa;
    int err;

    if (!d)
        toro_panic("no ivshmem device: the guest was started without a bus region");
    toro_pci_enable(d);
    err = toro_pci_bar(d, 0, &pa);
    regs = err ? NULL : arch_map_mmio(pa, 256);
    if (!regs)
        toro_panic("ivshmem: no registers in BAR 0");
    if (toro_pci_msix_init(d) != 0)
        toro_panic("ivshmem: no MSI-X; ivshmem-doorbell is wanted, not ivshmem-plain");
    if (d->msix_count < arch_ncores())
        toro_panic("ivshmem: %u vectors for %u cores; start it with vectors=%u", d->msix_count,
                   arch_ncores(), arch_ncores());
    map_region(d);
    toro_bus.ivposition = regs[REG_POSITION];
    if (toro_bus.ivposition > 0xffffu)
        toro_panic("ivshmem: impossible peer id %u", toro_bus.ivposition);
    for (unsigned c = 0; c < arch_ncores(); c++) {
        err = toro_pci_msix_set(d, c, c, on_vector, (void *)(uintptr_t)c);
        if (err)
            toro_panic("ivshmem: no interrupt vector for core %u (error %d)", c, -err);
    }
    join(guest);
    toro_printk(1, "ivshmem: %lu GiB at 0x%lx, peer %u, guest %u of %u",
                (unsigned long)(toro_bus.size >> 30), (unsigned long)toro_bus.pa,
                toro_bus.ivposition, guest, toro_bus.sb.nguests);
}

void toro_ivshmem_ring(uint32_t ivshmem_id, unsigned vector)
{
    if (ivshmem_id <= 0xffffu && vector <= 0xffffu)
        regs[REG_DOORBELL] = ivshmem_id << 16 | vector;
}
