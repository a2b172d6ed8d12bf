/* SPDX-License-Identifier: BSD-3-Clause */
/* PMIx values on their way between libpmix and a guest: there and back for every type; what a guest
 * may send by mistake or malice is refused. */
#include "tap.h"

#include "../../orted-shim/proxy_pmix_args.c"
#include "../../orted-shim/proxy_pmix_msg.c"
#include "../../orted-shim/proxy_pmix_value.c"

static const struct torobus_pmix_item *first(const struct pbuf *b)
{
    const struct torobus_pmix_item *it = NULL;
    uint32_t off = 0;

    return torobus_pmix_next(b->p, b->len, &off, &it) == TOROBUS_OK ? it : NULL;
}

/** There and back again. */
static void round_trip(const char *name, pmix_value_t *v)
{
    const struct torobus_pmix_item *it;
    struct pbuf b = {0};
    pmix_value_t back;

    if (t_ok(pmix_value_to_item(&b, "key", 3, v), "%s: to an item", name)) {
        it = first(&b);
        t_ok(it && item_is(it, "key") && pmix_item_to_value(it, &back) == PMIX_SUCCESS &&
                 back.type == v->type && PMIx_Value_compare(&back, v) == PMIX_EQUAL,
             "%s: and back", name);
        PMIX_VALUE_DESTRUCT(&back);
    }
    pbuf_free(&b);
}

