/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest without QEMU: takes QEMU's place (TOROBUS_QEMU), speaks ctl frames over the inherited
 * descriptor and plays ranks that do what their arguments say. Boot-time misbehaviour is chosen by
 * TOROBUS_FAKE: silent, version, cores, early, noise, exit, stderr.
 *
 * A rank's arguments are a script of words:
 *   print TEXT      write TEXT and a newline to stdout       eprint TEXT   the same to stderr
 *   part TEXT       write TEXT without a newline              env NAME     print a variable
 *   cat             copy stdin to stdout until its end        count        print bytes of stdin
 *   flood MIB       write so many MiB of a pattern to stdout  pause MS     do nothing for a while
 *   wait            until a signal comes; it ends the rank    handle N     until signal N; print it
 *   place           print rank, sizes, cwd and umask          exit N       end with a status
 *   kill N          end by signal N                           fail ERRNO   cannot be loaded
 *   panic TEXT      the kernel panics                         die          QEMU exits
 *   badrank, badmagic, badtype, toolong, overrun              frames that no guest may send
 *   fuzz SEED       a few hundred frames, most of them nearly right
 *   pmix ...        see fakepmix.c
 */
#include "fakeguest.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

static int ctl = -1, console = -1, qmp = -1;
static struct fake_rank ranks[64];
static unsigned ncores, nended;

static void put(const void *p, size_t n)
{
    const char *c = p;

    while (n > 0) {
        ssize_t w = send(ctl, c, n, MSG_NOSIGNAL);

        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            exit(9); /* the keeper is gone */
        c += w;
        n -= (size_t)w;
    }
}

