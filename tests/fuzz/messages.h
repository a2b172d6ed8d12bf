/* SPDX-License-Identifier: BSD-3-Clause */
/* What the host programs say to the user, for targets that include their code: every text is made,
 * so that a bad argument is noticed, and none is printed. The end of the program is a finding. */
#ifndef FUZZ_MESSAGES_H
#define FUZZ_MESSAGES_H

#include "fuzz.h"

#include <stdarg.h>

void shim_error(const char *fmt, ...)
{
    char text[4096];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
}

void shim_step(const char *fmt, ...)
{
    (void)fmt;
}

void shim_die(int status, const char *fmt, ...)
{
    (void)status;
    fprintf(stderr, "shim_die: %s\n", fmt);
    abort();
}

void shim_print_foreign(const char *text, unsigned len)
{
    free(fuzz_copy(text, len));
}

#endif
