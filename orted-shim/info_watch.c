/* SPDX-License-Identifier: BSD-3-Clause */
/* toro-info --watch: what the ports of a running job do, from the difference of their counters. */
#include "info.h"
#include "shim_msg.h"
#include "shim_parse.h"
#include "torobus/ctl.h"
#include "torobus/region.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/** A keeper that is just ending takes no questions, but is still there. */
#define TRIES   10
#define TRY_NS  100000000l
#define NS      1000000000ull
#define NVALUES 12

/** Of the keeper's line; see print_port() in keeper_info.c. */
enum { SENT, SENT_B, RECV, RECV_B, FULL, SLEEPS, RUNG, HEARD, PUTS, GETS, RDMA_B, ATOMICS };

struct sample {
    bool there;
    int rank;
    char guest[64];
    uint64_t v[NVALUES];
};

static struct sample before[TOROBUS_MAX_PORTS], now[TOROBUS_MAX_PORTS];

static uint64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

static void nap(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / NS), .tv_nsec = (long)(ns % NS)};

    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

static void take_line(const char *line, char guest[64])
{
    struct sample s = {.there = true};
    unsigned port, state;

    if (sscanf(line, "guest %63[^:]:", guest) == 1 || sscanf(line, "host %63[^:]:", guest) == 1)
        return;
    if (sscanf(line,
               " port %u rank %d state %u: sent %" SCNu64 " (%" SCNu64 " B) received %" SCNu64
               " (%" SCNu64 " B) full %" SCNu64 " sleeps %" SCNu64 " doorbells %" SCNu64 "/%" SCNu64
               " puts %" SCNu64 " gets %" SCNu64 " (%" SCNu64 " B) atomics %" SCNu64,
               &port, &s.rank, &state, &s.v[SENT], &s.v[SENT_B], &s.v[RECV], &s.v[RECV_B],
               &s.v[FULL], &s.v[SLEEPS], &s.v[RUNG], &s.v[HEARD], &s.v[PUTS], &s.v[GETS],
               &s.v[RDMA_B], &s.v[ATOMICS]) != 15 ||
        port >= TOROBUS_MAX_PORTS || s.rank < 0)
        return;
    memcpy(s.guest, guest, sizeof(s.guest));
    now[port] = s;
}

static void take_report(char *text)
{
    char guest[64] = "", *save, *line;

    memset(now, 0, sizeof(now));
    for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        take_line(line, guest);
}

/** Per second. A port that has a new rank begins at zero again. */
static double rate(const struct sample *a, const struct sample *b, int i, double seconds)
{
    return b->v[i] >= a->v[i] ? (double)(b->v[i] - a->v[i]) / seconds : 0;
}

static void print(uint64_t since_start, double seconds)
{
    printf("%8.1f s %24s %10s %9s %10s %9s %10s %9s %8s %8s %8s\n", (double)since_start / 1e9,
           "per second: rank on guest", "sent", "MB", "received", "MB", "put+get", "MB", "full",
           "sleeps", "rung");
    for (unsigned i = 0; i < TOROBUS_MAX_PORTS; i++) {
        const struct sample *a = &before[i], *b = &now[i];

        if (!b->there)
            continue;
        printf("%10s %9d on %-16.16s %10.0f %9.2f %10.0f %9.2f %10.0f %9.2f %8.0f %8.0f %8.0f\n",
               "", b->rank, b->guest, rate(a, b, SENT, seconds), rate(a, b, SENT_B, seconds) / 1e6,
               rate(a, b, RECV, seconds), rate(a, b, RECV_B, seconds) / 1e6,
               rate(a, b, PUTS, seconds) + rate(a, b, GETS, seconds),
               rate(a, b, RDMA_B, seconds) / 1e6, rate(a, b, FULL, seconds),
               rate(a, b, SLEEPS, seconds), rate(a, b, RUNG, seconds));
    }
    if (fflush(stdout) != 0)
        shim_die(SHIM_EXIT_FAIL, "cannot write to stdout: %s", strerror(errno));
}

static bool listed(const char *key)
{
    static char keys[INFO_MAX_JOBS][SHIM_KEY_LEN + 1];
    unsigned n = info_jobs(keys);

    for (unsigned i = 0; i < n; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

/** @return false when the job has ended */
static bool look(const char *key)
{
    for (unsigned i = 0; i < TRIES; i++) {
        bool gone;
        char *text = info_ask(key, TOROBUS_CTL_Q_PORTS, "", &gone);

        if (text) {
            take_report(text);
            free(text);
            return true;
        }
        if (!listed(key))
            return false;
        nap(TRY_NS);
    }
    shim_die(SHIM_EXIT_FAIL, "job %s does not answer", key);
}

static const char *only_job(void)
{
    static char keys[INFO_MAX_JOBS][SHIM_KEY_LEN + 1];
    unsigned n = info_jobs(keys);

    if (n == 0)
        shim_die(SHIM_EXIT_FAIL, "no job is running");
    if (n > 1)
        shim_die(SHIM_EXIT_USAGE,
                 "%u jobs are running: say which one, toro-info --watch JOB; toro-info --jobs "
                 "lists them",
                 n);
    return keys[0];
}

int info_watch(char **argv)
{
    uint64_t seconds = 0, start, last;
    const char *key = NULL;

    for (; *argv; argv++) {
        if (!key && info_is_key(*argv))
            key = *argv;
        else if (seconds || !shim_parse_u64(*argv, 1, 86400, &seconds))
            shim_die(SHIM_EXIT_USAGE,
                     "--watch %s: give one number of seconds (1 to 86400), one job, or both; "
                     "toro-info --jobs lists jobs",
                     *argv);
    }
    seconds = seconds ? seconds : 1;
    if (!key)
        key = only_job();
    else if (!listed(key))
        shim_die(SHIM_EXIT_FAIL, "there is no job %s (any more); toro-info --jobs lists them", key);
    printf("job %s\n", key);
    fflush(stdout);
    start = last = clock_ns();
    if (look(key)) {
        uint64_t t;

        do {
            memcpy(before, now, sizeof(before));
            nap(seconds * NS);
            if (!look(key))
                break;
            t = clock_ns();
            print(t - start, (double)(t - last) / 1e9);
            last = t;
        } while (true);
    }
    printf("job %s has ended\n", key);
    return fflush(stdout) == 0 ? 0 : SHIM_EXIT_FAIL;
}
