/* SPDX-License-Identifier: BSD-3-Clause */
/* Event handlers. An event goes to the handlers registered for its code first, then to the default
 * ones, until one of them says that it has dealt with it. */
#include "pmix_toro.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opal/constants.h"
#include "opal/util/output.h"

typedef struct handler {
    struct handler *next;
    size_t ref;
    opal_pmix_notification_fn_t fn;
    size_t ncodes; /**< 0: default handler */
    int codes[];
} handler_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static handler_t *handlers;
static size_t last_ref;

/* A program's own codes; the host's server sends the others unasked. */
static bool is_own_code(int code)
{
    return OPAL_ERR_MAX > code;
}

typedef struct {
    opal_pmix_evhandler_reg_cbfunc_t cbfunc;
    void *cbdata;
    size_t ref;
} watch_t;

static void watched(int rc, void *cbdata)
{
    watch_t *w = cbdata;

    if (NULL != w->cbfunc) {
        w->cbfunc(rc, w->ref, w->cbdata);
    }
    free(w);
}

/* Tell the server which codes are of interest; then its answer, or none for lack of memory, goes to
 * cbfunc. @return false: there is nothing to tell. */
static bool watch(const handler_t *h, opal_pmix_evhandler_reg_cbfunc_t cbfunc, void *cbdata)
{
    watch_t *w;
    pmix_toro_msg_t m;
    bool any = false;
    int rc;

    for (size_t i = 0; h->ncodes > i; ++i) {
        any |= is_own_code(h->codes[i]);
    }
    if (!any || !pmix_toro.hosted) {
        return false;
    }
    if (NULL == (w = malloc(sizeof(*w)))) {
        if (NULL != cbfunc) {
            cbfunc(OPAL_ERR_OUT_OF_RESOURCE, h->ref, cbdata);
        }
        return true;
    }
    w->cbfunc = cbfunc;
    w->cbdata = cbdata;
    w->ref = h->ref;
    pmix_toro_msg_init(&m, TOROBUS_PMIX_EVENT, TOROBUS_PMIX_F_WATCH);
    for (size_t i = 0; h->ncodes > i; ++i) {
        int32_t code = h->codes[i];

        if (is_own_code(code)) {
            pmix_toro_msg_add(&m, TOROBUS_PMIX_K_CODE, TOROBUS_PMIX_T_S32, 0, 0, &code,
                              sizeof(code));
        }
    }
    rc = pmix_toro_op_post(&m, watched, w);
    if (OPAL_SUCCESS != rc) {
        watched(rc, w);
    }
    return true;
}

void pmix_toro_register_evhandler(opal_list_t *codes, opal_list_t *info,
                                  opal_pmix_notification_fn_t evhandler,
                                  opal_pmix_evhandler_reg_cbfunc_t cbfunc, void *cbdata)
{
    size_t n = NULL == codes ? 0 : opal_list_get_size(codes), ref = 0;
    handler_t *h = calloc(1, sizeof(*h) + n * sizeof(int)), **p;
    bool prepend = false;
    opal_value_t *v;
    int64_t code;

    if (NULL != h) {
        h->fn = evhandler;
        if (0 < n) {
            OPAL_LIST_FOREACH(v, codes, opal_value_t)
            {
                if (pmix_toro_value_int(v, &code)) {
                    h->codes[h->ncodes++] = (int)code;
                }
            }
        }
        if (NULL != info) {
            OPAL_LIST_FOREACH(v, info, opal_value_t)
            {
                prepend |=
                    0 == strcmp(v->key, OPAL_PMIX_EVENT_ORDER_PREPEND) && pmix_toro_value_true(v);
            }
        }
        pthread_mutex_lock(&lock);
        ref = h->ref = ++last_ref;
        for (p = &handlers; !prepend && NULL != *p; p = &(*p)->next) {
        }
        h->next = *p;
        *p = h;
        pthread_mutex_unlock(&lock);
    }
    if (NULL != h && watch(h, cbfunc, cbdata)) {
        return;
    }
    if (NULL != cbfunc) {
        cbfunc(NULL == h ? OPAL_ERR_OUT_OF_RESOURCE : OPAL_SUCCESS, ref, cbdata);
    }
}

