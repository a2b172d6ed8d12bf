/* SPDX-License-Identifier: BSD-3-Clause */
/* The attention protocol under stress: several senders, a receiver that drops its rings and sleeps
 * at every chance, and senders that sleep when their ring is full. Sleeps have no time limit, so a
 * wake-up that gets lost shows as a hang, which the watchdog reports. */
#include "tap.h"
#include "torobus/ring.h"
#include "torobus/wakeup.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define SENDERS 3u
#define NPORTS  (SENDERS + 1)
#define NSLOTS  8u
#define LANE    4096u
#define RX      0u /* the receiver's port; the senders' are SPREAD apart, over several words */
#define SPREAD  70u
#if defined(__SANITIZE_THREAD__)
#define COUNT 20000u
#else
#define COUNT 60000u
#endif

/** A core: its port and the doorbell that ends its halt. */
static struct core {
    struct torobus_port port;
    pthread_mutex_t lock;
    pthread_cond_t bell;
    bool rung;
    unsigned long sleeps, kicks;
} core[NPORTS];

static struct {
    _Alignas(TOROBUS_LINE) char mem[sizeof(struct torobus_ring_shm) + NSLOTS * 64 + LANE];
    struct torobus_ring_tx tx;
    struct torobus_ring_rx rx;
    uint32_t lane_end[NSLOTS];
    uint32_t expect;
    bool hot;
} ring[NPORTS];

static atomic_uint progress;

static uint32_t port_of(uint32_t who)
{
    return who * SPREAD;
}

static void kick(uint32_t who)
{
    pthread_mutex_lock(&core[who].lock);
    core[who].rung = true;
    core[who].kicks++;
    pthread_cond_signal(&core[who].bell);
    pthread_mutex_unlock(&core[who].lock);
}

/* What the kernel does in WAIT. A doorbell rung before the halt ends it, as an interrupt does. */
static void halt(uint32_t who)
{
    pthread_mutex_lock(&core[who].lock);
    core[who].rung = false;
    pthread_mutex_unlock(&core[who].lock);
    if (torobus_wake_sleep(&core[who].port)) {
        pthread_mutex_lock(&core[who].lock);
        while (!core[who].rung)
            pthread_cond_wait(&core[who].bell, &core[who].lock);
        core[who].sleeps++;
        pthread_mutex_unlock(&core[who].lock);
    }
    torobus_wake_up(&core[who].port);
}

static void *sender(void *arg)
{
    const uint32_t me = (uint32_t)(uintptr_t)arg;
    struct torobus_ring_tx *tx = &ring[me].tx;
    unsigned seed = me * 7919;

    for (uint32_t i = 0; i < COUNT;) {
        uint32_t *data;

        if (torobus_ring_reserve(tx, sizeof(*data), (void **)&data) == TOROBUS_OK) {
            *data = i++;
            torobus_ring_commit(tx, sizeof(*data), 1);
            if (torobus_wake_sent(&core[RX].port, port_of(me)))
                kick(RX);
            seed = seed * 1664525 + 1013904223;
            if (seed >> 27 == 0)
                sched_yield();
            continue;
        }
        /* Full: take the credit notices there are, then sleep until there is one. */
        for (uint64_t sum = torobus_wake_take(&core[me].port); sum != 0; sum &= sum - 1) {
            uint32_t word = (uint32_t)__builtin_ctzll(sum);
            uint64_t bits = torobus_wake_bits(&core[me].port, word);

            for (; bits != 0; bits &= bits - 1)
                torobus_wake_drop(&core[me].port, word * 64 + (uint32_t)__builtin_ctzll(bits));
        }
        if (!torobus_ring_starve(tx))
            halt(me);
        torobus_ring_fed(tx);
    }
    return NULL;
}

static void credit(uint32_t who, bool starving)
{
    if (starving && torobus_wake_raise(&core[who].port, port_of(RX)))
        kick(who);
}

/* Poll the hot rings; drop each as soon as it is found empty (an eager receiver is a harder test
 * than a patient one). Returns messages taken. */
