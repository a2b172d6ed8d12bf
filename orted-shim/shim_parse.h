/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers and sizes from the command line and the environment. */
#ifndef SHIM_PARSE_H
#define SHIM_PARSE_H

#include <stdbool.h>
#include <stdint.h>

/** Parse a decimal number in [min, max]; the whole text must be it. *out is set only on success. */
bool shim_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/** Parse a size in bytes with an optional K, M, G or T (powers of 1024). */
bool shim_parse_size(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/**
 * Read a number (or a size) from the environment.
 *
 * @param name variable; unset or empty gives @p dflt
 * @param size whether K, M, G, T are allowed
 * @param err  set to a line for the user on failure
 * @return true if *out was set.
 */
bool shim_parse_env(const char *name, bool size, uint64_t min, uint64_t max, uint64_t dflt,
                    uint64_t *out, char err[256]);

#endif
