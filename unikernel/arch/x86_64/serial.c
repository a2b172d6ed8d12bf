/* SPDX-License-Identifier: BSD-3-Clause */
/* Console: a 16550 at 0x3f8, polled. */
#include "core.h"

#define PORT       0x3f8
#define LSR        (PORT + 5)
#define LSR_EMPTY  0x20
#define WAIT_POLLS 100000 /* a line nobody reads must not stop the kernel */

void arch_console_init(void)
{
    arch_out8(PORT + 1, 0);    /* no interrupts */
    arch_out8(PORT + 3, 0x80); /* divisor */
    arch_out8(PORT + 0, 1);    /* 115200 */
    arch_out8(PORT + 1, 0);
    arch_out8(PORT + 3, 3); /* 8n1 */
    arch_out8(PORT + 2, 7); /* FIFO on and clear */
    arch_out8(PORT + 4, 3);
}

void arch_console_write(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (unsigned w = 0; w < WAIT_POLLS && !(arch_in8(LSR) & LSR_EMPTY); w++)
            arch_pause();
        arch_out8(PORT, (uint8_t)s[i]);
    }
}
