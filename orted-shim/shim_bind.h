/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of the host's processors the virtual CPUs of a job are pinned to: from what each rank wants
 * to an assignment, as a function of a topology. */
#ifndef SHIM_BIND_H
#define SHIM_BIND_H

#include <hwloc.h>
#include <sched.h>
#include <stdbool.h>

enum shim_bind {
    SHIM_BIND_AUTO = 0, /**< as the launcher binds, which toro-run -n does not */
    SHIM_BIND_CORE, /**< each virtual CPU to a core of its own, where the launcher says nothing */
    SHIM_BIND_NONE,
};

/** @return false if text is none of auto, core, none. */
bool shim_bind_parse(const char *text, enum shim_bind *bind);

/** A list of processors as the kernel and hwloc write it: "0-3,8". */
#define SHIM_BIND_LIST_MAX 1024
/** @return false if it is too long. */
bool shim_bind_list(const cpu_set_t *set, char list[SHIM_BIND_LIST_MAX]);
/** Read such a list; no processor above 65535. @return NULL if it is none, or empty. */
hwloc_bitmap_t shim_bind_read(const char *list);

/** One rank that wants its virtual CPUs pinned. */
struct shim_bind_rank {
    hwloc_const_bitmap_t wish; /**< processors that it was bound to; NULL: to any cores */
    unsigned nvcpus;
    hwloc_bitmap_t *vcpu; /**< [nvcpus], out */
    bool moved;           /**< out: its cores belong to another rank, it got others */
};

/**
 * Give each virtual CPU its processors.
 *
 * A rank that was bound to no more cores than it has virtual CPUs gets each of them to itself. Each
 * guest is a node of its own for the launcher, which therefore gives the same cores to the first
 * ranks of all guests: who comes second gets other cores that are free. A rank that was bound to
 * more (a socket, a NUMA node) shares these.
 *
 * @param allowed what the job may use
 * @param why a phrase on failure
 * @return false if there are more virtual CPUs than cores: nothing is to be pinned then
 */
bool shim_bind_assign(hwloc_topology_t topo, hwloc_const_bitmap_t allowed, struct shim_bind_rank *r,
                      unsigned n, const char **why);

#endif
