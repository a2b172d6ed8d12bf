/* SPDX-License-Identifier: BSD-3-Clause */
/* OPAL values, ranks and result codes, to and from the wire. */
#include "pmix_toro.h"

#include <stdlib.h>
#include <string.h>

#include "opal/constants.h"

/* Types whose bytes travel as they are: union member, wire type, OPAL type. The first line with a
 * wire type is the one that reading uses. */
#define PLAIN_TYPES(X)                                                                             \
    X(OPAL_BYTE, TOROBUS_PMIX_T_BYTE, byte)                                                        \
    X(OPAL_UINT8, TOROBUS_PMIX_T_U8, uint8)                                                        \
    X(OPAL_UINT16, TOROBUS_PMIX_T_U16, uint16)                                                     \
    X(OPAL_UINT32, TOROBUS_PMIX_T_U32, uint32)                                                     \
    X(OPAL_UINT64, TOROBUS_PMIX_T_U64, uint64)                                                     \
    X(OPAL_INT8, TOROBUS_PMIX_T_S8, int8)                                                          \
    X(OPAL_INT16, TOROBUS_PMIX_T_S16, int16)                                                       \
    X(OPAL_INT32, TOROBUS_PMIX_T_S32, int32)                                                       \
    X(OPAL_INT64, TOROBUS_PMIX_T_S64, int64)                                                       \
    X(OPAL_SIZE, TOROBUS_PMIX_T_SIZE, size)                                                        \
    X(OPAL_INT, TOROBUS_PMIX_T_INT, integer)                                                       \
    X(OPAL_UINT, TOROBUS_PMIX_T_UINT, uint)                                                        \
    X(OPAL_FLOAT, TOROBUS_PMIX_T_FLOAT, fval)                                                      \
    X(OPAL_DOUBLE, TOROBUS_PMIX_T_DOUBLE, dval)                                                    \
    X(OPAL_PID, TOROBUS_PMIX_T_PID, pid)                                                           \
    X(OPAL_PERSIST, TOROBUS_PMIX_T_U8, uint8)                                                      \
    X(OPAL_SCOPE, TOROBUS_PMIX_T_U8, uint8)                                                        \
    X(OPAL_DATA_RANGE, TOROBUS_PMIX_T_U8, uint8)                                                   \
    X(OPAL_INFO_DIRECTIVES, TOROBUS_PMIX_T_U32, uint32)                                            \
    X(OPAL_PROC_STATE, TOROBUS_PMIX_T_U8, uint8)

static int32_t status_to_wire(int rc)
{
    switch (rc) {
    case OPAL_SUCCESS:
        return TOROBUS_PMIX_SUCCESS;
    case OPAL_ERR_NOT_FOUND:
        return TOROBUS_PMIX_ERR_NOT_FOUND;
    case OPAL_ERR_NOT_SUPPORTED:
        return TOROBUS_PMIX_ERR_NOT_SUPPORTED;
    case OPAL_ERR_BAD_PARAM:
        return TOROBUS_PMIX_ERR_BAD_PARAM;
    case OPAL_ERR_TIMEOUT:
        return TOROBUS_PMIX_ERR_TIMEOUT;
    case OPAL_ERR_UNREACH:
        return TOROBUS_PMIX_ERR_UNREACH;
    case OPAL_ERR_OUT_OF_RESOURCE:
        return TOROBUS_PMIX_ERR_NOMEM;
    case OPAL_EXISTS:
        return TOROBUS_PMIX_ERR_EXISTS;
    case OPAL_ERR_PERM:
        return TOROBUS_PMIX_ERR_PERM;
    default:
        return TOROBUS_PMIX_ERROR;
    }
}

int pmix_toro_rc(int32_t status)
{
    switch (status) {
    case TOROBUS_PMIX_SUCCESS:
        return OPAL_SUCCESS;
    case TOROBUS_PMIX_ERR_NOT_FOUND:
        return OPAL_ERR_NOT_FOUND;
    case TOROBUS_PMIX_ERR_NOT_SUPPORTED:
        return OPAL_ERR_NOT_SUPPORTED;
    case TOROBUS_PMIX_ERR_BAD_PARAM:
        return OPAL_ERR_BAD_PARAM;
    case TOROBUS_PMIX_ERR_TIMEOUT:
        return OPAL_ERR_TIMEOUT;
    case TOROBUS_PMIX_ERR_UNREACH:
        return OPAL_ERR_UNREACH;
    case TOROBUS_PMIX_ERR_NOMEM:
        return OPAL_ERR_OUT_OF_RESOURCE;
    case TOROBUS_PMIX_ERR_EXISTS:
        return OPAL_EXISTS;
    case TOROBUS_PMIX_ERR_PERM:
        return OPAL_ERR_PERM;
    default:
        return OPAL_ERROR;
    }
}

