/* SPDX-License-Identifier: BSD-3-Clause */
/* pmix-api: put, commit, fence, get; and what is known of the job. */
#include "pmix-api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opal/util/argv.h"

static const char *where(uint32_t vpid)
{
    return vpid == me.vpid ? "itself" : near_by[vpid % 64] ? "near" : "far";
}

/* One line for a rank's view of a key at all ranks. */
static void view(const char *check, const char *key, const char *how, int seconds)
{
    char text[400] = "";

    for (uint32_t i = 0; i < size; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s %s", i ? ", " : "",
                 where(i), get_text(i, key, how, seconds));
    found(check, "%s", text);
}

/* The last rank commits late, when all others ask already. */
static void late(void)
{
    opal_process_name_t last = rank_of(size - 1);
    struct pending p = {.done = false};
    int rc = OPAL_SUCCESS;

    if (me.vpid < size - 1)
        rc = opal_pmix.get_nb(&last, "t.late", NULL, on_value, &p);
    else
        let_pass(0.7);
    if (rc != OPAL_SUCCESS)
        found("late", "get_nb %s", result(rc));
    put_int(OPAL_PMIX_GLOBAL, "t.late", 100 + (int)me.vpid);
    opal_pmix.commit();
    if (me.vpid < size - 1)
        found("late", "%s", !wait_for(&p, 20) ? "nothing" : p.rc ? "an error" : p.text);
    found("late, blocking", "%s", get_text(size - 1, "t.late", NULL, 0));
    together();
}

static void scopes(void)
{
    put_int(OPAL_PMIX_LOCAL, "t.local", 10 + (int)me.vpid);
    put_int(OPAL_PMIX_REMOTE, "t.remote", 20 + (int)me.vpid);
    put_int(OPAL_PMIX_GLOBAL, "t.global", 30 + (int)me.vpid);
    exchange();
    view("scope local", "t.local", OPAL_PMIX_OPTIONAL, 0);
    view("scope remote", "t.remote", OPAL_PMIX_OPTIONAL, 0);
    view("scope global", "t.global", OPAL_PMIX_OPTIONAL, 0);
    view("scope global, asked", "t.global", NULL, 0);
    view("scope local, asked", "t.local", NULL, 5);
    together();
}

static void unknown(void)
{
    opal_process_name_t other = me, rank = me;
    opal_value_t *v = NULL;

    view("unknown key", "t.none", NULL, 0);
    view("unknown key, optional", "t.none", OPAL_PMIX_OPTIONAL, 0);
    view("unknown key, immediate", "t.none", OPAL_PMIX_IMMEDIATE, 0);
    view("unknown key, limit", "t.none", NULL, 2);
    found("unknown key of the job", "%s", get_text(OPAL_VPID_WILDCARD, "t.none", NULL, 0));
    found("unknown job key", "%s", get_text(OPAL_VPID_WILDCARD, "pmix.nothing", NULL, 0));
    rank.vpid += size + 5;
    found("unknown rank", "%s", opal_pmix.get(&rank, "t.none", NULL, &v) ? "an error" : "ok");
    other.jobid += 77;
    found("unknown job", "%s", opal_pmix.get(&other, "t.none", NULL, &v) ? "an error" : "ok");
    together();
}

/* Committed, but not collected: fetched from whoever has it. */
static void direct(void)
{
    put_int(OPAL_PMIX_GLOBAL, "t.direct", 40 + (int)me.vpid);
    opal_pmix.commit();
    together();
    view("direct modex", "t.direct", NULL, 0);
    together();
}

/* A key that comes with a second commit, while somebody asks for it. */
static void later(void)
{
    opal_process_name_t last = rank_of(size - 1);
    struct pending p = {.done = false};

    if (me.vpid == 0 && opal_pmix.get_nb(&last, "t.later", NULL, on_value, &p) != OPAL_SUCCESS)
        found("later", "get_nb fails");
    if (me.vpid == size - 1) {
        let_pass(0.7);
        put_int(OPAL_PMIX_GLOBAL, "t.later", 5);
        opal_pmix.commit();
    }
    /* the real server waits for it or says that it is not there, as it happens to know of it */
    if (me.vpid == 0)
        found("later", "%s", wait_for(&p, 10) ? "an answer" : "nothing");
    together();
    found("later, afterwards", "%s", get_text(size - 1, "t.later", NULL, 0));
    together();
}

