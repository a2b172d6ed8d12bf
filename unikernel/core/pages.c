/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of the kernel's own RAM: a bitmap, first fit, behind a lock; in front of it a stock of
 * single pages per core, which only that core touches. A page belongs to nobody while it is free:
 * whoever frees it puts it into its own stock. Application memory is elsewhere (mm/). */
#include <toro/arch.h>
#include <toro/lib.h>
#include <toro/lock.h>

#define MAX_PAGES (1ul << 18) /* 1 GiB: what the boot page tables reach */
#define WORDS     (MAX_PAGES / 64)

/* A set bit is a free page. */
static uint64_t bitmap[WORDS];
static struct toro_spinlock lock = TORO_SPINLOCK_INIT;
static uint64_t used_pages; /* not in the bitmap: in use or in a stock */
static size_t end_word;     /* none free from here on */
static size_t hint;         /* none free below */

#define STOCK 8u

static struct stock {
    _Atomic unsigned n; /* read by other cores, for toro_kmem_used() */
    void *page[STOCK];
} __attribute__((aligned(64))) stocks[TORO_MAX_CORES];

static bool is_free(size_t page)
{
    return page < MAX_PAGES && (bitmap[page / 64] >> page % 64 & 1);
}

void toro_kpages_add(uint64_t pa, uint64_t len)
{
    size_t first = pa / TORO_PAGE_SIZE, n = len / TORO_PAGE_SIZE;

    for (size_t i = first; i < first + n && i < MAX_PAGES; i++) {
        bitmap[i / 64] |= 1ull << i % 64;
        end_word = TORO_MAX(end_word, i / 64 + 1);
    }
}

/* First page of npages free ones in a row, MAX_PAGES if there are none. */
static size_t find(size_t npages)
{
    size_t run = 0, i = hint * 64;

    while (i < end_word * 64) {
        if (i % 64 == 0 && bitmap[i / 64] == 0) {
            if (i / 64 == hint)
                hint++;
            run = 0;
            i += 64;
            continue;
        }
        run = is_free(i) ? run + 1 : 0;
        i++;
        if (run == npages)
            return i - npages;
    }
    return MAX_PAGES;
}

/* A free page says so in its first words: one that is freed twice is noticed without a look at what
 * other cores write. */
#define FREE_MAGIC 0xf7eef7ee0bad0badull

static void mark_free(void *p, size_t npages)
{
    for (size_t i = 0; i < npages; i++) {
        uint64_t *w = (uint64_t *)((char *)p + i * TORO_PAGE_SIZE);

        if (w[0] == (uint64_t)w && w[1] == FREE_MAGIC)
            toro_panic("kernel page %p: freed twice", (void *)w);
        w[0] = (uint64_t)w;
        w[1] = FREE_MAGIC;
    }
}

/* Lock held. @return number of the first page, MAX_PAGES if there are none. */
static size_t take(size_t npages)
{
    size_t page = find(npages);

    if (page < MAX_PAGES) {
        for (size_t i = page; i < page + npages; i++)
            bitmap[i / 64] &= ~(1ull << i % 64);
        used_pages += npages;
    }
    return page;
}

/* Lock held. */
static void give(void *p, size_t npages)
{
    size_t page = arch_kva_to_pa(p) / TORO_PAGE_SIZE;

    for (size_t i = page; i < page + npages; i++) {
        TORO_ASSERT(!is_free(i));
        bitmap[i / 64] |= 1ull << i % 64;
    }
    hint = TORO_MIN(hint, page / 64);
    used_pages -= npages;
}

static unsigned level(const struct stock *s)
{
    return atomic_load_explicit(&s->n, memory_order_relaxed);
}

static void set_level(struct stock *s, unsigned n)
{
    atomic_store_explicit(&s->n, n, memory_order_relaxed);
}

/* Between a core's stock and the bitmap go half a stock at a time. */
static void refill(struct stock *s)
{
    unsigned n = level(s);

    toro_spin_lock(&lock);
    while (n < STOCK / 2) {
        size_t page = take(1);

        if (page == MAX_PAGES)
            break;
        s->page[n++] = arch_pa_to_kva(page * TORO_PAGE_SIZE);
    }
    toro_spin_unlock(&lock);
    set_level(s, n);
}

static void drain(struct stock *s, unsigned keep)
{
    unsigned n = level(s);

    toro_spin_lock(&lock);
    while (n > keep)
        give(s->page[--n], 1);
    toro_spin_unlock(&lock);
    set_level(s, n);
}

static void *one_page(void)
{
    struct stock *s = &stocks[arch_core()];
    unsigned n = level(s);

    if (toro_unlikely(n == 0)) {
        refill(s);
        n = level(s);
        if (n == 0)
            return NULL;
    }
    set_level(s, n - 1);
    return s->page[n - 1];
}

static void *pages_in_a_row(size_t npages)
{
    struct stock *s = &stocks[arch_core()];
    size_t page;

    toro_spin_lock(&lock);
    page = take(npages);
    toro_spin_unlock(&lock);
    if (toro_unlikely(page == MAX_PAGES) && level(s) > 0) {
        drain(s, 0); /* one of these may lie in between */
        toro_spin_lock(&lock);
        page = take(npages);
        toro_spin_unlock(&lock);
    }
    return page == MAX_PAGES ? NULL : arch_pa_to_kva(page * TORO_PAGE_SIZE);
}

void *toro_kpages(size_t npages)
{
    void *p = NULL;

    if (npages == 1)
        p = one_page();
    else if (npages != 0 && npages <= MAX_PAGES)
        p = pages_in_a_row(npages);
    if (p != NULL)
        toro_memset(p, 0, npages * TORO_PAGE_SIZE);
    return p;
}

void toro_kpages_free(void *p, size_t npages)
{
    struct stock *s = &stocks[arch_core()];
    uint64_t pa = arch_kva_to_pa(p);
    unsigned n;

    TORO_ASSERT(pa % TORO_PAGE_SIZE == 0 && pa / TORO_PAGE_SIZE + npages <= end_word * 64);
    mark_free(p, npages);
    if (npages != 1) {
        toro_spin_lock(&lock);
        give(p, npages);
        toro_spin_unlock(&lock);
        return;
    }
    if (level(s) == STOCK)
        drain(s, STOCK / 2);
    n = level(s);
    s->page[n] = p;
    set_level(s, n + 1);
}

uint64_t toro_kmem_used(void)
{
    uint64_t n = used_pages;

    for (unsigned i = 0; i < TORO_MAX_CORES; i++)
        n -= level(&stocks[i]);
    return n * TORO_PAGE_SIZE + arch_image_size();
}
