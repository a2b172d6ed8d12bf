/* SPDX-License-Identifier: BSD-3-Clause */
/* timerfd, for its system calls. Times are arch_now_ns() times. */
#ifndef TORO_TIMERFD_H
#define TORO_TIMERFD_H

#include <toro/fs.h>

/** Arm (when != 0) or disarm. @return 0, -EINVAL if f is no timerfd. */
int toro_timerfd_set(struct toro_file *f, uint64_t when, uint64_t interval, uint64_t *old_left,
                     uint64_t *old_interval);
/** Nanoseconds to the next expiration (0: disarmed) and the interval. */
int toro_timerfd_get(struct toro_file *f, uint64_t *left, uint64_t *interval);
/** Linux's clock id, or -EINVAL. */
int toro_timerfd_clock(const struct toro_file *f);

#endif
