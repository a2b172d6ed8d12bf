/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake guest's ranks. */
#ifndef FAKEGUEST_H
#define FAKEGUEST_H

#include "torobus/ctl.h"
#include "torobus/pmix.h"

#include <stdio.h>
#include <unistd.h>

/** The other side did what no keeper or proxy may do: say where, and stop the test. */
#define FAKE_BAD                                                                                   \
    do {                                                                                           \
        fprintf(stderr, "fake guest: bad input, %s:%d\n", __FILE__, __LINE__);                     \
        _exit(99);                                                                                 \
    } while (0)

struct fake_rank {
    uint32_t index;
    struct torobus_ctl_start start;
    char *cwd, *exe, **argv, **env;
    bool known, running, eof;
    unsigned pc; /**< next word of the script */
    uint32_t credit, signal;
    char *out; /**< output without credit */
    size_t out_len;
    uint64_t flooded, in_bytes, until;
    /* fakepmix.c */
    uint32_t pmix_id; /**< of the request that is under way, 0 none */
    bool pmix_done;
    char *pmix_reply;
    uint32_t pmix_len;
};

void fake_send(uint16_t type, uint32_t rank, uint32_t arg, const void *body, uint32_t len);
/** Write to the rank's stdout, as its credit allows. */
void fake_print(struct fake_rank *r, const void *p, size_t n);
const char *fake_env(const struct fake_rank *r, const char *name);

/** Do the `pmix` words at r->pc; *used is their number. @return false while waiting. */
bool fake_pmix_step(struct fake_rank *r, unsigned *used);
void fake_pmix_reply(struct fake_rank *r, const char *body, uint32_t len);

#endif