static void again(void)
{
    put_int(OPAL_PMIX_GLOBAL, "t.again", 1);
    exchange();
    view("first value", "t.again", NULL, 0);
    together();
    put_int(OPAL_PMIX_GLOBAL, "t.again", 2);
    exchange();
    found("second value, own", "%s", get_text(me.vpid, "t.again", NULL, 0));
    put_int(OPAL_PMIX_GLOBAL, "t.secret", 3);
    together();
    found("put and not committed, own", "%s", get_text(me.vpid, "t.secret", NULL, 0));
    found("put and not committed, other's", "%s",
          get_text((me.vpid + 1) % size, "t.secret", OPAL_PMIX_IMMEDIATE, 5));
    together();
}

static void stored(void)
{
    opal_process_name_t next = rank_of((me.vpid + 1) % size);
    opal_value_t v;

    OBJ_CONSTRUCT(&v, opal_value_t);
    v.key = strdup("t.stored");
    v.type = OPAL_INT;
    v.data.integer = 6;
    found("store_local", "%s", result(opal_pmix.store_local(&next, &v)));
    OBJ_DESTRUCT(&v);
    found("stored for another", "%s", get_text(next.vpid, "t.stored", NULL, 0));
    together();
    found("stored by another", "%s", get_text(me.vpid, "t.stored", OPAL_PMIX_OPTIONAL, 0));
    together();
}

/* A value of each type, made from a seed. */
static bool make(opal_value_t *v, unsigned which, unsigned seed)
{
    char text[64];

    snprintf(text, sizeof(text), "text %u of %u", which, seed);
    switch (which) {
    case 0:
        v->type = OPAL_BOOL;
        v->data.flag = seed % 2;
        return true;
    case 1:
        v->type = OPAL_BYTE;
        v->data.byte = (uint8_t)(200 + seed);
        return true;
    case 2:
        v->type = OPAL_STRING;
        v->data.string = strdup(text);
        return true;
    case 3:
        v->type = OPAL_SIZE;
        v->data.size = 0x123456789abcull + seed;
        return true;
    case 4:
        v->type = OPAL_PID;
        v->data.pid = 1000 + (pid_t)seed;
        return true;
    case 5:
        v->type = OPAL_INT;
        v->data.integer = -5 - (int)seed;
        return true;
    case 6:
        v->type = OPAL_INT8;
        v->data.int8 = (int8_t)(-6 - (int)seed);
        return true;
    case 7:
        v->type = OPAL_INT16;
        v->data.int16 = (int16_t)(-700 - (int)seed);
        return true;
    case 8:
        v->type = OPAL_INT32;
        v->data.int32 = -80000 - (int)seed;
        return true;
    case 9:
        v->type = OPAL_INT64;
        v->data.int64 = -9000000000ll - (int)seed;
        return true;
    case 10:
        v->type = OPAL_UINT64;
        v->data.uint64 = 0xfedcba9876543210ull + seed;
        return true;
    case 11:
        v->type = OPAL_FLOAT;
        v->data.fval = 1.5f * (float)(seed + 1);
        return true;
    case 12:
        v->type = OPAL_DOUBLE;
        v->data.dval = 2.5 * (seed + 1);
        return true;
    case 13:
        v->type = OPAL_TIMEVAL;
        v->data.tv.tv_sec = 1000000 + seed;
        v->data.tv.tv_usec = 999999;
        return true;
    case 14:
        v->type = OPAL_BYTE_OBJECT;
        v->data.bo.size = 150000 + (int)seed;
        v->data.bo.bytes = malloc((size_t)v->data.bo.size);
        for (int i = 0; i < v->data.bo.size; i++)
            v->data.bo.bytes[i] = (uint8_t)((unsigned)i * (seed + 3));
        return true;
    case 15:
        v->type = OPAL_NAME;
        v->data.name = rank_of(seed);
        return true;
    case 16:
        v->type = OPAL_UINT16;
        v->data.uint16 = (uint16_t)(60000 + seed);
        return true;
    case 17:
        v->type = OPAL_UINT8;
        v->data.uint8 = (uint8_t)(100 + seed);
        return true;
    case 18:
        v->type = OPAL_STRING;
        v->data.string = strdup("");
        return true;
    case 19:
        v->type = OPAL_VPID;
        v->data.name = rank_of(seed);
        return true;
    default:
        return false;
    }
}