static void values(void)
{
    pmix_proc_t proc;
    pmix_value_t v;

#define PLAIN(t, field, x)                                                                         \
    PMIX_VALUE_CONSTRUCT(&v);                                                                      \
    v.type = t;                                                                                    \
    v.data.field = x;                                                                              \
    round_trip(#t, &v)
    PLAIN(PMIX_BYTE, byte, 0xab);
    PLAIN(PMIX_SIZE, size, SIZE_MAX);
    PLAIN(PMIX_PID, pid, 4711);
    PLAIN(PMIX_INT, integer, -5);
    PLAIN(PMIX_INT8, int8, -1);
    PLAIN(PMIX_INT16, int16, -300);
    PLAIN(PMIX_INT32, int32, INT32_MIN);
    PLAIN(PMIX_INT64, int64, INT64_MIN);
    PLAIN(PMIX_UINT, uint, 7);
    PLAIN(PMIX_UINT8, uint8, 255);
    PLAIN(PMIX_UINT16, uint16, 65535);
    PLAIN(PMIX_UINT32, uint32, UINT32_MAX);
    PLAIN(PMIX_UINT64, uint64, UINT64_MAX);
    PLAIN(PMIX_FLOAT, fval, 1.5f);
    PLAIN(PMIX_DOUBLE, dval, -2.25);
    PLAIN(PMIX_PROC_RANK, rank, 12);
    PLAIN(PMIX_BOOL, flag, true);
    PLAIN(PMIX_STATUS, status, PMIX_ERR_NOT_FOUND);
    PLAIN(PMIX_STRING, string, "a text");
    PMIX_PROC_LOAD(&proc, "some.job", 9);
    PLAIN(PMIX_PROC, proc, &proc);
    PMIX_VALUE_CONSTRUCT(&v);
    v.type = PMIX_BYTE_OBJECT;
    v.data.bo.bytes = "a\0b";
    v.data.bo.size = 3;
    round_trip("PMIX_BYTE_OBJECT", &v);
}

static void unmapped(void)
{
    struct pbuf b = {0};
    pmix_value_t v;

    PMIX_VALUE_CONSTRUCT(&v);
    v.type = PMIX_DATA_ARRAY;
    t_ok(!pmix_value_to_item(&b, "k", 0, &v) && b.len == 0,
         "an array is refused, nothing is faked");
    v.type = PMIX_POINTER;
    t_ok(!pmix_value_to_item(&b, "k", 0, &v) && b.len == 0, "a pointer too");
    pbuf_free(&b);
}

static void broken(void)
{
    struct {
        struct torobus_pmix_item it;
        char bytes[64];
    } m = {.it = {.klen = 1, .type = TOROBUS_PMIX_T_U32, .vlen = 3}};
    pmix_value_t v;
    unsigned taken = 0;

    /* every type with every short length */
    for (unsigned type = 0; type < 256; type++) {
        for (unsigned len = 0; len < 20; len++) {
            m.it.type = (uint8_t)type;
            m.it.vlen = len;
            if (pmix_item_to_value(&m.it, &v) == PMIX_SUCCESS) {
                taken++;
                PMIX_VALUE_DESTRUCT(&v);
            }
        }
    }
    t_ok(taken > 20 && taken < 120, "%u of 5120 pairs of type and length are values", taken);
    m.it.type = TOROBUS_PMIX_T_STRING;
    m.it.vlen = 5;
    memcpy(m.bytes + 1, "ab\0cd", 5);
    t_ok(pmix_item_to_value(&m.it, &v) == PMIX_ERR_BAD_PARAM, "a string with a NUL inside");
}

static void requests(void)
{
    char body[512] __attribute__((aligned(8)));
    struct preq r = {.body = body};
    struct pbuf b = {0};
    char ns[300];
    uint8_t eight = 8;

    pbuf_item(&b, TOROBUS_PMIX_K_PROC, 5, TOROBUS_PMIX_T_PROC, "job", 3);
    pbuf_item(&b, TOROBUS_PMIX_K_PROC, 6, TOROBUS_PMIX_T_PROC, "job2", 4);
    pbuf_item(&b, TOROBUS_PMIX_K_RANGE, 0, TOROBUS_PMIX_T_U8, &eight, 1);
    pbuf_item(&b, "one", 0, TOROBUS_PMIX_T_NONE, NULL, 0);
    memcpy(body, b.p, b.len);
    r.hdr.len = b.len;
    t_ok(preq_procs(&r) == PMIX_SUCCESS && r.nprocs == 2 && r.procs[0].rank == 5 &&
             strcmp(r.procs[1].nspace, "job2") == 0,
         "participants");
    t_ok(preq_keys(&r) == PMIX_SUCCESS && strcmp(r.keys[0], "one") == 0 && !r.keys[1], "keys");
    t_ok(preq_u32(&r, TOROBUS_PMIX_K_RANGE, 99) == 8, "a number argument");
    t_ok(preq_u32(&r, TOROBUS_PMIX_K_TIMEOUT, 99) == 99, "its default");
    PMIX_PROC_FREE(r.procs, r.nprocs);
    free(r.keys[0]);
    free(r.keys);
    b.len = 0;
    memset(ns, 'n', sizeof(ns));
    pbuf_item(&b, TOROBUS_PMIX_K_PROC, 5, TOROBUS_PMIX_T_PROC, ns, sizeof(ns));
    memcpy(body, b.p, b.len);
    r = (struct preq){.body = body, .hdr = {.len = b.len}};
    t_ok(preq_procs(&r) == PMIX_ERR_BAD_PARAM, "a namespace that is too long");
    PMIX_PROC_FREE(r.procs, r.nprocs);
    pbuf_free(&b);
}

static void limits(void)
{
    static char big[TOROBUS_PMIX_MSG_MAX];
    struct pbuf b = {0};

    t_ok(!pbuf_item(&b, "k", 0, TOROBUS_PMIX_T_BYTES, big, sizeof(big)) && b.failed,
         "a reply past the largest message fails, it is not cut");
    pbuf_free(&b);
    t_eq(pmix_toro_status(PMIX_SUCCESS), TOROBUS_PMIX_SUCCESS, "success");
    t_eq(pmix_toro_status(69), TOROBUS_PMIX_ERROR, "a code that a server made up is an error");
    t_eq(pmix_toro_status(PMIX_ERR_NOT_FOUND), TOROBUS_PMIX_ERR_NOT_FOUND, "not found");
}

int main(void)
{
    values();
    unmapped();
    broken();
    requests();
    limits();
    return t_done();
}
