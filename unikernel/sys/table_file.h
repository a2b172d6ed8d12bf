/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls on descriptors and paths; included more than once. TORO_SYSCALL(number, name, arguments) */