void pmix_toro_deregister_evhandler(size_t ref, opal_pmix_op_cbfunc_t cbfunc, void *cbdata)
{
    handler_t **p, *h = NULL;

    pthread_mutex_lock(&lock);
    for (p = &handlers; NULL != *p; p = &(*p)->next) {
        if ((*p)->ref == ref) {
            h = *p;
            *p = h->next;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    if (NULL != cbfunc) {
        cbfunc(NULL == h ? OPAL_ERR_NOT_FOUND : OPAL_SUCCESS, cbdata);
    }
    free(h);
}

static bool concerns(const handler_t *h, int status)
{
    for (size_t i = 0; h->ncodes > i; ++i) {
        if (h->codes[i] == status) {
            return true;
        }
    }
    return false;
}

/* The first matching handler that has not been called yet. Handlers come and go while one runs, so
 * the list is searched again each time. */
static size_t pick(int status, bool dflt, const size_t *seen, size_t nseen,
                   opal_pmix_notification_fn_t *fn)
{
    size_t ref = 0;
    handler_t *h;

    pthread_mutex_lock(&lock);
    for (h = handlers; NULL != h && 0 == ref; h = h->next) {
        bool again = false;

        for (size_t i = 0; nseen > i; ++i) {
            again |= seen[i] == h->ref;
        }
        if (!again && (dflt ? 0 == h->ncodes : concerns(h, status))) {
            *fn = h->fn;
            ref = h->ref;
        }
    }
    pthread_mutex_unlock(&lock);
    return ref;
}

/* What a handler says when it has finished. */
static void handler_done(int status, opal_list_t *results, opal_pmix_op_cbfunc_t cbfunc,
                         void *thiscbdata, void *notification_cbdata)
{
    int *out = notification_cbdata;

    (void)results;
    if (NULL != out) {
        *out = status;
    }
    if (NULL != cbfunc) {
        cbfunc(OPAL_SUCCESS, thiscbdata);
    }
}

#define MAX_CHAIN 64

static void deliver(int status, const opal_process_name_t *source, opal_list_t *info, bool dflts)
{
    size_t seen[MAX_CHAIN], nseen = 0, ref;
    opal_pmix_notification_fn_t fn;
    opal_list_t results;
    int said, pass;

    for (pass = 0; (dflts ? 2 : 1) > pass; ++pass) {
        while (MAX_CHAIN > nseen && 0 != (ref = pick(status, 1 == pass, seen, nseen, &fn))) {
            seen[nseen++] = ref;
            said = OPAL_SUCCESS;
            OBJ_CONSTRUCT(&results, opal_list_t);
            fn(status, source, info, &results, handler_done, &said);
            OPAL_LIST_DESTRUCT(&results);
            if (OPAL_ERR_HANDLERS_COMPLETE == said) {
                return;
            }
        }
    }
}

static bool says(opal_list_t *info, const char *flag)
{
    opal_value_t *v;

    if (NULL != info) {
        OPAL_LIST_FOREACH(v, info, opal_value_t)
        {
            if (0 == strcmp(v->key, flag)) {
                return pmix_toro_value_true(v);
            }
        }
    }
    return false;
}

static void print_line(const pmix_toro_item_t *item)
{
    /* one write, so that it stays whole */
    char *s = malloc(item->vlen + 1);

    if (NULL != s) {
        memcpy(s, item->val, item->vlen);
        s[item->vlen] = '\n';
        if (0 > write(STDERR_FILENO, s, item->vlen + 1)) {
            opal_output(0, "%.*s", (int)item->vlen, (const char *)item->val);
        }
        free(s);
    }
}

void pmix_toro_event_message(const struct torobus_pmix_hdr *h)
{
    opal_process_name_t source = {.jobid = OPAL_JOBID_INVALID, .vpid = OPAL_VPID_INVALID};
    int status = OPAL_ERROR;
    pmix_toro_item_t item;
    uint32_t off = 0;
    opal_value_t *v;
    opal_list_t info;
    int32_t code;

    if (TOROBUS_PMIX_EVENT != h->op && TOROBUS_PMIX_LOG != h->op) {
        return;
    }
    OBJ_CONSTRUCT(&info, opal_list_t);
    while (pmix_toro_next(h, &off, &item)) {
        if (TOROBUS_PMIX_LOG == h->op) {
            if (pmix_toro_item_is(&item, TOROBUS_PMIX_K_MSG)) {
                print_line(&item);
            }
        } else if (pmix_toro_item_is(&item, TOROBUS_PMIX_K_STATUS)) {
            if (sizeof(code) == item.vlen) {
                memcpy(&code, item.val, sizeof(code));
                status = pmix_toro_event_rc(code);
            }
        } else if (pmix_toro_item_is(&item, TOROBUS_PMIX_K_CODE)) {
            if (sizeof(code) == item.vlen) {
                memcpy(&code, item.val, sizeof(code));
                status = code;
            }
        } else if (pmix_toro_item_is(&item, TOROBUS_PMIX_K_PROC)) {
            source.jobid = pmix_toro_jobid_n(item.val, item.vlen);
            source.vpid = pmix_toro_vpid(item.it->rank);
        } else if (NULL != (v = OBJ_NEW(opal_value_t))) {
            v->key = pmix_toro_item_keydup(&item);
            if (NULL != v->key && OPAL_SUCCESS == pmix_toro_value_unpack(v, &item)) {
                opal_list_append(&info, &v->super);
            } else {
                OBJ_RELEASE(v);
            }
        }
    }
    if (TOROBUS_PMIX_EVENT == h->op) {
        deliver(status, &source, &info, !says(&info, OPAL_PMIX_EVENT_NON_DEFAULT));
    }
    OPAL_LIST_DESTRUCT(&info);
}

/* The code as the wire has it; *raw: its number has to go along. */
static int32_t event_to_wire(int status, bool *raw)
{
    static const int32_t events[] = {TOROBUS_PMIX_EV_PROC_ABORTED, TOROBUS_PMIX_EV_REQUESTED_ABORT,
                                     TOROBUS_PMIX_EV_JOB_TERMINATED, TOROBUS_PMIX_EV_NODE_DOWN,
                                     TOROBUS_PMIX_EV_DEBUGGER};

    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); ++i) {
        if (pmix_toro_event_rc(events[i]) == status) {
            return events[i];
        }
    }
    *raw = true;
    return TOROBUS_PMIX_ERROR;
}

