/* SPDX-License-Identifier: BSD-3-Clause */
/* The port's counters as MPI_T performance variables, btl_torobus_NAME. toro-info shows the same
 * counters from outside. */
#include "opal_config.h"

#include "btl_torobus_bus.h"

#include "opal/mca/base/mca_base_pvar.h"

#define STAT(field) offsetof(struct torobus_port_stats, field)

static const struct {
    const char *name, *help;
    size_t offset;
} pvars[] = {
    {"msgs_sent", "Messages put into rings", STAT(msgs_sent)},
    {"bytes_sent", "Bytes of these messages, headers of the PML included", STAT(bytes_sent)},
    {"msgs_received", "Messages taken out of rings", STAT(msgs_recv)},
    {"bytes_received", "Bytes of these messages", STAT(bytes_recv)},
    {"ring_full", "Times that a message had to wait because its ring was full", STAT(ring_full)},
    {"sleeps", "Times that the process slept in want of messages", STAT(sleeps)},
    {"doorbells_sent", "Sleeping peers that were woken", STAT(doorbells_sent)},
    {"doorbells_received", "Times that a peer woke this process", STAT(doorbells_recv)},
    {"puts", "Put operations", STAT(puts)},
    {"gets", "Get operations", STAT(gets)},
    {"rdma_bytes", "Bytes copied by put and get", STAT(rdma_bytes)},
    {"atomics", "Atomic operations on memory of peers", STAT(atomics)},
};

static int get_value(const mca_base_pvar_t *pvar, void *value, void *object)
{
    const size_t offset = pvars[(uintptr_t)pvar->ctx].offset;
    unsigned long long n = 0;

    if (mca_btl_torobus_component.bus_open) {
        n = atomic_load_explicit(
            (_Atomic uint64_t *)(void *)((char *)&mca_btl_torobus_bus.self->stats + offset),
            memory_order_relaxed);
    }
    *(unsigned long long *)value = n;
    return OPAL_SUCCESS;
}

void mca_btl_torobus_pvars_register(void)
{
    for (uintptr_t i = 0; i < sizeof(pvars) / sizeof(pvars[0]); i++) {
        (void)mca_base_component_pvar_register(
            &mca_btl_torobus_component.super.btl_version, pvars[i].name, pvars[i].help,
            OPAL_INFO_LVL_4, MCA_BASE_PVAR_CLASS_COUNTER, MCA_BASE_VAR_TYPE_UNSIGNED_LONG_LONG,
            NULL, MCA_BASE_VAR_BIND_NO_OBJECT,
            MCA_BASE_PVAR_FLAG_READONLY | MCA_BASE_PVAR_FLAG_CONTINUOUS, get_value, NULL, NULL,
            (void *)i);
    }
}
