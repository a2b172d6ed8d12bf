/* SPDX-License-Identifier: BSD-3-Clause */
/* What the launcher bound this rank to. mpirun binds the processes that it forks, and those are
 * proxies: the keeper is told, and pins the rank's virtual CPUs in their place. */
#include "run.h"

#include "shim_bind.h"
#include "shim_msg.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool run_unbind(cpu_set_t *own)
{
    cpu_set_t whole, both;

    /* Only a launcher's child: the set of a shell says nothing, `taskset` may stand in between. */
    if (!getenv("PMIX_NAMESPACE") || sched_getaffinity(0, sizeof(*own), own) != 0 ||
        sched_getaffinity(getppid(), sizeof(whole), &whole) != 0)
        return false;
    CPU_AND(&both, own, &whole);
    return !CPU_EQUAL(own, &whole) && CPU_EQUAL(own, &both) &&
           sched_setaffinity(0, sizeof(whole), &whole) == 0;
}

void run_bind(const struct run_options *o, struct proxy_job *job)
{
    char list[SHIM_BIND_LIST_MAX];
    cpu_set_t own;
    bool bound = o->n == 0 && run_unbind(&own);

    if (o->bind == SHIM_BIND_NONE)
        return;
    if (bound && shim_bind_list(&own, list)) {
        shim_step("bound to cpus %s by the launcher", list);
        run_setting(job, "cpus=%s", list);
    } else if (o->bind == SHIM_BIND_CORE) {
        run_setting(job, "bind=core");
    }
}
