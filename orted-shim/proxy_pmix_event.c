/* SPDX-License-Identifier: BSD-3-Clause */
/* Events of the host's PMIx server, passed on to the guest; and EVENT: the rank tells others. */
#include "proxy_pmix.h"

#include "shim_msg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Goes along with what a rank tells: libpmix tells the sender as well, who knows it already. */
#define SENDER "torobus.sender"

static void sender_name(const struct proxy_pmix *px, char name[PMIX_MAX_NSLEN + 16])
{
    snprintf(name, PMIX_MAX_NSLEN + 16, "%s.%u", px->me.nspace, px->me.rank);
}

/** Whether the event is this rank's own. */
static bool own(const struct proxy_pmix *px, const pmix_info_t *info, size_t n)
{
    char name[PMIX_MAX_NSLEN + 16];

    sender_name(px, name);
    for (size_t i = 0; i < n; i++)
        if (PMIX_CHECK_KEY(&info[i], SENDER) && info[i].value.type == PMIX_STRING)
            return strcmp(info[i].value.data.string, name) == 0;
    return false;
}

/** What a program has said about its event. */
static void add_info(struct pbuf *b, const pmix_info_t *info, size_t n)
{
    for (size_t i = 0; i < n && !b->failed; i++)
        if (!PMIX_CHECK_KEY(&info[i], SENDER) && strncmp(info[i].key, "toro.", 5) != 0)
            (void)pmix_value_to_item(b, info[i].key, PMIX_RANK_WILDCARD, &info[i].value);
}

/** Thread: libpmix'. */
static void on_event(size_t id, pmix_status_t status, const pmix_proc_t *source, pmix_info_t info[],
                     size_t ninfo, pmix_info_t *results, size_t nresults,
                     pmix_event_notification_cbfunc_fn_t done, void *arg)
{
    struct pbuf b = {0};
    struct proxy_pmix *px = NULL;
    const pmix_proc_t *who = source;

    (void)id;
    (void)results;
    (void)nresults;
    for (size_t i = 0; i < ninfo; i++) {
        if (PMIX_CHECK_KEY(&info[i], PMIX_EVENT_RETURN_OBJECT))
            px = info[i].value.data.ptr;
        else if (PMIX_CHECK_KEY(&info[i], PMIX_EVENT_AFFECTED_PROC) &&
                 info[i].value.type == PMIX_PROC)
            who = info[i].value.data.proc;
    }
    if (!px || own(px, info, ninfo)) {
        if (done)
            done(PMIX_EVENT_ACTION_COMPLETE, NULL, 0, NULL, NULL, arg);
        return;
    }
    pbuf_u32(&b, TOROBUS_PMIX_K_STATUS, 0, TOROBUS_PMIX_T_S32, (uint32_t)pmix_toro_status(status));
    if (pmix_toro_status(status) == TOROBUS_PMIX_ERROR)
        pbuf_u32(&b, TOROBUS_PMIX_K_CODE, 0, TOROBUS_PMIX_T_S32, (uint32_t)status);
    if (who)
        pbuf_item(&b, TOROBUS_PMIX_K_PROC, who->rank, TOROBUS_PMIX_T_PROC, who->nspace,
                  (uint32_t)strnlen(who->nspace, PMIX_MAX_NSLEN));
    add_info(&b, info, ninfo);
    pmix_send_unsolicited(px, TOROBUS_PMIX_EVENT, &b);
    if (done)
        done(PMIX_EVENT_ACTION_COMPLETE, NULL, 0, NULL, NULL, arg);
}

void pmix_watch_events(struct proxy_pmix *px)
{
    pmix_info_t info;
    pmix_status_t rc;

    PMIX_INFO_LOAD(&info, PMIX_EVENT_RETURN_OBJECT, px, PMIX_POINTER);
    /* without a callback it returns when it is done: the handler's number or an error */
    rc = PMIx_Register_event_handler(NULL, 0, &info, 1, on_event, NULL, NULL);
    if (rc < 0)
        shim_step("PMIx: no events: %s", PMIx_Error_string(rc));
}

/** An S32 argument. */
static bool number(const struct preq *r, const char *key, int32_t *v)
{
    const struct torobus_pmix_item *it = preq_find(r, key);

    if (!it || it->vlen != sizeof(*v))
        return false;
    memcpy(v, torobus_pmix_item_value(it), sizeof(*v));
    return true;
}

/** Thread: libpmix'. */
static void on_watched(pmix_status_t status, size_t ref, void *arg)
{
    (void)ref;
    preq_done(arg, pmix_toro_status(status));
}

/** The server passes on nothing that nobody has asked for by its number. */
static void watch(struct preq *r)
{
    static pmix_status_t known[64];
    static size_t nknown;
    const struct torobus_pmix_item *it;
    size_t n = 0;

    r->codes = calloc(preq_count(r, TOROBUS_PMIX_K_CODE) + 1, sizeof(*r->codes));
    if (!r->codes || preq_info_room(r, 1) != PMIX_SUCCESS) {
        preq_done(r, TOROBUS_PMIX_ERR_NOMEM);
        return;
    }
    for (uint32_t off = 0; preq_next(r, &off, &it);) {
        pmix_status_t code;
        bool again = false;

        if (!item_is(it, TOROBUS_PMIX_K_CODE) || it->vlen != sizeof(code))
            continue;
        memcpy(&code, torobus_pmix_item_value(it), sizeof(code));
        for (size_t i = 0; i < nknown; i++)
            again |= known[i] == code;
        if (again)
            continue;
        if (nknown == sizeof(known) / sizeof(known[0])) {
            preq_done(r, TOROBUS_PMIX_ERR_NOMEM);
            return;
        }
        known[nknown++] = r->codes[n++] = code;
    }
    if (n == 0) {
        preq_done(r, TOROBUS_PMIX_SUCCESS);
        return;
    }
    preq_info(r, PMIX_EVENT_RETURN_OBJECT, r->px, PMIX_POINTER);
    (void)PMIx_Register_event_handler(r->codes, n, r->info, r->ninfo, on_event, on_watched, r);
}

void pmix_op_event(struct preq *r)
{
    pmix_data_range_t range =
        (pmix_data_range_t)preq_u32(r, TOROBUS_PMIX_K_RANGE, PMIX_RANGE_SESSION);
    char name[PMIX_MAX_NSLEN + 16];
    pmix_status_t code;
    int32_t n;

    if (r->hdr.flags & TOROBUS_PMIX_F_WATCH) {
        watch(r);
        return;
    }
    if (!number(r, TOROBUS_PMIX_K_STATUS, &n)) {
        preq_done(r, TOROBUS_PMIX_ERR_BAD_PARAM);
        return;
    }
    code = pmix_from_toro_status(n);
    if (number(r, TOROBUS_PMIX_K_CODE, &n))
        code = n;
    if (!pmix_started(r, preq_procs(r)) ||
        !pmix_started(r, preq_info_room(r, preq_count(r, NULL) + 1)) ||
        !pmix_started(r, preq_info_items(r)))
        return;
    sender_name(r->px, name);
    preq_info(r, SENDER, name, PMIX_STRING);
    pmix_started(r, PMIx_Notify_event(code, r->nprocs ? &r->procs[0] : &r->px->me, range, r->info,
                                      r->ninfo, pmix_on_op, r));
}
