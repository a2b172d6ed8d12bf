/* SPDX-License-Identifier: BSD-3-Clause */
/* pmix-api: published names, connect and disconnect. */
#include "pmix-api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NO_RANGE   255
#define NO_PERSIST 255

static int publish(const char *key, int value, uint8_t range, uint8_t persist)
{
    opal_list_t info;
    int rc;

    OBJ_CONSTRUCT(&info, opal_list_t);
    list_int(&info, key, value);
    if (range != NO_RANGE)
        list_u8(&info, OPAL_PMIX_RANGE, range);
    if (persist != NO_PERSIST)
        list_u8(&info, OPAL_PMIX_PERSISTENCE, persist);
    rc = opal_pmix.publish(&info);
    OPAL_LIST_DESTRUCT(&info);
    return rc;
}

static const char *look(const char *key, uint8_t range, int wait)
{
    opal_pmix_pdata_t *d = OBJ_NEW(opal_pmix_pdata_t);
    static char text[100];
    opal_list_t data, info;
    int rc;

    OBJ_CONSTRUCT(&data, opal_list_t);
    OBJ_CONSTRUCT(&info, opal_list_t);
    d->value.key = strdup(key);
    opal_list_append(&data, &d->super);
    if (range != NO_RANGE)
        list_u8(&info, OPAL_PMIX_RANGE, range);
    if (wait) {
        list_int(&info, OPAL_PMIX_WAIT, 0);
        list_int(&info, OPAL_PMIX_TIMEOUT, wait);
    }
    rc = opal_pmix.lookup(&data, &info);
    if (rc != OPAL_SUCCESS)
        snprintf(text, sizeof(text), "%s", result(rc));
    else
        snprintf(text, sizeof(text), "%d from %u",
                 d->value.type == OPAL_INT ? d->value.data.integer : -1, d->proc.vpid);
    OPAL_LIST_DESTRUCT(&data);
    OPAL_LIST_DESTRUCT(&info);
    return text;
}

static int unpublish(const char *key, uint8_t range)
{
    char *keys[] = {(char *)(uintptr_t)key, NULL};
    opal_list_t info;
    int rc;

    OBJ_CONSTRUCT(&info, opal_list_t);
    if (range != NO_RANGE)
        list_u8(&info, OPAL_PMIX_RANGE, range);
    rc = opal_pmix.unpublish(keys, &info);
    OPAL_LIST_DESTRUCT(&info);
    return rc;
}

static const struct {
    const char *name;
    uint8_t range;
} ranges[] = {
    {"none", NO_RANGE},
    {"local", OPAL_PMIX_RANGE_LOCAL},
    {"namespace", OPAL_PMIX_RANGE_NAMESPACE},
    {"session", OPAL_PMIX_RANGE_SESSION},
    {"global", OPAL_PMIX_RANGE_GLOBAL},
};
#define NRANGES (sizeof(ranges) / sizeof(ranges[0]))

static void scopes(void)
{
    char key[40], check[80];

    for (size_t i = 0; i < NRANGES; i++) {
        snprintf(key, sizeof(key), "n.%s", ranges[i].name);
        if (me.vpid == 0)
            found(key, "published: %s", result(publish(key, (int)i, ranges[i].range, NO_PERSIST)));
    }
    together();
    for (size_t i = 0; i < NRANGES; i++) {
        snprintf(key, sizeof(key), "n.%s", ranges[i].name);
        snprintf(check, sizeof(check), "%s, looked up in its range", key);
        found(check, "%s", look(key, ranges[i].range, 0));
    }
    together();
    for (size_t i = 0; i < NRANGES; i++) {
        snprintf(key, sizeof(key), "n.%s", ranges[i].name);
        if (me.vpid == 0)
            found(key, "unpublished: %s", result(unpublish(key, ranges[i].range)));
    }
    together();
    for (size_t i = 0; i < NRANGES; i++) {
        snprintf(key, sizeof(key), "n.%s", ranges[i].name);
        snprintf(check, sizeof(check), "%s, unpublished", key);
        found(check, "%s", look(key, ranges[i].range, 0));
    }
    together();
}

static void failures(void)
{
    char *none[] = {NULL};
    opal_list_t empty;

    OBJ_CONSTRUCT(&empty, opal_list_t);
    found("unknown name", "%s", look("n.unknown", NO_RANGE, 0));
    found("publish nothing", "%s", opal_pmix.publish(NULL) ? "an error" : "ok");
    found("lookup nothing", "%s", opal_pmix.lookup(NULL, NULL) ? "an error" : "ok");
    found("lookup an empty list", "%s", opal_pmix.lookup(&empty, NULL) ? "an error" : "ok");
    found("unpublish an unknown name", "%s", result(unpublish("n.unknown", NO_RANGE)));
    (void)none;
    if (me.vpid == 0)
        found("of another", "published: %s",
              result(publish("n.other", 3, OPAL_PMIX_RANGE_SESSION, NO_PERSIST)));
    together();
    if (me.vpid == size - 1)
        found("of another", "unpublished: %s",
              result(unpublish("n.other", OPAL_PMIX_RANGE_SESSION)));
    together();
    found("of another, still there", "%s", look("n.other", OPAL_PMIX_RANGE_SESSION, 0));
    together();
    if (me.vpid == 0) {
        found("twice", "first %s", result(publish("n.twice", 1, NO_RANGE, NO_PERSIST)));
        found("twice", "second %s", result(publish("n.twice", 2, NO_RANGE, NO_PERSIST)));
        found("twice", "found %s", look("n.twice", NO_RANGE, 0));
    }
    together();
}

