/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers and sizes from the command line and the environment. */
#include "shim_parse.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool parse(const char *text, bool size, uint64_t min, uint64_t max, uint64_t *out)
{
    unsigned shift = 0;
    char *end;
    uint64_t v;

    /* strtoull takes signs and blanks; a number here starts with a digit */
    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    v = strtoull(text, &end, 10);
    if (errno != 0)
        return false;
    if (size && *end != '\0') {
        static const char units[] = "kmgt";
        const char *u = strchr(units, tolower((unsigned char)*end));

        if (!u)
            return false;
        shift = 10u * (unsigned)(u - units + 1);
        end++;
        if (end[0] == 'i' && end[1] == 'B')
            end += 2;
        else if (end[0] == 'B')
            end++;
    }
    if (*end != '\0' || (shift && v > UINT64_MAX >> shift))
        return false;
    v <<= shift;
    if (v < min || v > max)
        return false;
    *out = v;
    return true;
}

bool shim_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    return parse(text, false, min, max, out);
}

bool shim_parse_size(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    return parse(text, true, min, max, out);
}

/** As a user would write it. */
static const char *print(uint64_t v, bool size, char text[32])
{
    const char *unit = "KMGT";
    int n = 0;

    while (size && v >= 1024 && v % 1024 == 0 && n < 4) {
        v /= 1024;
        n++;
    }
    snprintf(text, 32, "%" PRIu64 "%.*s", v, n > 0, unit + (n > 0 ? n - 1 : 0));
    return text;
}

bool shim_parse_env(const char *name, bool size, uint64_t min, uint64_t max, uint64_t dflt,
                    uint64_t *out, char err[256])
{
    const char *text = getenv(name);
    char low[32], high[32];

    if (!text || !*text) {
        *out = dflt;
        return true;
    }
    if (parse(text, size, min, max, out))
        return true;
    snprintf(err, 256, "%s=%.64s is impossible: give a %s from %s to %s", name, text,
             size ? "size" : "number", print(min, size, low), print(max, size, high));
    return false;
}