int pmix_toro_event_rc(int32_t event)
{
    switch (event) {
    case TOROBUS_PMIX_EV_PROC_ABORTED:
        return OPAL_ERR_PROC_ABORTED;
    case TOROBUS_PMIX_EV_REQUESTED_ABORT:
        return OPAL_ERR_PROC_REQUESTED_ABORT;
    case TOROBUS_PMIX_EV_PROC_TERMINATED: /* OPAL has no code of its own for it */
    case TOROBUS_PMIX_EV_JOB_TERMINATED:
        return OPAL_ERR_JOB_TERMINATED;
    case TOROBUS_PMIX_EV_NODE_DOWN:
        return OPAL_ERR_NODE_DOWN;
    case TOROBUS_PMIX_EV_LOST_SERVER:
        return OPAL_ERR_UNREACH;
    case TOROBUS_PMIX_EV_DEBUGGER:
        return OPAL_ERR_DEBUGGER_RELEASE;
    default:
        return pmix_toro_rc(event);
    }
}

uint32_t pmix_toro_rank(opal_vpid_t vpid)
{
    switch (vpid) {
    case OPAL_VPID_WILDCARD:
        return TOROBUS_PMIX_RANK_WILDCARD;
    case OPAL_VPID_INVALID:
        return TOROBUS_PMIX_RANK_UNDEF;
    default:
        return vpid;
    }
}

opal_vpid_t pmix_toro_vpid(uint32_t rank)
{
    switch (rank) {
    case TOROBUS_PMIX_RANK_WILDCARD:
        return OPAL_VPID_WILDCARD;
    case TOROBUS_PMIX_RANK_UNDEF:
        return OPAL_VPID_INVALID;
    default:
        return rank;
    }
}

void pmix_toro_value_pack(pmix_toro_msg_t *m, const opal_value_t *v, uint8_t scope, uint32_t rank)
{
    int64_t t[2];
    int32_t st;
    uint8_t b;

    switch (v->type) {
#define PACK(opal, wire, member)                                                                   \
    case opal:                                                                                     \
        pmix_toro_msg_add(m, v->key, wire, scope, rank, &v->data.member, sizeof(v->data.member));  \
        break;
        PLAIN_TYPES(PACK)
#undef PACK
    case OPAL_BOOL:
        b = v->data.flag ? 1 : 0;
        pmix_toro_msg_add(m, v->key, TOROBUS_PMIX_T_BOOL, scope, rank, &b, 1);
        break;
    case OPAL_STRING:
        pmix_toro_msg_add(m, v->key, TOROBUS_PMIX_T_STRING, scope, rank, v->data.string,
                          NULL == v->data.string ? 0 : strlen(v->data.string));
        break;
    case OPAL_BYTE_OBJECT:
        pmix_toro_msg_add(
            m, v->key, TOROBUS_PMIX_T_BYTES, scope, rank, v->data.bo.bytes,
            NULL == v->data.bo.bytes || 0 > v->data.bo.size ? 0 : (size_t)v->data.bo.size);
        break;
    case OPAL_TIMEVAL:
        t[0] = v->data.tv.tv_sec;
        t[1] = v->data.tv.tv_usec;
        pmix_toro_msg_add(m, v->key, TOROBUS_PMIX_T_TIMEVAL, scope, rank, t, sizeof(t));
        break;
    case OPAL_TIME:
        t[0] = v->data.time;
        pmix_toro_msg_add(m, v->key, TOROBUS_PMIX_T_TIME, scope, rank, t, sizeof(t[0]));
        break;
    case OPAL_STATUS:
        st = status_to_wire(v->data.status);
        pmix_toro_msg_add(m, v->key, TOROBUS_PMIX_T_STATUS, scope, rank, &st, sizeof(st));
        break;
    case OPAL_VPID:
        st = (int32_t)pmix_toro_rank(v->data.name.vpid);
        pmix_toro_msg_add(m, v->key, TOROBUS_PMIX_T_RANK, scope, rank, &st, sizeof(st));
        break;
    case OPAL_NAME:
        /* item.rank carries the name's rank, so a name can only belong to its own item */
        pmix_toro_msg_proc(m, v->key, &v->data.name);
        break;
    default:
        if (OPAL_SUCCESS == m->rc) {
            m->rc = OPAL_ERR_NOT_SUPPORTED;
        }
    }
}

