/* SPDX-License-Identifier: BSD-3-Clause */
/* osc/torobus: who makes windows of MPI_Win_create_dynamic that span guests.
 *
 * osc/rdma of Open MPI 4.1 up to 4.1.4 wants them, as btl/torobus can put and get, and then waits
 * for ever at the first access to a rank of another node: it takes the lock of that rank's list of
 * regions for itself alone, and then once more to share it (open-mpi/ompi issue 10328, mended in
 * 4.1.5). This component outbids it for these windows and hands them to osc/pt2pt, which works with
 * messages. It makes no window of its own, and leaves all others to who made them before. */
#include "ompi_config.h"

#include "ompi/communicator/communicator.h"
#include "ompi/mca/osc/base/base.h"
#include "ompi/mca/osc/osc.h"
#include "ompi/version.h"
#include "opal/mca/hwloc/hwloc-internal.h"
#include "opal/util/output.h"

#include <string.h>

/* A component that takes part in this job, or NULL. */
static ompi_osc_base_component_t *component(const char *name)
{
    mca_base_component_list_item_t *it;

    OPAL_LIST_FOREACH(it, &ompi_osc_base_framework.framework_components,
                      mca_base_component_list_item_t)
    {
        if (strcmp(it->cli_component->mca_component_name, name) == 0)
            return (ompi_osc_base_component_t *)it->cli_component;
    }
    return NULL;
}

/* Whether a rank is on another node: all ranks give the same answer. */
static bool spans_nodes(ompi_communicator_t *comm)
{
    for (int i = 0; i < ompi_comm_size(comm); i++)
        if (!OPAL_PROC_ON_LOCAL_NODE(ompi_comm_peer_lookup(comm, i)->super.proc_flags))
            return true;
    return false;
}

static int init(bool progress_threads, bool mpi_threads)
{
    (void)progress_threads;
    (void)mpi_threads;
    return OMPI_SUCCESS;
}

static int finalize(void)
{
    return OMPI_SUCCESS;
}

static int query(struct ompi_win_t *win, void **base, size_t size, int disp_unit,
                 struct ompi_communicator_t *comm, struct opal_info_t *info, int flavor)
{
    ompi_osc_base_component_t *rdma, *pt2pt;
    int theirs;

    if (flavor != MPI_WIN_FLAVOR_DYNAMIC || !spans_nodes(comm))
        return -1;
    rdma = component("rdma");
    pt2pt = component("pt2pt");
    if (rdma == NULL || pt2pt == NULL ||
        pt2pt->osc_query(win, base, size, disp_unit, comm, info, flavor) < 0)
        return -1;
    theirs = rdma->osc_query(win, base, size, disp_unit, comm, info, flavor);
    return theirs < 0 ? -1 : theirs + 1;
}

static int select_window(struct ompi_win_t *win, void **base, size_t size, int disp_unit,
                         struct ompi_communicator_t *comm, struct opal_info_t *info, int flavor,
                         int *model)
{
    ompi_osc_base_component_t *pt2pt = component("pt2pt");

    if (pt2pt == NULL)
        return OMPI_ERR_NOT_SUPPORTED;
    opal_output_verbose(10, ompi_osc_base_framework.framework_output,
                        "osc/torobus: a dynamic window over several guests goes to osc/pt2pt");
    return pt2pt->osc_select(win, base, size, disp_unit, comm, info, flavor, model);
}

ompi_osc_base_component_t mca_osc_torobus_component = {
    .osc_version = {OMPI_OSC_BASE_VERSION_3_0_0, .mca_component_name = "torobus",
                    MCA_BASE_MAKE_VERSION(component, OMPI_MAJOR_VERSION, OMPI_MINOR_VERSION,
                                          OMPI_RELEASE_VERSION)},
    .osc_data = {MCA_BASE_METADATA_PARAM_NONE},
    .osc_init = init,
    .osc_query = query,
    .osc_select = select_window,
    .osc_finalize = finalize,
};
