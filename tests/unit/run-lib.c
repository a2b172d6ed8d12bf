/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's strings and formatted text against libc's, and its list. */
#include "tap.h"
#include "unikernel/lib/string.c"
#include "unikernel/lib/printf.c"
#include "toro/list.h"
#include <limits.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-truncation"
#pragma GCC diagnostic ignored "-Wformat-zero-length"

static unsigned seed = 1;

static unsigned rnd(unsigned n)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % n;
}

/* toro_vsnprintf() without the compiler's check of the format. */
static int toro_fmt(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = toro_vsnprintf(buf, size, fmt, ap);
    va_end(ap);
    return n;
}

static unsigned differ;

#define SAME(fmt, ...)                                                                             \
    do {                                                                                           \
        char a_[128], b_[128];                                                                     \
        int na_ = toro_fmt(a_, sizeof(a_), fmt, __VA_ARGS__);                                      \
        int nb_ = snprintf(b_, sizeof(b_), fmt, __VA_ARGS__);                                      \
        if (na_ != nb_ || strcmp(a_, b_) != 0) {                                                   \
            t_diag("\"%s\": got \"%s\" (%d), libc has \"%s\" (%d)", fmt, a_, na_, b_, nb_);        \
            differ++;                                                                              \
        }                                                                                          \
    } while (0)

static void numbers(void)
{
    static const char *const ints[] = {"%d",   "%i", "%5d", "%-5d",  "%05d", "%x",    "%X",
                                       "%08x", "%u", "%3u", "%-9u|", "%.3d", "%6.3d", "%016x"};
    static const char *const longs[] = {"%ld",  "%lu", "%lx", "%016lx", "%-20lu|", "%20ld",
                                        "%lld", "%zu", "%zd", "%llx",   "%.12lx",  "%ju"};
    static const int iv[] = {0, 1, -1, 9, 10, -10, 12345, INT_MAX, INT_MIN};
    static const long lv[] = {0, 1, -1, LONG_MAX, LONG_MIN, 0x123456789abcdefl};

    differ = 0;
    for (size_t f = 0; f < TORO_ARRAY_SIZE(ints); f++)
        for (size_t v = 0; v < TORO_ARRAY_SIZE(iv); v++)
            SAME(ints[f], iv[v]);
    for (size_t f = 0; f < TORO_ARRAY_SIZE(longs); f++)
        for (size_t v = 0; v < TORO_ARRAY_SIZE(lv); v++)
            SAME(longs[f], lv[v]);
    SAME("%*d|%-*d|%.*d", 7, 42, 7, 42, 5, 42);
    SAME("%*d", -7, 42);
    t_eq(differ, 0, "numbers as libc prints them");
}

static void texts(void)
{
    char buf[8];

    differ = 0;
    SAME("%s", "");
    SAME("%s and %s", "one", "two");
    SAME("%10s|%-10s|", "right", "left");
    SAME("%.3s|%.0s|%.9s|", "abcdef", "abcdef", "abc");
    SAME("%.*s", 2, "abcdef");
    SAME("%c%c%5c|%-5c|", 'a', 'b', 'c', 'd');
    SAME("%d%%", 50);
    SAME("%p", (void *)0x1234abcd);
    t_eq(differ, 0, "texts as libc prints them");

    memset(buf, 'x', sizeof(buf));
    t_eq(toro_fmt(buf, 5, "%s", "abcdefgh"), 8, "the length is that of the whole text");
    t_ok(strcmp(buf, "abcd") == 0 && buf[5] == 'x',
         "what does not fit is cut, nothing behind touched");
    t_eq(toro_fmt(buf, 0, "abc"), 3, "no room at all");
    t_eq(buf[0], 'a', "leaves the buffer alone");
    t_eq(toro_fmt(NULL, 0, "%d", 123), 3, "not even a buffer");
    toro_fmt(buf, sizeof(buf), "%s", (char *)NULL);
    t_ok(strcmp(buf, "(null)") == 0, "a null string");
    toro_fmt(buf, sizeof(buf), "a%qb", 1);
    t_ok(strcmp(buf, "a%q") == 0, "an unknown conversion shows and ends the text");
}

