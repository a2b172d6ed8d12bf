/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings and where they come from. One precedence for all host programs:
 *
 *   command line  >  environment (TOROBUS_*)  >  user's file  >  installation's file  >  default
 *
 * A file has lines "name = value", with the names of the variables without TOROBUS_ in lower case;
 * '#' begins a comment. The files are put into the environment where that is silent, by whichever
 * host program starts first: its children, the keeper among them, find the same settings. */
#ifndef SHIM_CONFIG_H
#define SHIM_CONFIG_H

#include <stdbool.h>
#include <stdio.h>

/** A setting that may come from the environment or a file. */
struct shim_setting {
    const char *name;  /**< in a file */
    const char *env;   /**< variable */
    const char *dflt;  /**< as printed */
    const char *about; /**< one phrase */
};

/** All of them; the last has no name. */
extern const struct shim_setting shim_settings[];

/**
 * Read the configuration files and set the variables that are not set yet. TOROBUS_CONFIG names the
 * user's file (empty: none); else it is $XDG_CONFIG_HOME/torobus.conf or ~/.config/torobus.conf.
 * The installation's is etc/torobus.conf of the prefix.
 *
 * @return false with a line for the user: what is wrong, with file and line number.
 */
bool shim_config_load(char err[512]);

/** Load, or end the program with the line. */
void shim_config_need(void);

/** Read one file's text. @return false with a line for the user. */
bool shim_config_parse(FILE *f, const char *path, char err[512]);

/** Where a setting's value comes from: "environment", "default", or "FILE:LINE". */
const char *shim_config_source(const struct shim_setting *s);

#endif
