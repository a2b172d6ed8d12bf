/* SPDX-License-Identifier: BSD-3-Clause */
/* Small parts of the host programs: numbers, names, environments, items of PMIx messages. */
#include "tap.h"

#include "../../orted-shim/shim_cores.c"
#include "../../orted-shim/shim_env.c"
#include "../../orted-shim/shim_job.c"
#include "../../orted-shim/shim_parse.c"

static void numbers(void)
{
    static const char *const bad[] = {"",     "-1",  "+1",  " 1",  "1 ",
                                      "0x10", "1e3", "one", "1.5", "18446744073709551616",
                                      "101",  "0"};
    uint64_t v = 42;
    char err[256];

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        t_ok(!shim_parse_u64(bad[i], 1, 100, &v) && v == 42, "\"%s\" is no number from 1 to 100",
             bad[i]);
    t_ok(shim_parse_u64("1", 1, 100, &v) && v == 1, "lowest");
    t_ok(shim_parse_u64("100", 1, 100, &v) && v == 100, "highest");
    t_ok(shim_parse_u64("18446744073709551615", 0, UINT64_MAX, &v) && v == UINT64_MAX, "64 bits");
    t_ok(!shim_parse_u64("1k", 0, UINT64_MAX, &v), "units are for sizes");
    t_ok(shim_parse_size("16K", 0, UINT64_MAX, &v) && v == 16384, "16K");
    t_ok(shim_parse_size("3m", 0, UINT64_MAX, &v) && v == 3u << 20, "3m");
    t_ok(shim_parse_size("2GiB", 0, UINT64_MAX, &v) && v == 2ull << 30, "2GiB");
    t_ok(shim_parse_size("1TB", 0, UINT64_MAX, &v) && v == 1ull << 40, "1TB");
    t_ok(!shim_parse_size("16777216T", 0, UINT64_MAX, &v), "overflow of a size");
    t_ok(!shim_parse_size("1X", 0, UINT64_MAX, &v) && !shim_parse_size("1Kx", 0, UINT64_MAX, &v),
         "unknown units");
    setenv("T_N", "", 1);
    t_ok(shim_parse_env("T_N", false, 1, 9, 5, &v, err) && v == 5, "empty: default");
    setenv("T_N", "7", 1);
    t_ok(shim_parse_env("T_N", false, 1, 9, 5, &v, err) && v == 7, "set");
    setenv("T_N", "10", 1);
    t_ok(!shim_parse_env("T_N", false, 1, 9, 5, &v, err) && strstr(err, "T_N=10"), "impossible: %s",
         err);
}

static void cores(void)
{
    static const struct {
        const char *policy;
        int want; /* -1: impossible */
    } is[] = {{"slot:PE=2", 2},
              {"slot:pe=16", 16},
              {"ppr:1:node:pe=4", 4},
              {"core:PE=2,SPAN", 2},
              {"socket:SPAN,PE=3", 3},
              {"ppr:2:socket:span,PE=8", 8},
              {"slot", 0},
              {"node:OVERSUBSCRIBE", 0},
              {"ppr:2:node", 0},
              {"slot:PE=0", -1},
              {"slot:PE=", -1},
              {"slot:PE=two", -1},
              {"slot:PE=65", -1},
              {"slot:PE=2x", -1},
              {"slot:PE=00000000000000000002", -1},
              {"slot:PE=64", 64},
              {"pe=4", 0}};
    char err[256] = "";
    uint32_t n;

    for (unsigned i = 0; i < sizeof(is) / sizeof(is[0]); i++) {
        n = 99;
        if (is[i].want < 0)
            t_ok(!shim_cores_policy(is[i].policy, &n) && n == 99, "%s is refused", is[i].policy);
        else
            t_ok(shim_cores_policy(is[i].policy, &n) && (int)n == is[i].want, "%s: %d cores",
                 is[i].policy, is[i].want);
    }
    unsetenv("TOROBUS_CORES_PER_RANK");
    t_ok(shim_cores_env(&n, err) && n == 1, "nobody says anything: 1 core");
    setenv("OMPI_MCA_rmaps_base_cpus_per_rank", "2", 1);
    t_ok(shim_cores_env(&n, err) && n == 2, "mpirun --cpus-per-proc 2");
    unsetenv("OMPI_MCA_rmaps_base_cpus_per_rank");
    setenv("OMPI_MCA_rmaps_base_mapping_policy", "slot:PE=3", 1);
    t_ok(shim_cores_env(&n, err) && n == 3, "mpirun --map-by slot:PE=3");
    setenv("TOROBUS_CORES_PER_RANK", "4", 1);
    t_ok(shim_cores_env(&n, err) && n == 4, "the own variable comes first");
    unsetenv("TOROBUS_CORES_PER_RANK");
    setenv("OMPI_MCA_rmaps_base_mapping_policy", "slot:PE=100", 1);
    t_ok(!shim_cores_env(&n, err) && strstr(err, "PE=100"), "too many: %s", err);
    unsetenv("OMPI_MCA_rmaps_base_mapping_policy");
}

