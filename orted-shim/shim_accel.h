/* SPDX-License-Identifier: BSD-3-Clause */
/* Which accelerator the guests get, and why. */
#ifndef SHIM_ACCEL_H
#define SHIM_ACCEL_H

#include "shim_qemuargv.h"

/**
 * Choose the accelerator: TOROBUS_ACCEL=kvm|tcg as told, else (auto) KVM if it is there and runs
 * kernel code at the speed of the machine. The probe takes at most a few hundred milliseconds and
 * is remembered until the next boot of the host.
 *
 * @param[out] accel the choice
 * @param[out] reason one phrase for the user; on failure the line for the user
 * @return false if TOROBUS_ACCEL is wrong or asks for what is not there.
 */
bool shim_accel_choose(enum shim_accel *accel, char reason[256]);

/** What the probe found. */
enum shim_kvm {
    SHIM_KVM_GOOD = 0,
    SHIM_KVM_ABSENT, /**< no /dev/kvm, or not for this user */
    SHIM_KVM_BROKEN, /**< it does not run a guest */
    SHIM_KVM_SLOW,   /**< it emulates kernel code */
};

/** Run a tiny guest through KVM in a child process with a time limit (Caller: may block 1 s). */
enum shim_kvm shim_kvm_probe(char detail[160]);

/** Room for what shim_host_caches() says. */
#define SHIM_CACHES_MAX 256
/** Caches of a core of this host in the form of the kernel's command line; "" if hwloc knows none.
 */
void shim_host_caches(char text[SHIM_CACHES_MAX]);
/** Cores of this host that this process may use (hwloc). */
unsigned shim_host_cpus(void);

#endif