static void memory(void)
{
    unsigned char a[300], b[300];
    unsigned bad = 0;

    for (unsigned i = 0; i < 20000; i++) {
        unsigned n = rnd(100), from = rnd(200), to = rnd(200);

        for (unsigned k = 0; k < sizeof(a); k++)
            a[k] = b[k] = (unsigned char)rnd(256);
        switch (i % 3) {
        case 0:
            if (from + n > to && to + n > from)
                continue;
            bad += toro_memcpy(a + to, a + from, n) != a + to;
            memcpy(b + to, b + from, n);
            break;
        case 1:
            bad += toro_memmove(a + to, a + from, n) != a + to;
            memmove(b + to, b + from, n);
            break;
        default:
            bad += toro_memset(a + to, (int)from, n) != a + to;
            memset(b + to, (int)from, n);
        }
        bad += memcmp(a, b, sizeof(a)) != 0;
        b[rnd(300)] ^= (unsigned char)(rnd(2) * 0x80);
        bad += (toro_memcmp(a, b, sizeof(a)) > 0) != (memcmp(a, b, sizeof(a)) > 0);
        bad += (toro_memcmp(a, b, sizeof(a)) < 0) != (memcmp(a, b, sizeof(a)) < 0);
    }
    t_eq(bad, 0, "20000 copies, moves, fills and comparisons");
}

static int sign(int v)
{
    return (v > 0) - (v < 0);
}

static void strings(void)
{
    static const char *const s[] = {"", "a", "ab", "abc", "abd", "b", "\xff", "abcabc"};
    unsigned bad = 0;
    const char *end;
    char buf[4];

    for (size_t i = 0; i < TORO_ARRAY_SIZE(s); i++) {
        bad += toro_strlen(s[i]) != strlen(s[i]) || toro_strnlen(s[i], 2) != strnlen(s[i], 2);
        bad += toro_strchr(s[i], 'b') != strchr(s[i], 'b');
        bad += toro_strchr(s[i], 0) != strchr(s[i], 0);
        bad += toro_strrchr(s[i], 'b') != strrchr(s[i], 'b');
        bad += toro_strrchr(s[i], 0) != strrchr(s[i], 0);
        for (size_t k = 0; k < TORO_ARRAY_SIZE(s); k++) {
            bad += sign(toro_strcmp(s[i], s[k])) != sign(strcmp(s[i], s[k]));
            for (size_t n = 0; n < 5; n++)
                bad += sign(toro_strncmp(s[i], s[k], n)) != sign(strncmp(s[i], s[k], n));
        }
    }
    t_eq(bad, 0, "string functions as libc's");
    t_eq(toro_strlcpy(buf, "abcdef", sizeof(buf)), 6, "strlcpy tells the whole length");
    t_ok(strcmp(buf, "abc") == 0, "and terminates");
    t_eq(toro_strlcpy(buf, "abc", 0), 3, "without room it writes nothing");
    t_ok(toro_strtou("123x", &end) == 123 && *end == 'x',
         "decimal, up to the first other character");
    t_ok(toro_strtou("0x1fG", &end) == 0x1f && *end == 'G', "hexadecimal");
    t_ok(toro_strtou("0x", &end) == 0 && *end == 'x', "0x alone is a zero");
    t_ok(toro_strtou("-1", &end) == 0 && *end == '-', "no sign");
    t_ok(toro_strtou("18446744073709551615", NULL) == UINT64_MAX, "the largest");
}

struct item {
    int v;
    struct toro_list link;
};

static void list(void)
{
    struct toro_list l = TORO_LIST_INIT(l);
    struct item it[4];
    int sum = 0, order = 0;

    t_ok(toro_list_empty(&l) && toro_list_pop(&l) == NULL, "a new list is empty");
    for (int i = 0; i < 4; i++) {
        it[i].v = i;
        toro_list_push(&l, &it[i].link);
    }
    toro_list_each(&l, p) order = order * 10 + toro_list_entry(p, struct item, link)->v;
    t_eq(order, 123, "first in, first seen");
    toro_list_del(&it[1].link);
    toro_list_del(&it[1].link);
    t_ok(toro_list_pop(&l) == &it[0].link, "the head comes out first");
    toro_list_each_safe(&l, p, nx)
    {
        sum += toro_list_entry(p, struct item, link)->v;
        toro_list_del(p);
    }
    t_ok(sum == 5 && toro_list_empty(&l), "entries may leave while one looks");
}

int main(void)
{
    numbers();
    texts();
    memory();
    strings();
    list();
    return t_done();
}
