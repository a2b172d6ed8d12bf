/* SPDX-License-Identifier: BSD-3-Clause */
/* Values and results between libpmix and our messages. What has no mapping is refused. */
#include "proxy_pmix.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    pmix_status_t pmix;
    int toro;
} results[] = {
    {PMIX_SUCCESS, TOROBUS_PMIX_SUCCESS},
    {PMIX_OPERATION_SUCCEEDED, TOROBUS_PMIX_SUCCESS},
    {PMIX_ERR_NOT_FOUND, TOROBUS_PMIX_ERR_NOT_FOUND},
    {PMIX_ERR_PARTIAL_SUCCESS, TOROBUS_PMIX_ERR_NOT_FOUND},
    {PMIX_ERR_DATA_VALUE_NOT_FOUND, TOROBUS_PMIX_ERR_NOT_FOUND},
    {PMIX_ERR_PROC_ENTRY_NOT_FOUND, TOROBUS_PMIX_ERR_NOT_FOUND},
    {PMIX_ERR_INVALID_NAMESPACE, TOROBUS_PMIX_ERR_NOT_FOUND},
    {PMIX_ERR_NOT_SUPPORTED, TOROBUS_PMIX_ERR_NOT_SUPPORTED},
    {PMIX_ERR_BAD_PARAM, TOROBUS_PMIX_ERR_BAD_PARAM},
    {PMIX_ERR_TIMEOUT, TOROBUS_PMIX_ERR_TIMEOUT},
    {PMIX_ERR_UNREACH, TOROBUS_PMIX_ERR_UNREACH},
    {PMIX_ERR_LOST_CONNECTION, TOROBUS_PMIX_ERR_UNREACH},
    {PMIX_ERR_COMM_FAILURE, TOROBUS_PMIX_ERR_UNREACH},
    {PMIX_ERR_NOMEM, TOROBUS_PMIX_ERR_NOMEM},
    {PMIX_ERR_OUT_OF_RESOURCE, TOROBUS_PMIX_ERR_NOMEM},
    {PMIX_ERR_DUPLICATE_KEY, TOROBUS_PMIX_ERR_EXISTS},
    {PMIX_ERR_NO_PERMISSIONS, TOROBUS_PMIX_ERR_PERM},
    {PMIX_ERR_PROC_ABORTED, TOROBUS_PMIX_EV_PROC_ABORTED},
    {PMIX_ERR_PROC_TERM_WO_SYNC, TOROBUS_PMIX_EV_PROC_ABORTED},
    {PMIX_ERR_PROC_REQUESTED_ABORT, TOROBUS_PMIX_EV_REQUESTED_ABORT},
    {PMIX_EVENT_PROC_TERMINATED, TOROBUS_PMIX_EV_PROC_TERMINATED},
    {PMIX_ERR_JOB_TERMINATED, TOROBUS_PMIX_EV_JOB_TERMINATED},
    {PMIX_EVENT_NODE_DOWN, TOROBUS_PMIX_EV_NODE_DOWN},
    {PMIX_ERR_LOST_CONNECTION_TO_SERVER, TOROBUS_PMIX_EV_LOST_SERVER},
    {PMIX_ERR_DEBUGGER_RELEASE, TOROBUS_PMIX_EV_DEBUGGER},
};

int pmix_toro_status(pmix_status_t s)
{
    for (unsigned i = 0; i < sizeof(results) / sizeof(results[0]); i++)
        if (results[i].pmix == s)
            return results[i].toro;
    return TOROBUS_PMIX_ERROR;
}

pmix_status_t pmix_from_toro_status(int32_t t)
{
    for (unsigned i = 0; i < sizeof(results) / sizeof(results[0]); i++)
        if (results[i].toro == t)
            return results[i].pmix;
    return PMIX_ERROR;
}

/** Types whose bytes are the same on both sides. */
static const struct {
    pmix_data_type_t pmix;
    uint8_t toro, size;
} plain[] = {
    {PMIX_BYTE, TOROBUS_PMIX_T_BYTE, 1},      {PMIX_INT8, TOROBUS_PMIX_T_S8, 1},
    {PMIX_UINT8, TOROBUS_PMIX_T_U8, 1},       {PMIX_INT16, TOROBUS_PMIX_T_S16, 2},
    {PMIX_UINT16, TOROBUS_PMIX_T_U16, 2},     {PMIX_INT32, TOROBUS_PMIX_T_S32, 4},
    {PMIX_UINT32, TOROBUS_PMIX_T_U32, 4},     {PMIX_INT64, TOROBUS_PMIX_T_S64, 8},
    {PMIX_UINT64, TOROBUS_PMIX_T_U64, 8},     {PMIX_SIZE, TOROBUS_PMIX_T_SIZE, 8},
    {PMIX_INT, TOROBUS_PMIX_T_INT, 4},        {PMIX_UINT, TOROBUS_PMIX_T_UINT, 4},
    {PMIX_FLOAT, TOROBUS_PMIX_T_FLOAT, 4},    {PMIX_DOUBLE, TOROBUS_PMIX_T_DOUBLE, 8},
    {PMIX_PROC_RANK, TOROBUS_PMIX_T_RANK, 4}, {PMIX_PID, TOROBUS_PMIX_T_PID, 4},
    {PMIX_TIME, TOROBUS_PMIX_T_TIME, 8},      {PMIX_PERSIST, TOROBUS_PMIX_T_U8, 1},
    {PMIX_SCOPE, TOROBUS_PMIX_T_U8, 1},       {PMIX_DATA_RANGE, TOROBUS_PMIX_T_U8, 1},
    {PMIX_PROC_STATE, TOROBUS_PMIX_T_U8, 1},
};

