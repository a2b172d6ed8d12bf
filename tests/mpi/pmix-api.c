/* SPDX-License-Identifier: BSD-3-Clause */
/* The PMIx server as Open MPI's opal_pmix shows it, without MPI: what each call gives, a line per
 * finding. The same program under plain mpirun says what the real server gives.
 *
 *     pmix-api PART...    data, nonsense, job, names, vain, gone, connect, events, query, log=N,
 * death=HOW; the ranks of a part that ends some of them do not come to the next one */
#include "pmix-api.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "opal/mca/pmix/base/base.h"
#include "opal/runtime/opal.h"
#include "opal/runtime/opal_progress.h"
#include "opal/runtime/opal_progress_threads.h"
#include "opal/util/argv.h"

opal_process_name_t me;
uint32_t size;
bool near_by[64];

void found(const char *check, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    int n = snprintf(text, 128, "%s by %u: ", check, me.vpid);

    va_start(ap, fmt);
    n += vsnprintf(text + n, sizeof(text) - (size_t)n - 1, fmt, ap);
    va_end(ap);
    if (n > (int)sizeof(text) - 2)
        n = sizeof(text) - 2;
    text[n++] = '\n';
    if (write(STDOUT_FILENO, text, (size_t)n) != n)
        abort();
}

const char *result(int rc)
{
    static const struct {
        int rc;
        const char *name;
    } names[] = {
        {OPAL_SUCCESS, "ok"},
        {OPAL_ERROR, "ERROR"},
        {OPAL_ERR_OUT_OF_RESOURCE, "OUT_OF_RESOURCE"},
        {OPAL_ERR_BAD_PARAM, "BAD_PARAM"},
        {OPAL_ERR_NOT_SUPPORTED, "NOT_SUPPORTED"},
        {OPAL_ERR_UNREACH, "UNREACH"},
        {OPAL_ERR_NOT_FOUND, "NOT_FOUND"},
        {OPAL_EXISTS, "EXISTS"},
        {OPAL_ERR_TIMEOUT, "TIMEOUT"},
        {OPAL_ERR_PERM, "PERM"},
        {OPAL_ERR_NOT_INITIALIZED, "NOT_INITIALIZED"},
        {OPAL_ERR_PARTIAL_SUCCESS, "PARTIAL_SUCCESS"},
        {OPAL_ERR_PROC_ABORTED, "PROC_ABORTED"},
        {OPAL_ERR_PROC_REQUESTED_ABORT, "PROC_REQUESTED_ABORT"},
        {OPAL_ERR_JOB_TERMINATED, "JOB_TERMINATED"},
        {OPAL_ERR_COMM_FAILURE, "COMM_FAILURE"},
        {OPAL_OPERATION_SUCCEEDED, "ok"},
    };
    static char other[32];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].rc == rc)
            return names[i].name;
    snprintf(other, sizeof(other), "code %d", rc);
    return other;
}

