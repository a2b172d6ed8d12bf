/* SPDX-License-Identifier: BSD-3-Clause */
/* osc/torobus: who makes the windows that osc/rdma of Open MPI 4.1 would make for btl/torobus.
 *
 * Windows of MPI_Win_create_dynamic that span guests go to osc/pt2pt, which works with messages:
 * osc/rdma up to 4.1.4 waits for ever at the first access to a rank of another node, as it takes
 * the lock of that rank's list of regions for itself alone, and then once more to share it
 * (open-mpi/ompi issue 10328, mended in 4.1.5). All others go to osc/rdma, and their accumulating
 * operations then work in place: osc_torobus_accumulate.c. */
#include "ompi_config.h"

#include "ompi/communicator/communicator.h"
#include "ompi/mca/osc/base/base.h"
#include "ompi/mca/osc/osc.h"
#include "ompi/version.h"
#include "opal/mca/hwloc/hwloc-internal.h"
#include "opal/util/output.h"
#include "osc_torobus.h"

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

/* Whether osc/rdma would hang: all ranks give the same answer. */
static bool for_messages(struct ompi_communicator_t *comm, int flavor)
{
    return flavor == MPI_WIN_FLAVOR_DYNAMIC && spans_nodes(comm);
}

/* One more than osc/rdma, whenever it bids and there is something to do. */
static int query(struct ompi_win_t *win, void **base, size_t size, int disp_unit,
                 struct ompi_communicator_t *comm, struct opal_info_t *info, int flavor)
{
    ompi_osc_base_component_t *rdma = component("rdma"), *pt2pt;
    int theirs;

    if (rdma == NULL)
        return -1;
    if (for_messages(comm, flavor)) {
        pt2pt = component("pt2pt");
        if (pt2pt == NULL || pt2pt->osc_query(win, base, size, disp_unit, comm, info, flavor) < 0)
            return -1;
    } else if (flavor == MPI_WIN_FLAVOR_DYNAMIC) {
        return -1;
    }
    theirs = rdma->osc_query(win, base, size, disp_unit, comm, info, flavor);
    return theirs < 0 ? -1 : theirs + 1;
}

static int select_window(struct ompi_win_t *win, void **base, size_t size, int disp_unit,
                         struct ompi_communicator_t *comm, struct opal_info_t *info, int flavor,
                         int *model)
{
    const bool messages = for_messages(comm, flavor);
    ompi_osc_base_component_t *maker = component(messages ? "pt2pt" : "rdma");
    int rc;

    if (maker == NULL)
        return OMPI_ERR_NOT_SUPPORTED;
    opal_output_verbose(10, ompi_osc_base_framework.framework_output,
                        "osc/torobus: the window goes to osc/%s", messages ? "pt2pt" : "rdma");
    rc = maker->osc_select(win, base, size, disp_unit, comm, info, flavor, model);
    if (rc == OMPI_SUCCESS && !messages)
        ompi_osc_torobus_in_place(win);
    return rc;
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
