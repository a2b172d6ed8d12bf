/* SPDX-License-Identifier: BSD-3-Clause */
/* toro-run: runs a program in a guest, alone (-n) or as the proxy of one rank under a launcher. */
#include "run.h"

#include "keeper.h"
#include "shim_attach.h"
#include "shim_msg.h"

#include <signal.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct run_options o;
    struct proxy_job job;

    if (shim_attach_is_keeper(argc, argv))
        return keeper_main(argv[2]);
    shim_msg_init(argv[0]);
    signal(SIGPIPE, SIG_IGN);
    run_options(&o, argc, argv);
    o.native = o.n == 0 && run_is_native();
    run_job(&job, &o);
    if (o.dry_run)
        return run_dry(&o, &job);
    if (o.n > 0)
        return run_alone(&o, &job);
    if (o.native)
        run_native(&o, &job);
    if (getenv("PMIX_NAMESPACE") && getenv("PMIX_RANK"))
        run_proxy(&o, &job);
    shim_die(SHIM_EXIT_USAGE,
             "say how many ranks: toro-run -n RANKS %s ... (or start it with "
             "mpirun)",
             o.app[0]);
}
