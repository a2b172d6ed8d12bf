/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes `mpirun --am torobus` work, from wherever the installation is.
 *
 * installdirs is the one framework that every Open MPI process opens before it reads parameter
 * files, and this component the first of it. It does two things, in mpirun, orted and the ranks
 * alike:
 *
 * Open MPI 4.1 joins the files named by --am to its list of parameter files with ':' and later
 * splits that list at ',', so the first named file is never read. --tune names files of another
 * syntax and is read. The word "torobus" moves from the --am list to the --tune list of the
 * environment; other words of --am are left alone.
 *
 * Open MPI has its prefix compiled in. When mpirun, orted or a wrapper compiler runs from another
 * place than that, a moved or a staged installation, OPAL_PREFIX is set to that place. And with
 * the parameter set in use, the agents that it names are those beside the running program. */

#include "opal_config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opal/constants.h"
#include "opal/mca/installdirs/config/install_dirs.h"
#include "opal/mca/installdirs/installdirs.h"

#define AM_ENV   "OMPI_MCA_mca_base_param_file_prefix"
#define TUNE_ENV "OMPI_MCA_mca_base_envar_file_prefix"
#define SET_NAME "torobus"
/* What tells our prefix from any other directory with a bin below it. */
#define MARK  "lib/torobus/torobus.elf"
#define AGENT "toro-rsh"

static int installdirs_torobus_open(void);

opal_installdirs_base_component_t mca_installdirs_torobus_component = {
    {OPAL_INSTALLDIRS_BASE_VERSION_2_0_0, "torobus", OPAL_MAJOR_VERSION, OPAL_MINOR_VERSION,
     OPAL_RELEASE_VERSION, installdirs_torobus_open, NULL},
    {MCA_BASE_METADATA_PARAM_CHECKPOINT},
    {
        NULL,
    },
};

/* Copy list without the words equal to SET_NAME; words are separated by ':'. True if there was one.
 */
static bool take_name(const char *list, char *rest)
{
    bool found = false;

    rest[0] = '\0';
    while ('\0' != *list) {
        size_t n = strcspn(list, ":");

        if (strlen(SET_NAME) == n && 0 == strncmp(list, SET_NAME, n)) {
            found = true;
        } else {
            if ('\0' != rest[0]) {
                strcat(rest, ":");
            }
            strncat(rest, list, n);
        }
        list += n;
        list += strspn(list, ":");
    }
    return found;
}

static bool has_name(const char *list)
{
    while ('\0' != *list) {
        size_t n = strcspn(list, ",");

        if (strlen(SET_NAME) == n && 0 == strncmp(list, SET_NAME, n)) {
            return true;
        }
        list += n;
        list += strspn(list, ",");
    }
    return false;
}

/* Where the running program is installed: the directory above bin. False if that is no prefix of
 * ours, as for the ranks. */
static bool own_prefix(char prefix[PATH_MAX])
{
    char file[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", prefix, PATH_MAX - 1);
    char *slash;

    if (0 >= n) {
        return false;
    }
    prefix[n] = '\0';
    for (int up = 0; up < 2; ++up) {
        slash = strrchr(prefix, '/');
        if (NULL == slash || slash == prefix || (1 == up && 0 != strcmp(slash, "/bin"))) {
            return false;
        }
        *slash = '\0';
    }
    return PATH_MAX > snprintf(file, sizeof(file), "%s/" MARK, prefix) && 0 == access(file, R_OK);
}

/* The agents are found through PATH: the first ones in it must be those of this prefix. */
static int agents_in_path(const char *prefix)
{
    const char *path = getenv("PATH"), *p = path;
    char bin[PATH_MAX], agent[PATH_MAX], *joined;

    if (PATH_MAX <= snprintf(bin, sizeof(bin), "%s/bin", prefix)) {
        return OPAL_ERR_BAD_PARAM;
    }
    while (NULL != p) {
        size_t n = strcspn(p, ":");

        if (strlen(bin) == n && 0 == strncmp(p, bin, n)) {
            return OPAL_SUCCESS;
        }
        if (PATH_MAX > snprintf(agent, sizeof(agent), "%.*s/" AGENT, (int)n, p) &&
            0 == access(agent, X_OK)) {
            break;
        }
        p = '\0' == p[n] ? NULL : p + n + 1;
    }
    if (0 > asprintf(&joined, "%s%s%s", bin, NULL == path ? "" : ":", NULL == path ? "" : path)) {
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    setenv("PATH", joined, 1);
    free(joined);
    return OPAL_SUCCESS;
}

/* The name of the parameter set from the --am list to the --tune list. */
static int move_set(void)
{
    const char *am = getenv(AM_ENV);
    const char *tune = getenv(TUNE_ENV);
    char *rest, *joined = NULL;
    int rc = OPAL_SUCCESS;

    if (NULL == am) {
        return OPAL_SUCCESS;
    }
    rest = malloc(strlen(am) + 1);
    if (NULL == rest) {
        return OPAL_ERR_OUT_OF_RESOURCE;
    }
    if (take_name(am, rest)) {
        if (NULL == tune || '\0' == tune[0]) {
            setenv(TUNE_ENV, SET_NAME, 1);
        } else if (!has_name(tune)) {
            /* the user's own file first: the first value found wins */
            if (0 > asprintf(&joined, "%s,%s", tune, SET_NAME)) {
                rc = OPAL_ERR_OUT_OF_RESOURCE;
            } else {
                setenv(TUNE_ENV, joined, 1);
                free(joined);
            }
        }
        if ('\0' == rest[0]) {
            unsetenv(AM_ENV);
        } else {
            setenv(AM_ENV, rest, 1);
        }
    }
    free(rest);
    return rc;
}

static int installdirs_torobus_open(void)
{
    char prefix[PATH_MAX], compiled[PATH_MAX];
    const char *tune;
    int rc = move_set();

    if (OPAL_SUCCESS != rc || !own_prefix(prefix)) {
        return rc;
    }
    if (NULL == getenv("OPAL_PREFIX") &&
        (NULL == realpath(OPAL_PREFIX, compiled) || 0 != strcmp(compiled, prefix))) {
        setenv("OPAL_PREFIX", prefix, 1);
    }
    tune = getenv(TUNE_ENV);
    return NULL != tune && has_name(tune) ? agents_in_path(prefix) : OPAL_SUCCESS;
}
