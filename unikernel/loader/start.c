/* SPDX-License-Identifier: BSD-3-Clause */
/* Parser of the body of RANK_START. Pure. */
#include "image.h"
#include <toro/errno.h>
#include <toro/lib.h>

/* Skip one string. @return its length with the NUL, 0 if there is no NUL. */
static size_t skip(const char *s, size_t left)
{
    size_t n = toro_strnlen(s, left);

    return n < left ? n + 1 : 0;
}

/* @return false if there are not that many strings. */
static bool skip_many(const char *s, size_t left, uint32_t count, size_t *len)
{
    size_t at = 0;

    while (count-- > 0) {
        size_t n = skip(s + at, left - at);

        if (n == 0)
            return false;
        at += n;
    }
    *len = at;
    return true;
}

int toro_start_parse(const void *body, uint32_t len, struct toro_start_args *out)
{
    const struct torobus_ctl_start *h = body;
    struct toro_start_args a;
    const char *s;
    size_t left, n;

    if (len < sizeof(*h) || h->strings != len - sizeof(*h))
        return -EINVAL;
    if (h->argc == 0 || h->argc > h->strings || h->envc > h->strings)
        return -EINVAL;
    if (h->flags & ~(TOROBUS_START_STRACE | TOROBUS_START_HOSTED | TOROBUS_START_STOP))
        return -EINVAL;
    a.start = h;
    s = (const char *)(h + 1);
    left = h->strings;
    n = skip(s, left);
    if (n == 0 || n > sizeof(((struct toro_proc *)0)->cwd_path) || s[0] != '/')
        return -EINVAL;
    a.cwd = s;
    s += n;
    left -= n;
    n = skip(s, left);
    if (n <= 1 || n > sizeof(((struct toro_proc *)0)->exe))
        return -EINVAL;
    a.exe = s;
    s += n;
    left -= n;
    a.argv = s;
    if (!skip_many(s, left, h->argc, &a.argv_len))
        return -EINVAL;
    s += a.argv_len;
    left -= a.argv_len;
    a.env = s;
    if (!skip_many(s, left, h->envc, &a.env_len) || a.env_len != left)
        return -EINVAL;
    *out = a;
    return 0;
}
