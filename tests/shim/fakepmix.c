/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake guest's side of the PMIx upcalls:
 *   pmix init               print all items of the reply
 *   pmix put KEY VALUE      commit a string for everyone
 *   pmix fence              with data
 *   pmix get RANK KEY       print the value
 *   pmix opt RANK KEY       the same, optional
 *   pmix abort STATUS       ask for the end of the job
 *   pmix spawn TEXT         two new ranks that print TEXT
 *   pmix publish KEY VALUE, pmix lookup KEY (waits), pmix unpublish KEY
 *   pmix finalize           */
#include "fakeguest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char msg[65536] __attribute__((aligned(8)));

static struct torobus_pmix_hdr *begin(struct fake_rank *r, uint16_t op, uint16_t flags)
{
    static uint32_t id;
    struct torobus_pmix_hdr *h = (struct torobus_pmix_hdr *)msg;

    memset(msg, 0, sizeof(msg));
    h->op = op;
    h->flags = flags;
    h->id = r->pmix_id = ++id;
    r->pmix_done = false;
    return h;
}

static void item(uint32_t rank, uint8_t type, uint8_t scope, const char *key, const void *value,
                 uint32_t vlen)
{
    struct torobus_pmix_hdr *h = (struct torobus_pmix_hdr *)msg;
    struct torobus_pmix_item *i = (struct torobus_pmix_item *)(msg + sizeof(*h) + h->len);

    i->klen = (uint16_t)strlen(key);
    i->type = type;
    i->scope = scope;
    i->rank = rank;
    i->vlen = vlen;
    memcpy(i + 1, key, i->klen);
    memcpy((char *)(i + 1) + i->klen, value, vlen);
    h->len += (uint32_t)torobus_pmix_item_size(i->klen, vlen);
}

static void text_item(const char *key, const char *text)
{
    item(0, TOROBUS_PMIX_T_STRING, 0, key, text, (uint32_t)strlen(text));
}

static void send_msg(struct fake_rank *r)
{
    const struct torobus_pmix_hdr *h = (const struct torobus_pmix_hdr *)msg;

    fake_send(TOROBUS_CTL_PMIX, r->index, 0, msg, (uint32_t)sizeof(*h) + h->len);
}

static void print_item(struct fake_rank *r, const struct torobus_pmix_item *it)
{
    char line[1024], rank[16];
    const void *v = torobus_pmix_item_value(it);
    uint64_t num = 0;
    int n;

    memcpy(&num, v, it->vlen < 8 ? it->vlen : 8);
    snprintf(rank, sizeof(rank), it->rank == TOROBUS_PMIX_RANK_WILDCARD ? "*" : "%u", it->rank);
    n = snprintf(line, sizeof(line), "%s %.*s type %u ", rank, (int)it->klen,
                 torobus_pmix_item_key(it), it->type);
    if (it->type == TOROBUS_PMIX_T_STRING || it->type == TOROBUS_PMIX_T_PROC ||
        it->type == TOROBUS_PMIX_T_BYTES)
        n += snprintf(line + n, sizeof(line) - (size_t)n, "\"%.*s\"\n",
                      it->vlen > 800 ? 800 : (int)it->vlen, (const char *)v);
    else
        n += snprintf(line + n, sizeof(line) - (size_t)n, "%llu\n", (unsigned long long)num);
    fake_print(r, line, (size_t)n);
}

static void print_reply(struct fake_rank *r, const char *what)
{
    const struct torobus_pmix_hdr *h = (const struct torobus_pmix_hdr *)r->pmix_reply;
    const struct torobus_pmix_item *it;
    uint32_t off = 0;
    char line[64];
    int n = snprintf(line, sizeof(line), "%s: status %d\n", what, h->status);

    fake_print(r, line, (size_t)n);
    while (torobus_pmix_next(h + 1, h->len, &off, &it) == TOROBUS_OK)
        print_item(r, it);
}

