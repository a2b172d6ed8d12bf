/* SPDX-License-Identifier: BSD-3-Clause */
/* A rank: one program with its memory, files, signals and threads. */
#ifndef TORO_PROC_H
#define TORO_PROC_H

#include "fs.h"
#include "mm.h"
#include "sched.h"

#define TORO_NSIG 64

/** Layout of Linux's struct kernel_sigaction. */
struct toro_sigaction {
    uint64_t handler, flags, restorer, mask;
};

struct toro_proc {
    unsigned index; /**< local rank index = home core */
    int pid;
    uint32_t world_rank, world_size, local_size;
    uint32_t uid, gid, umask;
    uint32_t start_flags; /**< TOROBUS_START_* */
    struct toro_mm mm;
    struct toro_fdtable fds;
    struct toro_node_ref cwd;
    char cwd_path[4096];
    char exe[4096];
    char *cmdline; /**< argv strings, NUL separated */
    size_t cmdline_len;
    struct toro_spinlock lock; /**< threads, signals */
    struct toro_list threads;
    unsigned nthreads;
    struct toro_sigaction sig[TORO_NSIG + 1];
    uint64_t sigpending;
    bool exiting;
    uint32_t exit_arg; /**< arg of TOROBUS_CTL_EXIT */
    void *pmix, *bus;  /**< the PMIx server's and the bus's view of the rank, or NULL */
    void *stdio;       /**< dev/stdio.c's */
    uint64_t load_bias, entry, phdr; /**< of the image, for backtraces */
    const void *symtab;              /**< loader/symbols.c's */
    uint64_t syscalls;
};

/** Rank by local index, NULL if none. */
struct toro_proc *toro_proc(unsigned index);
static inline struct toro_proc *toro_current_proc(void)
{
    return toro_current()->proc;
}
/** End the rank with this EXIT argument (status, or 256 + signal); all its threads leave at their
 * next return to user mode. */
void toro_proc_end(struct toro_proc *p, uint32_t exit_arg);
/** Post a signal (1..64) to the rank (tid 0) or one thread. Any core. @return 0, -EINVAL, -ESRCH.
 */
int toro_proc_signal(struct toro_proc *p, int tid, int sig);
/** Line on the rank's stderr, from the kernel. */
void toro_proc_complain(struct toro_proc *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* User memory -------------------------------------------------------------------------------------
 */
/** [p, p + n) lies in the bus region and does not wrap. */
bool toro_user_ok(const void *p, size_t n);
/** @return 0 or -EFAULT. */
int toro_copy_from_user(void *d, const void *user, size_t n);
int toro_copy_to_user(void *user, const void *s, size_t n);
/** NUL-terminated string of at most size - 1 bytes. @return length, -EFAULT, -ENAMETOOLONG. */
toro_ssize toro_copy_string(char *d, const char *user, size_t size);

#endif
