/* SPDX-License-Identifier: BSD-3-Clause */
/* The component: MCA parameters, and whether there is a bus at all. */
#include "opal_config.h"

#include <limits.h>
#include <stdlib.h>

#include "btl_torobus.h"

#include "opal/mca/pmix/pmix.h"
#include "opal/util/show_help.h"

static int torobus_register(void);
static int torobus_open(void);
static int torobus_close(void);
static mca_btl_base_module_t **torobus_init(int *num_btls, bool progress_threads, bool mpi_threads);

mca_btl_torobus_component_t mca_btl_torobus_component = {
    .super =
        {
            .btl_version =
                {
                    MCA_BTL_DEFAULT_VERSION("torobus"),
                    .mca_open_component = torobus_open,
                    .mca_close_component = torobus_close,
                    .mca_register_component_params = torobus_register,
                },
            .btl_data =
                {
                    .param_field = MCA_BASE_METADATA_PARAM_CHECKPOINT,
                },
            .btl_init = torobus_init,
            .btl_progress = mca_btl_torobus_progress,
        },
};

static void param(const char *name, const char *help, mca_base_var_type_t type,
                  mca_base_var_info_lvl_t level, void *storage)
{
    (void)mca_base_component_var_register(&mca_btl_torobus_component.super.btl_version, name, help,
                                          type, NULL, 0, 0, level, MCA_BASE_VAR_SCOPE_READONLY,
                                          storage);
}

static int torobus_register(void)
{
    mca_btl_torobus_component_t *c = &mca_btl_torobus_component;

    (void)mca_base_var_group_component_register(&c->super.btl_version,
                                                "Rings and memory shared by the guests of a host");

    c->sleep = true;
    param("sleep", "Sleep when waiting long inside MPI, instead of polling for ever",
          MCA_BASE_VAR_TYPE_BOOL, OPAL_INFO_LVL_3, &c->sleep);
    c->spin_ns = -1;
    param("spin_ns", "Nanoseconds to poll before sleeping (-1: as the kernel advises)",
          MCA_BASE_VAR_TYPE_INT, OPAL_INFO_LVL_4, &c->spin_ns);
    c->sleep_max_us = 100000;
    param("sleep_max_us", "Longest sleep, in microseconds; a message ends it earlier",
          MCA_BASE_VAR_TYPE_UNSIGNED_INT, OPAL_INFO_LVL_6, &c->sleep_max_us);
    c->sleep_min_us = 50;
    param("sleep_min_us",
          "First sleep of a wait, in microseconds; each further one is twice as long",
          MCA_BASE_VAR_TYPE_UNSIGNED_INT, OPAL_INFO_LVL_6, &c->sleep_min_us);
    c->gap_ns = 20000;
    param("gap_ns",
          "Eight polls that take longer, in nanoseconds, and six times longer than they ever took, "
          "mean that the application computes: no sleep",
          MCA_BASE_VAR_TYPE_UNSIGNED_INT, OPAL_INFO_LVL_6, &c->gap_ns);
    c->native_eager_limit = 0;
    param("native_eager_limit",
          "As eager_limit, but where sender or receiver is a Linux process: memory outside the "
          "region is copied by the kernel, which pays for long messages only (0: max_send_size)",
          MCA_BASE_VAR_TYPE_SIZE_T, OPAL_INFO_LVL_4, &c->native_eager_limit);
    c->ring_slots = 128;
    param("ring_slots", "Messages that a ring holds (power of two, 8 to 4096)",
          MCA_BASE_VAR_TYPE_UNSIGNED_INT, OPAL_INFO_LVL_5, &c->ring_slots);
    c->lane_size = 128 * 1024;
    param("lane_size",
          "Bytes that a ring holds of messages too long for a slot (power of two, at least twice "
          "max_send_size)",
          MCA_BASE_VAR_TYPE_UNSIGNED_INT, OPAL_INFO_LVL_5, &c->lane_size);
    c->hot_polls = 1024;
    param("hot_polls", "Empty polls after which a silent ring is no longer looked at",
          MCA_BASE_VAR_TYPE_UNSIGNED_INT, OPAL_INFO_LVL_7, &c->hot_polls);
    c->poll_budget = 32;
    param("poll_budget", "Most messages taken from one ring before the next one's turn",
          MCA_BASE_VAR_TYPE_UNSIGNED_INT, OPAL_INFO_LVL_7, &c->poll_budget);
    c->peer_grace_ms = 2000;
    param("peer_grace_ms",
          "How long a peer may be dead, in milliseconds, before this process ends the job itself",
          MCA_BASE_VAR_TYPE_UNSIGNED_INT, OPAL_INFO_LVL_6, &c->peer_grace_ms);
    c->copy_chunk = 1024 * 1024;
    param("copy_chunk", "Bytes of a put or get that are copied before other messages get a turn",
          MCA_BASE_VAR_TYPE_SIZE_T, OPAL_INFO_LVL_5, &c->copy_chunk);
    c->vm_copy = true;
    param("vm_copy",
          "Let the kernel copy large messages between two Linux processes of this host "
          "(process_vm_readv), where it may; else they go through the region",
          MCA_BASE_VAR_TYPE_BOOL, OPAL_INFO_LVL_5, &c->vm_copy);
    c->free_list_num = 8;
    param("free_list_num", "Fragments allocated at start", MCA_BASE_VAR_TYPE_INT, OPAL_INFO_LVL_9,
          &c->free_list_num);
    c->free_list_inc = 32;
    param("free_list_inc", "Fragments allocated when there are none left", MCA_BASE_VAR_TYPE_INT,
          OPAL_INFO_LVL_9, &c->free_list_inc);

    mca_btl_torobus_pvars_register();
    return mca_btl_base_param_register(&c->super.btl_version, &mca_btl_torobus);
}

