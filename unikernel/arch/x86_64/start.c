/* SPDX-License-Identifier: BSD-3-Clause */
/* First C code, on the boot core and the boot page tables: takes what the boot loader left, sets up
 * this core, memory and time, and goes on to toro_main(). */
#include "core.h"
#include <toro/boot.h>
#include <toro/lib.h>

#define PVH_MAGIC       0x336ec578u
#define E820_RAM        1
#define GIB             (1ull << 30)
#define MAX_MAP_ENTRIES 64

/* hvm_start_info and hvm_memmap_table_entry of the PVH boot protocol. */
struct start_info {
    uint32_t magic, version, flags, nr_modules;
    uint64_t modules, cmdline, rsdp, memmap;
    uint32_t memmap_entries, reserved;
};
struct memmap_entry {
    uint64_t addr, size;
    uint32_t type, reserved;
};

extern char arch_image_start[], arch_image_end[], arch_boot_stack_top[];

static char cmdline[2048];
static uint64_t entry_tsc;
static struct arch_core core0;
static char ist[2][ARCH_IST_STACK_SIZE] __attribute__((aligned(4096)));

/** What the compiler puts between a function's buffers and its return address. */
uint64_t __stack_chk_guard;
_Noreturn void __stack_chk_fail(void);

void __stack_chk_fail(void)
{
    toro_panic("a function wrote beyond a buffer on its stack");
}

const char *arch_cmdline(void)
{
    return cmdline;
}

uint64_t arch_image_size(void)
{
    return (uint64_t)(arch_image_end - arch_image_start);
}

uint64_t arch_entry_tsc(void)
{
    return entry_tsc;
}

/* The boot page tables reach the first GiB. */
static const void *early(uint64_t pa, uint64_t len)
{
    if (pa > GIB || len > GIB - pa)
        toro_panic("boot data at 0x%lx, beyond the first GiB", pa);
    return arch_pa_to_kva(pa);
}

/* RAM behind the image, within the first GiB, becomes the kernel's. @return end of it. */
static uint64_t take_ram(const struct start_info *si)
{
    uint64_t image_end = TORO_ALIGN_UP((uint64_t)arch_image_end - ARCH_KVMA, TORO_PAGE_SIZE),
             top = 0;
    const struct memmap_entry *m;
    struct memmap_entry map[MAX_MAP_ENTRIES];
    unsigned n = TORO_MIN(si->memmap_entries, (uint32_t)MAX_MAP_ENTRIES);
    bool trampoline = false;

    if (si->version < 1 || n == 0)
        toro_panic("the boot loader gave no memory map");
    m = early(si->memmap, n * sizeof(*m));
    /* A copy: the map may lie in the memory that is handed out below. */
    toro_memcpy(map, m, n * sizeof(*m));
    for (unsigned i = 0; i < n; i++) {
        uint64_t from = TORO_ALIGN_UP(map[i].addr, TORO_PAGE_SIZE), to;

        if (map[i].type != E820_RAM || map[i].addr >= GIB || map[i].size > UINT64_MAX / 2)
            continue;
        to = TORO_ALIGN_DOWN(TORO_MIN(map[i].addr + map[i].size, GIB), TORO_PAGE_SIZE);
        if (from <= ARCH_TRAMPOLINE && to >= ARCH_TRAMPOLINE + TORO_PAGE_SIZE)
            trampoline = true;
        from = TORO_MAX(from, image_end);
        if (from >= to)
            continue;
        toro_kpages_add(from, to - from);
        top = TORO_MAX(top, to);
    }
    if (top == 0 || !trampoline)
        toro_panic(
            "the boot loader's memory map has no RAM behind the kernel image or below 1 MiB");
    return top;
}

void arch_start(uint64_t start_info, uint64_t tsc)
{
    struct start_info si;
    uint64_t top, guard;

    entry_tsc = tsc;
    arch_console_init();
    arch_cpu_detect();
    arch_idt_setup();
    core0.boot_stack = (uint64_t)arch_boot_stack_top;
    arch_core_setup(&core0, ist[0], ist[1]);
    /* This function never returns, so it does not check the guard that it changes; the lowest byte
     * stays 0 to end strings. */
    arch_random(&guard, sizeof(guard));
    __stack_chk_guard = guard & ~0xffull;

    toro_memcpy(&si, early(start_info, sizeof(si)), sizeof(si));
    if (si.magic != PVH_MAGIC)
        toro_panic("not booted by PVH: start info has magic 0x%x", si.magic);
    if (si.cmdline != 0)
        toro_strlcpy(cmdline, early(si.cmdline, sizeof(cmdline)), sizeof(cmdline));
    top = take_ram(&si);
    arch_paging_init(top);
    arch_paging_use();

    arch_out8(0x21, 0xff); /* the old interrupt controller keeps silent */
    arch_out8(0xa1, 0xff);
    arch_apic_setup();
    if (arch_apic_id() != 0)
        toro_panic("boot core has APIC id %u, expected 0", arch_apic_id());
    arch_time_init();
    core0.up = true;
    toro_main();
    toro_panic("toro_main() returned");
}
