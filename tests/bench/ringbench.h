/* SPDX-License-Identifier: BSD-3-Clause */
/* The layouts that ringbench compares. Each is given as send(), recv() for one message; LAYOUT()
 * makes the four loops out of them, inlined, so that no layout pays for being called. */
#ifndef RINGBENCH_H
#define RINGBENCH_H

#include "torobus/ring.h"
#include "torobus/wakeup.h"
#include <string.h>

#define RB_SLOTS 128u
#define RB_LANE  (128u << 10)

struct layout {
    const char *name;
    uint32_t max_len;
    bool streams; /**< false: one message at a time only */
    void (*init)(void *area);
    void (*ping)(void *forth, void *back, uint32_t len, unsigned long count);
    void (*echo)(void *forth, void *back, uint32_t len, unsigned long count);
    void (*flood)(void *forth, void *back, uint32_t len, unsigned long count);
    void (*drain)(void *forth, void *back, uint32_t len, unsigned long count);
};

static inline void rb_pause(void)
{
    __builtin_ia32_pause();
}

/* What a sender has to say and a receiver looks at: every byte moves. */
static inline void rb_fill(void *to, const void *user, uint32_t len)
{
    memcpy(to, user, len);
}

extern unsigned char rb_user[2][1u << 14]; /* one buffer per thread, as an application has it */

#define RB_SEND(layout, area, len, seq)                                                            \
    do {                                                                                           \
        memcpy(rb_user[0], &(seq), sizeof(uint32_t));                                              \
        while (!layout##_send(area, rb_user[0], len))                                              \
            rb_pause();                                                                            \
    } while (0)
#define RB_RECV(layout, area, len)                                                                 \
    do {                                                                                           \
        while (!layout##_recv(area, rb_user[1], len))                                              \
            rb_pause();                                                                            \
    } while (0)

#define LAYOUT(id, title, max, many)                                                               \
    static void id##_ping(void *forth, void *back, uint32_t len, unsigned long count)              \
    {                                                                                              \
        for (unsigned long i = 0; i < count; i++) {                                                \
            RB_SEND(id, forth, len, i);                                                            \
            while (!id##_recv(back, rb_user[0], len))                                              \
                rb_pause();                                                                        \
        }                                                                                          \
    }                                                                                              \
    static void id##_echo(void *forth, void *back, uint32_t len, unsigned long count)              \
    {                                                                                              \
        for (unsigned long i = 0; i < count; i++) {                                                \
            RB_RECV(id, forth, len);                                                               \
            while (!id##_send(back, rb_user[1], len))                                              \
                rb_pause();                                                                        \
        }                                                                                          \
    }                                                                                              \
    static void id##_flood(void *forth, void *back, uint32_t len, unsigned long count)             \
    {                                                                                              \
        for (unsigned long i = 0; i < count; i++)                                                  \
            RB_SEND(id, forth, len, i);                                                            \
        while (!id##_recv(back, rb_user[0], 8))                                                    \
            rb_pause();                                                                            \
    }                                                                                              \
    static void id##_drain(void *forth, void *back, uint32_t len, unsigned long count)             \
    {                                                                                              \
        for (unsigned long i = 0; i < count; i++)                                                  \
            RB_RECV(id, forth, len);                                                               \
        while (!id##_send(back, rb_user[1], 8))                                                    \
            rb_pause();                                                                            \
    }                                                                                              \
    const struct layout layout_##id = {title,     max,       many,       id##_init,                \
                                       id##_ping, id##_echo, id##_flood, id##_drain};

extern const struct layout layout_line, layout_torobus, layout_nofence, layout_single_lane,
    layout_split_ring, layout_fastbox;

#endif