int pmix_toro_value_unpack(opal_value_t *v, const pmix_toro_item_t *item)
{
    const void *p = item->val;
    size_t n = item->vlen;
    int64_t t[2];
    int32_t st;

    switch (item->it->type) {
#define UNPACK(opal, wire, member)                                                                 \
    if (wire == item->it->type && sizeof(v->data.member) == n) {                                   \
        v->type = opal;                                                                            \
        memcpy(&v->data.member, p, n);                                                             \
        return OPAL_SUCCESS;                                                                       \
    }
    default:
        PLAIN_TYPES(UNPACK)
#undef UNPACK
        return OPAL_ERR_UNPACK_FAILURE;
    case TOROBUS_PMIX_T_BOOL:
        if (1 != n) {
            return OPAL_ERR_UNPACK_FAILURE;
        }
        v->type = OPAL_BOOL;
        v->data.flag = 0 != *(const uint8_t *)p;
        return OPAL_SUCCESS;
    case TOROBUS_PMIX_T_STRING:
        v->type = OPAL_STRING;
        v->data.string = pmix_toro_item_strdup(item);
        return NULL == v->data.string ? OPAL_ERR_OUT_OF_RESOURCE : OPAL_SUCCESS;
    case TOROBUS_PMIX_T_BYTES:
        v->type = OPAL_BYTE_OBJECT;
        v->data.bo.size = (int32_t)n;
        v->data.bo.bytes = 0 == n ? NULL : (uint8_t *)pmix_toro_item_strdup(item);
        return 0 < n && NULL == v->data.bo.bytes ? OPAL_ERR_OUT_OF_RESOURCE : OPAL_SUCCESS;
    case TOROBUS_PMIX_T_TIMEVAL:
        if (sizeof(t) != n) {
            return OPAL_ERR_UNPACK_FAILURE;
        }
        memcpy(t, p, n);
        v->type = OPAL_TIMEVAL;
        v->data.tv.tv_sec = t[0];
        v->data.tv.tv_usec = t[1];
        return OPAL_SUCCESS;
    case TOROBUS_PMIX_T_TIME:
        if (sizeof(t[0]) != n) {
            return OPAL_ERR_UNPACK_FAILURE;
        }
        memcpy(t, p, n);
        v->type = OPAL_TIME;
        v->data.time = t[0];
        return OPAL_SUCCESS;
    case TOROBUS_PMIX_T_STATUS:
        if (sizeof(st) != n) {
            return OPAL_ERR_UNPACK_FAILURE;
        }
        memcpy(&st, p, n);
        v->type = OPAL_STATUS;
        v->data.status = pmix_toro_event_rc(st);
        return OPAL_SUCCESS;
    case TOROBUS_PMIX_T_RANK:
        if (sizeof(st) != n) {
            return OPAL_ERR_UNPACK_FAILURE;
        }
        memcpy(&st, p, n);
        v->type = OPAL_VPID;
        v->data.name.jobid = pmix_toro.name.jobid;
        v->data.name.vpid = pmix_toro_vpid((uint32_t)st);
        return OPAL_SUCCESS;
    case TOROBUS_PMIX_T_PROC:
        v->type = OPAL_NAME;
        v->data.name.jobid = pmix_toro_jobid_n(p, n);
        v->data.name.vpid = pmix_toro_vpid(item->it->rank);
        return OPAL_SUCCESS;
    }
}

opal_value_t *pmix_toro_value_dup(const opal_value_t *src)
{
    opal_value_t *v = OBJ_NEW(opal_value_t);
    bool ok = true;

    if (NULL == v) {
        return NULL;
    }
    v->key = NULL == src->key ? NULL : strdup(src->key);
    v->type = src->type;
    switch (src->type) {
    case OPAL_STRING:
        v->data.string = NULL == src->data.string ? NULL : strdup(src->data.string);
        ok = NULL == src->data.string || NULL != v->data.string;
        break;
    case OPAL_BYTE_OBJECT:
        if (NULL != src->data.bo.bytes && 0 < src->data.bo.size) {
            v->data.bo.size = src->data.bo.size;
            v->data.bo.bytes = malloc((size_t)src->data.bo.size);
            ok = NULL != v->data.bo.bytes;
            if (ok) {
                memcpy(v->data.bo.bytes, src->data.bo.bytes, (size_t)src->data.bo.size);
            }
        }
        break;
    case OPAL_ENVAR:
    case OPAL_PROC_INFO:
        v->type = OPAL_UNDEF; /* own memory that only their classes know how to copy */
        ok = false;
        break;
    default:
        v->data = src->data;
    }
    if (!ok || (NULL != src->key && NULL == v->key)) {
        OBJ_RELEASE(v);
        return NULL;
    }
    return v;
}

bool pmix_toro_value_true(const opal_value_t *v)
{
    return OPAL_BOOL != v->type || v->data.flag;
}

bool pmix_toro_value_int(const opal_value_t *v, int64_t *out)
{
    switch (v->type) {
    case OPAL_BOOL:
        *out = v->data.flag ? 1 : 0;
        return true;
    case OPAL_BYTE:
    case OPAL_UINT8:
    case OPAL_PERSIST:
    case OPAL_SCOPE:
    case OPAL_DATA_RANGE:
        /* the layers above fill in either width of these */
        *out = v->data.uint8;
        return true;
    case OPAL_INT16:
        *out = v->data.int16;
        return true;
    case OPAL_UINT16:
        *out = v->data.uint16;
        return true;
    case OPAL_INT:
    case OPAL_INT32:
        *out = v->data.int32;
        return true;
    case OPAL_UINT:
    case OPAL_UINT32:
        *out = v->data.uint32;
        return true;
    case OPAL_INT64:
        *out = v->data.int64;
        return true;
    case OPAL_UINT64:
    case OPAL_SIZE:
        *out = (int64_t)v->data.uint64;
        return true;
    default:
        return false;
    }
}
