/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls of the programs in arch-user.S; their number is in rax. */
#ifndef ARCH_KERNEL_H
#define ARCH_KERNEL_H

#define T_RESULT  1 /* rdi: 0 good, else which check failed */
#define T_YIELD   2 /* let the other thread run */
#define T_EXIT    3
#define T_BAD_RIP 4 /* returns to an address that is no program's */
#define T_FRAME   5 /* returns with every register changed, at the address in rdi */
#define T_PROTECT 6 /* rdi: arch_protect() of the data page */
#define T_PEER    7 /* rdi 0: start core 1 in user_peer; 1: did it fault? */

/* Words of the data page. */
#define D_STOP  0  /* set by the timer */
#define D_SPIN  8  /* counted up by core 1 */
#define D_FAULT 16 /* vector of the last fault */
#define D_CR2   24
#define D_ERROR 32

#endif
