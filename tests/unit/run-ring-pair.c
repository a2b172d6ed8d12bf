/* SPDX-License-Identifier: BSD-3-Clause */
/* The message ring between two threads, and between two processes: more than 2^17 messages past the
 * 32-bit wrap, the ring mostly full, every byte checked. */
#include "tap.h"
#include "torobus/ring.h"
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
#define COUNT 150000u
#else
#define COUNT 300000u
#endif
#define NSLOTS 32u
#define LANE   16384u
#define OFFSET 64u

static char *area;
static size_t area_size;

static uint32_t length(uint32_t i)
{
    return i % 16 == 0 ? (i * 37) % (LANE / 2 + 1) : (i * 13) % 57;
}

static void *producer(void *arg)
{
    struct torobus_ring_tx *tx = arg;

    for (uint32_t i = 0; i < COUNT;) {
        const uint32_t len = length(i);
        unsigned char *data;
        int rc = torobus_ring_reserve(tx, len, (void **)&data);

        if (rc == TOROBUS_AGAIN) {
            sched_yield();
            continue;
        }
        if (rc != TOROBUS_OK)
            return (void *)1;
        for (uint32_t k = 0; k < len; k++)
            data[k] = (unsigned char)(i + k);
        torobus_ring_commit(tx, len, (uint8_t)(i * 3));
        i++;
    }
    return NULL;
}

/* Number of messages that came right before the first one that did not. */
static uint32_t consume(struct torobus_ring_rx *rx)
{
    struct torobus_ring_msg m;

    for (uint32_t i = 0; i < COUNT;) {
        const unsigned char *data;
        int rc = torobus_ring_peek(rx, &m);

        if (rc == TOROBUS_AGAIN) {
            torobus_ring_flush(rx);
            sched_yield();
            continue;
        }
        if (rc != TOROBUS_OK || m.len != length(i) || m.tag != (uint8_t)(i * 3))
            return i;
        data = m.data;
        for (uint32_t k = 0; k < m.len; k++)
            if (data[k] != (unsigned char)(i + k))
                return i;
        torobus_ring_release(rx);
        i++;
    }
    return COUNT;
}

static void setup(struct torobus_ring_tx *tx, struct torobus_ring_rx *rx, uint32_t *lane_end,
                  uint32_t start)
{
    memset(area, 0xff, area_size);
    if (torobus_ring_init(tx, (struct torobus_ring_shm *)(void *)(area + OFFSET), lane_end, 1, 2,
                          NSLOTS, LANE, start) != TOROBUS_OK ||
        torobus_ring_attach(rx, area, area_size, OFFSET, 1, 2) != TOROBUS_OK)
        t_bail("no ring");
}

static void test_threads(uint32_t start)
{
    static uint32_t lane_end[NSLOTS];
    struct torobus_ring_tx tx;
    struct torobus_ring_rx rx;
    pthread_t thread;
    void *failed;
    uint32_t n;

    setup(&tx, &rx, lane_end, start);
    if (pthread_create(&thread, NULL, producer, &tx) != 0)
        t_bail("no thread");
    n = consume(&rx);
    if (n == COUNT) {
        pthread_join(thread, &failed);
        t_ok(failed == NULL, "threads from index 0x%x: producer", start);
    }
    t_eq(n, COUNT, "threads: all messages, in order and whole");
}

#if !defined(__SANITIZE_THREAD__)
static void test_forked(uint32_t start)
{
    static uint32_t lane_end[NSLOTS];
    struct torobus_ring_tx tx;
    struct torobus_ring_rx rx;
    int status = -1;
    pid_t pid;
    uint32_t n;

    setup(&tx, &rx, lane_end, start);
    pid = fork();
    if (pid == 0)
        _exit(producer(&tx) != NULL);
    n = consume(&rx);
    if (n == COUNT)
        waitpid(pid, &status, 0);
    t_ok(n == COUNT && status == 0, "processes from index 0x%x: %u of %u messages", start, n,
         COUNT);
}
#endif

int main(void)
{
    area_size = OFFSET + torobus_ring_size(NSLOTS, LANE);
    area = mmap(NULL, area_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
        t_bail("no memory");
    test_threads(0xffff0000u);
#if !defined(__SANITIZE_THREAD__)
    test_forked(0xffff0000u);
    test_forked(0);
#endif
    return t_done();
}
