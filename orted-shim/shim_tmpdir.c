/* SPDX-License-Identifier: BSD-3-Clause */
/* A directory per node for orted's session files. */
#include "shim_tmpdir.h"

#include "shim_attach.h"
#include "shim_job.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

void shim_tmpdir_scavenge(void)
{
    const char *tmp = getenv("TMPDIR");
    char prefix[32], path[SHIM_PATH_MAX], key[SHIM_KEY_LEN + 1], err[256];
    struct dirent *e;
    DIR *d;

    if (!tmp || *tmp != '/')
        tmp = "/tmp";
    d = opendir(tmp);
    snprintf(prefix, sizeof(prefix), "torobus.%u.", (unsigned)getuid());
    while (d && (e = readdir(d)) != NULL) {
        const char *k = e->d_name + strlen(prefix);
        int fd;

        if (strncmp(e->d_name, prefix, strlen(prefix)) != 0 ||
            strspn(k, "0123456789abcdef") != SHIM_KEY_LEN || k[SHIM_KEY_LEN] != '.')
            continue;
        memcpy(key, k, SHIM_KEY_LEN);
        key[SHIM_KEY_LEN] = '\0';
        fd = shim_attach(key, false, NULL, err);
        if (fd >= 0)
            close(fd);
        else if (snprintf(path, sizeof(path), "%s/%s", tmp, e->d_name) < SHIM_PATH_MAX)
            shim_tmpdir_remove(path);
    }
    if (d)
        closedir(d);
}
