/* SPDX-License-Identifier: BSD-3-Clause */
/* The body of RANK_START, good and hostile: every length, every count, damaged bytes. */
#include "tap.h"
#include "kernel-stubs.h"
#include "unikernel/lib/string.c"
#include "unikernel/loader/start.c"

static unsigned seed = 9;

static unsigned rnd(unsigned n)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % n;
}

static const char strings[] = "/tmp\0/bin/app\0app\0-x\0\0A=1\0B=\0";
#define NSTRINGS (sizeof(strings) - 1)
#define LEN      (sizeof(struct torobus_ctl_start) + NSTRINGS)

static void make(unsigned char *b)
{
    struct torobus_ctl_start h = {
        .argc = 3, .envc = 2, .world_size = 4, .local_size = 2, .strings = NSTRINGS};

    memcpy(b, &h, sizeof(h));
    memcpy(b + sizeof(h), strings, NSTRINGS);
}

/* A copy that ends where the heap block ends. @return result; what it points to is checked. */
static int look(const unsigned char *b, uint32_t len, unsigned *bad)
{
    unsigned char *c = malloc(len > 0 ? len : 1);
    struct toro_start_args a;
    size_t sum = 0;
    int r;

    memcpy(c, b, len);
    r = toro_start_parse(c, len, &a);
    if (r == 0) {
        const char *s = a.argv;

        for (uint32_t i = 0; i < a.start->argc; i++, s += strlen(s) + 1)
            sum += strlen(s) + 1;
        *bad += sum != a.argv_len || s != a.env;
        for (uint32_t i = 0; i < a.start->envc; i++)
            s += strlen(s) + 1;
        *bad += s != (char *)c + len || a.cwd[0] != '/' || a.exe[0] == '\0';
    } else {
        *bad += r != -EINVAL;
    }
    free(c);
    return r;
}

int main(void)
{
    unsigned char b[LEN + 16];
    struct torobus_ctl_start *h = (void *)b;
    struct toro_start_args a;
    unsigned bad = 0, fine = 0;

    make(b);
    t_eq(look(b, LEN, &bad), 0, "a good one");
    toro_start_parse(b, LEN, &a);
    t_ok(strcmp(a.cwd, "/tmp") == 0 && strcmp(a.exe, "/bin/app") == 0 && a.argv_len == 8 &&
             strcmp(a.argv + 4, "-x") == 0 && a.env_len == 7 && strcmp(a.env + 4, "B=") == 0,
         "its parts");
    for (uint32_t len = 0; len < LEN; len++)
        bad += look(b, len, &bad) == 0;
    t_eq(bad, 0, "every shorter length is refused");
    for (uint32_t len = 0; len < LEN; len++) {
        make(b);
        h->strings = len > sizeof(*h) ? len - sizeof(*h) : 0;
        bad += look(b, len, &bad) == 0;
    }
    t_eq(bad, 0, "also when the count of bytes agrees");
    for (unsigned argc = 0; argc < 8; argc++)
        for (unsigned envc = 0; envc < 8; envc++) {
            make(b);
            h->argc = argc;
            h->envc = envc;
            bad += (look(b, LEN, &bad) == 0) != (argc >= 1 && argc + envc == 5);
        }
    make(b);
    h->argc = 0xffffffff;
    h->envc = 6;
    bad += look(b, LEN, &bad) == 0;
    t_eq(bad, 0, "counts of strings");
    make(b);
    h->flags = 0x80;
    t_eq(look(b, LEN, &bad), -EINVAL, "flags of another version");
    make(b);
    b[sizeof(*h)] = 'x';
    t_eq(look(b, LEN, &bad), -EINVAL, "a directory that is not absolute");
    for (unsigned r = 0; r < 200000; r++) {
        make(b);
        for (unsigned n = rnd(5); n > 0; n--)
            b[rnd(LEN)] = (unsigned char)(rnd(2) ? rnd(256) : 0);
        fine += look(b, rnd(4) ? LEN : rnd(LEN), &bad) == 0;
    }
    t_eq(bad, 0, "200000 damaged ones");
    t_ok(fine > 1000, "of which %u could be started", fine);
    return t_done();
}
