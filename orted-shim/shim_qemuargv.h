/* SPDX-License-Identifier: BSD-3-Clause */
/* The QEMU command line of a guest, as a pure function of its configuration. */
#ifndef SHIM_QEMUARGV_H
#define SHIM_QEMUARGV_H

#include <stdbool.h>
#include <stdint.h>

enum shim_accel { SHIM_ACCEL_TCG = 0, SHIM_ACCEL_KVM = 1 };
enum shim_fs { SHIM_FS_NONE = 0, SHIM_FS_RO = 1, SHIM_FS_RW = 2 };

/** All that decides a guest's command line. Descriptors are numbers that QEMU inherits. */
struct shim_qemu_config {
    const char *qemu;     /**< path of QEMU */
    const char *kernel;   /**< path of the kernel image */
    const char *firmware; /**< path of qboot's image; NULL or "": QEMU's own firmware */
    const char *name;     /**< node name, shim_node_ok() */
    enum shim_accel accel;
    enum shim_fs fs;
    const char *root;    /**< directory that the guest sees as "/"; NULL: the host's own */
    const char *gdb;     /**< path of the debugger's socket, or NULL */
    unsigned guest;      /**< slice index */
    unsigned ncores;     /**< vCPUs */
    unsigned vectors;    /**< MSI-X vectors of the ivshmem device: the most any peer may have */
    unsigned kernel_mib; /**< QEMU's own -m */
    const char *caches;  /**< of a core, as boot.h has it; NULL or "": not known */
    unsigned host_cpus;  /**< cores of the host that the guest may use */
    unsigned log;        /**< 0-2 */
    bool hoard;          /**< memory that is freed stays with the guest */
    uint64_t spin_ns;
    int ivshmem_fd; /**< link to the ivshmem server */
    int ctl_fd;     /**< control channel */
    int console_fd; /**< kernel console */
    int qmp_fd;     /**< QEMU's events */
};

#define SHIM_QEMU_ARGS_MAX 64

/** A command line; strings are owned by it. */
struct shim_argv {
    char *v[SHIM_QEMU_ARGS_MAX + 1]; /**< NULL-terminated */
    unsigned n;
};

/**
 * Build the command line. Depends on nothing but @p c: no file, no environment.
 *
 * @return false without memory (args is empty then).
 */
bool shim_qemu_argv(const struct shim_qemu_config *c, struct shim_argv *args);
void shim_argv_free(struct shim_argv *args);

/** Print a command line so that a shell reads it back, options one per line. */
char *shim_argv_format(const struct shim_argv *args);

const char *shim_accel_name(enum shim_accel a);
const char *shim_fs_name(enum shim_fs f);
/** @return false if text is none of none, ro, rw. */
bool shim_fs_parse(const char *text, enum shim_fs *fs);

#endif
