/* SPDX-License-Identifier: BSD-3-Clause */
/* Mounting at boot; a rank's files at its start and end. */
#include <toro/boot.h>
#include <toro/ctl.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/proc.h>
#include <toro/vfs.h>
#include "lock.h"

/* Where programs come from if ranks see no host files; NULL: from where all files are. */
static struct toro_mount *programs;

/* In a root of our own: just the places to mount at, and /tmp. */
static int bare_dirs(void)
{
    static const char *const dirs[] = {"dev", "proc", "sys", "tmp"};
    struct toro_mount *m = toro_mount_nth(0);
    int err = 0;

    for (unsigned i = 0; i < TORO_ARRAY_SIZE(dirs) && !err; i++)
        err = m->ops->mkdir(m->root, dirs[i], i == 3 ? 01777 : 0755);
    return err;
}

/* A root of our own for a guest without host files. */
static int bare_root(void)
{
    int err = toro_tmpfs_mount("/");

    return err ? err : bare_dirs();
}

int toro_fs_reset(void)
{
    struct toro_mount *m;
    int err = 0;

    for (unsigned i = 0; (m = toro_mount_nth(i)) != NULL && !err; i++)
        if (toro_tmpfs_clear(m) && i == 0)
            err = bare_dirs();
    return err;
}

int toro_fs_init(void)
{
    int err;

    toro_lock_host_init();
    if (toro_boot.fs == TORO_FS_NONE) {
        err = bare_root();
        programs = toro_p9_mount_hidden();
    } else {
        err = toro_p9_mount(toro_boot.fs == TORO_FS_RO);
    }
    if (err == -ENODEV)
        toro_panic("fs=%s, but there is no virtio-9p device",
                   toro_boot.fs == TORO_FS_RO ? "ro" : "rw");
    if (!err)
        err = toro_devfs_mount();
    if (!err)
        err = toro_tmpfs_mount("/dev/shm");
    if (!err)
        err = toro_procfs_mount();
    if (!err)
        err = toro_sysfs_mount();
    return err;
}

struct toro_file *toro_fs_open(const char *path, unsigned flags, unsigned mode, int *err)
{
    struct toro_proc *p = toro_current_proc();
    struct toro_node *at = programs ? programs->root : p ? p->cwd.node : NULL;
    struct toro_file *f = NULL;
    int e = toro_vfs_open(at, path, flags, mode, &f);

    if (e) {
        if (err)
            *err = e;
        return NULL;
    }
    return f;
}

static int open_streams(struct toro_proc *p)
{
    for (unsigned i = 0; i < 3; i++) {
        struct toro_file *f = toro_stdio_file(p->index, i);
        int fd;

        if (!f)
            return -ENOMEM;
        fd = toro_fd_install(&p->fds, f, (int)i, false);
        if (fd < 0) {
            toro_file_put(f);
            return fd;
        }
    }
    return 0;
}

int toro_fs_proc_init(struct toro_proc *p, const char *cwd)
{
    struct toro_place place;
    int err = open_streams(p);

    if (!err)
        err = toro_path_walk(NULL, cwd, TORO_WALK_FOLLOW, &place);
    /* Without host files only the directory's name is missing, not its contents. */
    if (err == -ENOENT && toro_boot.fs == TORO_FS_NONE)
        err = toro_path_walk(NULL, "/", TORO_WALK_FOLLOW, &place);
    if (err)
        return err;
    if (!place.node || place.node->type != TORO_S_IFDIR) {
        toro_place_put(&place);
        return -ENOTDIR;
    }
    toro_node_get(place.node);
    p->cwd.node = place.node;
    toro_strlcpy(p->cwd_path, place.node->path, sizeof(p->cwd_path));
    toro_place_put(&place);
    return 0;
}

void toro_fs_proc_end(struct toro_proc *p)
{
    struct toro_node *cwd = p->cwd.node;

    toro_fdtable_clear(&p->fds);
    toro_locks_end(p);
    p->cwd.node = NULL;
    toro_node_put(cwd);
    /* What the rank wrote is in the channel's queue already, in front of its EXIT frame. */
    toro_stdio_end(p->index);
}