static bool same(const opal_value_t *a, const opal_value_t *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case OPAL_STRING:
        return strcmp(a->data.string ? a->data.string : "", b->data.string ? b->data.string : "") ==
               0;
    case OPAL_BYTE_OBJECT:
        return a->data.bo.size == b->data.bo.size &&
               memcmp(a->data.bo.bytes, b->data.bo.bytes, (size_t)a->data.bo.size) == 0;
    case OPAL_BOOL:
        return a->data.flag == b->data.flag;
    case OPAL_BYTE:
    case OPAL_UINT8:
    case OPAL_INT8:
        return a->data.uint8 == b->data.uint8;
    case OPAL_UINT16:
    case OPAL_INT16:
        return a->data.uint16 == b->data.uint16;
    case OPAL_INT:
    case OPAL_INT32:
    case OPAL_FLOAT:
    case OPAL_PID:
        return a->data.uint32 == b->data.uint32;
    case OPAL_NAME:
        return a->data.name.jobid == b->data.name.jobid && a->data.name.vpid == b->data.name.vpid;
    case OPAL_VPID:
        return a->data.name.vpid == b->data.name.vpid;
    case OPAL_TIMEVAL:
        return a->data.tv.tv_sec == b->data.tv.tv_sec && a->data.tv.tv_usec == b->data.tv.tv_usec;
    default:
        return a->data.uint64 == b->data.uint64;
    }
}

static void types(void)
{
    opal_value_t v, *got;
    char key[32], text[400];

    for (unsigned i = 0;; i++) {
        OBJ_CONSTRUCT(&v, opal_value_t);
        if (!make(&v, i, me.vpid))
            break;
        snprintf(key, sizeof(key), "t.type%u", i);
        v.key = strdup(key);
        if (opal_pmix.put(OPAL_PMIX_GLOBAL, &v) != OPAL_SUCCESS)
            found("types", "%u cannot be put", i);
        OBJ_DESTRUCT(&v);
    }
    exchange();
    for (uint32_t r = 0; r < size; r++) {
        opal_process_name_t who = rank_of(r);

        *text = '\0';
        for (unsigned i = 0;; i++) {
            int rc;

            OBJ_CONSTRUCT(&v, opal_value_t);
            if (!make(&v, i, r))
                break;
            snprintf(key, sizeof(key), "t.type%u", i);
            got = NULL;
            rc = opal_pmix.get(&who, key, NULL, &got);
            if (rc != OPAL_SUCCESS || !same(&v, got))
                snprintf(text + strlen(text), sizeof(text) - strlen(text), " %u %s", i,
                         rc != OPAL_SUCCESS ? result(rc) : "differs");
            if (got)
                OBJ_RELEASE(got);
            OBJ_DESTRUCT(&v);
        }
        snprintf(key, sizeof(key), "types of %u", r);
        found(key, "%s", *text ? text : "all");
    }
    together();
}

/* Keys as long as they may be; more than one message holds. */
static void many(void)
{
    char key[600], text[64];
    int rc, good = 0;

    memset(key, 'k', sizeof(key));
    key[0] = 't';
    key[1] = '.';
    key[500] = '\0';
    rc = put_int(OPAL_PMIX_GLOBAL, key, 500);
    if (rc != OPAL_SUCCESS)
        found("long key", "%s", result(rc));
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof(text), "t.many%d", i);
        put_int(OPAL_PMIX_GLOBAL, text, i);
    }
    exchange();
    found("long key", "%s", get_text((me.vpid + 1) % size, key, NULL, 0));
    for (int i = 0; i < 300; i++) {
        char want[32];

        snprintf(text, sizeof(text), "t.many%d", i);
        snprintf(want, sizeof(want), "int %d", i);
        good += strcmp(get_text((me.vpid + size - 1) % size, text, NULL, 0), want) == 0;
    }
    found("many keys", "%d", good);
    together();
}

