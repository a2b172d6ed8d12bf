/* SPDX-License-Identifier: BSD-3-Clause */
/* toro-run's command line. */
#include "run.h"

#include "shim_cores.h"
#include "shim_config.h"
#include "shim_job.h"
#include "shim_msg.h"
#include "shim_parse.h"
#include "shim_pool.h"
#include "torobus/region.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef TOROBUS_VERSION
#define TOROBUS_VERSION "0.1.0"
#endif

extern char **environ;

static const char help[] =
    "Usage: toro-run -n RANKS [OPTIONS] PROGRAM [ARGUMENTS]\n"
    "       mpirun --mca orte_fork_agent toro-run ... PROGRAM [ARGUMENTS]\n"
    "\n"
    "Runs an Open MPI program in a QEMU unikernel guest, one rank per virtual CPU.\n"
    "Without -n, under mpirun or another PMIx launcher, it is the proxy of one rank.\n"
    "\n"
    "  -n RANKS          number of ranks (1-64), all in one guest\n"
    "  --cores-per-rank N  virtual CPUs of each rank, for programs with threads (default: what\n"
    "                    mpirun --map-by ...:PE=N says, else 1)\n"
    "  --mem SIZE        memory that the guest's ranks may use together (K, M, G)\n"
    "  --mem-per-rank SIZE  the same, by rank: the guest gets so much for each of its ranks\n"
    "  --fs none|ro|rw   files of the host that the guest sees (default rw)\n"
    "  --root DIR        the directory that the guest sees as / (default /)\n"
    "  --bind core|none  pin each virtual CPU to a host core of its own (default: under mpirun as "
    "it\n"
    "                    binds the rank, else none)\n"
    "  --gdb             stop each rank before main and print how to attach gdb\n"
    "  --timeout SECS    time for the guest to report in (default 60)\n"
    "  --keep SECS       guests stay so long for another job of the same shape (default 0)\n"
    "  -x VAR[=VALUE]    set a variable for the ranks\n"
    "  -v, --verbose     tell each step with its time; twice: the kernel's steps too\n"
    "  --dry-run         print the plan and QEMU's command line, start nothing\n"
    "  --help, --version\n"
    "\n"
    "Environment: TOROBUS_MEM, TOROBUS_FS, TOROBUS_ROOT, TOROBUS_GDB, TOROBUS_BIND,\n"
    "TOROBUS_CORES_PER_RANK, TOROBUS_BOOT_TIMEOUT, TOROBUS_KEEP and\n"
    "TOROBUS_SPIN_NS give defaults;\n"
    "TOROBUS_GUESTS and TOROBUS_SLICE_SIZE shape the region; TOROBUS_ACCEL=auto|kvm|tcg;\n"
    "TOROBUS_LOCAL=auto|guest|native: where ranks on mpirun's own node run;\n"
    "TOROBUS_QEMU and TOROBUS_KERNEL name the files to use; TORO_STRACE=1 prints system calls,\n"
    "TORO_CORE=1 makes ranks that crash leave core.RANK for gdb.\n"
    "\n"
    "Exit status: that of the first rank that failed; 128 + signal if a signal ended it; 2 for a\n"
    "wrong command line, 126 or 127 if the program cannot run in a guest or is not there.\n";

enum {
    OPT_MEM = 256,
    OPT_MEM_PER_RANK,
    OPT_CORES,
    OPT_FS,
    OPT_ROOT,
    OPT_BIND,
    OPT_GDB,
    OPT_TIMEOUT,
    OPT_DRY,
    OPT_KEEP,
    OPT_HELP,
    OPT_VERSION
};

static const struct option longopts[] = {
    {"np", required_argument, NULL, 'n'},
    {"cores-per-rank", required_argument, NULL, OPT_CORES},
    {"mem", required_argument, NULL, OPT_MEM},
    {"mem-per-rank", required_argument, NULL, OPT_MEM_PER_RANK},
    {"fs", required_argument, NULL, OPT_FS},
    {"root", required_argument, NULL, OPT_ROOT},
    {"bind", required_argument, NULL, OPT_BIND},
    {"gdb", no_argument, NULL, OPT_GDB},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"keep", required_argument, NULL, OPT_KEEP},
    {"verbose", no_argument, NULL, 'v'},
    {"dry-run", no_argument, NULL, OPT_DRY},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

