/* SPDX-License-Identifier: BSD-3-Clause */
/* First frame of a client: who it is, what it wants; readies the job on first use. */
#include "keeper.h"

#include "shim_parse.h"
#include "shim_tmpdir.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOOT_TIMEOUT_S 60

/** Make the region, once: all that Linux processes need. */
static bool get_region(struct keeper *k, char err[512])
{
    if (k->region.head)
        return true;
    k->host_cpus = shim_host_cpus();
    return keeper_region_make(&k->region, err);
}

/** Find QEMU and the kernel, choose the accelerator, make the region: once. */
static bool get_ready(struct keeper *k, char err[512])
{
    if (k->ready)
        return true;
    if (!shim_path_kernel(k->kernel, err) || !shim_path_qemu(k->qemu, &k->qemu_version, err))
        return false;
    if (!shim_accel_choose(&k->accel, k->accel_reason)) {
        snprintf(err, 512, "%s", k->accel_reason);
        return false;
    }
    if (!shim_path_nofile(err) || !get_region(k, err))
        return false;
    shim_host_caches(k->caches);
    if (!shim_pool_name(k->pool))
        k->pool[0] = '\0';
    /* paths are absolute by now; a daemon must not pin the user's directory */
    if (chdir("/") != 0)
        keeper_log("chdir failed");
    shim_path_firmware(k->qemu, k->firmware);
    keeper_log("ready: qemu %s %d, kernel %s, %s (%s), %u cpus", k->qemu, k->qemu_version,
               k->kernel, shim_accel_name(k->accel), k->accel_reason, k->host_cpus);
    shim_tmpdir_scavenge();
    k->ready = true;
    return true;
}

/** Settings are "name=value" strings, each NUL-terminated, behind struct torobus_ctl_attach. */
static bool parse_settings(const char *text, uint32_t len, struct keeper_settings *s, char err[512])
{
    *s = (struct keeper_settings){
        .fs = SHIM_FS_RW, .spin_ns = UINT64_MAX, .boot_timeout_s = BOOT_TIMEOUT_S, .cores = 1};
    while (len > 0) {
        uint32_t n = (uint32_t)strnlen(text, len);
        uint64_t v = 0;
        bool ok = false;

        if (n == len)
            break;
        if (strncmp(text, "fs=", 3) == 0)
            ok = shim_fs_parse(text + 3, &s->fs);
        else if (strncmp(text, "log=", 4) == 0 && (ok = shim_parse_u64(text + 4, 0, 2, &v)))
            s->log = (unsigned)v;
        else if (strncmp(text, "cores=", 6) == 0 &&
                 (ok = shim_parse_u64(text + 6, 1, TOROBUS_MAX_CORES, &v)))
            s->cores = (unsigned)v;
        else if (strncmp(text, "spin_ns=", 8) == 0)
            ok = shim_parse_u64(text + 8, 0, 1000000000, &s->spin_ns);
        else if (strncmp(text, "boot_timeout=", 13) == 0)
            ok = shim_parse_u64(text + 13, 1, 86400, &s->boot_timeout_s);
        else if (strncmp(text, "mem_per_rank=", 13) == 0)
            ok = shim_parse_u64(text + 13, 1u << 20, TOROBUS_REGION_MAX, &s->mem_per_rank);
        else if (strncmp(text, "keep=", 5) == 0)
            ok = shim_parse_u64(text + 5, 0, 86400, &s->keep_s);
        else if (strncmp(text, "mem=", 4) == 0)
            ok = snprintf(s->mem, sizeof(s->mem), "%s", text + 4) < (int)sizeof(s->mem);
        else if (strcmp(text, "gdb=1") == 0)
            ok = s->gdb = true;
        else if (strncmp(text, "root=/", 6) == 0)
            ok = snprintf(s->root, sizeof(s->root), "%s", text + 5) < (int)sizeof(s->root);
        else if (strcmp(text, "bind=core") == 0)
            ok = (s->bind = SHIM_BIND_CORE) != 0;
        else if (strncmp(text, "cpus=", 5) == 0)
            ok = snprintf(s->cpus, sizeof(s->cpus), "%s", text + 5) < (int)sizeof(s->cpus);
        else if (strncmp(text, "core_dir=/", 10) == 0)
            ok = snprintf(s->core_dir, sizeof(s->core_dir), "%s", text + 9) <
                 (int)sizeof(s->core_dir);
        if (!ok) {
            snprintf(err, 512, "the keeper does not take the setting %.100s", text);
            return false;
        }
        text += n + 1;
        len -= n + 1;
    }
    if (len > 0)
        snprintf(err, 512, "the keeper got a broken setting");
    return len == 0;
}