void fake_pmix_reply(struct fake_rank *r, const char *body, uint32_t len)
{
    const struct torobus_pmix_hdr *h = (const struct torobus_pmix_hdr *)body;

    if (len < sizeof(*h) || h->len != len - sizeof(*h))
        FAKE_BAD;
    if (!(h->flags & TOROBUS_PMIX_F_REPLY)) {
        fake_print(r, "event\n", 6);
        return;
    }
    if (h->id != r->pmix_id)
        FAKE_BAD;
    free(r->pmix_reply);
    r->pmix_reply = aligned_alloc(8, (len + 7) & ~7u);
    memcpy(r->pmix_reply, body, len);
    r->pmix_len = len;
    r->pmix_done = true;
}

bool fake_pmix_step(struct fake_rank *r, unsigned *used)
{
    char **w = r->argv + r->pc + 1;
    struct torobus_pmix_hdr *h;

    *used = 2;
    if (strcmp(w[0], "put") == 0 || strcmp(w[0], "get") == 0 || strcmp(w[0], "opt") == 0)
        *used = 4;
    else if (strcmp(w[0], "publish") == 0)
        *used = 4;
    else if (strcmp(w[0], "abort") == 0 || strcmp(w[0], "spawn") == 0 ||
             strcmp(w[0], "lookup") == 0 || strcmp(w[0], "unpublish") == 0)
        *used = 3;
    if (r->pmix_id != 0) {
        if (!r->pmix_done)
            return false;
        print_reply(r, w[0]);
        r->pmix_id = 0;
        return true;
    }
    if (strcmp(w[0], "init") == 0) {
        begin(r, TOROBUS_PMIX_INIT, 0);
    } else if (strcmp(w[0], "put") == 0) {
        begin(r, TOROBUS_PMIX_COMMIT, 0);
        item(r->start.world_rank, TOROBUS_PMIX_T_STRING, TOROBUS_PMIX_SCOPE_GLOBAL, w[1], w[2],
             (uint32_t)strlen(w[2]));
    } else if (strcmp(w[0], "fence") == 0) {
        begin(r, TOROBUS_PMIX_FENCE, TOROBUS_PMIX_F_COLLECT);
    } else if (strcmp(w[0], "get") == 0 || strcmp(w[0], "opt") == 0) {
        begin(r, TOROBUS_PMIX_GET, w[0][0] == 'o' ? TOROBUS_PMIX_F_OPTIONAL : 0);
        item(strcmp(w[1], "*") == 0 ? TOROBUS_PMIX_RANK_WILDCARD : (uint32_t)atoi(w[1]),
             TOROBUS_PMIX_T_NONE, 0, w[2], "", 0);
    } else if (strcmp(w[0], "abort") == 0) {
        h = begin(r, TOROBUS_PMIX_ABORT, 0);
        h->status = atoi(w[1]);
        item(0, TOROBUS_PMIX_T_STRING, 0, TOROBUS_PMIX_K_MSG, "fake abort", 10);
    } else if (strcmp(w[0], "spawn") == 0) {
        const uint32_t two = 2;

        begin(r, TOROBUS_PMIX_SPAWN, 0);
        item(0, TOROBUS_PMIX_T_U32, 0, TOROBUS_PMIX_K_APP, &two, sizeof(two));
        text_item(TOROBUS_PMIX_K_CMD, r->exe);
        text_item(TOROBUS_PMIX_K_ARG, r->exe);
        text_item(TOROBUS_PMIX_K_ARG, "print");
        text_item(TOROBUS_PMIX_K_ARG, w[1]);
        text_item(TOROBUS_PMIX_K_CWD, r->cwd);
    } else if (strcmp(w[0], "publish") == 0) {
        begin(r, TOROBUS_PMIX_PUBLISH, 0);
        text_item(w[1], w[2]);
    } else if (strcmp(w[0], "lookup") == 0) {
        begin(r, TOROBUS_PMIX_LOOKUP, TOROBUS_PMIX_F_WAIT);
        item(0, TOROBUS_PMIX_T_NONE, 0, w[1], "", 0);
    } else if (strcmp(w[0], "unpublish") == 0) {
        begin(r, TOROBUS_PMIX_UNPUBLISH, 0);
        item(0, TOROBUS_PMIX_T_NONE, 0, w[1], "", 0);
    } else if (strcmp(w[0], "finalize") == 0) {
        begin(r, TOROBUS_PMIX_FINALIZE, 0);
    } else {
        FAKE_BAD;
    }
    send_msg(r);
    return false;
}
