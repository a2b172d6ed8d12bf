/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's page tables: image with W^X, direct map of RAM, device memory, kernel stacks. The
 * bus region is region.c's. */
#include "core.h"
#include "pte.h"
#include <toro/lib.h>
#include <toro/lock.h>

extern char arch_image_start[], arch_text_end[], arch_rodata_end[], arch_image_end[];
extern char arch_boot_guard[];

#define STACK_SLOT (8 * TORO_PAGE_SIZE) /* stack and guard pages */
#define MIB2       (2ul << 20)
#define GIB        (1ul << 30)

static uint64_t pml4[512] __attribute__((aligned(4096)));
/** What cr3 holds; the trampoline needs it. */
uint64_t arch_kernel_cr3;
static struct toro_spinlock lock = TORO_SPINLOCK_INIT;
static uint64_t mmio_next = ARCH_MMIO, stack_next = ARCH_STACKS, stack_free;
static uint64_t direct_top;

uint64_t *arch_pml4(void)
{
    return pml4;
}

void *arch_pa_to_kva(uint64_t pa)
{
    return (void *)(ARCH_DIRECT + pa);
}

/* Entry for va at a level (0: 4 KiB, 1: 2 MiB, 2: 1 GiB); makes the tables above. NULL: no memory.
 */
static uint64_t *entry_for(uint64_t va, unsigned level)
{
    uint64_t *table = pml4;

    for (unsigned l = 3; l > level; l--) {
        uint64_t *e = &table[va >> (12 + 9 * l) & 511];

        if (!(*e & PTE_P)) {
            void *page = toro_kpages(1);

            if (page == NULL)
                return NULL;
            *e = arch_kva_to_pa(page) | PTE_P | PTE_W;
        }
        TORO_ASSERT(!(*e & PTE_PS));
        table = arch_pa_to_kva(*e & PTE_ADDR);
    }
    return &table[va >> (12 + 9 * level) & 511];
}

static bool map_page(uint64_t va, uint64_t pa, uint64_t flags)
{
    uint64_t *e = entry_for(va, 0);

    if (e == NULL)
        return false;
    *e = pa | flags | PTE_P | PTE_A | PTE_D | PTE_G;
    return true;
}

uint64_t arch_kva_to_pa(const void *p)
{
    uint64_t va = (uint64_t)p;

    if (va >= ARCH_KVMA)
        return va - ARCH_KVMA;
    if (va >= ARCH_STACKS && va < ARCH_MMIO)
        return (*entry_for(va, 0) & PTE_ADDR) + va % TORO_PAGE_SIZE;
    TORO_ASSERT(va >= ARCH_DIRECT && va - ARCH_DIRECT < GIB);
    return va - ARCH_DIRECT;
}

static uint64_t image_flags(uint64_t pa)
{
    uint64_t va = pa + ARCH_KVMA;

    if (va < (uint64_t)arch_image_start || va >= (uint64_t)arch_rodata_end)
        return PTE_W | PTE_NX;
    return va < (uint64_t)arch_text_end ? 0 : PTE_NX;
}

void arch_paging_init(uint64_t ram_top)
{
    uint64_t end = (uint64_t)arch_image_end - ARCH_KVMA;
    bool ok = true;

    for (uint64_t pa = (uint64_t)arch_image_start - ARCH_KVMA; pa < end; pa += TORO_PAGE_SIZE)
        if (pa + ARCH_KVMA != (uint64_t)arch_boot_guard)
            ok = ok && map_page(pa + ARCH_KVMA, pa, image_flags(pa));

    /* The second view of the image is no way around its protection. */
    end = TORO_ALIGN_UP(end, MIB2);
    for (uint64_t pa = 0; pa < end; pa += TORO_PAGE_SIZE)
        if (pa < 0xa0000 || pa >= 0x100000)
            ok = ok && map_page(ARCH_DIRECT + pa, pa, image_flags(pa) | PTE_NX);
    for (uint64_t pa = end; pa < ram_top && ok; pa += MIB2) {
        uint64_t *e = entry_for(ARCH_DIRECT + pa, 1);

        ok = e != NULL;
        if (ok)
            *e = pa | PTE_P | PTE_W | PTE_A | PTE_D | PTE_G | PTE_PS | PTE_NX;
    }
    /* Made now, so that later changes below need no new top-level entry. */
    ok = ok && entry_for(ARCH_STACKS, 0) != NULL && entry_for(ARCH_MMIO, 0) != NULL;
    if (!ok)
        toro_panic("no memory for the kernel's page tables");
    direct_top = ram_top;
    arch_kernel_cr3 = (uint64_t)pml4 - ARCH_KVMA;
}

void arch_paging_use(void)
{
    arch_write_cr3(arch_kernel_cr3);
}

void *arch_map_mmio(uint64_t pa, uint64_t len)
{
    uint64_t first = TORO_ALIGN_DOWN(pa, TORO_PAGE_SIZE);
    uint64_t bytes = TORO_ALIGN_UP(pa + len, TORO_PAGE_SIZE) - first, va;
    bool ok = true;

    if (len == 0 || bytes > GIB || pa + len < pa)
        return NULL;
    toro_spin_lock(&lock);
    va = mmio_next;
    for (uint64_t o = 0; o < bytes && ok; o += TORO_PAGE_SIZE)
        ok = map_page(va + o, first + o, PTE_W | PTE_NX | PTE_PCD | PTE_PWT);
    mmio_next += bytes;
    toro_spin_unlock(&lock);
    return ok ? (void *)(va + (pa - first)) : NULL;
}

uint64_t arch_stack_alloc(void)
{
    uint64_t base;
    char *mem;

    toro_spin_lock(&lock);
    base = stack_free;
    if (base != 0) {
        stack_free = *(uint64_t *)base;
        toro_spin_unlock(&lock);
        return base;
    }
    /* Contiguous, so that a buffer on a stack is one piece to a device. */
    mem = toro_kpages(ARCH_STACK_SIZE / TORO_PAGE_SIZE);
    if (mem != NULL) {
        bool ok = true;

        base = stack_next + STACK_SLOT - ARCH_STACK_SIZE;
        for (uint64_t o = 0; o < ARCH_STACK_SIZE && ok; o += TORO_PAGE_SIZE)
            ok = map_page(base + o, arch_kva_to_pa(mem) + o, PTE_W | PTE_NX);
        if (ok) {
            stack_next += STACK_SLOT;
        } else {
            toro_kpages_free(mem, ARCH_STACK_SIZE / TORO_PAGE_SIZE);
            base = 0;
        }
    }
    toro_spin_unlock(&lock);
    return base;
}

void arch_stack_free(uint64_t base)
{
    /* Stays mapped for the next thread: no flush of other cores is ever needed. */
    toro_spin_lock(&lock);
    *(uint64_t *)base = stack_free;
    stack_free = base;
    toro_spin_unlock(&lock);
}
