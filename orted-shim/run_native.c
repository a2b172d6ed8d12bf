/* SPDX-License-Identifier: BSD-3-Clause */
/* toro-run as a launcher's child that becomes the rank itself: a Linux process of this host with a
 * port on the bus that the job's guests use. From the launcher's side it is a rank like any other;
 * the keeper takes the end of the connection that stays open for the end of the rank. */
#include "run.h"

#include "shim_hello.h"
#include "shim_job.h"
#include "shim_msg.h"
#include "shim_parse.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** Descriptors below are left to the program, which may expect to get low numbers. */
#define LOWEST_FD 64

/**
 * mpirun starts the ranks of its own host itself, without toro-rsh. If it starts others elsewhere,
 * those have guests and this host is what its name says; else all ranks are here, and a guest is
 * what the user wants Torobus for.
 */
bool run_is_native(void)
{
    const char *choice = getenv("TOROBUS_LOCAL"), *node = getenv("TOROBUS_NODE");
    const char *nodes = getenv("OMPI_MCA_orte_num_nodes");
    uint64_t n = 1;

    if (!choice || !*choice)
        choice = "auto";
    if (strcmp(choice, "auto") != 0 && strcmp(choice, "guest") != 0 &&
        strcmp(choice, "native") != 0)
        shim_die(SHIM_EXIT_USAGE, "TOROBUS_LOCAL=%s is impossible: give auto, guest or native",
                 choice);
    if (shim_job_group((char[SHIM_KEY_LEN + 1]){0}) > 0) {
        if (strcmp(choice, "native") == 0)
            shim_die(SHIM_EXIT_USAGE, "TOROBUS_LOCAL=native and TOROBUS_GROUP exclude each other: "
                                      "the jobs of a group run in guests");
        return false;
    }
    if (!getenv("PMIX_NAMESPACE") || !getenv("PMIX_RANK") || (node && *node) ||
        strcmp(choice, "guest") == 0)
        return false;
    return strcmp(choice, "native") == 0 ||
           (nodes && shim_parse_u64(nodes, 0, UINT32_MAX, &n) && n > 1);
}

void run_native(const struct run_options *o, struct proxy_job *job)
{
    struct shim_rank_place place = {0};
    struct shim_env env;
    cpu_set_t own;
    char text[16];
    int fd, high;
    bool bound;

    run_place(&place);
    if (!shim_job_key_env(job->key))
        shim_die(SHIM_EXIT_FAIL, "the launcher does not tell its address");
    /* a keeper that is started here must not be bound; the rank itself must */
    bound = run_unbind(&own);
    fd = shim_hello(job->key, TOROBUS_CTL_ATTACH_NATIVE, place.local_rank, place.world_rank,
                    job->node, place.local_size, job->settings, job->settings_len);
    if (bound && sched_setaffinity(0, sizeof(own), &own) != 0)
        shim_die(SHIM_EXIT_FAIL, "rank %u cannot be bound again: %s", place.world_rank,
                 strerror(errno));
    high = fcntl(fd, F_DUPFD, LOWEST_FD);
    if (high < 0) {
        /* few descriptors are allowed: any will do */
        high = fd;
        fcntl(fd, F_SETFD, 0);
    } else {
        close(fd);
    }
    snprintf(text, sizeof(text), "%d", high);
    if (!shim_env_copy(&env, o->env.v) || !shim_env_set(&env, "TOROBUS_BUS", text, true))
        shim_die(SHIM_EXIT_FAIL, "no memory");
    shim_step("rank %u: runs on %s itself", place.world_rank, job->node);
    signal(SIGPIPE, SIG_DFL);
    execve(job->exe, job->argv, env.v);
    shim_die(SHIM_EXIT_NOEXEC, "cannot execute %s: %s", job->exe, strerror(errno));
}
