/* SPDX-License-Identifier: BSD-3-Clause */
/* Basic types and macros of the kernel. Usable in hosted builds too. */
#ifndef TORO_TYPES_H
#define TORO_TYPES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TORO_ARRAY_SIZE(a)                 (sizeof(a) / sizeof((a)[0]))
#define TORO_CONTAINER_OF(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))
#define TORO_ALIGN_UP(x, a)                (((x) + ((a)-1)) & ~((a)-1))
#define TORO_ALIGN_DOWN(x, a)              ((x) & ~((a)-1))
#define TORO_MIN(a, b)                     ((a) < (b) ? (a) : (b))
#define TORO_MAX(a, b)                     ((a) > (b) ? (a) : (b))
#define toro_likely(x)                     __builtin_expect(!!(x), 1)
#define toro_unlikely(x)                   __builtin_expect(!!(x), 0)

#define TORO_PAGE_SIZE                     4096ul
#define TORO_MAX_CORES                     64u

typedef long toro_ssize;

#endif
