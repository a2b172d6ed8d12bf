/* SPDX-License-Identifier: BSD-3-Clause */
/* Who called whom in a program: by its call frame information (loader/cfi.h); where that ends too
 * early, as in code generated at run time, by what looks like return addresses. */
#include "sys.h"
#include "../loader/image.h"

#define SCAN_WORDS 2048u

/* Does the code before addr end with a call instruction? Then addr may be a return address. */
static bool after_call(uint64_t addr)
{
    uint8_t c[7];

    if (!toro_user_ok((void *)(addr - 7), 7) || toro_copy_from_user(c, (void *)(addr - 7), 7) != 0)
        return false;
    return c[2] == 0xe8 || (c[5] == 0xff && (c[6] & 0x38) == 0x10) ||
           (c[4] == 0xff && (c[5] & 0x38) == 0x10) || (c[1] == 0xff && (c[2] & 0x38) == 0x10) ||
           (c[0] == 0xff && (c[1] & 0x38) == 0x10);
}

/* By the image, not by the map: the caller may have no business on the rank's cores, or hold a
 * lock. */
static bool in_code(const struct toro_proc *p, uint64_t addr)
{
    const struct toro_elf *e = p->image != NULL ? &p->image->elf : NULL;
    uint64_t at = addr - p->load_bias;

    for (unsigned i = 0; e != NULL && i < e->nsegments; i++)
        if ((e->segment[i].flags & TORO_ELF_X) != 0 &&
            at - e->segment[i].vaddr < e->segment[i].memsz)
            return true;
    return false;
}

static bool read_word(void *ctx, uint64_t addr, uint64_t *out)
{
    (void)ctx;
    return toro_user_ok((void *)addr, 8) && toro_copy_from_user(out, (void *)addr, 8) == 0;
}

/* Look through the stack from sp on. */
static unsigned scan(struct toro_proc *p, uint64_t sp, struct sys_place *out, unsigned max)
{
    uint64_t at = TORO_ALIGN_UP(sp, 8ul), w;
    unsigned good = 0;

    for (unsigned n = 0; n < SCAN_WORDS && good < max; n++) {
        if (!toro_user_ok((void *)at, 8))
            break;
        if (!read_word(NULL, at, &w)) {
            /* An overflow ends in the guard: the stack proper begins above. */
            at = TORO_ALIGN_DOWN(at, TORO_PAGE_SIZE) + TORO_PAGE_SIZE;
            n += 63;
            continue;
        }
        if (in_code(p, w) && after_call(w))
            out[good++] = (struct sys_place){.addr = w, .guess = true};
        at += 8;
    }
    return good;
}

static struct toro_cfi_frame frame_of(const struct arch_frame *f)
{
    return (struct toro_cfi_frame){.reg = {f->rax, f->rdx, f->rcx, f->rbx, f->rsi, f->rdi, f->rbp,
                                           f->rsp, f->r8, f->r9, f->r10, f->r11, f->r12, f->r13,
                                           f->r14, f->r15, f->rip},
                                   .known = (1u << TORO_CFI_REGS) - 1,
                                   .exact = true};
}

/* Append the callers of a frame. */
static enum toro_cfi_result callers(struct toro_proc *p, struct toro_cfi_frame *at,
                                    struct sys_place *out, unsigned *n, unsigned max)
{
    const struct toro_image *img = p->image;
    enum toro_cfi_result r = TORO_CFI_LOST;

    while (img != NULL && img->has_cfi && *n < max) {
        uint64_t sp = at->reg[TORO_CFI_RSP];

        r = toro_cfi_step(&img->cfi, p->load_bias, at, read_word, NULL);
        if (r != TORO_CFI_CALLER)
            break;
        /* Callers are further up, but where a signal came on a stack of its own. */
        if (!in_code(p, at->reg[TORO_CFI_RIP]) || (!at->exact && at->reg[TORO_CFI_RSP] <= sp))
            return TORO_CFI_LOST;
        if (at->exact && *n > 0)
            out[*n - 1].signal = true;
        out[(*n)++] = (struct sys_place){.addr = at->reg[TORO_CFI_RIP], .exact = at->exact};
    }
    return r;
}

unsigned sys_backtrace(struct toro_proc *p, const struct arch_frame *f, struct sys_place *out,
                       unsigned max)
{
    struct toro_cfi_frame at = frame_of(f);
    unsigned n = 0;
    uint64_t w;

    out[n++] = (struct sys_place){.addr = f->rip, .exact = true};
    /* A jump to nowhere: what called it has left its return address on top of the stack. */
    if (!in_code(p, f->rip) && n < max && read_word(NULL, f->rsp, &w) && in_code(p, w) &&
        after_call(w)) {
        out[n++] = (struct sys_place){.addr = w};
        at.reg[TORO_CFI_RIP] = w;
        at.reg[TORO_CFI_RSP] += 8;
        at.exact = false;
    }
    if (callers(p, &at, out, &n, max) == TORO_CFI_LOST)
        n += scan(p, at.reg[TORO_CFI_RSP], out + n, max - n);
    return n;
}

const char *sys_place_name(struct toro_proc *p, const struct sys_place *at, char *buf, size_t size)
{
    if (at->signal)
        toro_snprintf(buf, size, "<a signal's handler is called>");
    else /* a call may be the last thing in its function */
        toro_proc_symbol(p, at->addr - !at->exact, buf, size);
    return buf;
}
