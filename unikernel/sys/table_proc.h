/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls for memory, threads, time, signals and identity; included more than once. TORO_SYSCALL(number, name, arguments) */
