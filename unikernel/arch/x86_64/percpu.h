/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of arch.h that is asked so often that a call would cost more than the answer. */
#ifndef ARCH_PERCPU_H
#define ARCH_PERCPU_H

#include "asm.h"

/* Volatile: a thread goes from core to core between two of them. */
static inline unsigned arch_core(void)
{
    unsigned index;

    __asm__ volatile("movl %%gs:%c1, %0" : "=r"(index) : "i"(ARCH_CORE_INDEX));
    return index;
}

#endif