static int tell_others(int status, const opal_process_name_t *source, opal_pmix_data_range_t range,
                       opal_list_t *info, opal_pmix_op_cbfunc_t cbfunc, void *cbdata)
{
    pmix_toro_msg_t m;
    opal_value_t *v;
    bool raw = false;
    int32_t code = event_to_wire(status, &raw);

    pmix_toro_msg_init(&m, TOROBUS_PMIX_EVENT, 0);
    pmix_toro_msg_add(&m, TOROBUS_PMIX_K_STATUS, TOROBUS_PMIX_T_S32, 0, 0, &code, sizeof(code));
    code = status;
    if (raw) {
        pmix_toro_msg_add(&m, TOROBUS_PMIX_K_CODE, TOROBUS_PMIX_T_S32, 0, 0, &code, sizeof(code));
    }
    if (OPAL_PMIX_RANGE_UNDEF != range) {
        pmix_toro_msg_u8(&m, TOROBUS_PMIX_K_RANGE, range);
    }
    pmix_toro_msg_proc(&m, TOROBUS_PMIX_K_PROC, source);
    if (NULL != info) {
        OPAL_LIST_FOREACH(v, info, opal_value_t)
        {
            pmix_toro_value_pack(&m, v, 0, TOROBUS_PMIX_RANK_WILDCARD);
        }
    }
    return pmix_toro_op_post(&m, cbfunc, cbdata);
}

/* Those of this process hear of it at once, the others through the server. An event for this
 * process alone is none of the server's business. */
int pmix_toro_notify_event(int status, const opal_process_name_t *source,
                           opal_pmix_data_range_t range, opal_list_t *info,
                           opal_pmix_op_cbfunc_t cbfunc, void *cbdata)
{
    bool alone = OPAL_PMIX_RANGE_PROC_LOCAL == range;
    int rc;

    if (NULL == source) {
        source = &pmix_toro.name;
    }
    if (!alone) {
        if (!pmix_toro_initialized()) {
            return OPAL_ERR_NOT_INITIALIZED;
        }
        rc = tell_others(status, source, range, info, cbfunc, cbdata);
        if (OPAL_SUCCESS != rc) {
            return rc;
        }
    }
    deliver(status, source, info, !alone && !says(info, OPAL_PMIX_EVENT_NON_DEFAULT));
    if (alone && NULL != cbfunc) {
        cbfunc(OPAL_SUCCESS, cbdata);
    }
    return OPAL_SUCCESS;
}

void pmix_toro_event_finalize(void)
{
    handler_t *h;

    pthread_mutex_lock(&lock);
    while (NULL != (h = handlers)) {
        handlers = h->next;
        free(h);
    }
    pthread_mutex_unlock(&lock);
}