static bool attach_rank(struct keeper_client *c, uint32_t rank, uint32_t world_rank,
                        uint32_t local_size, const struct keeper_settings *s, char err[512])
{
    struct keeper_guest *g = c->guest;

    if (local_size == 0 || local_size > c->keeper->region.sb.ports_per_guest / s->cores) {
        if (s->cores == 1)
            snprintf(
                err, 512,
                "guest %s: %u ranks on one guest are impossible, the most is %u: use more hosts",
                g->name, local_size, c->keeper->region.sb.ports_per_guest);
        else
            snprintf(err, 512,
                     "guest %s: %u ranks with %u cores each on one guest are impossible, it has %u "
                     "cores at most: use more hosts or fewer cores per rank",
                     g->name, local_size, s->cores, c->keeper->region.sb.ports_per_guest);
        return false;
    }
    if (rank >= local_size) {
        snprintf(err, 512, "guest %s: local rank %u of %u is impossible", g->name, rank,
                 local_size);
        return false;
    }
    if (g->state == KEEPER_GUEST_KEPT && (g = keeper_keep_use(g, local_size, s, err)) == NULL)
        return false;
    if (g->state == KEEPER_GUEST_RESERVED) {
        keeper_numa_home(g, c, local_size, s->cores);
        if (!keeper_boot(g, local_size, s, err))
            return false;
    } else if (g->state >= KEEPER_GUEST_STOPPING) {
        snprintf(err, 512, "guest %s has ended and cannot take another rank", g->name);
        return false;
    }
    if (local_size != g->nranks || local_size * s->cores != g->ncores) {
        snprintf(err, 512,
                 "guest %s has %u cores for %u ranks, but rank %u wants %u for each of %u: all "
                 "ranks of a guest get as many",
                 g->name, g->ncores, g->nranks, rank, s->cores, local_size);
        return false;
    }
    if (g->attached[rank]) {
        snprintf(err, 512, "guest %s has a rank %u already", g->name, rank);
        return false;
    }
    g->attached[rank] = true;
    g->nattached++;
    g->rank[rank] = c;
    g->world_rank[rank] = world_rank;
    c->rank = rank;
    c->world_rank = world_rank;
    keeper_bind_update(c->keeper);
    return true;
}

/** A node's name, or that of a further guest on it: with '+' and a number. */
static bool name_ok(const char *name)
{
    char node[64];
    size_t n = strcspn(name, "+");

    snprintf(node, sizeof(node), "%.*s", (int)n, name);
    return shim_node_ok(node) &&
           (name[n] == '\0' ||
            (name[n + 1] && strspn(name + n + 1, "0123456789") == strlen(name + n + 1)));
}

/** Last step of an attach: its answer. @return ok. */
static bool answer(struct keeper_client *c, bool ok, unsigned slice, const char *err)
{
    const struct torobus_ctl_attached reply = {
        .version = TOROBUS_ABI_VERSION, .guest = slice, .nguests = c->keeper->region.sb.nguests};

    if (ok)
        keeper_client_send(c, TOROBUS_CTL_ATTACHED, 0, &reply, sizeof(reply));
    else
        keeper_client_error(c, 1, err);
    return ok;
}

/** There is no slice for it: whether there may be one soon. Nodes come before all ranks, so theirs
 * is a job that does not fit. */
static bool worth_waiting(const struct keeper_client *c, uint16_t type)
{
    return keeper_keep_make_room(c->keeper) || (type == TOROBUS_CTL_ATTACH_RANK && !c->impatient);
}

