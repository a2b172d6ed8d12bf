/* SPDX-License-Identifier: BSD-3-Clause */
/* The page in front of the vDSO. */
#ifndef TORO_VDSO_DATA_H
#define TORO_VDSO_DATA_H

#include <stdatomic.h>
#include <stdint.h>

/** ns = ticks * mult >> shift, in 128 bits. */
#define TORO_VDSO_SHIFT 32

/** Both clocks at base_tsc. */
struct toro_vdso_data {
    _Atomic uint32_t seq; /**< odd while it changes */
    uint32_t reserved;
    uint64_t base_tsc, mult;
    uint64_t monotonic_ns, realtime_ns;
};

#endif
