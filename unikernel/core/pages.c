/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of the kernel's own RAM: a bitmap, first fit. The kernel takes few and keeps most of them;
 * application memory is elsewhere (mm/). */
#include <toro/arch.h>
#include <toro/lib.h>
#include <toro/lock.h>

#define MAX_PAGES (1ul << 18) /* 1 GiB: what the boot page tables reach */
#define WORDS     (MAX_PAGES / 64)

/* A set bit is a free page. */
static uint64_t bitmap[WORDS];
static struct toro_spinlock lock = TORO_SPINLOCK_INIT;
static uint64_t used_pages;
static size_t end_word; /* none free from here on */
static size_t hint;     /* none free below */

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

void *toro_kpages(size_t npages)
{
    size_t page;
    void *p;

    if (npages == 0 || npages > MAX_PAGES)
        return NULL;
    toro_spin_lock(&lock);
    page = find(npages);
    if (page < MAX_PAGES) {
        for (size_t i = page; i < page + npages; i++)
            bitmap[i / 64] &= ~(1ull << i % 64);
        used_pages += npages;
    }
    toro_spin_unlock(&lock);
    if (page == MAX_PAGES)
        return NULL;
    p = arch_pa_to_kva(page * TORO_PAGE_SIZE);
    toro_memset(p, 0, npages * TORO_PAGE_SIZE);
    return p;
}

void toro_kpages_free(void *p, size_t npages)
{
    uint64_t pa = arch_kva_to_pa(p);
    size_t page = pa / TORO_PAGE_SIZE;

    TORO_ASSERT(pa % TORO_PAGE_SIZE == 0 && page + npages <= end_word * 64);
    toro_spin_lock(&lock);
    for (size_t i = page; i < page + npages; i++) {
        TORO_ASSERT(!is_free(i));
        bitmap[i / 64] |= 1ull << i % 64;
    }
    hint = TORO_MIN(hint, page / 64);
    used_pages -= npages;
    toro_spin_unlock(&lock);
}

uint64_t toro_kmem_used(void)
{
    return used_pages * TORO_PAGE_SIZE + arch_image_size();
}
