/* SPDX-License-Identifier: BSD-3-Clause */
/* QEMU's own word on a guest: events on a QMP link, a socket that QEMU inherits (no path, no port).
 * A guest that its accelerator cannot run any further is paused, and QEMU stays: to the ranks'
 * peers that looks like a guest that never answers. And QEMU exits with status 0 after a triple
 * fault.
 *
 * Trust: QEMU is ours, but runs the user's program; lines are taken up to a length and a depth, and
 * only names that are known here mean anything. */
#include "keeper.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** A greeting is the longest of what is read here: some hundred bytes. */
#define LINE_MAX_BYTES 65536u
#define DEPTH_MAX      16

static const char *text_of(struct json_object *o, const char *name)
{
    struct json_object *v;

    if (!json_object_object_get_ex(o, name, &v) || !json_object_is_type(v, json_type_string))
        return NULL;
    return json_object_get_string(v);
}

static void on_event(struct keeper_guest *g, const char *event, struct json_object *line)
{
    struct json_object *data;
    const char *reason = NULL;

    keeper_log("guest %s: QEMU's event %.64s", g->name, event);
    if (json_object_object_get_ex(line, "data", &data) &&
        json_object_is_type(data, json_type_object))
        reason = text_of(data, "reason");
    if (g->state >= KEEPER_GUEST_STOPPING)
        return;
    /* a debugger stops it, and lets it go on */
    if (strcmp(event, "STOP") == 0 && !g->settings.gdb) {
        /* why was printed before */
        keeper_errors_drain(g);
        keeper_guest_fail(
            g, 1, "guest %s cannot go on, QEMU stopped it%s%s%s", g->name, g->last[0] ? ": " : "",
            g->last,
            g->keeper->accel == SHIM_ACCEL_KVM ? "; TOROBUS_ACCEL=tcg runs it without KVM" : "");
    } else if (strcmp(event, "SHUTDOWN") == 0 && reason && strcmp(reason, "guest-reset") == 0) {
        snprintf(g->last, sizeof(g->last),
                 "the kernel reset its machine (a fault in its handler of faults)");
    }
}

void keeper_qmp_line(struct keeper_guest *g, const char *line, size_t len)
{
    static const char hello[] = "{\"execute\":\"qmp_capabilities\"}\n";
    struct json_tokener *tok = json_tokener_new_ex(DEPTH_MAX);
    struct json_object *o = tok ? json_tokener_parse_ex(tok, line, (int)len) : NULL, *v;
    const char *event;

    if (json_object_is_type(o, json_type_object)) {
        event = text_of(o, "event");
        if (event)
            on_event(g, event, o);
        else if (json_object_object_get_ex(o, "QMP", &v) && g->qmp)
            bufferevent_write(g->qmp, hello, sizeof(hello) - 1);
    }
    json_object_put(o);
    if (tok)
        json_tokener_free(tok);
}

void keeper_qmp_read(struct bufferevent *bev, void *arg)
{
    struct evbuffer *in = bufferevent_get_input(bev);
    struct keeper_guest *g = arg;
    size_t n;
    char *line;

    while ((line = evbuffer_readln(in, &n, EVBUFFER_EOL_CRLF)) != NULL) {
        if (n > 0 && n <= LINE_MAX_BYTES)
            keeper_qmp_line(g, line, n);
        free(line);
    }
    if (evbuffer_get_length(in) > LINE_MAX_BYTES)
        evbuffer_drain(in, evbuffer_get_length(in));
}