#define NPLAIN (sizeof(plain) / sizeof(plain[0]))

bool pmix_value_to_item(struct pbuf *b, const char *key, uint32_t rank, const pmix_value_t *v)
{
    int64_t tv[2];

    for (unsigned i = 0; i < NPLAIN; i++)
        if (plain[i].pmix == v->type)
            return pbuf_item(b, key, rank, plain[i].toro, &v->data, plain[i].size);
    switch (v->type) {
    case PMIX_BOOL:
        return pbuf_item(b, key, rank, TOROBUS_PMIX_T_BOOL, v->data.flag ? "\1" : "\0", 1);
    case PMIX_STRING:
        return v->data.string && pbuf_item(b, key, rank, TOROBUS_PMIX_T_STRING, v->data.string,
                                           (uint32_t)strlen(v->data.string));
    case PMIX_BYTE_OBJECT:
        return v->data.bo.size <= TOROBUS_PMIX_MSG_MAX &&
               pbuf_item(b, key, rank, TOROBUS_PMIX_T_BYTES, v->data.bo.bytes,
                         (uint32_t)v->data.bo.size);
    case PMIX_PROC:
        return v->data.proc &&
               pbuf_item(b, key, v->data.proc->rank, TOROBUS_PMIX_T_PROC, v->data.proc->nspace,
                         (uint32_t)strlen(v->data.proc->nspace));
    case PMIX_STATUS:
        return pbuf_u32(b, key, rank, TOROBUS_PMIX_T_STATUS,
                        (uint32_t)pmix_toro_status(v->data.status));
    case PMIX_TIMEVAL:
        tv[0] = v->data.tv.tv_sec;
        tv[1] = v->data.tv.tv_usec;
        return pbuf_item(b, key, rank, TOROBUS_PMIX_T_TIMEVAL, tv, sizeof(tv));
    default:
        return false;
    }
}

pmix_status_t pmix_item_to_value(const struct torobus_pmix_item *it, pmix_value_t *v)
{
    const void *p = torobus_pmix_item_value(it);
    int64_t tv[2];
    int32_t s;

    PMIX_VALUE_CONSTRUCT(v);
    for (unsigned i = 0; i < NPLAIN; i++) {
        if (plain[i].toro != it->type)
            continue;
        if (it->vlen != plain[i].size)
            return PMIX_ERR_BAD_PARAM;
        v->type = plain[i].pmix;
        memcpy(&v->data, p, it->vlen);
        return PMIX_SUCCESS;
    }
    switch (it->type) {
    case TOROBUS_PMIX_T_BOOL:
        if (it->vlen != 1)
            return PMIX_ERR_BAD_PARAM;
        v->type = PMIX_BOOL;
        v->data.flag = *(const char *)p != 0;
        return PMIX_SUCCESS;
    case TOROBUS_PMIX_T_STRING:
        v->data.string = item_string(it);
        if (!v->data.string)
            return PMIX_ERR_BAD_PARAM;
        v->type = PMIX_STRING;
        return PMIX_SUCCESS;
    case TOROBUS_PMIX_T_BYTES:
        v->data.bo.bytes = malloc(it->vlen ? it->vlen : 1);
        if (!v->data.bo.bytes)
            return PMIX_ERR_NOMEM;
        memcpy(v->data.bo.bytes, p, it->vlen);
        v->data.bo.size = it->vlen;
        v->type = PMIX_BYTE_OBJECT;
        return PMIX_SUCCESS;
    case TOROBUS_PMIX_T_PROC:
        if (it->vlen > PMIX_MAX_NSLEN)
            return PMIX_ERR_BAD_PARAM;
        PMIX_PROC_CREATE(v->data.proc, 1);
        if (!v->data.proc)
            return PMIX_ERR_NOMEM;
        memcpy(v->data.proc->nspace, p, it->vlen);
        v->data.proc->rank = it->rank;
        v->type = PMIX_PROC;
        return PMIX_SUCCESS;
    case TOROBUS_PMIX_T_STATUS:
        if (it->vlen != sizeof(s))
            return PMIX_ERR_BAD_PARAM;
        memcpy(&s, p, sizeof(s));
        v->type = PMIX_STATUS;
        v->data.status = pmix_from_toro_status(s);
        return PMIX_SUCCESS;
    case TOROBUS_PMIX_T_TIMEVAL:
        if (it->vlen != sizeof(tv))
            return PMIX_ERR_BAD_PARAM;
        memcpy(tv, p, sizeof(tv));
        v->type = PMIX_TIMEVAL;
        v->data.tv.tv_sec = tv[0];
        v->data.tv.tv_usec = tv[1];
        return PMIX_SUCCESS;
    default:
        return PMIX_ERR_NOT_SUPPORTED;
    }
}
