/* SPDX-License-Identifier: BSD-3-Clause */
/* Names for code addresses of a rank, from its program's own symbol table. */
#include "image.h"
#include <toro/lib.h>

const char *toro_proc_symbol(struct toro_proc *p, uint64_t addr, char *buf, size_t size)
{
    const struct toro_image *img = p->image;
    uint64_t rel = addr - p->load_bias, off;
    const char *name = NULL;

    if (img != NULL && addr >= p->load_bias && rel < img->elf.span && img->has_symtab)
        name = toro_elf_symbol((void *)img->va, &img->symtab, rel, &off);
    if (name != NULL)
        toro_snprintf(buf, size, "%.100s+0x%lx", name, (unsigned long)off);
    else if (img != NULL && addr >= p->load_bias && rel < img->elf.span)
        toro_snprintf(buf, size, "program+0x%lx", (unsigned long)rel);
    else
        toro_snprintf(buf, size, "?");
    return buf;
}
