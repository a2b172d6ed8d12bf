/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of the host programs: one line each, with the program's name in front, on stderr. */
#ifndef SHIM_MSG_H
#define SHIM_MSG_H

#include <stdarg.h>
#include <stdnoreturn.h>

/** Exit statuses of the host programs for their own failures (a rank's status passes through). */
enum shim_exit {
    SHIM_EXIT_FAIL = 1,     /**< something on the machine is not as it must be */
    SHIM_EXIT_USAGE = 2,    /**< the command line is wrong */
    SHIM_EXIT_NOEXEC = 126, /**< the executable cannot run in a guest */
    SHIM_EXIT_NOENT = 127,  /**< there is no such executable */
};

/** Set the name that messages start with (argv[0]'s last part) and note the start time. */
void shim_msg_init(const char *argv0);
const char *shim_msg_name(void);

/** Raise or read the verbosity (-v); 0 is quiet. */
void shim_msg_set_verbose(int level);
int shim_msg_verbose(void);

void shim_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** Print one step with the milliseconds since the start; only with -v. */
void shim_step(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
noreturn void shim_die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Print text that came from a keeper or guest; control characters but tab become '?'. */
void shim_print_foreign(const char *text, unsigned len);

#endif
