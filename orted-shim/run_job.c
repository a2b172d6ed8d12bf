/* SPDX-License-Identifier: BSD-3-Clause */
/* What all ranks of a job share: the program, checked before anything boots. */
#include "run.h"

#include "shim_elf.h"
#include "shim_job.h"
#include "shim_msg.h"
#include "shim_path.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const int run_signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,  SIGUSR2, SIGALRM,
                           SIGTSTP, SIGCONT, SIGABRT, SIGURG,  SIGWINCH, SIGXCPU, 0};

/** mpirun looks into the current directory as well, after PATH. */
static int find_as_mpirun(const char *name, char path[SHIM_PATH_MAX])
{
    int result = shim_path_find(name, path);
    char here[SHIM_PATH_MAX];

    if (result == ENOENT && !strchr(name, '/') && getenv("OMPI_MCA_orte_hnp_uri") &&
        snprintf(here, sizeof(here), "./%s", name) < (int)sizeof(here))
        result = shim_path_find(here, path);
    return result;
}

static void find_program(const char *name, char path[SHIM_PATH_MAX])
{
    if (!*name)
        shim_die(SHIM_EXIT_USAGE, "the name of the program is empty");
    switch (find_as_mpirun(name, path)) {
    case 0:
        return;
    case EACCES:
        shim_die(SHIM_EXIT_NOEXEC,
                 "%s cannot be executed: it is no regular file or has no execute "
                 "permission",
                 name);
    default:
        shim_die(SHIM_EXIT_NOENT,
                 strchr(name, '/') ? "%s: there is no such file"
                                   : "%s: there is no such program in PATH; a program of this "
                                     "directory is called with ./",
                 name);
    }
}

void run_setting(struct proxy_job *job, const char *fmt, ...)
{
    size_t room = sizeof(job->settings) - job->settings_len;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(job->settings + job->settings_len, room, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= room)
        shim_die(SHIM_EXIT_USAGE, "the settings are too long");
    job->settings_len += (uint32_t)n + 1;
}

/** The guest's "/". Program and directory must lie in it. */
static void set_root(struct proxy_job *job, const char *given)
{
    static char root[SHIM_PATH_MAX];
    const char *const needed[] = {job->exe, job->cwd};
    struct stat st;
    size_t n;

    job->root = root;
    if (!given)
        return;
    if (!realpath(given, root) || stat(root, &st) != 0)
        shim_die(SHIM_EXIT_USAGE, "--root %s: %s", given, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        shim_die(SHIM_EXIT_USAGE, "--root %s: this is no directory", given);
    if (strcmp(root, "/") == 0)
        root[0] = '\0';
    n = strlen(root);
    for (unsigned i = 0; i < 2; i++)
        if (strncmp(needed[i], root, n) != 0 || (needed[i][n] != '/' && needed[i][n] != '\0'))
            shim_die(SHIM_EXIT_USAGE,
                     "--root %s: the %s lies outside of it: %s; the guest could not see it", given,
                     i == 0 ? "program" : "current directory", needed[i]);
    if (n > 0)
        run_setting(job, "root=%s", root);
}

void run_job(struct proxy_job *job, const struct run_options *o)
{
    static char exe[SHIM_PATH_MAX], cwd[SHIM_PATH_MAX], real[SHIM_PATH_MAX];
    const char *strace = shim_env_get(&o->env, "TORO_STRACE");
    const char *core = shim_env_get(&o->env, "TORO_CORE");
    char err[512];

    memset(job, 0, sizeof(*job));
    find_program(o->app[0], exe);
    if (!(o->native ? shim_elf_native(exe, err) : shim_elf_check(exe, err)))
        shim_die(SHIM_EXIT_NOEXEC, "%s", err);
    if (!getcwd(cwd, sizeof(cwd)))
        shim_die(SHIM_EXIT_FAIL, "the current directory is gone (%s): change to one that is there",
                 strerror(errno));
    if (!shim_node_name(job->node))
        shim_die(
            SHIM_EXIT_FAIL,
            "%s cannot be the name of a guest: set TOROBUS_NODE to 1 to 63 of A-Z a-z 0-9 . _ -",
            getenv("TOROBUS_NODE") ? getenv("TOROBUS_NODE") : "this host's name");
    /* through no symlinks: those may lead elsewhere in the guest */
    job->exe = o->root && realpath(exe, real) ? real : exe;
    job->cwd = cwd;
    job->argv = o->app;
    job->umask = (uint32_t)umask(0);
    umask((mode_t)job->umask);
    if (strace && *strace && strcmp(strace, "0") != 0)
        job->flags |= TOROBUS_START_STRACE;
    if (o->gdb) {
        job->flags |= TOROBUS_START_STOP;
        run_setting(job, "gdb=1");
    }
    set_root(job, o->root);
    job->cores = o->cores;
    job->fs = o->fs;
    run_setting(job, "fs=%s", shim_fs_name(o->fs));
    run_setting(job, "boot_timeout=%" PRIu64, o->timeout_s);
    if (o->keep_s)
        run_setting(job, "keep=%" PRIu64, o->keep_s);
    if (o->log)
        run_setting(job, "log=%" PRIu64, o->log);
    if (o->spin_ns != UINT64_MAX)
        run_setting(job, "spin_ns=%" PRIu64, o->spin_ns);
    if (o->cores != 1)
        run_setting(job, "cores=%u", o->cores);
    if (o->mem_text)
        run_setting(job, "mem=%s", o->mem_text);
    else if (o->mem_per_rank_text)
        run_setting(job, "mem_per_rank=%" PRIu64, o->mem_per_rank);
    /* TORO_CORE=1: the program's directory; TORO_CORE=/DIR: that one */
    if (core && *core && *core != '/' && strcmp(core, "0") != 0 && strcmp(core, "1") != 0)
        shim_die(SHIM_EXIT_USAGE, "TORO_CORE=%s is impossible: give 0, 1 or an absolute directory",
                 core);
    if (core && *core == '/')
        run_setting(job, "core_dir=%s", core);
    else if (core && *core && *core != '0')
        run_setting(job, "core_dir=%s", cwd);
}
