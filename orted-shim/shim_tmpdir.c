/* SPDX-License-Identifier: BSD-3-Clause */
/* A directory per node for orted's session files. */
#include "shim_tmpdir.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool shim_tmpdir_name(const char *base, const char *key, const char *node, char path[SHIM_PATH_MAX])
{
    const char *tmp = getenv("TMPDIR");

    if (!base)
        base = tmp && *tmp == '/' ? tmp : "/tmp";
    return snprintf(path, SHIM_PATH_MAX, "%s/torobus.%u.%s.%s", base, (unsigned)getuid(), key,
                    node) < SHIM_PATH_MAX;
}

bool shim_tmpdir_make(const char *path)
{
    struct stat st;

    if (mkdir(path, 0700) == 0)
        return true;
    if (errno != EEXIST || lstat(path, &st) != 0)
        return false;
    if (!S_ISDIR(st.st_mode) || st.st_uid != getuid() || (st.st_mode & 077) != 0) {
        errno = EPERM;
        return false;
    }
    return true;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    remove(path);
    return 0;
}

void shim_tmpdir_remove(const char *path)
{
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == getuid())
        nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
