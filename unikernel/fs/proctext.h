/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts of the files in /proc. p is the rank whose file it is, NULL for those of the whole guest.
 * @return 0 or -errno. */
#ifndef TORO_PROCTEXT_H
#define TORO_PROCTEXT_H

#include "pseudo.h"

struct toro_proc;

int toro_proc_cpuinfo(struct toro_text *t, struct toro_proc *p);
int toro_proc_meminfo(struct toro_text *t, struct toro_proc *p);
int toro_proc_stat(struct toro_text *t, struct toro_proc *p);
int toro_proc_uptime(struct toro_text *t, struct toro_proc *p);
int toro_proc_interrupts(struct toro_text *t, struct toro_proc *p);
int toro_proc_loadavg(struct toro_text *t, struct toro_proc *p);
int toro_proc_version(struct toro_text *t, struct toro_proc *p);
int toro_proc_filesystems(struct toro_text *t, struct toro_proc *p);
int toro_proc_maps(struct toro_text *t, struct toro_proc *p);
int toro_proc_status(struct toro_text *t, struct toro_proc *p);
int toro_proc_self_stat(struct toro_text *t, struct toro_proc *p);
int toro_proc_statm(struct toro_text *t, struct toro_proc *p);
int toro_proc_cmdline(struct toro_text *t, struct toro_proc *p);
int toro_proc_environ(struct toro_text *t, struct toro_proc *p);
int toro_proc_comm(struct toro_text *t, struct toro_proc *p);
int toro_proc_limits(struct toro_text *t, struct toro_proc *p);
int toro_proc_mounts(struct toro_text *t, struct toro_proc *p);
int toro_proc_mountinfo(struct toro_text *t, struct toro_proc *p);
int toro_proc_cgroup(struct toro_text *t, struct toro_proc *p);
int toro_proc_hostname(struct toro_text *t, struct toro_proc *p);
int toro_proc_ostype(struct toro_text *t, struct toro_proc *p);
int toro_proc_osrelease(struct toro_text *t, struct toro_proc *p);
int toro_proc_pid_max(struct toro_text *t, struct toro_proc *p);

#endif
