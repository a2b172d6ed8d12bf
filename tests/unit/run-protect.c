/* SPDX-License-Identifier: BSD-3-Clause */
/* The region's page tables against a plain array of rights: pages split and join, rights end up
 * where they should and nowhere else, other cores are flushed when one is taken away. */
#include "tap.h"
#include "kernel-stubs.h"
#include "unikernel/lib/string.c"
#include "unikernel/arch/x86_64/region.c"

#define GIB    (1ull << 30)
#define SIZE   (3 * GIB)
#define NPAGES (SIZE / TORO_PAGE_SIZE)
#define PA     (64 * GIB)
#define VA     TOROBUS_REGION_VA
#define ALL    (ARCH_PROT_READ | ARCH_PROT_WRITE | ARCH_PROT_EXEC)

struct arch_cpu arch_cpu;
static uint64_t top[512];
static unsigned flushed_all;
static uint8_t *shadow;
static unsigned seed = 5;

uint64_t *arch_pml4(void)
{
    return top;
}

void *arch_pa_to_kva(uint64_t pa)
{
    return (void *)pa;
}

uint64_t arch_kva_to_pa(const void *p)
{
    return (uint64_t)p;
}

void arch_tlb_flush(uint64_t va, uint64_t len, uint64_t cores)
{
    (void)va;
    (void)len;
    flushed_all += cores == ~0ull;
}

unsigned arch_ncores(void)
{
    return 1;
}

static unsigned rnd(unsigned n)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % n;
}

/* What the tables say about a page, -1 if they do not lead to the memory of `to`. */
static int rights_to(uint64_t va, uint64_t to)
{
    uint64_t e = top[va >> 39 & 511];
    unsigned level = 2;

    for (;; level--) {
        if ((e & (PTE_P | PTE_W | PTE_U)) != (PTE_P | PTE_W | PTE_U))
            return -1;
        e = ((uint64_t *)(e & PTE_ADDR))[va >> (12 + 9 * level) & 511];
        if (!(e & PTE_P))
            return e == 0 ? 0 : -1;
        if (level == 0 || (e & PTE_PS))
            break;
    }
    if (!(e & PTE_U) || (level == 0 && (e & PTE_PS)))
        return -1;
    if ((e & PTE_ADDR & ~(SPAN(level) - 1)) + (va & (SPAN(level) - 1)) != PA + (to - VA))
        return -1;
    return (int)(ARCH_PROT_READ | (e & PTE_W ? ARCH_PROT_WRITE : 0) |
                 (e & PTE_NX ? 0 : ARCH_PROT_EXEC));
}

/* Is it a page of that size? */
static bool is_leaf(uint64_t va, unsigned want)
{
    uint64_t e = top[va >> 39 & 511];
    unsigned level = 2;

    for (;; level--) {
        e = ((uint64_t *)(e & PTE_ADDR))[va >> (12 + 9 * level) & 511];
        if (level == 0 || !(e & PTE_P) || (e & PTE_PS))
            return (e & PTE_P) && level == want;
    }
}

static int rights(uint64_t va)
{
    return rights_to(va, va);
}

/* Rights of an x86 page that was asked for `prot`. */
static unsigned effective(unsigned prot)
{
    return prot == 0 ? 0 : prot | ARCH_PROT_READ;
}

static unsigned apply(uint64_t page, uint64_t n, unsigned prot)
{
    unsigned bad = 0, lost = 0, before = flushed_all;

    for (uint64_t i = page; i < page + n; i++) {
        lost |= shadow[i] & ~effective(prot);
        shadow[i] = (uint8_t)effective(prot);
    }
    bad += arch_protect(VA + page * TORO_PAGE_SIZE, n * TORO_PAGE_SIZE, prot) != 0;
    bad += lost && flushed_all == before;
    /* Both ends and just outside, and a few in the middle. */
    for (unsigned k = 0; k < 16; k++) {
        uint64_t i = k == 0 ? page : k == 1 ? page + n - 1 : page + rnd((unsigned)n);

        i = k == 2 && page > 0 ? page - 1 : k == 3 && page + n < NPAGES ? page + n : i;
        bad += rights(VA + i * TORO_PAGE_SIZE) != shadow[i];
    }
    return bad;
}

