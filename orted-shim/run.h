/* SPDX-License-Identifier: BSD-3-Clause */
/* toro-run: options and its two ways to run. */
#ifndef RUN_H
#define RUN_H

#include "proxy.h"
#include "shim_bind.h"
#include "shim_env.h"
#include "shim_qemuargv.h"

/** What the command line and the environment ask for. */
struct run_options {
    uint32_t n;     /**< -n; 0: not given */
    uint32_t cores; /**< per rank */
    bool dry_run;
    bool gdb;
    const char *root; /**< as given, or NULL */
    bool native;      /**< the rank is to be a process of this host, not of a guest */
    enum shim_fs fs;
    enum shim_bind bind;
    uint64_t log;
    uint64_t timeout_s, keep_s;
    uint64_t mem;     /**< 0: default */
    uint64_t spin_ns; /**< UINT64_MAX: default */
    const char *mem_text;
    uint64_t mem_per_rank; /**< 0: not given */
    const char *mem_per_rank_text;
    struct shim_env env; /**< with -x applied */
    char **app;          /**< program and arguments */
};

/**
 * Parse the command line; prints and exits on --help, --version and errors.
 */
void run_options(struct run_options *o, int argc, char **argv);

/** Fill in what all ranks share; exits with a clear line if the program cannot run. */
void run_job(struct proxy_job *job, const struct run_options *o);

/** Add a setting for the keeper, "name=value". */
void run_setting(struct proxy_job *job, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** If the launcher has bound this process: take the launcher's processors instead, which the keeper
 * and its guests then inherit. @param[out] own those that this process was bound to. @return
 * whether it was */
bool run_unbind(cpu_set_t *own);
/** Tell the keeper what the rank's virtual CPUs are to be pinned to. Call it before shim_attach().
 */
void run_bind(const struct run_options *o, struct proxy_job *job);

/** Show what would be started. @return exit status. */
int run_dry(const struct run_options *o, const struct proxy_job *job);

/** One rank of mpirun, srun, ... : this process is its proxy. Does not return. */
void run_proxy(const struct run_options *o, struct proxy_job *job) __attribute__((noreturn));

/** @return true if the rank is to run as a process of this host. Exits if TOROBUS_LOCAL is wrong.
 */
bool run_is_native(void);

/** Become the rank, as a process of this host that has a place on the job's bus. */
void run_native(const struct run_options *o, struct proxy_job *job) __attribute__((noreturn));

/** Find the rank's place in its job: from mpirun's environment, else from the PMIx server. */
void run_place(struct shim_rank_place *place);

/** toro-run -n: all ranks in one guest. @return exit status. */
int run_alone(const struct run_options *o, struct proxy_job *job);

/** Signals that are passed on to the ranks. */
extern const int run_signals[];

#endif