static int torobus_open(void)
{
    mca_btl_torobus_component_t *c = &mca_btl_torobus_component;

    OBJ_CONSTRUCT(&c->frags_small, opal_free_list_t);
    OBJ_CONSTRUCT(&c->frags_eager, opal_free_list_t);
    OBJ_CONSTRUCT(&c->frags_max, opal_free_list_t);
    OBJ_CONSTRUCT(&c->copies, opal_free_list_t);
    OBJ_CONSTRUCT(&c->endpoints_all, opal_list_t);
    OBJ_CONSTRUCT(&c->endpoints_pending, opal_list_t);
    OBJ_CONSTRUCT(&c->copies_pending, opal_list_t);
    OBJ_CONSTRUCT(&c->lock, opal_mutex_t);
    c->endpoints = NULL;
    c->bus_open = false;
    c->strangers = false;
    c->error_cb = NULL;
    return OPAL_SUCCESS;
}

static int torobus_close(void)
{
    mca_btl_torobus_component_t *c = &mca_btl_torobus_component;

    OBJ_DESTRUCT(&c->lock);
    OBJ_DESTRUCT(&c->copies_pending);
    OBJ_DESTRUCT(&c->endpoints_pending);
    OBJ_DESTRUCT(&c->endpoints_all);
    OBJ_DESTRUCT(&c->copies);
    OBJ_DESTRUCT(&c->frags_max);
    OBJ_DESTRUCT(&c->frags_eager);
    OBJ_DESTRUCT(&c->frags_small);
    free(c->endpoints);
    c->endpoints = NULL;
    return OPAL_SUCCESS;
}

/* Impossible values are put right, with a word to the user: nothing is changed silently. */
static void check_params(void)
{
    mca_btl_torobus_component_t *c = &mca_btl_torobus_component;
    mca_btl_base_module_t *m = &mca_btl_torobus;
    unsigned int slots = 8, lane = 4096;

    if (m->btl_max_send_size > 4u << 20) {
        opal_show_help("help-btl-torobus.txt", "value changed", true, "max_send_size",
                       (unsigned long)m->btl_max_send_size, 4ul << 20);
        m->btl_max_send_size = 4u << 20;
    }
    while (slots < c->ring_slots && slots < 4096) {
        slots *= 2;
    }
    while ((lane < c->lane_size && lane < 16u << 20) || lane < 2 * m->btl_max_send_size) {
        lane *= 2;
    }
    if (slots != c->ring_slots) {
        opal_show_help("help-btl-torobus.txt", "value changed", true, "ring_slots",
                       (unsigned long)c->ring_slots, (unsigned long)slots);
        c->ring_slots = slots;
    }
    if (lane != c->lane_size) {
        opal_show_help("help-btl-torobus.txt", "value changed", true, "lane_size",
                       (unsigned long)c->lane_size, (unsigned long)lane);
        c->lane_size = lane;
    }
    if (m->btl_eager_limit > m->btl_max_send_size) {
        opal_show_help("help-btl-torobus.txt", "value changed", true, "eager_limit",
                       (unsigned long)m->btl_eager_limit, (unsigned long)m->btl_max_send_size);
        m->btl_eager_limit = m->btl_max_send_size;
    }
    if (c->native_eager_limit > m->btl_max_send_size) {
        opal_show_help("help-btl-torobus.txt", "value changed", true, "native_eager_limit",
                       (unsigned long)c->native_eager_limit, (unsigned long)m->btl_max_send_size);
        c->native_eager_limit = m->btl_max_send_size;
    }
    if (0 == c->native_eager_limit) {
        c->native_eager_limit = m->btl_max_send_size;
    }
    if (0 == c->poll_budget) {
        c->poll_budget = 1;
    }
    if (0 == c->copy_chunk) {
        c->copy_chunk = SIZE_MAX;
    }
    if (0 == c->sleep_min_us) {
        c->sleep_min_us = 1;
    }
    if (0 > c->spin_ns) {
        c->spin_ns = c->bus.spin_ns <= INT_MAX ? (int)c->bus.spin_ns : INT_MAX;
    }
    c->sleep = c->sleep && c->bus.can_sleep;
}

static mca_btl_base_module_t **torobus_init(int *num_btls, bool progress_threads, bool mpi_threads)
{
    mca_btl_torobus_component_t *c = &mca_btl_torobus_component;
    mca_btl_base_module_t **modules;
    const char *why = "";
    int rc;

    *num_btls = 0;
    rc = mca_btl_torobus_bus_open(&c->bus, &why);
    if (OPAL_SUCCESS != rc) {
        if (OPAL_ERR_NOT_AVAILABLE != rc) {
            opal_show_help("help-btl-torobus.txt", "no bus", true, opal_process_info.nodename, why);
        }
        return NULL;
    }
    c->bus_open = true;
    mca_btl_torobus_copy_init();
    check_params();

    modules = calloc(2, sizeof(*modules));
    c->endpoints = calloc(c->bus.nports, sizeof(*c->endpoints));
    if (NULL == modules || NULL == c->endpoints || OPAL_SUCCESS != mca_btl_torobus_frags_init()) {
        goto fail;
    }
    OPAL_MODEX_SEND(rc, OPAL_PMIX_GLOBAL, &c->super.btl_version, &c->bus.self, sizeof(c->bus.self));
    if (OPAL_SUCCESS != rc) {
        goto fail;
    }
    modules[(*num_btls)++] = &mca_btl_torobus;
    /* Whether there are peers with private memory is not known yet. */
    mca_btl_torobus_private_init();
    modules[(*num_btls)++] = &mca_btl_torobus_private;
    return modules;

fail:
    free(modules);
    c->bus_open = false;
    mca_btl_torobus_bus_close();
    return NULL;
}