static void run(const char *name)
{
    unsigned bad = 0;
    long base;

    pdpt = NULL;
    t_eq(arch_map_region(PA, SIZE), 0, name);
    base = stub_pages;
    memset(shadow, ALL, NPAGES);
    for (unsigned r = 0; r < 20000; r++) {
        uint64_t page = rnd(NPAGES), n = 1;

        switch (rnd(4)) {
        case 0: /* a guard page */
            break;
        case 1: /* a few */
            n = 1 + rnd(600);
            break;
        case 2: /* whole large pages */
            page = TORO_ALIGN_DOWN(page, 512ul);
            n = 512 * (1 + rnd(3));
            break;
        default: /* much, now and then */
            n = rnd(100) == 0 ? 1 + rnd(NPAGES) : 1 + rnd(3000);
        }
        n = TORO_MIN(n, NPAGES - page);
        bad += apply(page, n, rnd(8));
    }
    t_eq(bad, 0, "20000 changes of rights");
    bad = 0;
    for (uint64_t i = 0; i < NPAGES; i++)
        bad += rights(VA + i * TORO_PAGE_SIZE) != shadow[i];
    t_eq(bad, 0, "every page has its rights");
    /* Restored piece by piece, as programs do it. */
    for (uint64_t i = 0; i < NPAGES; i += 128)
        apply(i, 128, ALL);
    t_ok(stub_pages <= base + 4 + 3,
         "all tables below 1 GiB came back: %ld pages more than at first", stub_pages - base);
    t_ok(apply(12345, 1, 0) == 0 && stub_pages <= base + 8, "one guard page takes one table");
    t_ok(arch_fault_spurious(VA + 12345 * TORO_PAGE_SIZE, 4) == false, "a fault there is a fault");
    t_ok(arch_fault_spurious(VA + 12346 * TORO_PAGE_SIZE, 6), "one beside it is a stale entry");
    apply(12345, 1, ARCH_PROT_READ);
    t_ok(!arch_fault_spurious(VA + 12345 * TORO_PAGE_SIZE, 7) &&
             !arch_fault_spurious(VA + 12345 * TORO_PAGE_SIZE, 0x15) &&
             arch_fault_spurious(VA + 12345 * TORO_PAGE_SIZE, 5),
         "reading may be stale where writing and executing may not");
    t_ok(!arch_fault_spurious(VA + GIB, 8) && !arch_fault_spurious(VA + GIB, 0x11) &&
             !arch_fault_spurious(VA + SIZE, 4),
         "reserved bits, the kernel executing, addresses outside: never stale");
    apply(12345, 1, ALL);
    t_eq(arch_protect(VA + SIZE, 4096, 0), -EINVAL, "outside");
    t_eq(arch_protect(VA + SIZE - 4096, 8192, 0), -EINVAL, "across the end");
    t_eq(arch_protect(VA + 1, 4096, 0), -EINVAL, "not on a page");
    t_eq(arch_protect(VA, UINT64_MAX - 4095, 0), -EINVAL, "wraps");
    stub_pages_max = stub_pages;
    while (cores_tables[0].nspare > 0)
        free(cores_tables[0].spare[--cores_tables[0].nspare]);
    t_eq(arch_protect(VA + 4096, 4096, 0), -ENOMEM, "no memory for tables");
    t_eq(rights(VA + 4096), ALL, "leaves the rights as they were");
    stub_pages_max = 1 << 20;
    for (uint64_t i = 0; i < 512; i++)
        if (is_table(pdpt[i]))
            free(table_of(pdpt[i]));
    free(pdpt);
}

/* Other memory at an address: found there with its rights, and gone, for all cores, when the
 * address gets a right, or none, of its own. */
static void aliases(bool large)
{
    const uint64_t n = 700, at = VA + GIB / 4 * 3, of = VA + 2 * GIB + (large ? 0 : 4096);
    const unsigned rx = ARCH_PROT_READ | ARCH_PROT_EXEC;
    unsigned bad = 0, before;
    long base;

    pdpt = NULL;
    arch_cpu.pdpe1gb = true;
    t_eq(arch_map_region(PA, SIZE), 0, "a region for aliases");
    base = stub_pages;
    arch_protect(VA, SIZE, ARCH_PROT_READ | ARCH_PROT_WRITE);
    before = flushed_all;
    t_eq(arch_alias(at, n * TORO_PAGE_SIZE, of, rx), 0, "700 pages");
    t_eq(flushed_all, before + 1, "all cores hear of it");
    for (uint64_t i = 0; i < n; i++)
        bad += rights_to(at + i * TORO_PAGE_SIZE, of + i * TORO_PAGE_SIZE) != (int)rx;
    t_eq(bad, 0, "show the other memory");
    t_ok(rights(at - TORO_PAGE_SIZE) == 3 && rights(at + n * TORO_PAGE_SIZE) == 3,
         "those beside them their own");
    t_ok(large == is_leaf(at, 1), "a large page where the places in it agree");
    before = flushed_all;
    t_eq(arch_protect_on(at + 4096, 4096, ARCH_PROT_READ | ARCH_PROT_WRITE, 1), 0,
         "one gets rights");
    t_ok(rights(at + 4096) == 3 && rights_to(at, of) == (int)rx, "and shows its own memory again");
    t_eq(flushed_all, before + 1, "of which all cores hear");
    t_eq(arch_protect_on(at, n * TORO_PAGE_SIZE, 0, 1), 0, "all are taken");
    t_eq(flushed_all, before + 2, "all cores hear of that, too");
    t_eq(arch_alias(at, 4096, VA + SIZE, rx), -EINVAL, "not what lies outside");
    t_eq(arch_alias(at, 4096, of + 1, rx), -EINVAL, "nor half pages");
    before = flushed_all;
    arch_alias(at, 512 * TORO_PAGE_SIZE, of, rx);
    arch_protect_on(VA, GIB, ARCH_PROT_READ | ARCH_PROT_WRITE, 1);
    t_eq(flushed_all, before + 1, "an alias inside of a table that goes");
    arch_protect(VA, SIZE, ALL);
    t_ok(stub_pages <= base + 4, "the tables came back");
    while (cores_tables[0].nspare > 0)
        free(cores_tables[0].spare[--cores_tables[0].nspare]);
    free(pdpt);
}

int main(void)
{
    shadow = malloc(NPAGES);
    arch_cpu.pdpe1gb = true;
    run("with pages of 1 GiB");
    arch_cpu.pdpe1gb = false;
    run("without pages of 1 GiB");
    aliases(true);
    aliases(false);
    free(shadow);
    return t_done();
}
