/* SPDX-License-Identifier: BSD-3-Clause */
/* toro-run --dry-run: the plan and QEMU's command line. */
#include "run.h"

#include "shim_accel.h"
#include "shim_huge.h"
#include "shim_msg.h"
#include "shim_path.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int run_dry(const struct run_options *o, const struct proxy_job *job)
{
    static char qemu[SHIM_PATH_MAX], kernel[SHIM_PATH_MAX], firmware[SHIM_PATH_MAX];
    struct shim_qemu_config c = {.qemu = qemu,
                                 .kernel = kernel,
                                 .firmware = firmware,
                                 .name = job->node,
                                 .fs = o->fs,
                                 .root = job->root[0] ? job->root : NULL,
                                 .gdb = o->gdb ? "SOCKET" : NULL,
                                 .ncores = (o->n ? o->n : 1) * o->cores,
                                 .vectors = TOROBUS_MAX_CORES,
                                 .kernel_mib = 64,
                                 .log = (unsigned)o->log,
                                 .ivshmem_fd = 3,
                                 .ctl_fd = 4,
                                 .console_fd = 5,
                                 .qmp_fd = 6};
    char caches[SHIM_CACHES_MAX];
    enum shim_huge huge;
    struct shim_argv args;
    char err[512], reason[256], *text;
    int version;

    if (!shim_path_kernel(kernel, err) || !shim_path_qemu(qemu, &version, err))
        shim_die(SHIM_EXIT_FAIL, "%s", err);
    if (!shim_accel_choose(&c.accel, reason))
        shim_die(SHIM_EXIT_FAIL, "%s", reason);
    if (!shim_huge_setting(&huge, err))
        shim_die(SHIM_EXIT_USAGE, "%s", err);
    c.hoard = huge == SHIM_HUGE_TLB;
    shim_path_firmware(qemu, firmware);
    c.host_cpus = shim_host_cpus();
    shim_host_caches(caches);
    c.caches = caches;
    c.spin_ns = o->spin_ns != UINT64_MAX ? o->spin_ns : c.ncores > c.host_cpus ? 5000 : 1000000;
    printf("program      %s\n", job->exe);
    printf("directory    %s\n", job->cwd);
    printf("guest        %s: %u rank%s, ", job->node, c.ncores / o->cores,
           c.ncores == o->cores ? "" : "s");
    printf(o->cores == 1 ? "one per virtual CPU" : "%u virtual CPUs each", o->cores);
    printf(" (%u host core%s)\n", c.host_cpus, c.host_cpus == 1 ? "" : "s");
    printf("memory       %s%s\n",
           o->mem_text            ? o->mem_text
           : o->mem_per_rank_text ? o->mem_per_rank_text
                                  : "up to 7/8 of what the host has free",
           !o->mem_text && o->mem_per_rank_text ? " per rank" : "");
    printf("files        %s%s%s\n", shim_fs_name(o->fs), job->root[0] ? " below " : "", job->root);
    printf("accelerator  %s (%s)\n", shim_accel_name(c.accel), reason);
    printf("QEMU         %d.%d\n", version / 100, version % 100);
    printf("time limit   %" PRIu64 " s to report in\n\n", o->timeout_s);
    if (!shim_qemu_argv(&c, &args) || !(text = shim_argv_format(&args)))
        shim_die(SHIM_EXIT_FAIL, "no memory");
    fputs(text, stdout);
    free(text);
    shim_argv_free(&args);
    return fflush(stdout) == 0 ? 0 : SHIM_EXIT_FAIL;
}
