/* SPDX-License-Identifier: BSD-3-Clause */
/* From an image to a rank's memory: segments, vDSO, room for the break. */
#include "image.h"
#include <toro/arch.h>
#include <toro/errno.h>
#include <toro/lib.h>

#define RW        (ARCH_PROT_READ | ARCH_PROT_WRITE)
#define LARGE     (2ull << 20)
#define BRK_MAX   (64ull << 30)
#define BRK_SHARE 4u /* at most this part of the pool is room for the break */

static unsigned prot_of(unsigned flags)
{
    return (flags & TORO_ELF_R ? ARCH_PROT_READ : 0) | (flags & TORO_ELF_W ? ARCH_PROT_WRITE : 0) |
           (flags & TORO_ELF_X ? ARCH_PROT_EXEC : 0);
}

/* The ranks of a guest execute one copy of the code, so that its translations and cache lines are
 * everybody's. The rank's own copy lies below: peers in other guests know the region's memory by
 * its address alone, and mprotect() goes back to it. A debugger's breakpoints are to be this rank's
 * only. */
static int share_code(struct toro_proc *p, const struct toro_image *img,
                      const struct toro_elf_segment *s, uint64_t va, uint64_t len)
{
    if (s->memsz != s->filesz || (p->start_flags & TOROBUS_START_STOP) != 0)
        return 0;
    return arch_alias(va, len, img->va + s->offset, prot_of(s->flags));
}

static int map_segment(struct toro_proc *p, const struct toro_image *img,
                       const struct toro_elf_segment *s, uint64_t va, uint64_t len)
{
    uint64_t lead = s->vaddr % TORO_PAGE_SIZE;
    unsigned prot = prot_of(s->flags);
    int err;

    if ((s->flags & TORO_ELF_X) && !(s->flags & TORO_ELF_W) && lead == 0) {
        err = toro_mm_fill(&p->mm, va, len, (void *)(img->va + s->offset), s->filesz, prot);
        if (err == 0)
            err = share_code(p, img, s, va, len);
        return err;
    }
    err = toro_mm_protect(&p->mm, va, len, RW);
    if (err == 0)
        toro_memcpy((void *)(va + lead), (void *)(img->va + s->offset), s->filesz);
    return err == 0 && prot != RW ? toro_mm_protect(&p->mm, va, len, prot) : err;
}

static int map_segments(struct toro_proc *p, const struct toro_image *img)
{
    const struct toro_elf *e = &img->elf;
    uint64_t align = TORO_MAX(e->align, e->span >= LARGE ? LARGE : 0), prev = 0;
    long base = toro_mm_map(&p->mm, 0, e->span, 0, TORO_MAP_HINT, TORO_VMA_IMAGE, align);
    int err = 0;

    if (base < 0)
        return (int)base;
    p->load_bias = (uint64_t)base;
    for (unsigned i = 0; i < e->nsegments && err == 0; i++) {
        const struct toro_elf_segment *s = &e->segment[i];
        uint64_t first = TORO_ALIGN_DOWN(s->vaddr, TORO_PAGE_SIZE);
        uint64_t end = TORO_ALIGN_UP(s->vaddr + s->memsz, TORO_PAGE_SIZE);

        err = map_segment(p, img, s, (uint64_t)base + first, end - first);
        if (err == 0 && first > prev)
            err = toro_mm_unmap(&p->mm, (uint64_t)base + prev, first - prev);
        prev = end;
    }
    p->entry = (uint64_t)base + e->entry;
    p->phdr = (uint64_t)base + e->phdr;
    return err;
}

static int map_vdso(struct toro_proc *p)
{
    size_t size, data;
    const void *image = arch_vdso(&size, &data);
    long va;

    if (image == NULL)
        return 0;
    va = toro_mm_map(&p->mm, 0, TORO_ALIGN_UP(size, TORO_PAGE_SIZE), RW, TORO_MAP_HINT,
                     TORO_VMA_IMAGE, 0);
    if (va < 0)
        return (int)va;
    toro_memcpy((void *)va, image, size);
    p->vdso = (uint64_t)va + data;
    return toro_mm_protect(&p->mm, (uint64_t)va, TORO_ALIGN_UP(size, TORO_PAGE_SIZE),
                           ARCH_PROT_READ | ARCH_PROT_EXEC);
}

/* Without room for the break malloc falls back to mmap: no error. */
static void map_brk(struct toro_proc *p)
{
    uint64_t used, size, len;
    long va = -ENOMEM;

    toro_pool_usage(p->mm.part[0].pool, &used, &size);
    len = TORO_ALIGN_DOWN(TORO_MIN(size / BRK_SHARE, BRK_MAX), LARGE);
    if (len != 0)
        va = toro_mm_map(&p->mm, 0, len, 0, TORO_MAP_HINT, TORO_VMA_BRK, LARGE);
    if (va < 0)
        return;
    p->mm.brk_start = p->mm.brk = (uint64_t)va;
    p->mm.brk_end = (uint64_t)va + len;
}

int toro_image_map(struct toro_proc *p, struct toro_image *img)
{
    int err = map_segments(p, img);

    if (err == 0)
        err = map_vdso(p);
    if (err == 0)
        map_brk(p);
    return err;
}