void fake_send(uint16_t type, uint32_t rank, uint32_t arg, const void *body, uint32_t len)
{
    struct torobus_ctl_hdr h = {
        .magic = TOROBUS_CTL_MAGIC, .type = type, .rank = rank, .len = len, .arg = arg};

    put(&h, sizeof(h));
    put(body, len);
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/** Send as much of the rank's pending output as its credit allows. */
static void flush_out(struct fake_rank *r)
{
    while (r->out_len > 0) {
        uint32_t n =
            r->out_len < TOROBUS_CTL_STDIO_MAX ? (uint32_t)r->out_len : TOROBUS_CTL_STDIO_MAX;

        if (n > r->credit)
            n = r->credit;
        if (n == 0)
            return;
        fake_send(TOROBUS_CTL_STDOUT, r->index, 0, r->out, n);
        r->credit -= n;
        r->out_len -= n;
        memmove(r->out, r->out + n, r->out_len);
    }
}

void fake_print(struct fake_rank *r, const void *p, size_t n)
{
    if (n == 0)
        return;
    r->out = realloc(r->out, r->out_len + n);
    if (!r->out)
        FAKE_BAD;
    memcpy(r->out + r->out_len, p, n);
    r->out_len += n;
    flush_out(r);
}

static void end(struct fake_rank *r, uint32_t code)
{
    fake_send(TOROBUS_CTL_EXIT, r->index, code, NULL, 0);
    r->running = false;
    nended++;
}

static void parse_start(struct fake_rank *r, const char *body, uint32_t len)
{
    struct torobus_ctl_start *s = &r->start;
    const char *p = body + sizeof(*s);

    if (len < sizeof(*s) || r->known)
        FAKE_BAD;
    memcpy(s, body, sizeof(*s));
    if (s->strings != len - sizeof(*s) || body[len - 1] != '\0')
        FAKE_BAD;
    r->known = true;
    r->cwd = strdup(p);
    p += strlen(p) + 1;
    r->exe = strdup(p);
    p += strlen(p) + 1;
    r->argv = calloc(s->argc + 1, sizeof(char *));
    r->env = calloc(s->envc + 1, sizeof(char *));
    for (uint32_t i = 0; i < s->argc; i++, p += strlen(p) + 1)
        r->argv[i] = strdup(p);
    for (uint32_t i = 0; i < s->envc; i++, p += strlen(p) + 1)
        r->env[i] = strdup(p);
    if (p != body + len)
        FAKE_BAD;
    r->pc = 1;
    r->credit = TOROBUS_CTL_WINDOW;
    r->running = true;
}

const char *fake_env(const struct fake_rank *r, const char *name)
{
    size_t n = strlen(name);

    for (char **e = r->env; *e; e++)
        if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
            return *e + n + 1;
    return NULL;
}

static void say(struct fake_rank *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#include <stdarg.h>
static void say(struct fake_rank *r, const char *fmt, ...)
{
    char line[4096];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    fake_print(r, line, (size_t)n);
}

static bool flood(struct fake_rank *r, const char *mib)
{
    uint64_t total = strtoull(mib, NULL, 10) << 20;
    static char block[TOROBUS_CTL_STDIO_MAX];

    while (r->flooded < total && r->out_len == 0 && r->credit > 0) {
        for (size_t i = 0; i < sizeof(block); i += 8) {
            uint64_t v = (r->flooded + i) / 8;

            memcpy(block + i, &v, 8);
        }
        fake_print(r, block, sizeof(block));
        r->flooded += sizeof(block);
    }
    return r->flooded >= total && r->out_len == 0;
}

static void bad_frame(struct fake_rank *r, const char *word)
{
    struct torobus_ctl_hdr h = {.magic = TOROBUS_CTL_MAGIC, .type = TOROBUS_CTL_STDOUT};
    static char big[TOROBUS_CTL_STDIO_MAX + 1];

    if (strcmp(word, "badrank") == 0)
        h.rank = ncores;
    else if (strcmp(word, "badmagic") == 0)
        h.magic = 0;
    else if (strcmp(word, "badtype") == 0)
        h.type = 999;
    else if (strcmp(word, "toolong") == 0)
        h.len = TOROBUS_CTL_BODY_MAX + 1;
    else
        fake_send(TOROBUS_CTL_STDOUT, r->index, 0, big, sizeof(big));
    put(&h, sizeof(h));
}

static uint64_t rng;

static uint32_t rnd(uint32_t below)
{
    rng = rng * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(rng >> 33) % below;
}

/** A request for a lock, a core file or holes, with right and wrong numbers in it. @return its
 * length. */
static uint32_t fuzz_request(uint16_t type, char *body)
{
    static const uint64_t odd[] = {0,          1,          4096,  1ull << 30,
                                   1ull << 34, 1ull << 62, ~0ull, ~0xfffull};
    uint64_t n[2] = {odd[rnd(8)] + rnd(3) * 4096u, odd[rnd(8)] + rnd(3) * 4096u};

    if (type == TOROBUS_CTL_LOCK) {
        static const char *const paths[] = {"/proc/version", "/dev/zero", "/", "relative", ""};
        struct torobus_ctl_lock l = {.id = rnd(50),
                                     .op = (uint8_t)(rnd(200) ? 1 + rnd(5) : rnd(256)),
                                     .type = (uint8_t)rnd(rnd(200) ? 3 : 256),
                                     .wait = (uint8_t)rnd(2),
                                     .by_file = (uint8_t)rnd(2),
                                     .key = rnd(6),
                                     .start = rnd(100) ? rnd(100) : n[0],
                                     .len = rnd(100) ? rnd(100) : n[1]};
        const char *path = paths[rnd(20) ? 0 : rnd(rnd(20) ? 3 : 5)];

        memcpy(body, &l, sizeof(l));
        strcpy(body + sizeof(l), path);
        return (uint32_t)(sizeof(l) + strlen(path)) + (rnd(200) != 0);
    }
    if (type == TOROBUS_CTL_CORE) {
        struct torobus_ctl_core c = {.world_rank = rnd(3), .nranges = rnd(3), .head_len = rnd(200)};
        struct torobus_ctl_core_range r = {n[0], n[1], rnd(2) ? 4096 : n[1]};

        memcpy(body, &c, sizeof(c));
        for (unsigned i = 0; i < 3; i++)
            memcpy(body + sizeof(c) + i * sizeof(r), &r, sizeof(r));
        return (uint32_t)(sizeof(c) + c.nranges * sizeof(r)) + c.head_len - (rnd(20) == 0);
    }
    memcpy(body, n, sizeof(n));
    return rnd(20) ? sizeof(n) : rnd(40);
}

/** Frames that are right in most of their fields: what a broken or hostile kernel might send. */
static void fuzz(unsigned seed)
{
    static const uint16_t types[] = {TOROBUS_CTL_STDOUT, TOROBUS_CTL_STDERR, TOROBUS_CTL_CREDIT,
                                     TOROBUS_CTL_PMIX,   TOROBUS_CTL_EXIT,   TOROBUS_CTL_FAILED,
                                     TOROBUS_CTL_LOCK,   TOROBUS_CTL_CORE,   TOROBUS_CTL_PUNCH};
    static char body[TOROBUS_CTL_STDIO_MAX + 16];

    rng = seed;
    for (int i = 0; i < 300; i++) {
        uint16_t type = types[rnd(sizeof(types) / sizeof(types[0]))];
        uint32_t len = rnd(8) ? rnd(64) : rnd(40) ? rnd(TOROBUS_CTL_STDIO_MAX) : sizeof(body);
        uint32_t rank = rnd(300) ? rnd(ncores) : rnd(2) ? TOROBUS_CTL_NOBODY : rnd(1000);
        uint32_t arg = rnd(4) ? rnd(300) : rnd(0x7fffffff) * 2u;

        if (rnd(200) == 0)
            type = (uint16_t)rnd(65536);
        if ((type == TOROBUS_CTL_EXIT || type == TOROBUS_CTL_FAILED) && rnd(10))
            continue; /* keep most ranks alive */
        for (uint32_t k = 0; k < len; k++)
            body[k] = (char)rnd(256);
        if (type == TOROBUS_CTL_PMIX && rnd(100)) {
            struct torobus_pmix_hdr h = {.len = 0,
                                         .op = (uint16_t)(1 + rnd(rnd(50) ? 5 : 20)),
                                         .flags = rnd(50) ? 0 : (uint16_t)rnd(64),
                                         .id = rnd(1000)};

            len = sizeof(h);
            memcpy(body, &h, sizeof(h));
        }
        if (type == TOROBUS_CTL_LOCK || type == TOROBUS_CTL_CORE || type == TOROBUS_CTL_PUNCH)
            len = fuzz_request(type, body);
        /* a core that makes no sense ends the guest: not every time */
        if (type == TOROBUS_CTL_CORE && rnd(60))
            continue;
        if (type == TOROBUS_CTL_PUNCH)
            rank = TOROBUS_CTL_NOBODY;
        fake_send(type, rank, arg, body, len);
        if (rnd(300) == 0)
            put(body, rnd(64));
    }
}

/* As QEMU does it: a greeting, which is answered, then events. And what it should not say. */
static void qmp_stop(void)
{
    static const char hello[] = "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7}}, "
                                "\"capabilities\": [\"oob\"]}}\r\n";
    static const char other[] = "{\"return\": {}}\r\n{\"event\": 7}\r\nno json\r\n\r\n[[[[{\r\n"
                                "{\"event\": \"RESUME\", \"data\": 3}\r\n";
    static const char stop[] = "{\"timestamp\": {\"seconds\": 1}, \"event\": \"STOP\"}\r\n";
    static char much[100000];
    char got[64];

    memset(much, 'x', sizeof(much));
    much[sizeof(much) - 1] = '\n';
    if (write(qmp, hello, sizeof(hello) - 1) < 0 || read(qmp, got, sizeof(got)) < 10 ||
        write(qmp, other, sizeof(other) - 1) < 0 || write(qmp, much, sizeof(much)) < 0 ||
        write(qmp, stop, sizeof(stop) - 1) < 0)
        exit(8);
}

/** One word of the script. @return true if the rank can go on at once. */
static bool step(struct fake_rank *r)
{
    const char *w = r->argv[r->pc], *a = w ? r->argv[r->pc + 1] : NULL;
    unsigned used = 2;

    if (r->out_len > 0)
        return false; /* write() blocks */
    if (!w) {
        end(r, 0);
        return false;
    }
    if (strcmp(w, "print") == 0) {
        char *line = NULL;
        int n = asprintf(&line, "%s\n", a);

        /* one write(), as a program with line buffering does it */
        fake_print(r, line, (size_t)n);
        free(line);
    } else if (strcmp(w, "part") == 0) {
        say(r, "%s", a);
    } else if (strcmp(w, "eprint") == 0) {
        char line[512];
        int n = snprintf(line, sizeof(line), "%s\n", a);

        fake_send(TOROBUS_CTL_STDERR, r->index, 0, line, (uint32_t)n);
    } else if (strcmp(w, "env") == 0) {
        const char *v = fake_env(r, a);

        say(r, "%s=%s\n", a, v ? v : "(unset)");
    } else if (strcmp(w, "place") == 0) {
        used = 1;
        say(r, "rank %u of %u, core %u of %u, flags %u, cwd %s, umask %03o\n", r->start.world_rank,
            r->start.world_size, r->index, r->start.local_size, r->start.flags, r->cwd,
            r->start.umask);
    } else if (strcmp(w, "cat") == 0 || strcmp(w, "count") == 0) {
        used = 1;
        if (!r->eof)
            return false;
        if (strcmp(w, "count") == 0)
            say(r, "%llu bytes\n", (unsigned long long)r->in_bytes);
    } else if (strcmp(w, "flood") == 0) {
        if (!flood(r, a))
            return false;
        r->flooded = 0;
    } else if (strcmp(w, "pause") == 0) {
        if (r->until == 0)
            r->until = now_ms() + strtoull(a, NULL, 10);
        if (now_ms() < r->until)
            return false;
        r->until = 0;
    } else if (strcmp(w, "wait") == 0) {
        return false;
    } else if (strcmp(w, "handle") == 0) {
        if (r->signal != (uint32_t)atoi(a))
            return false;
        say(r, "got signal %u\n", r->signal);
        r->signal = 0;
    } else if (strcmp(w, "as") == 0) {
        /* the next command is for one rank only */
        if (r->index != (uint32_t)atoi(a))
            used += 2;
    } else if (strcmp(w, "exit") == 0) {
        end(r, (uint32_t)atoi(a));
        return false;
    } else if (strcmp(w, "kill") == 0) {
        end(r, 256 + (uint32_t)atoi(a));
        return false;
    } else if (strcmp(w, "fail") == 0) {
        fake_send(TOROBUS_CTL_FAILED, r->index, (uint32_t)atoi(a), "fake failure", 12);
        r->running = false;
        nended++;
        return false;
    } else if (strcmp(w, "fuzz") == 0) {
        fuzz((unsigned)atoi(a));
    } else if (strcmp(w, "panic") == 0) {
        fake_send(TOROBUS_CTL_PANIC, TOROBUS_CTL_NOBODY, 0, a, (uint32_t)strlen(a));
        exit(35);
    } else if (strcmp(w, "die") == 0) {
        exit(7);
    } else if (strcmp(w, "stopped") == 0) {
        fprintf(stderr, "KVM internal error. Suberror: 1\nemulation failure\nEAX=00000000\n");
        qmp_stop();
        pause();
    } else if (strcmp(w, "pmix") == 0) {
        if (!fake_pmix_step(r, &used))
            return false;
    } else {
        used = 1;
        bad_frame(r, w);
    }
    r->pc += used;
    return true;
}

static void on_signal(struct fake_rank *r, uint32_t sig)
{
    const char *w = r->running ? r->argv[r->pc] : NULL;

    if (!w)
        return;
    r->signal = sig;
    if (sig == 9 || strcmp(w, "handle") != 0 || (uint32_t)atoi(r->argv[r->pc + 1]) != sig)
        end(r, 256 + sig);
}

static void on_rank_frame(const struct torobus_ctl_hdr *h, char *body)
{
    struct fake_rank *r;

    if (h->rank >= ncores)
        FAKE_BAD;
    r = &ranks[h->rank];
    switch (h->type) {
    case TOROBUS_CTL_RANK_START:
        r->index = h->rank;
        parse_start(r, body, h->len);
        if (!(r->argv[1] && strcmp(r->argv[1], "fail") == 0))
            fake_send(TOROBUS_CTL_STARTED, h->rank, 0, NULL, 0);
        break;
    case TOROBUS_CTL_STDIN:
        r->in_bytes += h->len;
        if (h->len == 0)
            r->eof = true;
        else
            fake_send(TOROBUS_CTL_CREDIT, h->rank, h->len, NULL, 0);
        if (r->running && r->argv[r->pc] && strcmp(r->argv[r->pc], "cat") == 0)
            fake_print(r, body, h->len);
        break;
    case TOROBUS_CTL_SIGNAL:
        on_signal(r, h->arg);
        break;
    case TOROBUS_CTL_CREDIT:
        if (h->arg >> 24 == 1)
            r->credit += h->arg & 0xffffff;
        flush_out(r);
        break;
    case TOROBUS_CTL_PMIX:
        fake_pmix_reply(r, body, h->len);
        break;
    default:
        FAKE_BAD;
    }
}

static void on_frame(const struct torobus_ctl_hdr *h, char *body)
{
    if (h->rank != TOROBUS_CTL_NOBODY) {
        on_rank_frame(h, body);
    } else if (h->type == TOROBUS_CTL_SHUTDOWN) {
        exit(33);
    } else if (h->type == TOROBUS_CTL_CLOCK) {
        struct torobus_ctl_clock c;

        if (h->len != sizeof(c))
            FAKE_BAD;
        memcpy(&c, body, sizeof(c));
        if (c.tsc_hz < 100000000ull || c.tsc_hz > 20000000000ull || c.hello_tsc != 4711)
            FAKE_BAD;
    } else if (h->type == TOROBUS_CTL_QUERY) {
        fake_send(TOROBUS_CTL_REPORT, TOROBUS_CTL_NOBODY, 0, "fake report\n", 12);
    } else {
        FAKE_BAD;
    }
}

/** Read what is there, handle whole frames. @return false at the end of the connection. */
static bool take(void)
{
    static char *buf;
    static size_t have, room;
    struct torobus_ctl_hdr h;
    size_t done = 0;
    ssize_t n;

    if (room - have < 65536)
        buf = realloc(buf, room = have + (2u << 20));
    n = recv(ctl, buf + have, room - have, 0);
    if (n <= 0)
        return false;
    have += (size_t)n;
    while (have - done >= sizeof(h)) {
        char *body;

        memcpy(&h, buf + done, sizeof(h));
        if (!torobus_ctl_hdr_ok(&h))
            FAKE_BAD;
        if (have - done < sizeof(h) + h.len)
            break;
        body = malloc(h.len + 1);
        memcpy(body, buf + done + sizeof(h), h.len);
        body[h.len] = '\0';
        on_frame(&h, body);
        free(body);
        done += sizeof(h) + h.len;
    }
    memmove(buf, buf + done, have - done);
    have -= done;
    return true;
}

static int fd_of(int argc, char **argv, const char *prefix)
{
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], prefix, strlen(prefix)) == 0)
            return atoi(argv[i] + strlen(prefix));
    return -1;
}