opal_process_name_t rank_of(uint32_t vpid)
{
    opal_process_name_t n = {.jobid = me.jobid, .vpid = vpid};

    return n;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool wait_for(struct pending *p, double seconds)
{
    double until = now() + seconds;

    while (!(p && p->done) && now() < until) {
        opal_progress();
        usleep(2000);
    }
    return p && p->done;
}

void let_pass(double seconds)
{
    (void)wait_for(NULL, seconds);
}

void on_op(int status, void *cbdata)
{
    struct pending *p = cbdata;

    p->rc = status;
    p->done = true;
}

void on_value(int status, opal_value_t *val, void *cbdata)
{
    struct pending *p = cbdata;

    p->rc = status;
    if (status == OPAL_SUCCESS && val)
        snprintf(p->text, sizeof(p->text), "%d", val->type == OPAL_INT ? val->data.integer : -1);
    p->done = true;
}

static void fence(int collect)
{
    struct pending p = {.done = false};
    int rc = opal_pmix.fence_nb(NULL, collect, on_op, &p);

    if (rc != OPAL_SUCCESS || !wait_for(&p, 60) || p.rc != OPAL_SUCCESS) {
        found("fence", "%s", p.done ? result(p.rc) : "nothing for a minute");
        exit(1);
    }
}

void together(void)
{
    fence(0);
}

void exchange(void)
{
    int rc = opal_pmix.commit();

    if (rc != OPAL_SUCCESS)
        found("commit", "%s", result(rc));
    fence(1);
}

static opal_value_t *add(opal_list_t *l, const char *key, opal_data_type_t type)
{
    opal_value_t *v = OBJ_NEW(opal_value_t);

    v->key = strdup(key);
    v->type = type;
    opal_list_append(l, &v->super);
    return v;
}

void list_flag(opal_list_t *l, const char *key)
{
    add(l, key, OPAL_BOOL)->data.flag = true;
}

void list_int(opal_list_t *l, const char *key, int value)
{
    add(l, key, OPAL_INT)->data.integer = value;
}

void list_u8(opal_list_t *l, const char *key, uint8_t value)
{
    /* the layers above say UINT8 and the server reads an unsigned */
    opal_value_t *v = add(l, key, OPAL_UINT8);

    v->data.uint = 0;
    v->data.uint8 = value;
}

void list_str(opal_list_t *l, const char *key, const char *value)
{
    add(l, key, OPAL_STRING)->data.string = strdup(value);
}

void list_proc(opal_list_t *procs, uint32_t vpid)
{
    opal_namelist_t *n = OBJ_NEW(opal_namelist_t);

    n->name = rank_of(vpid);
    opal_list_append(procs, &n->super);
}

int put_int(opal_pmix_scope_t scope, const char *key, int value)
{
    opal_value_t v;
    int rc;

    OBJ_CONSTRUCT(&v, opal_value_t);
    v.key = strdup(key);
    v.type = OPAL_INT;
    v.data.integer = value;
    rc = opal_pmix.put(scope, &v);
    OBJ_DESTRUCT(&v);
    return rc;
}

const char *get_text(uint32_t vpid, const char *key, const char *how, int seconds)
{
    opal_process_name_t who = rank_of(vpid);
    static char text[160];
    opal_value_t *v = NULL;
    opal_list_t info;
    int rc;

    OBJ_CONSTRUCT(&info, opal_list_t);
    if (how)
        list_flag(&info, how);
    if (seconds)
        list_int(&info, OPAL_PMIX_TIMEOUT, seconds);
    rc = opal_pmix.get(&who, key, &info, &v);
    OPAL_LIST_DESTRUCT(&info);
    if (rc != OPAL_SUCCESS || !v)
        return rc == OPAL_SUCCESS ? "ok without a value" : result(rc);
    switch (v->type) {
    case OPAL_INT:
        snprintf(text, sizeof(text), "int %d", v->data.integer);
        break;
    case OPAL_UINT32:
        snprintf(text, sizeof(text), "u32 %u", v->data.uint32);
        break;
    case OPAL_UINT16:
        snprintf(text, sizeof(text), "u16 %u", v->data.uint16);
        break;
    case OPAL_VPID:
        snprintf(text, sizeof(text), "rank %u", v->data.name.vpid);
        break;
    case OPAL_STRING:
        snprintf(text, sizeof(text), "string %.120s", v->data.string);
        break;
    case OPAL_BOOL:
        snprintf(text, sizeof(text), "bool %d", v->data.flag);
        break;
    default:
        snprintf(text, sizeof(text), "type %d", v->type);
    }
    OBJ_RELEASE(v);
    return text;
}

static bool start(int *argc, char ***argv)
{
    opal_value_t *v = NULL;
    opal_process_name_t all;
    char **peers;

    if (opal_init(argc, argv) != OPAL_SUCCESS ||
        mca_base_framework_open(&opal_pmix_base_framework, 0) != OPAL_SUCCESS ||
        opal_pmix_base_select() != OPAL_SUCCESS)
        return false;
    opal_pmix_base_set_evbase(opal_progress_thread_init(NULL));
    if (opal_pmix.init(NULL) != OPAL_SUCCESS)
        return false;
    me = OPAL_PROC_MY_NAME;
    all = rank_of(OPAL_VPID_WILDCARD);
    if (opal_pmix.get(&all, OPAL_PMIX_JOB_SIZE, NULL, &v) != OPAL_SUCCESS)
        return false;
    size = v->data.uint32;
    OBJ_RELEASE(v);
    if (opal_pmix.get(&all, OPAL_PMIX_LOCAL_PEERS, NULL, &v) != OPAL_SUCCESS)
        return false;
    peers = opal_argv_split(v->data.string, ',');
    for (int i = 0; peers && peers[i]; i++)
        near_by[strtoul(peers[i], NULL, 10) % 64] = true;
    opal_argv_free(peers);
    OBJ_RELEASE(v);
    return true;
}

static bool part(const char *name)
{
    if (strcmp(name, "data") == 0)
        part_data();
    else if (strcmp(name, "nonsense") == 0)
        part_nonsense();
    else if (strcmp(name, "job") == 0)
        part_job();
    else if (strcmp(name, "names") == 0)
        part_names();
    else if (strcmp(name, "vain") == 0)
        part_vain();
    else if (strcmp(name, "gone") == 0)
        part_gone();
    else if (strcmp(name, "connect") == 0)
        part_connect();
    else if (strcmp(name, "events") == 0)
        part_events();
    else if (strcmp(name, "query") == 0)
        part_query();
    else if (strncmp(name, "log=", 4) == 0)
        part_log(name + 4);
    else if (strncmp(name, "death=", 6) == 0)
        part_death(name + 6);
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!start(&argc, &argv)) {
        fprintf(stderr, "pmix-api: no PMIx server\n");
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        if (!part(argv[i])) {
            fprintf(stderr, "pmix-api: there is no part %s\n", argv[i]);
            return 2;
        }
    }
    if (opal_pmix.finalize() != OPAL_SUCCESS)
        return 1;
    found("end", "%s", opal_pmix.initialized() ? "still there" : "fine");
    return 0;
}
