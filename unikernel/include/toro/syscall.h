/* SPDX-License-Identifier: BSD-3-Clause */
/* System call table. Handlers take six longs and return a result or -errno. Who adds a call: a line
 * in sys/table_proc.h (memory, threads, time, signals, identity) or sys/table_file.h (descriptors
 * and paths), and the handler. */
#ifndef TORO_SYSCALL_H
#define TORO_SYSCALL_H

#include "types.h"

typedef long (*toro_syscall_fn)(long, long, long, long, long, long);
#define TORO_SYSCALL_MAX 512u

/* sys/table_*.h: TORO_SYSCALL(number, name, number of arguments) -> long sys_<name>(long, long,
 * long, long, long, long) */
#define TORO_SYSCALL(nr, name, nargs) long sys_##name(long, long, long, long, long, long);
#include "../../sys/table_file.h"
#include "../../sys/table_proc.h"
#undef TORO_SYSCALL

/** Unknown calls so far, for the report: fills text. */
size_t toro_syscall_report(char *buf, size_t size);

#endif
