/* SPDX-License-Identifier: BSD-3-Clause */
/* The component structure, its MCA parameters and the decision to take part. Kept in a file of its
 * own, so that ompi_info need not link the rest. */
#include "opal_config.h"

#include "opal/constants.h"
#include "opal/mca/base/mca_base_var.h"

#include <torobus/note.h>

#include "pmix_toro.h"

TOROBUS_NOTE_DEFINE(pmix_toro_note);

const char *opal_pmix_toro_component_version_string =
    "OPAL toro pmix MCA component version " OPAL_VERSION;

static int toro_close(void);
static int toro_register(void);
static int toro_query(mca_base_module_t **module, int *priority);

mca_pmix_toro_component_t mca_pmix_toro_component = {
    .super =
        {
            .base_version =
                {
                    OPAL_PMIX_BASE_VERSION_2_0_0,
                    .mca_component_name = "toro",
                    MCA_BASE_MAKE_VERSION(component, OPAL_MAJOR_VERSION, OPAL_MINOR_VERSION,
                                          OPAL_RELEASE_VERSION),
                    .mca_close_component = toro_close,
                    .mca_query_component = toro_query,
                    .mca_register_component_params = toro_register,
                },
            .base_data = {.param_field = MCA_BASE_METADATA_PARAM_CHECKPOINT},
        },
};

static int toro_register(void)
{
    mca_base_component_t *c = &mca_pmix_toro_component.super.base_version;
    int rc;

    mca_pmix_toro_component.priority = 200;
    rc = mca_base_component_var_register(
        c, "priority", "Priority of the toro component where its device is present (default: 200)",
        MCA_BASE_VAR_TYPE_INT, NULL, 0, 0, OPAL_INFO_LVL_9, MCA_BASE_VAR_SCOPE_READONLY,
        &mca_pmix_toro_component.priority);
    if (0 > rc) {
        return rc;
    }
    mca_pmix_toro_component.path = TOROBUS_PMIX_PATH;
    rc = mca_base_component_var_register(
        c, "path",
        "Where the PMIx server of the Torobus kernel is reached: its device (default: "
        "" TOROBUS_PMIX_PATH "), or a SOCK_SEQPACKET unix socket that speaks the same messages",
        MCA_BASE_VAR_TYPE_STRING, NULL, 0, 0, OPAL_INFO_LVL_9, MCA_BASE_VAR_SCOPE_READONLY,
        &mca_pmix_toro_component.path);
    return 0 > rc ? rc : OPAL_SUCCESS;
}

/* What a query opened for a component that was not taken after all. */
static int toro_close(void)
{
    pmix_toro_chan_close();
    return OPAL_SUCCESS;
}

/* Outside of a Torobus guest there is no device: decline without a word. */
static int toro_query(mca_base_module_t **module, int *priority)
{
    if (OPAL_SUCCESS != pmix_toro_chan_probe(mca_pmix_toro_component.path)) {
        *priority = 0;
        *module = NULL;
        return OPAL_ERROR;
    }
    *priority = mca_pmix_toro_component.priority;
    *module = (mca_base_module_t *)&pmix_toro_module;
    return OPAL_SUCCESS;
}
