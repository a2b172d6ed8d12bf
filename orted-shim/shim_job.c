/* SPDX-License-Identifier: BSD-3-Clause */
/* Names: the key of a job, the keeper's address, the node. */
#include "shim_job.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static uint64_t fnv1a(uint64_t h, const char *s)
{
    for (; *s; s++) {
        h ^= (unsigned char)*s;
        h *= 0x100000001b3ull;
    }
    return h;
}

#define FNV_START 0xcbf29ce484222325ull

void shim_job_key(const char *uri, char key[SHIM_KEY_LEN + 1])
{
    snprintf(key, SHIM_KEY_LEN + 1, "%016" PRIx64, fnv1a(FNV_START, uri));
}

int shim_job_group(char key[SHIM_KEY_LEN + 1])
{
    const char *name = getenv("TOROBUS_GROUP");

    if (!name || !*name)
        return 0;
    if (!shim_node_ok(name))
        return -1;
    snprintf(key, SHIM_KEY_LEN + 1, "%016" PRIx64, fnv1a(fnv1a(FNV_START, "group "), name));
    return 1;
}

bool shim_job_guest(char node[64], uint32_t jobid)
{
    char name[64];

    memcpy(name, node, sizeof(name));
    return snprintf(node, 64, "%s+%" PRIu32, name, jobid) < 64;
}

bool shim_job_key_random(char key[SHIM_KEY_LEN + 1])
{
    uint64_t r;

    if (getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r))
        return false;
    snprintf(key, SHIM_KEY_LEN + 1, "%016" PRIx64, r);
    return true;
}

bool shim_job_key_env(char key[SHIM_KEY_LEN + 1])
{
    const char *uri = getenv("OMPI_MCA_orte_hnp_uri");
    const char *ns = getenv("PMIX_NAMESPACE");
    const char *server = NULL;

    if (shim_job_group(key) > 0)
        return true;
    if (uri && *uri) {
        shim_job_key(uri, key);
        return true;
    }
    for (const char *const *v =
             (const char *const[]){"PMIX_SERVER_URI41", "PMIX_SERVER_URI4", "PMIX_SERVER_URI3",
                                   "PMIX_SERVER_URI21", "PMIX_SERVER_URI2", NULL};
         *v && !server; v++)
        server = getenv(*v);
    if (!ns || !server)
        return false;
    snprintf(key, SHIM_KEY_LEN + 1, "%016" PRIx64, fnv1a(fnv1a(fnv1a(FNV_START, ns), "@"), server));
    return true;
}

socklen_t shim_job_address(const char *key, struct sockaddr_un *sa)
{
    int n;

    memset(sa, 0, sizeof(*sa));
    sa->sun_family = AF_UNIX;
    /* a leading NUL makes it abstract: it lives as long as the socket, nothing to unlink */
    n = snprintf(sa->sun_path + 1, sizeof(sa->sun_path) - 1, "torobus/%u/%s", (unsigned)getuid(),
                 key);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

bool shim_node_ok(const char *name)
{
    size_t n = strlen(name);

    if (n < 1 || n > 63 || name[0] == '-')
        return false;
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

bool shim_node_name(char node[64])
{
    const char *env = getenv("TOROBUS_NODE");
    char host[256];

    if (env && *env) {
        if (!shim_node_ok(env))
            return false;
        snprintf(node, 64, "%s", env);
        return true;
    }
    if (gethostname(host, sizeof(host)) != 0)
        return false;
    host[63] = '\0';
    if (!shim_node_ok(host))
        return false;
    memcpy(node, host, 64);
    return true;
}