static void names(void)
{
    char key[SHIM_KEY_LEN + 1], key2[SHIM_KEY_LEN + 1], node[64], name[65];
    struct sockaddr_un sa;

    shim_job_key("", key);
    t_ok(strcmp(key, "cbf29ce484222325") == 0, "FNV-1a of nothing");
    shim_job_key("foobar", key);
    t_ok(strcmp(key, "85944171f73967e8") == 0, "FNV-1a of foobar");
    t_ok(shim_job_key_random(key) && shim_job_key_random(key2) && strcmp(key, key2) != 0 &&
             strlen(key) == SHIM_KEY_LEN,
         "random keys");
    t_ok(shim_job_address(key, &sa) > 20 && sa.sun_path[0] == '\0', "the address is abstract");

    t_ok(shim_node_ok("vm0") && shim_node_ok("a.b-c_D9"), "names");
    t_ok(!shim_node_ok("") && !shim_node_ok("-a") && !shim_node_ok("a b") && !shim_node_ok("a,b") &&
             !shim_node_ok("a/b") && !shim_node_ok("a\"b") && !shim_node_ok("a\nb"),
         "no names");
    memset(name, 'x', 64);
    name[64] = '\0';
    t_ok(!shim_node_ok(name) && shim_node_ok(name + 1), "63 characters, not 64");

    setenv("TOROBUS_NODE", "vm7", 1);
    t_ok(shim_node_name(node) && strcmp(node, "vm7") == 0, "TOROBUS_NODE");
    setenv("TOROBUS_NODE", "no name", 1);
    t_ok(!shim_node_name(node), "an impossible TOROBUS_NODE");
    unsetenv("TOROBUS_NODE");
    t_ok(shim_node_name(node) && shim_node_ok(node), "the host's name");

    unsetenv("OMPI_MCA_orte_hnp_uri");
    unsetenv("PMIX_NAMESPACE");
    t_ok(!shim_job_key_env(key), "no job in the environment");
    setenv("OMPI_MCA_orte_hnp_uri", "1.0;tcp://127.0.0.1:1", 1);
    shim_job_key("1.0;tcp://127.0.0.1:1", key2);
    t_ok(shim_job_key_env(key) && strcmp(key, key2) == 0, "mpirun's job");
    unsetenv("OMPI_MCA_orte_hnp_uri");
    setenv("PMIX_NAMESPACE", "job", 1);
    setenv("PMIX_SERVER_URI2", "a", 1);
    t_ok(shim_job_key_env(key), "another launcher's job");
    setenv("PMIX_SERVER_URI2", "b", 1);
    t_ok(shim_job_key_env(key2) && strcmp(key, key2) != 0, "is another one on another server");
}

static bool has(const struct shim_env *e, const char *name, const char *want)
{
    const char *v = shim_env_get(e, name);

    return v && strcmp(v, want) == 0;
}

static void environments(void)
{
    static char *const from[] = {"A=1", "AB=2", "OMPI_MCA_orte_local_daemon_uri=real",
                                 "OMPI_MCA_orte_create_session_dirs=1", NULL};
    const struct shim_rank_place alone = {.world_rank = 2,
                                          .world_size = 4,
                                          .local_rank = 2,
                                          .local_size = 4,
                                          .nspace = "65537",
                                          .transports = "x-y"};
    const struct shim_rank_place hosted = {.world_rank = 2, .world_size = 4};
    struct shim_env e;

    t_ok(shim_env_copy(&e, from) && e.n == 4 && e.v[4] == NULL, "copied");
    t_ok(has(&e, "A", "1") && has(&e, "AB", "2") && !shim_env_get(&e, "B"), "read");
    t_ok(shim_env_set(&e, "A", "9", false) && has(&e, "A", "1"), "kept");
    t_ok(shim_env_set(&e, "A", "9", true) && has(&e, "A", "9") && e.n == 4, "replaced");
    for (int i = 0; i < 200; i++) {
        char name[16];

        snprintf(name, sizeof(name), "V%d", i);
        shim_env_set(&e, name, name, true);
    }
    t_ok(e.n == 204 && has(&e, "V199", "V199") && e.v[204] == NULL, "grown");
    t_ok(shim_env_for_rank(&e, &hosted), "for a rank of mpirun");
    t_ok(has(&e, "OMPI_MCA_orte_local_daemon_uri", "real") &&
             has(&e, "OMPI_MCA_orte_create_session_dirs", "0") &&
             has(&e, "OMPI_MCA_orte_bound_at_launch", "1") &&
             !shim_env_get(&e, "OMPI_COMM_WORLD_RANK"),
         "mpirun's own settings stay, ours are there");
    shim_env_free(&e);
    t_ok(shim_env_copy(&e, from) && shim_env_for_rank(&e, &alone), "for a rank without mpirun");
    t_ok(has(&e, "OMPI_COMM_WORLD_RANK", "2") && has(&e, "OMPI_COMM_WORLD_SIZE", "4") &&
             has(&e, "PMIX_RANK", "2") && has(&e, "PMIX_NAMESPACE", "65537") &&
             has(&e, "OMPI_MCA_orte_precondition_transports", "x-y") &&
             has(&e, "OMPI_MCA_orte_ess_num_procs", "4"),
         "what mpirun would have set");
    shim_env_free(&e);
}

int main(void)
{
    numbers();
    cores();
    names();
    environments();
    return t_done();
}
