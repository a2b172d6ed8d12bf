/* SPDX-License-Identifier: BSD-3-Clause */
/* The first frames of a proxy: who it is, what its rank runs. */
#include "proxy.h"

#include "torobus/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void proxy_send_attach(struct proxy *p)
{
    struct {
        struct torobus_ctl_attach a;
        char settings[sizeof(p->job->settings)];
    } body = {.a = {.version = TOROBUS_ABI_VERSION, .local_size = p->job->local_size}};

    memcpy(body.a.node, p->job->node, sizeof(body.a.node));
    memcpy(body.settings, p->job->settings, p->job->settings_len);
    proxy_send(p, TOROBUS_CTL_ATTACH_RANK, p->world_rank, &body,
               (uint32_t)sizeof(body.a) + p->job->settings_len);
}

static bool add_string(struct evbuffer *b, const char *s)
{
    return evbuffer_add(b, s, strlen(s) + 1) == 0;
}

/** A path as the guest sees it; run_job() has made sure that it does. */
static const char *inside(const struct proxy_job *job, const char *path)
{
    path += strlen(job->root);
    return *path ? path : "/";
}

bool proxy_send_start(struct proxy *p, char err[256])
{
    struct torobus_ctl_start s = {.flags = p->job->flags,
                                  .world_rank = p->world_rank,
                                  .world_size = p->job->world_size,
                                  .local_size = p->job->local_size,
                                  .uid = getuid(),
                                  .gid = getgid(),
                                  .umask = p->job->umask};
    struct evbuffer *b = evbuffer_new();
    bool ok = b && add_string(b, inside(p->job, p->job->cwd)) &&
              add_string(b, inside(p->job, p->job->exe));
    size_t len;

    for (char **a = p->job->argv; ok && *a; a++, s.argc++)
        ok = add_string(b, *a);
    for (char **e = p->env; ok && *e; e++, s.envc++)
        ok = add_string(b, *e);
    if (!ok) {
        snprintf(err, 256, "no memory");
    } else {
        len = evbuffer_get_length(b);
        s.strings = (uint32_t)len;
        ok = sizeof(s) + len <= TOROBUS_CTL_BODY_MAX && evbuffer_prepend(b, &s, sizeof(s)) == 0;
        if (ok)
            proxy_send(p, TOROBUS_CTL_RANK_START,
                       TOROBUS_CTL_CORES(p->rank * p->job->cores, p->job->cores),
                       evbuffer_pullup(b, -1), (uint32_t)evbuffer_get_length(b));
        else
            snprintf(err, 256,
                     "arguments and environment are too long for a guest: %zu bytes, the most is "
                     "%u",
                     len, TOROBUS_CTL_BODY_MAX - (unsigned)sizeof(s));
    }
    if (b)
        evbuffer_free(b);
    return ok;
}
