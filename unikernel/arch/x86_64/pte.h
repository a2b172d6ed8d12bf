/* SPDX-License-Identifier: BSD-3-Clause */
/* Bits of a page table entry. */
#ifndef ARCH_PTE_H
#define ARCH_PTE_H

#define PTE_P     (1ull << 0)
#define PTE_W     (1ull << 1)
#define PTE_U     (1ull << 2)
#define PTE_PWT   (1ull << 3)
#define PTE_PCD   (1ull << 4)
#define PTE_A     (1ull << 5)
#define PTE_D     (1ull << 6)
#define PTE_PS    (1ull << 7) /**< a large page, not a table */
#define PTE_G     (1ull << 8)
#define PTE_ALIAS (1ull << 9) /**< ours: not the memory that belongs to the address */
#define PTE_NX    (1ull << 63)
#define PTE_ADDR  0x000ffffffffff000ull

#endif