enum keeper_attach_result keeper_attach(struct keeper_client *c, const struct torobus_ctl_hdr *h,
                                        const void *body)
{
    struct torobus_ctl_attach a;
    struct keeper_settings s;
    char err[512] = "the keeper got a wrong first frame";
    uint32_t version = TOROBUS_ABI_VERSION;
    bool ok;

    if (h->type == TOROBUS_CTL_ATTACH_INFO) {
        c->kind = KEEPER_CLIENT_INFO;
        keeper_info(c, h->arg, body);
        return KEEPER_ATTACH_OK;
    }
    if (h->type == TOROBUS_CTL_ADOPT || h->type == TOROBUS_CTL_END_IDLE) {
        c->kind = KEEPER_CLIENT_INFO;
        keeper_keep_request(c, h, body);
        return KEEPER_ATTACH_OK;
    }
    if (c->keeper->idle) {
        keeper_client_error(c, 1, "the keeper waits for another job than this");
        return KEEPER_ATTACH_REFUSED;
    }
    c->keeper->had_client = true;
    ok = h->type == TOROBUS_CTL_ATTACH_NODE || h->type == TOROBUS_CTL_ATTACH_RANK ||
         h->type == TOROBUS_CTL_ATTACH_NATIVE;
    /* the version comes first, whatever else another one has */
    if (ok && h->len >= sizeof(version))
        memcpy(&version, body, sizeof(version));
    if (ok && version != TOROBUS_ABI_VERSION) {
        snprintf(err, sizeof(err),
                 "this job's guests are of a Torobus with ABI %u, the program that joins it has "
                 "%u: start all of the job with one installation (look at PATH)",
                 TOROBUS_ABI_VERSION, version);
        ok = false;
    } else if (ok && h->len < sizeof(a)) {
        ok = false;
    } else if (ok) {
        memcpy(&a, body, sizeof(a));
        ok = memchr(a.node, '\0', sizeof(a.node)) != NULL && name_ok(a.node);
        if (!ok)
            snprintf(err, sizeof(err), "\"%.*s\" cannot be the name of a node", (int)sizeof(a.node),
                     a.node);
    }
    ok =
        ok && parse_settings((const char *)body + sizeof(a), h->len - (uint32_t)sizeof(a), &s, err);
    if (ok && h->type == TOROBUS_CTL_ATTACH_NATIVE) {
        c->kind = KEEPER_CLIENT_NATIVE;
        c->rank = h->rank;
        c->world_rank = h->arg;
        ok = get_region(c->keeper, err) && keeper_native_attach(c, a.node, a.local_size, err);
        return answer(c, ok, c->keeper->native.slice, err) ? KEEPER_ATTACH_OK
                                                           : KEEPER_ATTACH_REFUSED;
    }
    ok = ok && get_ready(c->keeper, err);
    if (ok && !(c->guest = keeper_guest_reserve(c->keeper, a.node, err))) {
        if (worth_waiting(c, h->type))
            return KEEPER_ATTACH_LATER;
        ok = false;
    }
    if (ok && h->type == TOROBUS_CTL_ATTACH_RANK) {
        c->kind = KEEPER_CLIENT_RANK;
        c->rank = UINT32_MAX;
        c->keeper->keep_s = s.keep_s;
        ok = keeper_bind_wish(c, &s, err) && attach_rank(c, h->rank, h->arg, a.local_size, &s, err);
        if (ok && s.core_dir[0] && !(c->core_dir = strdup(s.core_dir)))
            keeper_log("no memory for the name of a core file");
        if (!ok) {
            struct keeper_guest *g = c->guest;
            bool full = !g; /* the one it had does not suit, and there is no slice for another */

            c->guest = NULL;
            if (g)
                keeper_guest_release(g);
            if (full && worth_waiting(c, h->type)) {
                c->kind = KEEPER_CLIENT_NEW;
                hwloc_bitmap_free(c->cpus);
                c->cpus = NULL;
                return KEEPER_ATTACH_LATER;
            }
        }
    } else {
        memcpy(c->node, a.node, sizeof(c->node));
        c->kind = KEEPER_CLIENT_NODE;
        c->rank = TOROBUS_CTL_NOBODY;
    }
    return answer(c, ok, ok ? c->guest->slice : 0, err) ? KEEPER_ATTACH_OK : KEEPER_ATTACH_REFUSED;
}
