/* SPDX-License-Identifier: BSD-3-Clause */
/* Cores per rank, from the user's own variable or from mpirun's mapping policy. */
#include "shim_cores.h"

#include "shim_parse.h"
#include "torobus/abi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool shim_cores_policy(const char *policy, uint32_t *out)
{
    /* Modifiers stand behind a colon and are separated by commas; "ppr" has more colons. */
    for (const char *p = strchr(policy, ':'); p; p = strpbrk(p + 1, ":,")) {
        char number[16];
        size_t n;
        uint64_t v;

        if (strncasecmp(p + 1, "pe=", 3) != 0)
            continue;
        n = strcspn(p + 4, ":,");
        if (n >= sizeof(number))
            return false;
        memcpy(number, p + 4, n);
        number[n] = '\0';
        if (!shim_parse_u64(number, 1, TOROBUS_MAX_CORES, &v))
            return false;
        *out = (uint32_t)v;
        return true;
    }
    *out = 0;
    return true;
}

bool shim_cores_env(uint32_t *out, char err[256])
{
    static const char *const numbers[] = {"TOROBUS_CORES_PER_RANK",
                                          "OMPI_MCA_rmaps_base_cpus_per_rank",
                                          "OMPI_MCA_rmaps_base_cpus_per_proc"};
    const char *policy = getenv("OMPI_MCA_rmaps_base_mapping_policy");
    uint64_t v = 0;

    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && v == 0; i++)
        /* (Open MPI's own say 0 for "not given") */
        if (!shim_parse_env(numbers[i], false, i > 0 ? 0 : 1, TOROBUS_MAX_CORES, 0, &v, err))
            return false;
    *out = (uint32_t)v;
    if (v == 0 && policy && !shim_cores_policy(policy, out)) {
        snprintf(err, 256,
                 "the mapping policy %.64s is impossible: a rank in a guest can have 1 to %u cores",
                 policy, TOROBUS_MAX_CORES);
        return false;
    }
    if (*out == 0)
        *out = 1;
    return true;
}
