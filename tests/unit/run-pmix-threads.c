/* SPDX-License-Identifier: BSD-3-Clause */
/* timeout: 300
 * The kernel's PMIx server used from several cores at once: ranks as threads, and a thread that is
 * the ctl channel with all proxies. Meant for ThreadSanitizer. */
#include "run-pmix-kernel.h"
#include "tap.h"

#include <sched.h>

#define RANKS  4
#define ROUNDS 300

static _Atomic bool stop;
static bool hosted;
static _Atomic int failures;
static uint32_t attention_words[RANKS];

/* Like the client component: look at the word, then read. */
static bool await(unsigned rank, struct t_msg *rx, uint32_t id)
{
    for (unsigned spins = 0; spins < 100000000; spins++) {
        if (__atomic_load_n(&attention_words[rank], __ATOMIC_ACQUIRE) == 0) {
            sched_yield();
            continue;
        }
        while (t_recv(rank, rx)) {
            if (rx->h.id == id)
                return true;
        }
    }
    return false;
}

static void *rank_main(void *arg)
{
    unsigned rank = (unsigned)(uintptr_t)arg, bad = 0;
    struct t_msg *tx = malloc(sizeof(*tx)), *rx = malloc(sizeof(*rx));
    uint64_t addr = (uintptr_t)&attention_words[rank];
    uint32_t id = 1;
    char val[16];

    k_open_dev(rank);
    t_item(t_new(tx, TOROBUS_PMIX_INIT, 0, id), TOROBUS_PMIX_K_ATTENTION, TOROBUS_PMIX_T_U64, 0,
           &addr, 8);
    t_send(rank, tx);
    bad += !await(rank, rx, id++) || rx->h.status != 0;
    for (unsigned i = 0; i < ROUNDS && !bad; i++) {
        uint32_t peer = (rank + 1 + i % (RANKS - 1)) % RANKS;

        snprintf(val, sizeof(val), "%u", i);
        t_str(t_new(tx, TOROBUS_PMIX_COMMIT, 0, id), "round", rank, val);
        t_send(rank, tx);
        bad += !await(rank, rx, id++) || rx->h.status != 0;
        t_send(rank, t_new(tx, TOROBUS_PMIX_FENCE, TOROBUS_PMIX_F_COLLECT, id));
        bad += !await(rank, rx, id++) || rx->h.status != 0;
        t_item(t_new(tx, TOROBUS_PMIX_GET, 0, id), "round", TOROBUS_PMIX_T_NONE, peer, NULL, 0);
        t_send(rank, tx);
        bad += !await(rank, rx, id++) || !t_is_str(rx, "round", peer, val);
        snprintf(val, sizeof(val), "p%u.%u", rank, i);
        t_str(t_new(tx, TOROBUS_PMIX_PUBLISH, 0, id), val, rank, "here");
        t_send(rank, tx);
        bad += !await(rank, rx, id++) || rx->h.status != 0;
        snprintf(val, sizeof(val), "p%u.%u", peer, i);
        t_item(t_new(tx, TOROBUS_PMIX_LOOKUP, TOROBUS_PMIX_F_WAIT, id), val, TOROBUS_PMIX_T_NONE, 0,
               NULL, 0);
        t_send(rank, tx);
        bad += !await(rank, rx, id++) || rx->h.status != 0;
        t_send(rank, t_new(tx, TOROBUS_PMIX_FENCE, 0, id));
        bad += !await(rank, rx, id++) || rx->h.status != 0;
    }
    t_send(rank, t_new(tx, TOROBUS_PMIX_FINALIZE, 0, id));
    bad += !await(rank, rx, id) || rx->h.status != 0;
    failures += (int)bad;
    k_close(rank);
    free(tx);
    free(rx);
    return NULL;
}

/* All proxies: job data, and yes to everything. */
static void *ctl_main(void *arg)
{
    struct t_msg *m = malloc(sizeof(*m));
    struct k_frame *f;

    (void)arg;
    while (!stop) {
        f = k_frame();
        if (!f) {
            sched_yield();
            continue;
        }
        t_new(m, f->h.op, TOROBUS_PMIX_F_REPLY, f->h.id);
        if (f->h.op == TOROBUS_PMIX_INIT) {
            t_str(m, TOROBUS_PMIX_K_NSPACE, 0, "12345678");
            t_u32(m, TOROBUS_PMIX_K_RANK, 0, f->rank);
            t_u32(m, "pmix.job.size", TOROBUS_PMIX_RANK_WILDCARD, RANKS);
            t_str(m, "pmix.lpeers", TOROBUS_PMIX_RANK_WILDCARD, "0,1,2,3");
        }
        if (f->h.id)
            k_from_proxy(f->rank, m, 16 + m->h.len);
        free(f);
    }
    free(m);
    return NULL;
}

static void run(uint32_t flags)
{
    pthread_t t[RANKS], ctl;

    hosted = flags != 0;
    stop = false;
    k_start(RANKS, flags);
    pthread_create(&ctl, NULL, ctl_main, NULL);
    for (uintptr_t i = 0; i < RANKS; i++)
        pthread_create(&t[i], NULL, rank_main, (void *)i);
    for (unsigned i = 0; i < RANKS; i++)
        pthread_join(t[i], NULL);
    stop = true;
    pthread_join(ctl, NULL);
    for (unsigned i = 0; i < RANKS; i++)
        k_end(i);
    t_ok(failures == 0, "%d rounds of %d ranks, %s", ROUNDS, RANKS,
         hosted ? "with proxies" : "alone");
}

int main(void)
{
    t_plan(2);
    run(0);
    run(TOROBUS_START_HOSTED);
    return t_done();
}
