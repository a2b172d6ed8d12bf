/* SPDX-License-Identifier: BSD-3-Clause */
/* What the auxiliary vector says about the CPU. */
#include "core.h"

uint64_t arch_hwcap(void)
{
    uint32_t r[4];

    arch_cpuid(1, 0, r);
    return r[3];
}

uint64_t arch_hwcap2(void)
{
    return arch_cpu.fsgsbase ? 2 : 0;
}
