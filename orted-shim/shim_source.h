/* SPDX-License-Identifier: BSD-3-Clause */
/* The input descriptor of rank 0: read no faster than the guest takes it. */
#ifndef SHIM_SOURCE_H
#define SHIM_SOURCE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct shim_source {
    int fd;            /**< -1: at the end or closed */
    bool always_ready; /**< a regular file: cannot be polled, never blocks */
    uint32_t window;   /**< bytes that may still be sent */
    struct event *ev;
    char *buf;
    /** Bytes were read; len 0 is the end of the input, told once. */
    void (*data)(struct shim_source *s, const void *p, uint32_t len, void *arg);
    void *arg;
};

/** Open on an inherited descriptor. Reading starts with shim_source_credit(). */
bool shim_source_open(struct shim_source *s, struct event_base *base, int fd,
                      void (*data)(struct shim_source *, const void *, uint32_t, void *),
                      void *arg);
/** The reader has room for so many more bytes. */
void shim_source_credit(struct shim_source *s, uint32_t bytes);
void shim_source_close(struct shim_source *s);

#endif
