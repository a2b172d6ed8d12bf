/* SPDX-License-Identifier: BSD-3-Clause */
/* Output descriptors shared by the streams of several ranks, without blocking the loop and without
 * mixing the lines of two ranks. */
#ifndef SHIM_SINK_H
#define SHIM_SINK_H

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct shim_sink;

/** What one rank writes to a sink. */
struct shim_stream {
    struct shim_stream *next;
    struct shim_sink *sink;
    struct evbuffer *buf; /**< not yet written */
    bool finished;        /**< nothing follows */
    bool ripe;            /**< an unfinished line has waited long enough */
    struct event *timer;
    /** Bytes have left (or were dropped because nobody reads them any more). */
    void (*written)(struct shim_stream *s, uint32_t bytes, void *arg);
    void *arg;
};

/** One output descriptor. */
struct shim_sink {
    struct event_base *base;
    int fd;
    bool by_lines;  /**< keep lines of different streams whole; else pass bytes on as they come */
    bool is_stderr; /**< for messages */
    bool is_socket; /**< written with MSG_DONTWAIT */
    unsigned chunk; /**< most bytes of one write() that cannot block */
    bool pollable;
    bool broken; /**< the reader is gone: drop what comes */
    int error;   /**< errno of a write that failed though there is a reader (a full disk) */
    struct event *ev;
    struct event *owner_timer;
    struct shim_stream *streams;
    struct shim_stream *owner; /**< its line is half written */
};

/**
 * Open a sink on an inherited descriptor (1 or 2), which stays as it is for other processes that
 * share it.
 */
bool shim_sink_open(struct shim_sink *s, struct event_base *base, int fd, bool by_lines);
bool shim_stream_open(struct shim_stream *st, struct shim_sink *s,
                      void (*written)(struct shim_stream *, uint32_t, void *), void *arg);
/** Append what is at the front of @p in. */
void shim_stream_put(struct shim_stream *st, struct evbuffer *in, uint32_t bytes);
/** Nothing more comes; `written` is called a last time with 0 bytes when all has left. */
void shim_stream_finish(struct shim_stream *st);
/** Free it; what has not been written is lost. */
void shim_stream_close(struct shim_stream *st);
/** Whether all that was put has left. */
bool shim_stream_empty(const struct shim_stream *st);

#endif
