/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's page allocator against a plain array of what is taken. */
#define STUBS_NO_PAGES
#include "tap.h"
#include "kernel-stubs.h"
#include "unikernel/lib/string.c"
#include "unikernel/core/pages.c"

#define FIRST  300ul /* page number of the first page of RAM */
#define NPAGES 1000ul

static char *ram;

void *arch_pa_to_kva(uint64_t pa)
{
    return ram + (pa - FIRST * TORO_PAGE_SIZE);
}

uint64_t arch_kva_to_pa(const void *p)
{
    return (uint64_t)((const char *)p - ram) + FIRST * TORO_PAGE_SIZE;
}

uint64_t arch_image_size(void)
{
    return 12345;
}

int main(void)
{
    static unsigned char taken[NPAGES]; /* number of the piece + 1 */
    static struct {
        char *p;
        size_t n;
    } piece[200];
    unsigned seed = 7, bad = 0, full = 0;
    size_t used = 0;
    char *p;

    ram = aligned_alloc(TORO_PAGE_SIZE, NPAGES * TORO_PAGE_SIZE);
    memset(ram, 0xaa, NPAGES * TORO_PAGE_SIZE);
    t_ok(toro_kpages(1) == NULL, "nothing before there is RAM");
    toro_kpages_add(FIRST * TORO_PAGE_SIZE, 500 * TORO_PAGE_SIZE);
    toro_kpages_add((FIRST + 500) * TORO_PAGE_SIZE, 500 * TORO_PAGE_SIZE);
    p = toro_kpages(NPAGES);
    t_ok(p == ram, "two ranges that touch are one");
    t_ok(p[0] == 0 && memcmp(p, p + 1, NPAGES * TORO_PAGE_SIZE - 1) == 0, "zeroed");
    t_eq(toro_kmem_used(), NPAGES * TORO_PAGE_SIZE + 12345, "all in use");
    t_ok(toro_kpages(1) == NULL, "no more");
    toro_kpages_free(p, NPAGES);
    t_ok(toro_kpages(NPAGES + 1) == NULL && toro_kpages(0) == NULL, "impossible numbers of pages");

    for (unsigned r = 0; r < 200000; r++) {
        unsigned i;

        seed = seed * 1103515245u + 12345u;
        i = (seed >> 8) % TORO_ARRAY_SIZE(piece);
        if (piece[i].p != NULL) {
            size_t at = (size_t)(piece[i].p - ram) / TORO_PAGE_SIZE;

            for (size_t k = 0; k < piece[i].n; k++) {
                bad += taken[at + k] != (unsigned char)(i + 1);
                taken[at + k] = 0;
            }
            piece[i].p[0] = 1;
            toro_kpages_free(piece[i].p, piece[i].n);
            piece[i].p = NULL;
            used -= piece[i].n;
            continue;
        }
        piece[i].n = 1 + (seed >> 20) % 24;
        piece[i].p = toro_kpages(piece[i].n);
        if (piece[i].p == NULL) {
            size_t run = 0;

            full++;
            for (size_t k = 0; k < NPAGES; k++) {
                run = taken[k] ? 0 : run + 1;
                bad += run >= piece[i].n;
            }
            continue;
        }
        bad += piece[i].p[0] != 0;
        used += piece[i].n;
        for (size_t k = 0; k < piece[i].n; k++) {
            size_t at = (size_t)(piece[i].p - ram) / TORO_PAGE_SIZE + k;

            bad += taken[at] != 0;
            taken[at] = (unsigned char)(i + 1);
        }
    }
    t_eq(bad, 0, "200000 random steps: no page twice, none lost, refused only without room");
    t_ok(full > 100, "room ran out now and then (%u times)", full);
    t_eq(toro_kmem_used(), used * TORO_PAGE_SIZE + 12345, "the sum is right");
    for (unsigned i = 0; i < TORO_ARRAY_SIZE(piece); i++)
        if (piece[i].p != NULL)
            toro_kpages_free(piece[i].p, piece[i].n);
    p = toro_kpages(NPAGES);
    t_ok(p != NULL, "all comes back in one piece");
    toro_kpages_free(p, NPAGES);
    t_ok(PANICS(toro_kpages_free(p, 1)), "a page freed twice is caught");
    p = toro_kpages(1);
    toro_kpages_free(p, 1);
    t_ok(PANICS(toro_kpages_free(p, 1)), "also one in the core's stock");
    stub_core = 1;
    p = toro_kpages(1);
    used = toro_kmem_used();
    stub_core = 0;
    toro_kpages_free(p, 1);
    t_ok(toro_kpages(1) == p, "a page stays with the core that freed it");
    t_eq(toro_kmem_used(), used, "what is in a stock is not in use");
    free(ram);
    return t_done();
}
