/* SPDX-License-Identifier: BSD-3-Clause */
/* epoll, for its system calls. */
#ifndef TORO_EPOLL_H
#define TORO_EPOLL_H

#include <toro/fs.h>
#include <toro/linux.h>

#define EPOLL_CTL_ADD_ 1
#define EPOLL_CTL_DEL_ 2
#define EPOLL_CTL_MOD_ 3

/** @return 0, -EINVAL (epf is no epoll), -EPERM (f cannot be waited for), -EEXIST, -ENOENT ... */
int toro_epoll_ctl(struct toro_file *epf, int op, struct toro_file *f, int fd,
                   const struct toro_epoll_event *ev);
/** out is kernel memory. deadline 0: do not wait. @return events, 0 on timeout, -EINTR, -EINVAL. */
int toro_epoll_wait(struct toro_file *epf, struct toro_epoll_event *out, unsigned max,
                    uint64_t deadline);

#endif
