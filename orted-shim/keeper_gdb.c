/* SPDX-License-Identifier: BSD-3-Clause */
/* The place of a guest's debugger: a socket of QEMU's in the node's directory. */
#include "keeper.h"

#include "shim_tmpdir.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

bool keeper_gdb_socket(struct keeper_guest *g, char path[SHIM_PATH_MAX], char err[512])
{
    struct sockaddr_un addr;

    if (!shim_tmpdir_name(NULL, g->keeper->key, g->name, path) ||
        strlen(path) + sizeof("/gdb") > sizeof(addr.sun_path)) {
        snprintf(err, 512, "guest %s: TMPDIR is too long for the name of the debugger's socket",
                 g->name);
        return false;
    }
    if (!shim_tmpdir_make(path)) {
        snprintf(err, 512, "%s cannot be made: %s", path, strerror(errno));
        return false;
    }
    strcat(path, "/gdb");
    g->gdb = true;
    return true;
}

void keeper_gdb_gone(struct keeper_guest *g)
{
    char dir[SHIM_PATH_MAX], path[SHIM_PATH_MAX + 16];

    if (!g->gdb || !shim_tmpdir_name(NULL, g->keeper->key, g->name, dir))
        return;
    snprintf(path, sizeof(path), "%s/gdb", dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/gdb-commands", dir);
    unlink(path);
    rmdir(dir);
    g->gdb = false;
}
