/* SPDX-License-Identifier: BSD-3-Clause */
/* The bus region in the page tables: largest pages first, split where a program changes the
 * protection of a part, joined again to 2 MiB pages when a table has become uniform.
 *
 * There is no lock. Every 2 MiB of the region are one core's to change (mm/pool.c), but for the
 * boot; tables that span more are made then, or belong to one core as a whole. */
#include "core.h"
#include "pte.h"
#include <toro/errno.h>
#include <toro/lib.h>
#include <torobus/abi.h>

#define SPAN(level) (1ull << (12 + 9 * (level)))

static uint64_t region_pa, region_size;
static uint64_t *pdpt;
static unsigned top_level; /* of the largest page: 2 = 1 GiB, 1 = 2 MiB */

/* What a core needs to change its part. */
static struct tables {
    /* One call splits at most two tables at each end of its range. */
    uint64_t *spare[4];
    unsigned nspare;
    /* Tables in use. While they are few, one that shows nothing any more is kept for the next
     * mapping there: small blocks come and go at one place. */
    int used;
    /* Tables that are out of use, but that a core which was not flushed may still walk. */
    uint64_t *kept;
    unsigned nkept;
} __attribute__((aligned(64))) cores_tables[TORO_MAX_CORES];

#define EMPTY_MAX 1024u /* of all cores together */
#define KEPT_MAX  64u

/* One change: whose tables, and what it has done, for the flush at its end. */
struct change {
    struct tables *own;
    bool taken; /* a right was taken away, or a table is to be freed */
    bool moved; /* an address has become that of other memory */
};

/* Others look without a lock (walk()), so an entry is written at once and in order. */
static void put(uint64_t *e, uint64_t v)
{
    __atomic_store_n(e, v, __ATOMIC_RELEASE);
}

static bool is_table(uint64_t e)
{
    return (e & PTE_P) && !(e & PTE_PS);
}

/* @param shift  where the memory is, as seen from va; 0 but for arch_alias() */
static uint64_t leaf(uint64_t va, uint64_t shift, unsigned level, unsigned prot)
{
    if (prot == 0)
        return 0;
    return (region_pa + (va + shift - TOROBUS_REGION_VA)) | PTE_P | PTE_U | PTE_A | PTE_D |
           (prot & ARCH_PROT_WRITE ? PTE_W : 0) | (prot & ARCH_PROT_EXEC ? 0 : PTE_NX) |
           (level > 0 ? PTE_PS : 0) | (shift != 0 ? PTE_ALIAS : 0);
}

static uint64_t *table_of(uint64_t e)
{
    return arch_pa_to_kva(e & PTE_ADDR);
}

static void free_later(uint64_t *table, unsigned level, struct change *ch)
{
    for (unsigned i = 0; i < 512; i++) {
        if (level > 0 && is_table(table[i]))
            free_later(table_of(table[i]), level - 1, ch);
        else
            ch->moved |= (table[i] & PTE_ALIAS) != 0;
    }
    put(table, (uint64_t)ch->own->kept); /* an entry that is not present */
    ch->own->kept = table;
    ch->own->nkept++;
    ch->own->used--;
    ch->taken = true;
}

static void split(uint64_t *e, unsigned level, struct change *ch)
{
    uint64_t *table = ch->own->spare[--ch->own->nspare], sub = *e;

    if (level == 1)
        sub &= ~PTE_PS;
    for (unsigned i = 0; i < 512; i++)
        table[i] = sub & PTE_P ? sub + i * SPAN(level - 1) : 0;
    put(e, arch_kva_to_pa(table) | PTE_P | PTE_W | PTE_U);
    ch->own->used++;
}

/* Put one large page in the place of a table whose entries all say the same. Not 1 GiB: several
 * cores may have their parts in one. */
static void join(uint64_t *e, unsigned level, struct change *ch)
{
    uint64_t *table = table_of(*e), first = table[0];

    if (level != 1 || ((first & PTE_P) && (first & PTE_ADDR & (SPAN(level) - 1)) != 0) ||
        (!(first & PTE_P) && (int)arch_ncores() * ch->own->used <= (int)EMPTY_MAX))
        return;
    for (unsigned i = 1; i < 512; i++)
        if (table[i] != (first & PTE_P ? first + i * SPAN(level - 1) : 0))
            return;
    put(e, first & PTE_P ? first | PTE_PS : 0);
    free_later(table, 0, ch);
}

static void set(uint64_t *table, unsigned level, uint64_t from, uint64_t to, uint64_t shift,
                unsigned prot, struct change *ch)
{
    for (uint64_t va = from, next; va < to; va = next) {
        uint64_t *e = &table[va >> (12 + 9 * level) & 511];

        next = TORO_MIN(to, TORO_ALIGN_DOWN(va, SPAN(level)) + SPAN(level));
        if (level <= top_level && next - va == SPAN(level) && shift % SPAN(level) == 0) {
            uint64_t old = *e, new = leaf(va, shift, level, prot);

            put(e, new);
            if (is_table(old) && level > 0)
                free_later(table_of(old), level - 1, ch);
            else if ((old & PTE_P) &&
                     (!(new &PTE_P) || (old & ~new &PTE_W) || (new & ~old &PTE_NX)))
                ch->taken = true;
            if ((level == 0 || !is_table(old)) && (old & PTE_P) && ((old | new) & PTE_ALIAS))
                ch->moved = true;
        } else {
            if (!is_table(*e))
                split(e, level, ch);
            set(table_of(*e), level - 1, va, next, shift, prot, ch);
            join(e, level, ch);
        }
    }
}

