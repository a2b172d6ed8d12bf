/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory and strings. Words by plain loads and stores: string instructions run one step per word
 * under TCG, and on real processors this is within reach of them for what the kernel copies. */
#include <toro/lib.h>

/* What the compiler calls by itself. In hosted tests libc has them. */
#ifdef __TOROBUS_KERNEL__
void *memcpy(void *d, const void *s, size_t n);
void *memmove(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

void *memcpy(void *d, const void *s, size_t n) __attribute__((alias("toro_memcpy")));
void *memmove(void *d, const void *s, size_t n) __attribute__((alias("toro_memmove")));
void *memset(void *d, int c, size_t n) __attribute__((alias("toro_memset")));
int memcmp(const void *a, const void *b, size_t n) __attribute__((alias("toro_memcmp")));
#endif

/* A word at any address; an access through it may alias everything. */
typedef uint64_t word __attribute__((aligned(1), may_alias));

/* Keeps the compiler from making a loop into a call of the function it is in. */
#define NOT_A_CALL() __asm__ volatile("" ::: "memory")

void *toro_memcpy(void *d, const void *s, size_t n)
{
    char *to = d;
    const char *from = s;

    while (n >= 32) {
        word a = ((const word *)from)[0], b = ((const word *)from)[1];
        word c = ((const word *)from)[2], e = ((const word *)from)[3];

        ((word *)to)[0] = a;
        ((word *)to)[1] = b;
        ((word *)to)[2] = c;
        ((word *)to)[3] = e;
        NOT_A_CALL();
        to += 32;
        from += 32;
        n -= 32;
    }
    while (n >= 8) {
        *(word *)to = *(const word *)from;
        NOT_A_CALL();
        to += 8;
        from += 8;
        n -= 8;
    }
    while (n-- > 0) {
        *to++ = *from++;
        NOT_A_CALL();
    }
    return d;
}

void *toro_memmove(void *d, const void *s, size_t n)
{
    char *to = d;
    const char *from = s;

    if (to <= from || to >= from + n)
        return toro_memcpy(d, s, n); /* which goes upwards, a block read before it is written */
    while (n >= 8) {
        n -= 8;
        *(word *)(to + n) = *(const word *)(from + n);
        NOT_A_CALL();
    }
    while (n-- > 0) {
        to[n] = from[n];
        NOT_A_CALL();
    }
    return d;
}

void *toro_memset(void *d, int c, size_t n)
{
    char *to = d;
    uint64_t v = (uint8_t)c * 0x0101010101010101ull;

    while (n >= 32) {
        ((word *)to)[0] = v;
        ((word *)to)[1] = v;
        ((word *)to)[2] = v;
        ((word *)to)[3] = v;
        NOT_A_CALL();
        to += 32;
        n -= 32;
    }
    while (n-- > 0) {
        *to++ = (char)c;
        NOT_A_CALL();
    }
    return d;
}

int toro_memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;

    for (; n >= 8 && *(const word *)x == *(const word *)y; n -= 8) {
        x += 8;
        y += 8;
    }
    for (; n > 0; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t toro_strlen(const char *s)
{
    size_t n = 0;

    while (s[n] != '\0') {
        n++;
        NOT_A_CALL();
    }
    return n;
}

size_t toro_strnlen(const char *s, size_t n)
{
    size_t i = 0;

    while (i < n && s[i] != '\0')
        i++;
    return i;
}

int toro_strcmp(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return (uint8_t)*a - (uint8_t)*b;
}

int toro_strncmp(const char *a, const char *b, size_t n)
{
    for (; n > 0; n--, a++, b++) {
        if (*a != *b)
            return (uint8_t)*a - (uint8_t)*b;
        if (*a == '\0')
            break;
    }
    return 0;
}

char *toro_strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)s;
        if (*s == '\0')
            return NULL;
    }
}

char *toro_strrchr(const char *s, int c)
{
    char *found = NULL;

    for (;; s++) {
        if (*s == (char)c)
            found = (char *)s;
        if (*s == '\0')
            return found;
    }
}

size_t toro_strlcpy(char *d, const char *s, size_t size)
{
    size_t n = toro_strlen(s);

    if (size > 0) {
        size_t k = TORO_MIN(n, size - 1);

        toro_memcpy(d, s, k);
        d[k] = '\0';
    }
    return n;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 99;
}

uint64_t toro_strtou(const char *s, const char **end)
{
    int base = 10;
    uint64_t v = 0;

    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit(s[2]) < 16) {
        base = 16;
        s += 2;
    }
    for (; digit(*s) < base; s++)
        v = v * (uint64_t)base + (uint64_t)digit(*s);
    if (end != NULL)
        *end = s;
    return v;
}
