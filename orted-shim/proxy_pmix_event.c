/* SPDX-License-Identifier: BSD-3-Clause */
/* Events of the host's PMIx server, passed on to the guest. */
#include "proxy_pmix.h"

#include "shim_msg.h"

#include <string.h>

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
    pbuf_u32(&b, TOROBUS_PMIX_K_STATUS, 0, TOROBUS_PMIX_T_S32, (uint32_t)pmix_toro_status(status));
    if (who)
        pbuf_item(&b, TOROBUS_PMIX_K_PROC, who->rank, TOROBUS_PMIX_T_PROC, who->nspace,
                  (uint32_t)strnlen(who->nspace, PMIX_MAX_NSLEN));
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
