/* SPDX-License-Identifier: BSD-3-Clause */
/* Where things are: programs in PATH, the install prefix, the kernel image, QEMU. */
#ifndef SHIM_PATH_H
#define SHIM_PATH_H

#include <stdbool.h>

#define SHIM_PATH_MAX 4096

/** Oldest QEMU that works, as major * 100 + minor. */
#define SHIM_QEMU_OLDEST 700

/** Descriptors that a process must be allowed to have (hard limit) for a guest to work. */
#define SHIM_NOFILE_LEAST 64

/**
 * Find a program as execvp() would: a name with a slash as it is, else through PATH.
 *
 * @param[out] path absolute path on success
 * @return 0, ENOENT, or EACCES if something of that name is there but may not be executed.
 */
int shim_path_find(const char *name, char path[SHIM_PATH_MAX]);

/** The directory this program was started from (resolved). @return false if unknown. */
bool shim_path_own_dir(char dir[SHIM_PATH_MAX]);

/**
 * Find the kernel image: TOROBUS_KERNEL, else lib/torobus/torobus.elf of the prefix that this
 * program lives in.
 *
 * @return false with a line for the user in err.
 */
bool shim_path_kernel(char path[SHIM_PATH_MAX], char err[512]);

/**
 * Find QEMU (TOROBUS_QEMU, else qemu-system-x86_64 in PATH) and check its version. The version
 * found is remembered in the cache directory, so that a job does not pay for asking.
 *
 * @param[out] version as major * 100 + minor
 * @return false with a line for the user in err.
 */
bool shim_path_qemu(char path[SHIM_PATH_MAX], int *version, char err[512]);

/**
 * Find qboot, the firmware that QEMU ships for kernels that need none: in the share directory
 * beside this QEMU, else in the system's. @p path is empty if there is none; QEMU then takes its
 * own.
 */
void shim_path_firmware(const char *qemu, char path[SHIM_PATH_MAX]);

/** Whether this process may open as many files as a guest needs: QEMU wants some dozens, and one
 * per open file of its ranks. @return false with a line for the user. */
bool shim_path_nofile(char err[512]);

/** The directory for remembered facts ($XDG_CACHE_HOME/torobus), made on demand. */
bool shim_path_cache_dir(char dir[SHIM_PATH_MAX]);

/** Read a remembered line. @return false if there is none. */
bool shim_cache_get(const char *name, const char *key, char *value, unsigned size);
/** Remember a line under a key; failing to is no error (the fact is found out again). */
void shim_cache_put(const char *name, const char *key, const char *value);

#endif
