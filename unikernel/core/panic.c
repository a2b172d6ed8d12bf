/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a guest whose kernel cannot go on: says why and where, stops everything, exits. */
#include <toro/arch.h>
#include <toro/boot.h>
#include <toro/ctl.h>
#include <toro/lib.h>
#include <torobus/boot.h>

#define MAX_DEPTH 24

extern const char toro_ksyms_start[], toro_ksyms_end[];

/* Records of kernel.mk: address above the image's base (32 bits), length, name; sorted by address.
 */
const char *toro_ksym(uint64_t addr, char *buf, size_t size, uint64_t *offset)
{
    const uint8_t *p = (const uint8_t *)toro_ksyms_start, *best = NULL;
    uint64_t base = 0xffffffff80000000ull, best_at = 0;

    if (addr < base)
        return NULL;
    while (p + 5 <= (const uint8_t *)toro_ksyms_end) {
        uint32_t at;

        toro_memcpy(&at, p, sizeof(at));
        if (at == 0 || base + at > addr)
            break;
        best = p + 4;
        best_at = base + at;
        p += 5 + p[4];
    }
    if (best == NULL || addr - best_at > 0x10000)
        return NULL;
    toro_snprintf(buf, size, "%.*s", (int)*best, (const char *)best + 1);
    *offset = addr - best_at;
    return buf;
}

static void print_address(const char *what, uint64_t addr)
{
    char name[64];
    uint64_t off;

    if (toro_ksym(addr, name, sizeof(name), &off) != NULL)
        toro_printk(0, "  %s 0x%lx  %s+0x%lx", what, addr, name, off);
    else
        toro_printk(0, "  %s 0x%lx", what, addr);
}

static void print_frame(const struct arch_frame *f)
{
    print_address("rip", f->rip);
    toro_printk(0, "  rax %016lx rbx %016lx rcx %016lx rdx %016lx", f->rax, f->rbx, f->rcx, f->rdx);
    toro_printk(0, "  rsi %016lx rdi %016lx rbp %016lx rsp %016lx", f->rsi, f->rdi, f->rbp, f->rsp);
    toro_printk(0, "  r8  %016lx r9  %016lx r10 %016lx r11 %016lx", f->r8, f->r9, f->r10, f->r11);
    toro_printk(0, "  r12 %016lx r13 %016lx r14 %016lx r15 %016lx", f->r12, f->r13, f->r14, f->r15);
    toro_printk(0, "  cs %lx ss %lx flags %lx error %lx", f->cs, f->ss, f->rflags, f->error);
}

void toro_panic(const char *fmt, ...)
{
    static char text[256]; /* the stack may be the small one of a double fault */
    static uint64_t chain[MAX_DEPTH];
    const struct arch_frame *f;
    unsigned n;
    va_list ap;

    if (!arch_panic_enter())
        arch_exit(TOROBUS_EXIT_PANIC); /* a panic in the panic */
    va_start(ap, fmt);
    toro_vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    toro_printk(0, "PANIC on core %u of node \"%s\": %s", arch_core(), toro_boot.name, text);
    f = arch_panic_frame();
    if (f != NULL)
        print_frame(f);
    n = arch_backtrace(f != NULL ? f->rbp : (uint64_t)__builtin_frame_address(0), chain, MAX_DEPTH);
    for (unsigned i = 0; i < n; i++)
        print_address("at ", chain[i]);
    toro_ctl_panic(text);
    arch_exit(TOROBUS_EXIT_PANIC);
}
