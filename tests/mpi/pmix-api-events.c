/* SPDX-License-Identifier: BSD-3-Clause */
/* pmix-api: events and their handlers, queries, the log. */
#include "pmix-api.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opal/util/argv.h"

#define CODE  (-3001) /* ours alone */
#define OTHER (-3002)
/* (A real server hands old events to new handlers, some time after these are registered, so each
 * check has a code of its own, and a default handler looks at nothing but the awaited one.) */
#define CHAIN   (-3003)
#define DEFAULT (-3004)
#define NONE    (-3005)

static volatile int seen[3];
static volatile uint32_t from[3];
static volatile int seen_status, seen_value;
static volatile int awaited; /* 0: any */
static char order[64];

static void note(int which, int status, const opal_process_name_t *source, opal_list_t *info)
{
    opal_value_t *v;

    from[which] = source ? source->vpid : OPAL_VPID_INVALID;
    seen_status = status;
    if (info) {
        OPAL_LIST_FOREACH(v, info, opal_value_t)
        {
            if (strcmp(v->key, "e.value") == 0 && v->type == OPAL_INT)
                seen_value = v->data.integer;
        }
    }
    seen[which]++;
}

#define HANDLER(n, how)                                                                            \
    static void handler##n(int status, const opal_process_name_t *source, opal_list_t *info,       \
                           opal_list_t *results, opal_pmix_notification_complete_fn_t done,        \
                           void *cbdata)                                                           \
    {                                                                                              \
        (void)results;                                                                             \
        if (!awaited || status == awaited) {                                                       \
            if (strlen(order) < sizeof(order) - 2)                                                 \
                strcat(order, #n);                                                                 \
            note(n, status, source, info);                                                         \
        }                                                                                          \
        if (done)                                                                                  \
            done(how, NULL, NULL, NULL, cbdata);                                                   \
    }
HANDLER(0, OPAL_SUCCESS)
HANDLER(1, OPAL_SUCCESS)
HANDLER(2, OPAL_ERR_HANDLERS_COMPLETE)

static volatile size_t reference;

static void on_registered(int status, size_t ref, void *cbdata)
{
    reference = ref;
    on_op(status, cbdata);
}

/* @return the handler's number; code 0: a default one. */
static size_t add_handler(opal_pmix_notification_fn_t fn, int code, bool first)
{
    struct pending p = {.done = false};
    opal_list_t codes, info;

    OBJ_CONSTRUCT(&codes, opal_list_t);
    OBJ_CONSTRUCT(&info, opal_list_t);
    if (code)
        list_int(&codes, "status", code);
    if (first)
        list_flag(&info, OPAL_PMIX_EVENT_ORDER_PREPEND);
    opal_pmix.register_evhandler(code ? &codes : NULL, &info, fn, on_registered, &p);
    if (!wait_for(&p, 20) || p.rc != OPAL_SUCCESS)
        found("register", "%s", p.done ? result(p.rc) : "nothing");
    OPAL_LIST_DESTRUCT(&codes);
    OPAL_LIST_DESTRUCT(&info);
    return reference;
}

static void drop_handler(size_t ref)
{
    struct pending p = {.done = false};

    opal_pmix.deregister_evhandler(ref, on_op, &p);
    if (!wait_for(&p, 20) || p.rc != OPAL_SUCCESS)
        found("deregister", "%s", p.done ? result(p.rc) : "nothing");
}

static void notify(const char *check, int code, opal_pmix_data_range_t range, int value)
{
    struct pending p = {.done = false};
    opal_list_t info;
    int rc;

    OBJ_CONSTRUCT(&info, opal_list_t);
    list_int(&info, "e.value", value);
    rc = opal_pmix.notify_event(code, &me, range, &info, on_op, &p);
    if (rc == OPAL_SUCCESS && !wait_for(&p, 10))
        found(check, "no callback");
    found(check, "notify %s", result(rc == OPAL_SUCCESS ? p.rc : rc));
    let_pass(0.3); /* libpmix reads the list until it has sent it */
    OPAL_LIST_DESTRUCT(&info);
}

static void clear(int code)
{
    awaited = code;
    memset((void *)(uintptr_t)seen, 0, sizeof(seen));
    seen_status = seen_value = 0;
    *order = '\0';
    together();
}

static void one_range(const char *check, int code, opal_pmix_data_range_t range, uint32_t sender)
{
    clear(0);
    if (me.vpid == sender)
        notify(check, code, range, 70);
    let_pass(0.8);
    if (seen[0])
        found(check, "seen, from %u, value %d, status %s", from[0], seen_value,
              seen_status == code ? "right" : "wrong");
    else
        found(check, "not seen");
    together();
}

void part_events(void)
{
    size_t a = add_handler(handler0, CODE, false), b;

    one_range("event local", CODE, OPAL_PMIX_RANGE_LOCAL, 0);
    one_range("event namespace", CODE, OPAL_PMIX_RANGE_NAMESPACE, 0);
    one_range("event session", CODE, OPAL_PMIX_RANGE_SESSION, size - 1);
    one_range("event global", CODE, OPAL_PMIX_RANGE_GLOBAL, 0);
    one_range("event of the process", CODE, OPAL_PMIX_RANGE_PROC_LOCAL, 0);
    one_range("event of another code", OTHER, OPAL_PMIX_RANGE_GLOBAL, 0);
    drop_handler(a);
    one_range("event without a handler", CODE, OPAL_PMIX_RANGE_GLOBAL, 0);
    /* the last one registered, but to be asked first, ends the chain */
    a = add_handler(handler0, CHAIN, false);
    b = add_handler(handler2, CHAIN, true);
    clear(0);
    if (me.vpid == 0)
        notify("event chain", CHAIN, OPAL_PMIX_RANGE_NAMESPACE, 71);
    let_pass(0.8);
    found("event chain", "first %c", order[0]);
    together();
    drop_handler(a);
    drop_handler(b);
    a = add_handler(handler0, DEFAULT, false);
    b = add_handler(handler1, 0, false);
    clear(DEFAULT);
    if (me.vpid == size - 1)
        notify("event default", DEFAULT, OPAL_PMIX_RANGE_NAMESPACE, 72);
    let_pass(0.8);
    found("event default", "first %c, then %s", order[0], seen[1] ? "the default one" : "none");
    together();
    clear(NONE);
    if (me.vpid == size - 1)
        notify("event default alone", NONE, OPAL_PMIX_RANGE_NAMESPACE, 73);
    let_pass(0.8);
    found("event default alone", "handlers %s", order);
    together();
    drop_handler(a);
    drop_handler(b);
    together();
}

struct answer {
    struct pending p;
    const char *key;
};

static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash ? slash + 1 : path ? path : "?";
}