static void set_mem(struct run_options *o, const char *what, const char *text)
{
    if (!shim_parse_size(text, 1u << 20, TOROBUS_REGION_MAX, &o->mem))
        shim_die(SHIM_EXIT_USAGE, "%s%s is impossible: give a size from 1M to 512G", what, text);
    o->mem_text = text;
}

static void set_mem_per_rank(struct run_options *o, const char *what, const char *text)
{
    if (!shim_parse_size(text, 1u << 20, TOROBUS_REGION_MAX, &o->mem_per_rank))
        shim_die(SHIM_EXIT_USAGE, "%s%s is impossible: give a size from 1M to 512G", what, text);
    o->mem_per_rank_text = text;
}

static void set_fs(struct run_options *o, const char *what, const char *text)
{
    if (!shim_fs_parse(text, &o->fs))
        shim_die(SHIM_EXIT_USAGE, "%s%s is impossible: give none, ro or rw", what, text);
}

static void set_bind(struct run_options *o, const char *what, const char *text)
{
    if (!shim_bind_parse(text, &o->bind))
        shim_die(SHIM_EXIT_USAGE, "%s%s is impossible: give core, none or auto", what, text);
}

static void defaults(struct run_options *o)
{
    const char *mem, *fs, *each, *root, *gdb, *bind;
    char err[256];

    shim_config_need();
    mem = getenv("TOROBUS_MEM");
    each = getenv("TOROBUS_MEM_PER_RANK");
    fs = getenv("TOROBUS_FS");
    root = getenv("TOROBUS_ROOT");
    gdb = getenv("TOROBUS_GDB");
    bind = getenv("TOROBUS_BIND");
    memset(o, 0, sizeof(*o));
    o->fs = SHIM_FS_RW;
    if (mem && *mem)
        set_mem(o, "TOROBUS_MEM=", mem);
    if (root && *root)
        o->root = root;
    o->gdb = gdb && *gdb && strcmp(gdb, "0") != 0;
    if (each && *each)
        set_mem_per_rank(o, "TOROBUS_MEM_PER_RANK=", each);
    if (fs && *fs)
        set_fs(o, "TOROBUS_FS=", fs);
    if (bind && *bind)
        set_bind(o, "TOROBUS_BIND=", bind);
    if (!shim_parse_env("TOROBUS_BOOT_TIMEOUT", false, 1, 86400, 60, &o->timeout_s, err) ||
        !shim_parse_env("TOROBUS_LOG", false, 0, 2, 0, &o->log, err) ||
        !shim_pool_seconds(&o->keep_s, err) ||
        !shim_parse_env("TOROBUS_SPIN_NS", false, 0, 1000000000, UINT64_MAX, &o->spin_ns, err))
        shim_die(SHIM_EXIT_USAGE, "%s", err);
    switch (shim_job_group((char[SHIM_KEY_LEN + 1]){0})) {
    case 0:
        break;
    case 1:
        if (o->keep_s)
            shim_die(SHIM_EXIT_USAGE,
                     "TOROBUS_KEEP and TOROBUS_GROUP exclude each other: guests of "
                     "a group do not stay");
        break;
    default:
        shim_die(SHIM_EXIT_USAGE,
                 "TOROBUS_GROUP=%s is impossible: give 1 to 63 of A-Z a-z 0-9 . _ -",
                 getenv("TOROBUS_GROUP"));
    }
    if (!shim_cores_env(&o->cores, err))
        shim_die(SHIM_EXIT_USAGE, "%s", err);
    if (!shim_env_copy(&o->env, environ))
        shim_die(SHIM_EXIT_FAIL, "no memory");
}

static void set_var(struct run_options *o, const char *text)
{
    const char *eq = strchr(text, '=');
    char name[256];

    if (!eq) {
        if (!getenv(text))
            shim_die(SHIM_EXIT_USAGE, "-x %s: there is no such variable; give -x %s=VALUE", text,
                     text);
        return;
    }
    if (eq == text || (size_t)(eq - text) >= sizeof(name))
        shim_die(SHIM_EXIT_USAGE, "-x %s is impossible: give VAR or VAR=VALUE", text);
    snprintf(name, sizeof(name), "%.*s", (int)(eq - text), text);
    if (!shim_env_set(&o->env, name, eq + 1, true))
        shim_die(SHIM_EXIT_FAIL, "no memory");
}