int arch_map_region(uint64_t pa, uint64_t size)
{
    unsigned prot = ARCH_PROT_READ | ARCH_PROT_WRITE | ARCH_PROT_EXEC;
    uint64_t end = TOROBUS_REGION_VA + size;

    if (pdpt != NULL || size == 0 || size > TOROBUS_REGION_MAX || size % SPAN(1) != 0 ||
        pa % SPAN(1) != 0)
        return -EINVAL;
    region_pa = pa;
    region_size = size;
    top_level = arch_cpu.pdpe1gb && pa % SPAN(2) == 0 && size % SPAN(2) == 0 ? 2 : 1;
    pdpt = toro_kpages(1);
    if (pdpt == NULL)
        return -ENOMEM;
    for (uint64_t va = TOROBUS_REGION_VA; va < end; va += SPAN(2)) {
        uint64_t *e = &pdpt[va >> 30 & 511];

        if (top_level == 2) {
            *e = leaf(va, 0, 2, prot);
        } else {
            uint64_t *pd = toro_kpages(1);

            if (pd == NULL)
                return -ENOMEM;
            for (uint64_t i = 0; i < 512 && va + i * SPAN(1) < end; i++)
                pd[i] = leaf(va + i * SPAN(1), 0, 1, prot);
            *e = arch_kva_to_pa(pd) | PTE_P | PTE_W | PTE_U;
        }
    }
    arch_pml4()[TOROBUS_REGION_VA >> 39 & 511] = arch_kva_to_pa(pdpt) | PTE_P | PTE_W | PTE_U;
    return 0;
}

static bool in_region(uint64_t va, uint64_t len)
{
    uint64_t off = va - TOROBUS_REGION_VA;

    return va % TORO_PAGE_SIZE == 0 && len % TORO_PAGE_SIZE == 0 && va >= TOROBUS_REGION_VA &&
           off <= region_size && len <= region_size - off;
}

static int change(uint64_t va, uint64_t len, uint64_t shift, unsigned prot, uint64_t cores)
{
    struct tables *own = &cores_tables[arch_core()];
    struct change ch = {.own = own};
    uint64_t *freed = NULL;

    if (!in_region(va, len) || !in_region(va + shift, len))
        return -EINVAL;
    if (len == 0)
        return 0;
    while (own->nspare < TORO_ARRAY_SIZE(own->spare)) {
        uint64_t *page = toro_kpages(1);

        if (page == NULL)
            return -ENOMEM;
        own->spare[own->nspare++] = page;
    }
    set(pdpt, 2, va, va + len, shift, prot, &ch);
    if (ch.moved) {
        cores = ~0ull;
        ch.taken = true;
    }
    if (own->nkept > KEPT_MAX || (own->nkept > 0 && cores == ~0ull)) {
        cores = ~0ull;
        ch.taken = true;
        freed = own->kept;
        own->kept = NULL;
        own->nkept = 0;
    }
    /* New rights need no flush: who runs into an old entry finds out (arch_fault_spurious()). */
    if (ch.taken)
        arch_tlb_flush(va, len, cores);
    while (freed != NULL) {
        uint64_t *table = freed;

        freed = (uint64_t *)*table;
        toro_kpages_free(table, 1);
    }
    return 0;
}

int arch_protect_on(uint64_t va, uint64_t len, unsigned prot, uint64_t cores)
{
    return change(va, len, 0, prot, cores);
}

int arch_protect(uint64_t va, uint64_t len, unsigned prot)
{
    return change(va, len, 0, prot, ~0ull);
}

int arch_alias(uint64_t va, uint64_t len, uint64_t of, unsigned prot)
{
    return change(va, len, of - va, prot, ~0ull);
}

/* The entry for va, as of now. A table cannot be freed meanwhile: whoever frees it waits until this
 * core has flushed, which it does not do in here. */
static uint64_t walk(uint64_t va)
{
    const uint64_t *table = pdpt;

    for (unsigned level = 2;; level--) {
        uint64_t e = __atomic_load_n(&table[va >> (12 + 9 * level) & 511], __ATOMIC_ACQUIRE);

        if (level == 0 || !is_table(e))
            return e;
        table = table_of(e);
    }
}

bool arch_fault_spurious(uint64_t va, uint64_t error)
{
    /* A reserved bit, or the kernel executing a program's page: never allowed. */
    if ((error & 8) || (error & 20) == 16 || pdpt == NULL || va < TOROBUS_REGION_VA ||
        va - TOROBUS_REGION_VA >= region_size)
        return false;
    /* A table that another core has just put out of use says nothing: what is in its place was
     * there before, so the second look finds it. */
    for (unsigned look = 0; look < 2; look++) {
        uint64_t e = walk(va);

        if ((e & PTE_P) && !((error & 2) && !(e & PTE_W)) && !((error & 16) && (e & PTE_NX)))
            return true;
    }
    return false;
}
