/* SPDX-License-Identifier: BSD-3-Clause */
/* First words of a host program with its job's keeper, for those without an event loop. */
#ifndef SHIM_HELLO_H
#define SHIM_HELLO_H

#include "torobus/ctl.h"

#include <stddef.h>

/**
 * Connect to the keeper of a job (and start it if there is none) and say who this is. Prints and
 * exits if the keeper refuses.
 *
 * @param type     TOROBUS_CTL_ATTACH_NODE or TOROBUS_CTL_ATTACH_NATIVE
 * @param settings "name=value" strings, each NUL-terminated, len bytes of them
 * @return the connection.
 */
int shim_hello(const char *key, uint16_t type, uint32_t rank, uint32_t arg, const char node[64],
               uint32_t local_size, const char *settings, uint32_t len);

/** Read exactly n bytes. @return false at the end, or when a read fails. */
bool shim_read_all(int fd, void *buf, size_t n);

/** Read a frame; the body is cut at size - 1 and NUL-terminated. @return false at the end. */
bool shim_read_frame(int fd, struct torobus_ctl_hdr *h, char *body, size_t size);

#endif