void run_options(struct run_options *o, int argc, char **argv)
{
    uint64_t v;
    int c, verbose = 0;

    defaults(o);
    /* mpirun's spelling */
    for (int i = 1; i < argc && argv[i][0] == '-'; i++)
        if (strcmp(argv[i], "-np") == 0)
            argv[i] = "-n";
    opterr = 0;
    while ((c = getopt_long(argc, argv, "+:n:x:vh", longopts, NULL)) != -1) {
        switch (c) {
        case 'n':
            if (!shim_parse_u64(optarg, 1, TOROBUS_MAX_CORES, &v))
                shim_die(SHIM_EXIT_USAGE,
                         "-n %s is impossible: one guest takes 1 to %u ranks, mpirun starts more",
                         optarg, TOROBUS_MAX_CORES);
            o->n = (uint32_t)v;
            break;
        case 'x':
            set_var(o, optarg);
            break;
        case 'v':
            shim_msg_set_verbose(++verbose);
            o->log = verbose > 1 ? 1 : o->log;
            break;
        case OPT_CORES:
            if (!shim_parse_u64(optarg, 1, TOROBUS_MAX_CORES, &v))
                shim_die(SHIM_EXIT_USAGE, "--cores-per-rank %s is impossible: give 1 to %u", optarg,
                         TOROBUS_MAX_CORES);
            o->cores = (uint32_t)v;
            break;
        case OPT_MEM:
            set_mem(o, "--mem ", optarg);
            break;
        case OPT_MEM_PER_RANK:
            set_mem_per_rank(o, "--mem-per-rank ", optarg);
            break;
        case OPT_FS:
            set_fs(o, "--fs ", optarg);
            break;
        case OPT_ROOT:
            o->root = optarg;
            break;
        case OPT_BIND:
            set_bind(o, "--bind ", optarg);
            break;
        case OPT_GDB:
            o->gdb = true;
            break;
        case OPT_TIMEOUT:
            if (!shim_parse_u64(optarg, 1, 86400, &o->timeout_s))
                shim_die(SHIM_EXIT_USAGE,
                         "--timeout %s is impossible: give seconds from 1 to 86400", optarg);
            break;
        case OPT_KEEP:
            if (!shim_parse_u64(optarg, 0, 86400, &o->keep_s) ||
                setenv("TOROBUS_KEEP", optarg, 1) != 0)
                shim_die(SHIM_EXIT_USAGE, "--keep %s is impossible: give seconds from 0 to 86400",
                         optarg);
            break;
        case OPT_DRY:
            o->dry_run = true;
            break;
        case 'h':
        case OPT_HELP:
            fputs(help, stdout);
            exit(fflush(stdout) == 0 ? 0 : SHIM_EXIT_FAIL);
        case OPT_VERSION:
            puts("toro-run (Torobus) " TOROBUS_VERSION);
            exit(fflush(stdout) == 0 ? 0 : SHIM_EXIT_FAIL);
        case ':':
            shim_die(SHIM_EXIT_USAGE, "option %s needs a value; see toro-run --help",
                     argv[optind - 1]);
        default:
            shim_die(SHIM_EXIT_USAGE,
                     "unknown option %s; see toro-run --help (options of mpirun are for mpirun)",
                     argv[optind - 1]);
        }
    }
    /* a wrong TOROBUS_LOCAL is refused where it would mean nothing, too */
    (void)run_is_native();
    if (optind == argc)
        shim_die(SHIM_EXIT_USAGE, "no program given; see toro-run --help");
    if ((uint64_t)o->n * o->cores > TOROBUS_MAX_CORES)
        shim_die(SHIM_EXIT_USAGE,
                 "%u ranks with %u cores each are impossible: one guest has at most %u cores, "
                 "mpirun starts more guests",
                 o->n, o->cores, TOROBUS_MAX_CORES);
    o->app = argv + optind;
}