static void describe(char *text, size_t room, const opal_value_t *v)
{
    opal_value_t *e;
    size_t n;

    switch (v->type) {
    case OPAL_STRING:
        snprintf(text, room, "string %s", v->data.string ? v->data.string : "(none)");
        return;
    case OPAL_PTR:
        if (!v->data.ptr) {
            snprintf(text, room, "no list");
            return;
        }
        snprintf(text, room, "list of %zu:", opal_list_get_size((opal_list_t *)v->data.ptr));
        OPAL_LIST_FOREACH(e, (opal_list_t *)v->data.ptr, opal_value_t)
        {
            n = strlen(text);
            if (e->type == OPAL_PROC_INFO)
                snprintf(text + n, room - n, " %u on %s, %s%s", e->data.pinfo.name.vpid,
                         e->data.pinfo.hostname ? e->data.pinfo.hostname : "?",
                         base_name(e->data.pinfo.executable_name),
                         e->data.pinfo.name.vpid == me.vpid && e->data.pinfo.pid <= 0 ? ", no pid"
                                                                                      : "");
            else if (e->type == OPAL_FLOAT)
                snprintf(text + n, room - n, " %s %s", e->key, e->data.fval >= 0 ? "there" : "bad");
            else
                snprintf(text + n, room - n, " %s type %d", e->key ? e->key : "?", e->type);
        }
        return;
    case OPAL_UINT32:
        snprintf(text, room, "u32 %u", v->data.uint32);
        return;
    case OPAL_STATUS:
        snprintf(text, room, "status %s", result(v->data.status));
        return;
    default:
        snprintf(text, room, "type %d", v->type);
    }
}

static void on_answer(int status, opal_list_t *info, void *cbdata,
                      opal_pmix_release_cbfunc_t release, void *release_cbdata)
{
    struct answer *a = cbdata;
    opal_value_t *v;

    a->p.rc = status;
    if (info) {
        OPAL_LIST_FOREACH(v, info, opal_value_t)
        {
            if (strcmp(v->key, a->key) == 0)
                describe(a->p.text, sizeof(a->p.text), v);
        }
    }
    if (release)
        release(release_cbdata);
    a->p.done = true;
}