static void boot(const char *how)
{
    struct torobus_ctl_hello h = {
        .version = TOROBUS_ABI_VERSION, .ncores = ncores, .tsc = 4711, .kernel_bytes = 1 << 20};

    if (strcmp(how, "silent") == 0)
        pause();
    if (strcmp(how, "exit") == 0)
        exit(5);
    if (strcmp(how, "stderr") == 0) {
        fprintf(stderr, "fake qemu: something is wrong\n");
        exit(1);
    }
    if (strcmp(how, "noise") == 0)
        dprintf(console, "text from the console\n");
    if (strcmp(how, "early") == 0)
        fake_send(TOROBUS_CTL_STDOUT, 0, 0, "x", 1);
    if (strcmp(how, "version") == 0)
        h.version = 99;
    if (strcmp(how, "cores") == 0)
        h.ncores--;
    fake_send(TOROBUS_CTL_HELLO, TOROBUS_CTL_NOBODY, 0, &h, sizeof(h));
}

int main(int argc, char **argv)
{
    const char *how = getenv("TOROBUS_FAKE"), *version = getenv("TOROBUS_FAKE_VERSION");

    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("%s\n", version ? version : "QEMU emulator version 7.2.0 (fake guest)");
        return 0;
    }
    ctl = fd_of(argc, argv, "socket,id=ctl,fd=");
    console = fd_of(argc, argv, "socket,id=console,fd=");
    qmp = fd_of(argc, argv, "socket,id=qmp,fd=");
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "-smp") == 0)
            ncores = (unsigned)atoi(argv[i + 1]);
    if (ctl < 0 || console < 0 || qmp < 0 || ncores == 0 || ncores > 64)
        return 3;
    boot(how ? how : "");
    for (;;) {
        struct pollfd pfd = {.fd = ctl, .events = POLLIN};

        if (poll(&pfd, 1, 5) > 0 && !take())
            return 9;
        for (unsigned i = 0; i < ncores; i++)
            while (ranks[i].running && step(&ranks[i]))
                ;
    }
}