static unsigned poll_all(bool *good)
{
    unsigned n = 0;

    for (uint64_t sum = torobus_wake_take(&core[RX].port); sum != 0; sum &= sum - 1) {
        uint32_t word = (uint32_t)__builtin_ctzll(sum);
        uint64_t bits = torobus_wake_bits(&core[RX].port, word);

        for (; bits != 0; bits &= bits - 1) {
            uint32_t src = word * 64 + (uint32_t)__builtin_ctzll(bits);

            if (src % SPREAD != 0 || src / SPREAD == RX || src / SPREAD >= NPORTS)
                *good = false;
            else
                ring[src / SPREAD].hot = true;
        }
    }
    for (uint32_t who = 1; who < NPORTS; who++) {
        struct torobus_ring_msg m;

        if (!ring[who].hot)
            continue;
        while (torobus_ring_peek(&ring[who].rx, &m) == TOROBUS_OK) {
            uint32_t value;

            memcpy(&value, m.data, sizeof(value));
            *good = *good && m.len == sizeof(value) && value == ring[who].expect;
            ring[who].expect++;
            n++;
            credit(who, torobus_ring_release(&ring[who].rx));
        }
        credit(who, torobus_ring_flush(&ring[who].rx));
        torobus_wake_drop(&core[RX].port, port_of(who));
        if (torobus_ring_ready(&ring[who].rx))
            torobus_wake_keep(&core[RX].port, port_of(who));
        else
            ring[who].hot = false;
    }
    return n;
}

static void *receiver(void *arg)
{
    bool *good = arg, hot;
    unsigned total = 0;

    while (total < SENDERS * COUNT && *good) {
        total += poll_all(good);
        atomic_store_explicit(&progress, total, memory_order_relaxed);
        hot = false;
        for (uint32_t who = 1; who < NPORTS; who++)
            hot |= ring[who].hot;
        if (!hot && total < SENDERS * COUNT)
            halt(RX);
    }
    return NULL;
}

static void alarmed(int sig)
{
    static unsigned last = ~0u;
    static const char text[] = "Bail out! a wake-up was lost: nobody moves any more\n";
    unsigned now = atomic_load_explicit(&progress, memory_order_relaxed);

    (void)sig;
    if (now == last) {
        (void)!write(1, text, sizeof(text) - 1);
        _exit(1);
    }
    last = now;
    alarm(20);
}

static void test_predicates(void)
{
    static struct torobus_port p;
    bool good = true;

    for (uint32_t src = 0; src < TOROBUS_MAX_PORTS; src += 31) {
        memset(&p, 0, sizeof(p));
        good &= !torobus_wake_any(&p);
        good &= !torobus_wake_sent(&p, src) && torobus_wake_any(&p);
        good &= torobus_wake_take(&p) == 1ull << (src / 64) && !torobus_wake_any(&p);
        good &= torobus_wake_bits(&p, src / 64) == 1ull << (src % 64);
        /* The bit is still set: the owner polls, so no attention is needed. */
        good &= !torobus_wake_sent(&p, src) && !torobus_wake_any(&p);
        torobus_wake_drop(&p, src);
        good &= torobus_wake_bits(&p, src / 64) == 0;
        good &= torobus_wake_sleep(&p);
        good &= torobus_wake_sent(&p, src);
        torobus_wake_up(&p);
        good &= !torobus_wake_sleep(&p);
        torobus_wake_up(&p);
    }
    t_ok(good, "one sender, step by step, for ports over all words");
    memset(&p, 0, sizeof(p));
    atomic_store(&p.pending_summary, ~0ull);
    t_eq(torobus_wake_take(&p), 0xffff, "a summary bit without a word is ignored");
}

int main(void)
{
    pthread_t thread[NPORTS];
    bool good = true;
    unsigned long sleeps = 0;

    signal(SIGALRM, alarmed);
    alarm(20);
    test_predicates();
    for (uint32_t i = 0; i < NPORTS; i++) {
        pthread_mutex_init(&core[i].lock, NULL);
        pthread_cond_init(&core[i].bell, NULL);
    }
    for (uint32_t i = 1; i < NPORTS; i++)
        if (torobus_ring_init(&ring[i].tx, (struct torobus_ring_shm *)(void *)ring[i].mem,
                              ring[i].lane_end, port_of(i), RX, NSLOTS, LANE, 0) != TOROBUS_OK ||
            torobus_ring_attach(&ring[i].rx, (char *)&ring[i] - 64, sizeof(ring[i]) + 64, 64,
                                port_of(i), RX) != TOROBUS_OK)
            t_bail("no ring");
    if (pthread_create(&thread[0], NULL, receiver, &good) != 0)
        t_bail("no thread");
    for (uint32_t i = 1; i < NPORTS; i++)
        if (pthread_create(&thread[i], NULL, sender, (void *)(uintptr_t)i) != 0)
            t_bail("no thread");
    pthread_join(thread[0], NULL);
    t_ok(good, "%u messages of %u senders, in order", SENDERS * COUNT, SENDERS);
    if (good)
        for (uint32_t i = 1; i < NPORTS; i++)
            pthread_join(thread[i], NULL);
    for (uint32_t i = 1; i < NPORTS; i++)
        sleeps += core[i].sleeps;
    t_ok(core[RX].sleeps > 0, "the receiver slept %lu times, %lu doorbells", core[RX].sleeps,
         core[RX].kicks);
    t_ok(sleeps > 0, "senders slept %lu times for credit", sleeps);
    return t_done();
}
