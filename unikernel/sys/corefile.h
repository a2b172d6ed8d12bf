/* SPDX-License-Identifier: BSD-3-Clause */
/* The head of an ELF core file: headers and notes, in the layout that gdb knows from Linux. */
#ifndef TORO_COREFILE_H
#define TORO_COREFILE_H

#include <toro/arch.h>

/** Memory of the rank that goes into the file. */
struct sys_core_segment {
    uint64_t start, end;
    unsigned prot; /**< ARCH_PROT_* */
};

/** A part of the program's own file that is mapped. */
struct sys_core_file {
    uint64_t start, end, offset; /**< offset in the file, whole pages */
};

/** A thread at the moment of the dump. */
struct sys_core_thread {
    int tid, sig;
    uint64_t sigmask, sigpending, cpu_ns, fs_base, gs_base;
    long sysno;               /**< system call that it waits in, -1 none */
    struct arch_frame *frame; /**< its registers */
    const void *fpu;          /**< arch_fpu_size() bytes */
};

struct sys_core {
    int pid, ppid, sig;
    uint32_t uid, gid;
    const char *exe; /**< absolute path */
    const char *cmdline;
    size_t cmdline_len;     /**< strings, NUL after each */
    const uint8_t *siginfo; /**< 128 bytes */
    const void *auxv;
    size_t auxv_len;
    const struct sys_core_segment *segment;
    unsigned nsegments;
    const struct sys_core_file *file;
    unsigned nfiles;
    const struct sys_core_thread *thread; /**< the first is the one that died */
    unsigned nthreads;
    size_t fpu_size;
    uint64_t fpu_features; /**< XCR0; 0: plain FXSAVE images */
};

/** Bytes of the head; the first segment begins at the next whole page of the file. */
size_t sys_core_head_size(const struct sys_core *c);
/** Write the head: exactly sys_core_head_size() bytes. */
void sys_core_head(const struct sys_core *c, char *out);

#endif