static void waits(void)
{
    if (me.vpid == 0) {
        found("waited for", "%s", look("n.wait", NO_RANGE, 20));
    } else if (me.vpid == size - 1) {
        let_pass(0.7);
        publish("n.wait", 8, NO_RANGE, NO_PERSIST);
    }
    together();
}

/* Its time is limited. (A real server's server forgets that.) */
void part_vain(void)
{
    if (me.vpid == 0)
        found("waited for in vain", "%s", look("n.never", NO_RANGE, 2));
    together();
}

static void first_read(void)
{
    if (me.vpid == 0)
        publish("n.first", 9, OPAL_PMIX_RANGE_SESSION, OPAL_PMIX_PERSIST_FIRST_READ);
    for (uint32_t i = size; i-- > 0;) {
        together();
        if (me.vpid == i)
            found("first read", "%s", look("n.first", OPAL_PMIX_RANGE_SESSION, 0));
    }
    together();
}

void part_names(void)
{
    scopes();
    failures();
    waits();
    first_read();
}

/* What is left when the publisher has gone: the last rank goes, the others look. */
void part_gone(void)
{
    static const struct {
        const char *name;
        uint8_t persist;
    } kept[] = {
        {"g.indef", OPAL_PMIX_PERSIST_INDEF},     {"g.first", OPAL_PMIX_PERSIST_FIRST_READ},
        {"g.proc", OPAL_PMIX_PERSIST_PROC},       {"g.app", OPAL_PMIX_PERSIST_APP},
        {"g.session", OPAL_PMIX_PERSIST_SESSION},
    };

    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (me.vpid == size - 1)
            publish(kept[i].name, (int)i, OPAL_PMIX_RANGE_SESSION, kept[i].persist);
    together();
    if (me.vpid == size - 1)
        return;
    let_pass(3);
    for (size_t i = 0; me.vpid == 0 && i < sizeof(kept) / sizeof(kept[0]); i++)
        found(kept[i].name, "%s", look(kept[i].name, OPAL_PMIX_RANGE_SESSION, 0));
}

static void connect_some(const char *check, const uint32_t *vpids, size_t n)
{
    opal_list_t procs;
    struct pending p = {.done = false};
    bool takes_part = false;
    int rc;

    OBJ_CONSTRUCT(&procs, opal_list_t);
    for (size_t i = 0; i < n; i++) {
        list_proc(&procs, vpids[i]);
        takes_part |= vpids[i] == me.vpid || vpids[i] == OPAL_VPID_WILDCARD;
    }
    if (takes_part) {
        rc = opal_pmix.connect(&procs);
        found(check, "connect %s", result(rc));
        rc = opal_pmix.disconnect(&procs);
        found(check, "disconnect %s", result(rc));
        rc = opal_pmix.connect_nb(&procs, on_op, &p);
        found(check, "connect_nb %s",
              rc                 ? result(rc)
              : wait_for(&p, 20) ? result(p.rc)
                                 : "nothing");
        p.done = false;
        rc = opal_pmix.disconnect_nb(&procs, on_op, &p);
        found(check, "disconnect_nb %s",
              rc                 ? result(rc)
              : wait_for(&p, 20) ? result(p.rc)
                                 : "nothing");
    }
    OPAL_LIST_DESTRUCT(&procs);
    together();
}

void part_connect(void)
{
    uint32_t all[] = {OPAL_VPID_WILDCARD}, ends[] = {0, size - 1}, near[] = {0, 1};
    opal_list_t procs;

    connect_some("all", all, 1);
    connect_some("first and last", ends, 2);
    connect_some("first and second", near, 2);
    found("nobody", "connect %s", result(opal_pmix.connect(NULL)));
    OBJ_CONSTRUCT(&procs, opal_list_t);
    list_proc(&procs, 0);
    list_proc(&procs, 1);
    /* a fence of some, with data */
    put_int(OPAL_PMIX_GLOBAL, "c.some", 60 + (int)me.vpid);
    opal_pmix.commit();
    if (me.vpid < 2) {
        found("fence of some", "%s", result(opal_pmix.fence(&procs, 1)));
        found("fence of some", "other's: %s", get_text(1 - me.vpid, "c.some", NULL, 0));
    }
    OPAL_LIST_DESTRUCT(&procs);
    together();
}
