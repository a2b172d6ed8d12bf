/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes `mpirun --am torobus` work.
 *
 * Open MPI 4.1 joins the files named by --am to its list of parameter files with ':' and later splits that list at
 * ',', so the first named file is never read. --tune names files of another syntax and is read. This component gives no
 * directories; it is here because installdirs is the one framework that every Open MPI process opens before it reads
 * parameter files. It moves the word "torobus" from the --am list to the --tune list of the environment, in mpirun, orted and
 * the ranks alike. Other words of --am are left alone.
 */

#include "opal_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opal/constants.h"
#include "opal/mca/installdirs/installdirs.h"

#define AM_ENV "OMPI_MCA_mca_base_param_file_prefix"
#define TUNE_ENV "OMPI_MCA_mca_base_envar_file_prefix"
#define SET_NAME "torobus"

static int installdirs_torobus_open(void);

opal_installdirs_base_component_t mca_installdirs_torobus_component = {
    {OPAL_INSTALLDIRS_BASE_VERSION_2_0_0, "torobus", OPAL_MAJOR_VERSION, OPAL_MINOR_VERSION,
     OPAL_RELEASE_VERSION, installdirs_torobus_open, NULL},
    {MCA_BASE_METADATA_PARAM_CHECKPOINT},
    {
        NULL,
    },
};

/* Copy list without the words equal to SET_NAME; words are separated by ':'. True if there was one. */
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

static int installdirs_torobus_open(void)
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
