/* SPDX-License-Identifier: BSD-3-Clause */
/* Socket pairs, for the socket system calls. */
#ifndef TORO_UNIXPAIR_H
#define TORO_UNIXPAIR_H

#include <toro/fs.h>

#define SOCK_STREAM_    1
#define SOCK_DGRAM_     2
#define SOCK_SEQPACKET_ 5

#define MSG_PEEK_       0x2u
#define MSG_TRUNC_      0x20u
#define MSG_DONTWAIT_   0x40u
#define MSG_WAITALL_    0x100u
#define MSG_NOSIGNAL_   0x4000u

bool toro_is_unixpair(const struct toro_file *f);
int toro_unixpair_type(const struct toro_file *f);
/** @param full length of the message, which may be more than was asked for. @return bytes, 0 at the
 * end, -EAGAIN, -EINTR. */
toro_ssize toro_unixpair_recv(struct toro_file *f, void *buf, size_t n, unsigned flags,
                              size_t *full);
/** @return bytes, -EPIPE (no signal is sent), -EAGAIN, -EMSGSIZE, -EINTR. */
toro_ssize toro_unixpair_send(struct toro_file *f, const void *buf, size_t n, unsigned flags);
/** how: 0 receiving, 1 sending, 2 both. */
int toro_unixpair_shutdown(struct toro_file *f, int how);

#endif
