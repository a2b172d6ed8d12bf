/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of guests to toro-run -n as their PMIx server: two jobs whose ranks say anything in any
 * order, start others, and end. */
#include "../../orted-shim/family.c"
#include "../../orted-shim/family_data.c"
#include "../../orted-shim/family_info.c"
#include "../../orted-shim/family_names.c"
#include "../../orted-shim/family_spawn.c"
#include "../../orted-shim/proxy_pmix_msg.c"
#define append append_env
#define find   find_env
#include "../../orted-shim/shim_env.c"
#undef append
#undef find

#include "fuzz.h"
#include "messages.h"

enum { RANKS = 3 };

static struct proxy_job model = {
    .node = "node", .exe = "/bin/x", .root = "", .cwd = "/tmp", .world_size = RANKS, .cores = 1};
static unsigned sent, started;

int shim_path_find(const char *name, char path[SHIM_PATH_MAX])
{
    FUZZ_ASSERT(strlen(name) < SHIM_PATH_MAX);
    snprintf(path, SHIM_PATH_MAX, "%s", name);
    return 0;
}

bool shim_elf_check(const char *path, char err[512])
{
    snprintf(err, 512, "%.100s", path);
    return strlen(path) % 2 == 0;
}

void proxy_close(struct proxy *p)
{
    (void)p;
}

/** Every answer is a message as the kernel takes it. */
void proxy_send(struct proxy *p, uint16_t type, uint32_t arg, const void *body, uint32_t len)
{
    uint64_t *copy = fuzz_copy(body, len);
    const struct torobus_pmix_item *it;
    struct torobus_pmix_hdr h;
    uint32_t off = 0;

    (void)p;
    (void)arg;
    FUZZ_ASSERT(type == TOROBUS_CTL_PMIX && len >= sizeof(h) && len <= TOROBUS_PMIX_MSG_MAX);
    memcpy(&h, copy, sizeof(h));
    FUZZ_ASSERT(h.len == len - sizeof(h));
    while (torobus_pmix_next(copy + 2, h.len, &off, &it) == TOROBUS_OK)
        ;
    FUZZ_ASSERT(off == h.len);
    free(copy);
    sent++;
}

static bool start(struct family_job *j, char err[256])
{
    snprintf(err, 256, "no");
    if (started++ % 3 == 2)
        return false;
    for (uint32_t i = 0; i < j->n; i++) {
        FUZZ_ASSERT(j->rank[i].app < j->napps && j->app[j->rank[i].app].argv[0]);
        j->rank[i].proxy.job = &j->app[j->rank[i].app].job;
        j->rank[i].proxy.state = PROXY_RUNNING;
    }
    return true;
}

static void ended(struct family_rank *r, bool aborted)
{
    if (r->proxy.state >= PROXY_ENDED)
        return;
    r->proxy.state = PROXY_FINISHED;
    r->job->nfinished++;
    r->job->ngone++;
    family_ended(r, aborted);
}

static void drop_job(struct family_job *j)
{
    for (uint32_t i = 0; i < j->n; i++)
        ended(&j->rank[i], false);
}

static void on_abort(struct family_rank *r, int status)
{
    (void)r;
    (void)status;
}

static bool ending(const struct family *f)
{
    (void)f;
    return false;
}

/** A rank from the input. */
static struct family_rank *take_rank(struct fuzz *f, struct family *fam)
{
    unsigned n = fuzz_u8(f);
    struct family_job *j = fam->jobs;

    for (unsigned k = n / 16; k > 0; k--)
        j = j->next ? j->next : fam->jobs;
    return &j->rank[n % 16 % j->n];
}

static void message(struct fuzz *f, struct family_rank *r)
{
    const struct torobus_pmix_item *it;
    struct torobus_pmix_hdr h = {.id = 1};
    uint8_t bytes[2048];
    uint32_t off = 0;
    int rc;

    h.op = fuzz_u8(f) % 20;
    h.flags = fuzz_u8(f) & (uint8_t)~TOROBUS_PMIX_F_REPLY;
    h.len = (uint32_t)fuzz_bytes(f, bytes, fuzz_u8(f) * 8u);
    while ((rc = torobus_pmix_next(bytes, h.len, &off, &it)) == TOROBUS_OK)
        ;
    h.len = off; /* the items that are whole */
    if (r->proxy.state == PROXY_RUNNING)
        family_message(r, &h, fuzz_copy(bytes, h.len));
    (void)rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = {data, size};
    struct family fam = {.base = event_base_new(),
                         .model = &model,
                         .start = start,
                         .drop = drop_job,
                         .abort = on_abort,
                         .ending = ending};
    struct family_job *j = family_job_new(&fam, RANKS, 1);

    FUZZ_ASSERT(j);
    started = 0;
    j->app[0].job = model;
    for (uint32_t i = 0; i < RANKS; i++) {
        j->rank[i].proxy.job = &model;
        j->rank[i].proxy.state = PROXY_RUNNING;
    }
    while (f.left > 0) {
        uint8_t how = fuzz_u8(&f);
        struct family_rank *r = take_rank(&f, &fam);

        if (how % 16 == 0)
            ended(r, how & 16);
        else if (how % 16 == 1 && r->job->number > 1 && r->job->nstarted < r->job->n)
            family_started(r);
        else
            message(&f, r);
    }
    for (j = fam.jobs; j; j = j->next)
        drop_job(j);
    FUZZ_ASSERT(fam.waiting == NULL);
    family_sweep(&fam);
    FUZZ_ASSERT(fam.jobs && fam.jobs->number == 1 && !fam.jobs->next);
    while (fam.published) {
        FUZZ_ASSERT(!fam.published->owner);
        drop(&fam.published);
    }
    fam.jobs->app[0].argv = NULL;
    job_free(fam.jobs);
    event_base_free(fam.base);
    return 0;
}
