/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of an executable before anything boots. */
#ifndef SHIM_ELF_H
#define SHIM_ELF_H

#include <stdbool.h>

/**
 * Check that a file can run in a guest: an x86-64 static position-independent ELF executable whose
 * parts are all inside the file.
 *
 * @param path the file
 * @param[out] err a line for the user that names the file and says what to do
 * @return true if it can run.
 *
 * Trust: every field of the file is checked against its size before use.
 */
bool shim_elf_check(const char *path, char err[512]);

/** The same for a program that runs on the host itself: only the version counts, if it says one. */
bool shim_elf_native(const char *path, char err[512]);

/**
 * Check that a kernel image is of the same version as this program, if it says its version.
 *
 * @param[out] err a line for the user that names both versions
 * @return false if it is of another version. Whether it is a kernel at all shows when it boots.
 *
 * Trust: as shim_elf_check().
 */
bool shim_elf_kernel(const char *path, char err[512]);

#endif
