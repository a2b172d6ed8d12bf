/* SPDX-License-Identifier: BSD-3-Clause */
/* What the programs of the suite share. */
#ifndef UTIL_H
#define UTIL_H

#ifdef __cplusplus
extern "C" {
#endif

/** Microseconds of a clock that only grows. */
double now_us(void);
/** Prints what went wrong and ends the job. */
void die(const char *what);
/** Mean and standard deviation. */
void spread(const double *v, int n, double *mean, double *deviation);

#ifdef __cplusplus
}
#endif

#endif