static void ask(const char *check, const char *key, bool with_job, const char *flag)
{
    opal_pmix_query_t *q = OBJ_NEW(opal_pmix_query_t);
    struct answer *a = calloc(1, sizeof(*a)); /* its callback may come much later */
    opal_list_t queries;
    opal_value_t *v;

    OBJ_CONSTRUCT(&queries, opal_list_t);
    opal_list_append(&queries, &q->super);
    opal_argv_append_nosize(&q->keys, key);
    if (with_job) {
        v = OBJ_NEW(opal_value_t);
        v->key = strdup(OPAL_PMIX_PROCID);
        v->type = OPAL_NAME;
        v->data.name = rank_of(OPAL_VPID_WILDCARD);
        opal_list_append(&q->qualifiers, &v->super);
    }
    if (flag)
        list_flag(&q->qualifiers, flag);
    a->key = key;
    opal_pmix.query(&queries, on_answer, a);
    if (!wait_for(&a->p, 5))
        found(check, "nothing");
    else
        found(check, "%s %s", a->p.rc == OPAL_SUCCESS && *a->p.text ? "ok" : "no answer",
              a->p.text);
    OPAL_LIST_DESTRUCT(&queries);
}

void part_query(void)
{
    opal_list_t empty;
    struct answer a = {.key = "?"};

    ask("query namespaces", OPAL_PMIX_QUERY_NAMESPACES, false, NULL);
    ask("query spawn support", OPAL_PMIX_QUERY_SPAWN_SUPPORT, false, NULL);
    ask("query debug support", OPAL_PMIX_QUERY_DEBUG_SUPPORT, false, NULL);
    ask("query processes", OPAL_PMIX_QUERY_PROC_TABLE, true, NULL);
    ask("query local processes", OPAL_PMIX_QUERY_LOCAL_PROC_TABLE, true, NULL);
    ask("query processes of no job", OPAL_PMIX_QUERY_PROC_TABLE, false, NULL);
    ask("query memory", OPAL_PMIX_QUERY_MEMORY_USAGE, false, OPAL_PMIX_QUERY_LOCAL_ONLY);
    ask("query memory of all", OPAL_PMIX_QUERY_MEMORY_USAGE, false, NULL);
    ask("query job status", OPAL_PMIX_QUERY_JOB_STATUS, true, NULL);
    ask("query authorizations", OPAL_PMIX_QUERY_AUTHORIZATIONS, false, NULL);
    ask("query time remaining", OPAL_PMIX_TIME_REMAINING, false, NULL);
    ask("query queues", OPAL_PMIX_QUERY_QUEUE_LIST, false, NULL);
    ask("query nonsense", "pmix.qry.nonsense", false, NULL);
    OBJ_CONSTRUCT(&empty, opal_list_t);
    opal_pmix.query(&empty, on_answer, &a);
    found("query nothing", "%s", wait_for(&a.p, 5) ? result(a.p.rc) : "nothing");
    together();
}

/* Many lines from every rank at once; the test counts them. */
void part_log(const char *many)
{
    int n = atoi(many), bad = 0;

    together();
    for (int i = 0; i < n; i++) {
        struct pending p = {.done = false};
        opal_list_t info;
        char text[160];

        snprintf(text, sizeof(text), "log %u.%d %.*s end\n", me.vpid, i, 20 + i % 80,
                 "0123456789012345678901234567890123456789012345678901234567890123456789"
                 "0123456789012345678901234567890123456789");
        OBJ_CONSTRUCT(&info, opal_list_t);
        list_str(&info, i % 2 ? OPAL_PMIX_LOG_STDERR : OPAL_PMIX_LOG_STDOUT, text);
        opal_pmix.log(&info, on_op, &p);
        bad += !wait_for(&p, 20) || p.rc != OPAL_SUCCESS;
        OPAL_LIST_DESTRUCT(&info);
    }
    found("log", "%d refused", bad);
    together();
}

/* The last rank dies; the others' handlers hear of it, if the job is allowed to go on. */
void part_death(const char *how)
{
    opal_list_t one;
    bool last = me.vpid == size - 1;

    awaited = 0;
    (void)add_handler(handler0, OPAL_ERR_PROC_ABORTED, false);
    (void)add_handler(handler1, 0, false);
    together();
    if (last && strcmp(how, "kill") == 0) {
        raise(SIGKILL);
    } else if (last && strcmp(how, "segv") == 0) {
        raise(SIGSEGV);
    } else if (last && strcmp(how, "exit") == 0) {
        _exit(0);
    } else if (last && strcmp(how, "status") == 0) {
        _exit(7);
    } else if (me.vpid == 0 && strcmp(how, "abort") == 0) {
        OBJ_CONSTRUCT(&one, opal_list_t);
        list_proc(&one, size - 1);
        found("abort one", "%s", result(opal_pmix.abort(9, "enough of it", &one)));
        OPAL_LIST_DESTRUCT(&one);
    }
    for (int i = 0; i < 30 && !seen[0] && !seen[1]; i++)
        let_pass(0.1);
    let_pass(0.5);
    found("death", "handler %s, of %u: %s",
          seen[0]   ? "for it"
          : seen[1] ? "by default"
                    : "none",
          seen[0]   ? from[0]
          : seen[1] ? from[1]
                    : 0,
          result(seen_status));
    /* (no further fence: one of them is gone) */
}
