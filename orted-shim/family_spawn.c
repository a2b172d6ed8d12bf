/* SPDX-License-Identifier: BSD-3-Clause */
/* SPAWN: a new job of the family, in a guest of its own. */
#include "family.h"

#include "shim_elf.h"
#include "shim_msg.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/** What one application asks for. */
struct wanted {
    uint32_t n;
    char *cmd, *cwd;
    char **argv;
    uint32_t argc;
};

static int refuse(const struct family_req *q, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(const struct family_req *q, int status, const char *fmt, ...)
{
    char text[600];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    shim_error("MPI_Comm_spawn of rank %u: %s", q->from->rank, text);
    return status;
}

/** Programs and counts are the guest's; how many of each there are has been checked. */
static bool begin(struct wanted *w, const struct torobus_pmix_item *it)
{
    if (it->type != TOROBUS_PMIX_T_U32 || it->vlen != sizeof(w->n))
        return false;
    memcpy(&w->n, torobus_pmix_item_value(it), sizeof(w->n));
    return true;
}

static bool set(char **to, const struct torobus_pmix_item *it)
{
    free(*to);
    *to = item_string(it);
    return *to != NULL;
}

static bool add_arg(struct wanted *w, const struct torobus_pmix_item *it)
{
    char **v = realloc(w->argv, (w->argc + 2) * sizeof(*v));

    if (!v)
        return false;
    w->argv = v;
    v[w->argc] = item_string(it);
    v[w->argc + 1] = NULL;
    return v[w->argc++] != NULL;
}

static bool add_env(struct shim_env *e, const struct torobus_pmix_item *it)
{
    char *s = item_string(it), *eq = s ? strchr(s, '=') : NULL;
    bool ok = eq && eq != s;

    if (ok) {
        *eq = '\0';
        ok = shim_env_set(e, s, eq + 1, true);
    }
    free(s);
    return ok;
}

/** Whether a name in a "host" key is this node. */
static bool here(const struct family_req *q, const char *host)
{
    const char *node = q->from->proxy.job->node;
    size_t n = strcspn(node, "+");
    char own[256] = "";

    gethostname(own, sizeof(own) - 1);
    return strcmp(host, "localhost") == 0 || strcmp(host, own) == 0 ||
           (strlen(host) == n && strncmp(host, node, n) == 0);
}

/** Keys of MPI_Info, as Open MPI hands them on. Those that say how ranks are to be laid out mean
 * nothing here: a core for each. */
static int info(const struct family_req *q, struct wanted *w, const struct torobus_pmix_item *it)
{
    int st = TOROBUS_PMIX_SUCCESS;
    uint32_t target = 0;
    char *s = NULL;

    if (item_is(it, PMIX_WDIR) && w) {
        if (!set(&w->cwd, it))
            st = TOROBUS_PMIX_ERR_BAD_PARAM;
    } else if (item_is(it, PMIX_HOST)) {
        s = item_string(it);
        if (!s || !here(q, s))
            st = refuse(q, TOROBUS_PMIX_ERR_NOT_SUPPORTED,
                        "there is no host %.100s: toro-run -n starts ranks on this host alone; "
                        "mpirun knows others",
                        s ? s : "?");
        free(s);
    } else if (item_is(it, PMIX_HOSTFILE) || item_is(it, PMIX_ADD_HOST) ||
               item_is(it, PMIX_ADD_HOSTFILE)) {
        st = refuse(q, TOROBUS_PMIX_ERR_NOT_SUPPORTED,
                    "toro-run -n takes no further hosts (%.*s); mpirun does", (int)it->klen,
                    (const char *)torobus_pmix_item_key(it));
    } else if (item_is(it, PMIX_STDIN_TGT)) {
        if (it->vlen == sizeof(target))
            memcpy(&target, torobus_pmix_item_value(it), sizeof(target));
        if (target != UINT32_MAX)
            st = refuse(q, TOROBUS_PMIX_ERR_NOT_SUPPORTED,
                        "toro-run -n gives its input to rank 0 of the first job alone; mpirun "
                        "can share it (ompi_stdin_target)");
    }
    return st;
}

static int parse(const struct family_req *q, struct family_job *j, struct wanted *all)
{
    const struct torobus_pmix_item *it;
    struct wanted *w = NULL;
    uint32_t napps = 0;
    bool ok = true;

    for (uint32_t off = 0; ok && preq_next(&q->r, &off, &it);) {
        if (item_is(it, TOROBUS_PMIX_K_APP)) {
            w = &all[napps++];
            ok = begin(w, it);
        } else if (!item_is_arg(it)) {
            int st = info(q, w, it);

            if (st != TOROBUS_PMIX_SUCCESS)
                return st;
        } else if (!w) {
            ok = false;
        } else if (item_is(it, TOROBUS_PMIX_K_CMD)) {
            ok = set(&w->cmd, it);
        } else if (item_is(it, TOROBUS_PMIX_K_CWD)) {
            ok = set(&w->cwd, it);
        } else if (item_is(it, TOROBUS_PMIX_K_ARG)) {
            ok = add_arg(w, it);
        } else if (item_is(it, TOROBUS_PMIX_K_ENV)) {
            ok = add_env(&j->app[napps - 1].env, it);
        } else {
            ok = false;
        }
    }
    for (uint32_t i = 0; ok && i < napps; i++)
        ok = all[i].cmd && *all[i].cmd && all[i].argc > 0;
    return ok ? TOROBUS_PMIX_SUCCESS
              : refuse(q, TOROBUS_PMIX_ERR_BAD_PARAM, "the request makes no sense");
}

/** A path of the guest, on the host. @return false if it is too long. */
static bool on_host(const struct proxy_job *m, const char *path, const char *from,
                    char out[SHIM_PATH_MAX])
{
    int n = *path == '/' ? snprintf(out, SHIM_PATH_MAX, "%s%s", m->root, path)
                         : snprintf(out, SHIM_PATH_MAX, "%s/%s", from, path);

    return n < SHIM_PATH_MAX;
}

/** What the guest sees as "/" holds it, after all symlinks. */
static bool inside(const struct proxy_job *m, char path[SHIM_PATH_MAX])
{
    char real[SHIM_PATH_MAX];
    size_t n = strlen(m->root);

    if (n == 0)
        return true;
    if (!realpath(path, real) || strncmp(real, m->root, n) != 0 ||
        (real[n] != '/' && real[n] != '\0'))
        return false;
    memcpy(path, real, sizeof(real));
    return true;
}

static int find_program(const char *cmd, const struct proxy_job *m, struct family_app *a)
{
    char path[SHIM_PATH_MAX];
    int e;

    if (!strchr(cmd, '/')) {
        e = shim_path_find(cmd, a->exe);
        if (e == 0)
            return 0;
    }
    if (!on_host(m, cmd, a->cwd, path))
        return ENAMETOOLONG;
    return shim_path_find(path, a->exe);
}

static int place(const struct family_req *q, struct family_app *a, struct wanted *w)
{
    const struct proxy_job *m = q->from->job->family->model;
    char err[512];
    struct stat sb;
    int e;

    if (!on_host(m, w->cwd ? w->cwd : "", m->cwd, a->cwd))
        return refuse(q, TOROBUS_PMIX_ERR_BAD_PARAM, "the directory's name is too long");
    if (!w->cwd)
        memcpy(a->cwd, m->cwd, strlen(m->cwd) + 1);
    if (m->fs != SHIM_FS_NONE &&
        (stat(a->cwd, &sb) != 0 || !S_ISDIR(sb.st_mode) || !inside(m, a->cwd)))
        return refuse(q, TOROBUS_PMIX_ERR_NOT_FOUND, "there is no directory %.300s", w->cwd);
    e = find_program(w->cmd, m, a);
    if (e == 0 && !inside(m, a->exe))
        e = ENOENT;
    if (e)
        return refuse(q, TOROBUS_PMIX_ERR_NOT_FOUND, "%.300s: %s", w->cmd,
                      e == EACCES ? "it cannot be executed" : "there is no such program");
    if (!shim_elf_check(a->exe, err))
        return refuse(q, TOROBUS_PMIX_ERR_NOT_SUPPORTED, "%s", err);
    return TOROBUS_PMIX_SUCCESS;
}

/** Fill in the job from what is wanted. */
static int lay_out(const struct family_req *q, struct family_job *j, struct wanted *w)
{
    const struct proxy_job *m = j->family->model;
    uint32_t at = 0;

    for (uint32_t i = 0; i < j->napps; i++) {
        struct family_app *a = &j->app[i];
        int st = place(q, a, &w[i]);

        if (st != TOROBUS_PMIX_SUCCESS)
            return st;
        a->n = w[i].n;
        a->first = at;
        a->argv = w[i].argv;
        w[i].argv = NULL;
        a->job = *m;
        a->job.exe = a->exe;
        a->job.cwd = a->cwd;
        a->job.argv = a->argv;
        a->job.flags |= TOROBUS_START_HOSTED;
        a->job.world_size = a->job.local_size = j->n;
        if (snprintf(a->job.node, sizeof(a->job.node), "%s+%u", m->node, j->number) >=
            (int)sizeof(a->job.node))
            return refuse(q, TOROBUS_PMIX_ERROR, "the node's name is too long for another guest");
        for (uint32_t k = 0; k < a->n; k++, at++) {
            j->rank[at].app = i;
            j->rank[at].app_rank = k;
        }
    }
    memcpy(j->parent, q->from->job->nspace, sizeof(j->parent));
    return TOROBUS_PMIX_SUCCESS;
}

/** How many ranks and applications the request is about; 0: too many, or none. */
static uint32_t count(const struct family_req *q, uint32_t *napps)
{
    const struct torobus_pmix_item *it;
    struct wanted w = {0};
    uint64_t n = 0;

    *napps = 0;
    for (uint32_t off = 0; preq_next(&q->r, &off, &it);) {
        if (!item_is(it, TOROBUS_PMIX_K_APP))
            continue;
        if (!begin(&w, it))
            return 0;
        n += w.n;
        ++*napps;
    }
    return n <= TOROBUS_MAX_CORES ? (uint32_t)n : 0;
}

void family_spawned(struct family_job *j, int status)
{
    struct family_req *q = j->spawn;

    j->spawn = NULL;
    if (status == TOROBUS_PMIX_SUCCESS)
        pbuf_item(&q->r.reply, TOROBUS_PMIX_K_NSPACE, 0, TOROBUS_PMIX_T_STRING, j->nspace,
                  (uint32_t)strlen(j->nspace));
    family_reply(q, status);
    if (status == TOROBUS_PMIX_SUCCESS)
        return;
    j->state = FAMILY_FAILED;
    j->family->drop(j);
}

/** A job none of whose ranks was started. */
static void forget(struct family_job *j)
{
    j->state = FAMILY_FAILED;
    j->nfinished = j->ngone = j->n;
    for (uint32_t i = 0; i < j->n; i++)
        j->rank[i].ended = true;
}

void family_spawn(struct family_req *q)
{
    struct family *f = q->from->job->family;
    uint32_t napps, n = count(q, &napps);
    struct wanted *w = calloc(napps ? napps : 1, sizeof(*w));
    struct family_job *j = NULL;
    int st = TOROBUS_PMIX_SUCCESS;
    char err[256];

    family_sweep(f);
    if (f->ending(f))
        st = TOROBUS_PMIX_ERROR;
    else if (n == 0 || n * f->model->cores > TOROBUS_MAX_CORES)
        st = refuse(q, TOROBUS_PMIX_ERR_BAD_PARAM,
                    "a job of toro-run -n has 1 to %u ranks, all in one guest; mpirun starts more",
                    TOROBUS_MAX_CORES / f->model->cores);
    else if (!w || !(j = family_job_new(f, n, napps)))
        st = TOROBUS_PMIX_ERR_NOMEM;
    if (st == TOROBUS_PMIX_SUCCESS)
        st = parse(q, j, w);
    if (st == TOROBUS_PMIX_SUCCESS)
        st = lay_out(q, j, w);
    for (uint32_t i = 0; w && i < napps; i++) {
        free(w[i].cmd);
        free(w[i].cwd);
        for (char **a = w[i].argv; a && *a; a++)
            free(*a);
        free(w[i].argv);
    }
    free(w);
    if (st == TOROBUS_PMIX_SUCCESS) {
        j->spawn = q;
        shim_step("rank %u of job %s starts job %s: %u ranks on guest %s", q->from->rank, j->parent,
                  j->nspace, n, j->app[0].job.node);
        if (f->start(j, err))
            return;
        j->spawn = NULL;
        st = refuse(q, TOROBUS_PMIX_ERROR, "%s", err);
    }
    if (j)
        forget(j);
    family_sweep(f);
    family_reply(q, st);
}
