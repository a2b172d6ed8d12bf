/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the kernel benchmark share. */
#ifndef BENCH_KERNEL_H
#define BENCH_KERNEL_H

enum { MAXCPU = 64 };

double now(void);             /* ns */
double low(double *v, int n); /* lower quartile */
double middle(double *v, int n);
void result(const char *name, double value, const char *unit);
void pin(int to); /* to the n-th of the processors that may be used */

/* alloc.c: the calling rank's part of the work, and the report by rank 0; the same with children.
 */
void alloc_ranks(int who, int n);
void alloc_children(int n);

#endif