/* What makes no sense. (A real server ends the job for that.) */
void part_nonsense(void)
{
    opal_list_t procs;

    OBJ_CONSTRUCT(&procs, opal_list_t);
    list_proc(&procs, size + 9);
    list_proc(&procs, me.vpid);
    found("fence with an unknown rank", "%s", result(opal_pmix.fence(&procs, 0)));
    OPAL_LIST_DESTRUCT(&procs);
    OBJ_CONSTRUCT(&procs, opal_list_t);
    list_proc(&procs, (me.vpid + 1) % size);
    found("fence of others", "%s", result(opal_pmix.fence(&procs, 0)));
    OPAL_LIST_DESTRUCT(&procs);
    together();
}

void part_data(void)
{
    late();
    scopes();
    unknown();
    direct();
    later();
    again();
    stored();
    types();
    many();
}

static void resolve(void)
{
    static const char *const nodes_of[] = {"vm0", "vm1", "nowhere"};
    char *nodes = NULL, text[200], check[64];
    opal_namelist_t *n;
    opal_list_t procs;
    int rc;

    for (int i = 0; i < 4; i++) {
        OBJ_CONSTRUCT(&procs, opal_list_t);
        rc = opal_pmix.resolve_peers(i < 3 ? nodes_of[i] : NULL, me.jobid, &procs);
        snprintf(text, sizeof(text), "%s:", result(rc));
        OPAL_LIST_FOREACH(n, &procs, opal_namelist_t)
        {
            snprintf(text + strlen(text), sizeof(text) - strlen(text), " %u", n->name.vpid);
        }
        OPAL_LIST_DESTRUCT(&procs);
        snprintf(check, sizeof(check), "resolve_peers %s", i < 3 ? nodes_of[i] : "all");
        found(check, "%s", text);
    }
    rc = opal_pmix.resolve_nodes(me.jobid, &nodes);
    found("resolve_nodes", "%s %s", result(rc), nodes ? nodes : "");
    free(nodes);
}

void part_job(void)
{
    static const char *const job[] = {
        OPAL_PMIX_JOB_SIZE,     OPAL_PMIX_UNIV_SIZE,
        OPAL_PMIX_MAX_PROCS,    OPAL_PMIX_NUM_NODES,
        OPAL_PMIX_LOCAL_SIZE,   OPAL_PMIX_LOCAL_PEERS,
        OPAL_PMIX_JOB_NUM_APPS, OPAL_PMIX_APP_SIZE,
        OPAL_PMIX_NODE_SIZE,    OPAL_PMIX_LOCALLDR,
        OPAL_PMIX_NODE_LIST,    OPAL_PMIX_MAPBY,
        OPAL_PMIX_RANKBY,       OPAL_PMIX_SESSION_ID,
        OPAL_PMIX_NPROC_OFFSET, OPAL_PMIX_ALLOCATED_NODELIST,
    };
    static const char *const own[] = {
        OPAL_PMIX_LOCAL_RANK, OPAL_PMIX_NODE_RANK, OPAL_PMIX_APPNUM, OPAL_PMIX_NODEID,
        OPAL_PMIX_HOSTNAME,   OPAL_PMIX_APP_RANK,  OPAL_PMIX_APPLDR, OPAL_PMIX_GLOBAL_RANK,
        OPAL_PMIX_SPAWNED,    OPAL_PMIX_PROC_PID,
    };
    char check[64];
    opal_value_t *v = NULL;
    int rc;

    for (size_t i = 0; i < sizeof(job) / sizeof(job[0]); i++) {
        snprintf(check, sizeof(check), "job %s", job[i]);
        found(check, "%s", get_text(OPAL_VPID_WILDCARD, job[i], OPAL_PMIX_OPTIONAL, 0));
    }
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        snprintf(check, sizeof(check), "rank %s", own[i]);
        view(check, own[i], OPAL_PMIX_OPTIONAL, 0);
    }
    view("rank's job size", OPAL_PMIX_JOB_SIZE, OPAL_PMIX_OPTIONAL, 0);
    rc = opal_pmix.get(NULL, OPAL_PMIX_JOBID, NULL, &v);
    found("own jobid", "%s", rc == OPAL_SUCCESS && v->data.uint32 == me.jobid ? "fine" : "wrong");
    rc = opal_pmix.get(NULL, OPAL_PMIX_RANK, NULL, &v);
    found("own rank", "%s",
          rc == OPAL_SUCCESS && v->data.integer == (int)me.vpid ? "fine" : "wrong");
    resolve();
    together();
}
