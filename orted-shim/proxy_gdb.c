/* SPDX-License-Identifier: BSD-3-Clause */
/* --gdb: the ranks of a guest wait before their programs' first instruction until a debugger lets
 * them go. It attaches to QEMU's own stub and gets its commands from a file that each rank adds to.
 */
#include "proxy.h"

#include "shim_msg.h"
#include "shim_tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** As gdb reads a file's name: in double quotes, with backslashes. @return false: too long. */
static bool quote(const char *path, char out[2 * SHIM_PATH_MAX + 3])
{
    if (strlen(path) >= SHIM_PATH_MAX)
        return false;
    *out++ = '"';
    for (; *path; path++) {
        if (*path == '"' || *path == '\\')
            *out++ = '\\';
        *out++ = *path;
    }
    *out++ = '"';
    *out = '\0';
    return true;
}

/** One write(), so that ranks of several processes do not mix their lines. */
static bool append(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, text, len) == (ssize_t)len;

    if (fd >= 0)
        close(fd);
    return ok;
}

void proxy_gdb(struct proxy *p, const struct torobus_ctl_started *s)
{
    char dir[SHIM_PATH_MAX], path[SHIM_PATH_MAX + 16], exe[2 * SHIM_PATH_MAX + 3];
    char *text = NULL;
    int n = -1;

    if (shim_tmpdir_name(NULL, p->job->key, p->job->node, dir) && quote(p->job->exe, exe)) {
        snprintf(path, sizeof(path), "%s/gdb-commands", dir);
        n = asprintf(&text,
                     "# rank %u\n"
                     "if $_isvoid($torobus)\n"
                     "set $torobus = 1\n"
                     "target remote %s/gdb\n"
                     "end\n"
                     "add-symbol-file -o 0x%" PRIx64 " %s\n"
                     "set *(unsigned int *)0x%" PRIx64 " = 1\n",
                     p->world_rank, dir, s->load_bias, exe, s->resume);
    }
    if (n < 0 || !append(path, text, (size_t)n))
        shim_die(SHIM_EXIT_FAIL, "the commands for gdb cannot be written: %s", strerror(errno));
    free(text);
    shim_error("rank %u waits for a debugger: gdb -ex 'set confirm off' -x %s -ex 'break main' -ex "
               "continue",
               p->world_rank, path);
}
