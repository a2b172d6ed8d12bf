/* SPDX-License-Identifier: BSD-3-Clause */
/* Pinning: lists of processors, and who gets which cores on machines that hwloc makes up. */
#include "tap.h"

#include "../../orted-shim/shim_bind.c"

static void is(const char *got, const char *want, const char *name)
{
    if (!t_ok(strcmp(got, want) == 0, "%s", name))
        t_diag("got \"%s\", wanted \"%s\"", got, want);
}

static hwloc_topology_t topo;
static hwloc_bitmap_t allowed;

static void machine(const char *synthetic)
{
    if (topo)
        hwloc_topology_destroy(topo);
    hwloc_bitmap_free(allowed);
    hwloc_topology_init(&topo);
    hwloc_topology_set_synthetic(topo, synthetic);
    hwloc_topology_load(topo);
    allowed = hwloc_bitmap_dup(hwloc_topology_get_topology_cpuset(topo));
}

#define RANKS 16

/* Ranks with n virtual CPUs each that want these; "": any core, NULL ends. "!" if none is pinned.
 */
static const char *assigned(unsigned nvcpus, const char *const *wish)
{
    static char text[1024];
    hwloc_bitmap_t set[RANKS][4];
    struct shim_bind_rank r[RANKS];
    const char *why = NULL;
    unsigned n = 0;
    size_t at = 0;
    bool ok;

    for (; wish[n]; n++)
        r[n] = (struct shim_bind_rank){
            .wish = *wish[n] ? shim_bind_read(wish[n]) : NULL, .nvcpus = nvcpus, .vcpu = set[n]};
    ok = shim_bind_assign(topo, allowed, r, n, &why);
    text[0] = '\0';
    for (unsigned k = 0; k < n; k++) {
        for (unsigned i = 0; ok && i < nvcpus; i++) {
            char list[64];

            hwloc_bitmap_list_snprintf(list, sizeof(list), set[k][i]);
            at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s%s", at ? " " : "", list,
                                   r[k].moved ? "*" : "");
            hwloc_bitmap_free(set[k][i]);
        }
        if (!ok && set[k][0])
            return "a set is left";
        hwloc_bitmap_free((hwloc_bitmap_t)r[k].wish);
    }
    return ok ? text : why ? "!" : "no reason";
}
#define ASSIGNED(nvcpus, ...) assigned(nvcpus, (const char *const[]){__VA_ARGS__, NULL})

static void lists(void)
{
    static const char *const wrong[] = {"",
                                        ",",
                                        "0,",
                                        "0-",
                                        "-1",
                                        "a",
                                        "1-0",
                                        "0,,1",
                                        "65536",
                                        "0 1",
                                        "0-65536",
                                        "0x1",
                                        "99999999999999999999"};
    char list[SHIM_BIND_LIST_MAX];
    hwloc_bitmap_t set;
    enum shim_bind b;
    cpu_set_t cpus;
    unsigned taken = 0;

    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    for (int i = 4; i < 8; i++)
        CPU_SET(i, &cpus);
    CPU_SET(1023, &cpus);
    t_ok(shim_bind_list(&cpus, list), "a list");
    is(list, "0,4-7,1023", "is written as the kernel does");
    set = shim_bind_read(list);
    t_ok(set && hwloc_bitmap_weight(set) == 6 && hwloc_bitmap_isset(set, 1023), "and read");
    hwloc_bitmap_free(set);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        set = shim_bind_read(wrong[i]);
        taken += set != NULL;
        hwloc_bitmap_free(set);
    }
    t_eq(taken, 0, "what is no list is refused");
    CPU_ZERO(&cpus);
    for (int i = 0; i < CPU_SETSIZE; i += 2)
        CPU_SET(i, &cpus);
    t_ok(!shim_bind_list(&cpus, list), "one that is too long is said to be");
    t_ok(shim_bind_parse("none", &b) && b == SHIM_BIND_NONE && shim_bind_parse("core", &b) &&
             b == SHIM_BIND_CORE && !shim_bind_parse("socket", &b),
         "auto, core and none");
}

int main(void)
{
    lists();
    machine("core:4 pu:1");
    is(ASSIGNED(1, "0", "1", "2", "3"), "0 1 2 3", "each what it was bound to");
    is(ASSIGNED(1, "3", "1"), "3 1", "in whatever order");
    is(ASSIGNED(1, "0", "1", "0", "1"), "0 1 2* 3*", "two guests: the second gets other cores");
    is(ASSIGNED(1, "0", "0", "1"), "0 2* 1", "which nobody was bound to");
    is(ASSIGNED(1, "0", "1", "2", "0", "1"), "!", "too many: nobody is pinned");
    is(ASSIGNED(2, "0-1", "2-3"), "0 1 2 3", "PE=2");
    is(ASSIGNED(2, "0-1", "0-1"), "0 1 2* 3*", "PE=2 in two guests");
    is(ASSIGNED(2, "1,3", "0,2"), "1 3 0 2", "cores that are no neighbours");
    is(ASSIGNED(2, "1", "3"), "0* 1* 2* 3*", "bound to fewer cores than it has virtual CPUs");
    is(ASSIGNED(1, "", ""), "0 1", "to any cores");
    is(ASSIGNED(1, "", "0"), "1 0", "those that others want come last");
    is(ASSIGNED(1, "0-3", "0-3", "0-3", "0-3"), "0-3 0-3 0-3 0-3", "all share all");
    is(ASSIGNED(1, "0-1", "0-1", "2"), "0-1 0-1 2", "two share two");
    is(ASSIGNED(1, "17"), "0*", "a processor that is not there");

    machine("pack:2 numa:1 core:2 pu:2");
    is(ASSIGNED(1, "0-1", "2-3", "4-5"), "0-1 2-3 4-5", "both hardware threads of a core");
    is(ASSIGNED(1, "0-1", "0-1"), "0-1 2-3*", "cores, not hardware threads, are handed out");
    is(ASSIGNED(2, "4-7"), "4-5 6-7", "PE=2 with hardware threads");
    is(ASSIGNED(1, "1", "0"), "1 0", "bound to hardware threads");
    is(ASSIGNED(1, "4-7", "0-3", "4-7"), "4-7 0-3 4-7", "bound to sockets");
    is(ASSIGNED(1, "", "", "", "", ""), "!", "five on four cores");
    hwloc_bitmap_clr_range(allowed, 0, 3);
    is(ASSIGNED(1, "4-5", ""), "4-5 6-7", "where half of the machine is not ours");
    is(ASSIGNED(1, "0-1"), "4-5*", "and a core of the other half");
    is(ASSIGNED(1, "", "", ""), "!", "and three on two cores");

    hwloc_topology_destroy(topo);
    hwloc_bitmap_free(allowed);
    return t_done();
}
