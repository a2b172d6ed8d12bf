/* SPDX-License-Identifier: BSD-3-Clause */
/* Namespaces with ranks on this guest and their job-level data: made up here without a host server,
 * taken from the proxies with one. */
#include "srv.h"

#include <toro/boot.h>

/* Where ranks of one guest may have files in common: MPI-IO's sharedfp/sm asks. The host's session
 * directory is no such place: what is mapped there is not shared at once. */
#define SESSION_DIR "/dev/shm"
/* ORTE's form: job family << 16 | local job number, and family 0 is not a real one. */
#define STANDALONE_JOBID 65537u

struct pmix_job *toro_pmix_job_find(const char *nspace, uint32_t nslen)
{
    toro_list_each(&toro_pmix.jobs, l)
    {
        struct pmix_job *j = toro_list_entry(l, struct pmix_job, link);

        if (j->nslen == nslen && toro_memcmp(j->nspace, nspace, nslen) == 0)
            return j;
    }
    return NULL;
}

struct pmix_job *toro_pmix_job(const char *nspace, uint32_t nslen)
{
    struct pmix_job *j = toro_pmix_job_find(nspace, nslen);

    if (j || nslen == 0 || nslen > TOROBUS_PMIX_NSPACE_MAX)
        return j;
    j = toro_kzalloc(sizeof(*j));
    if (j) {
        toro_memcpy(j->nspace, nspace, nslen);
        j->nslen = nslen;
        toro_list_push(&toro_pmix.jobs, &j->link);
    }
    return j;
}

void toro_pmix_job_put(struct pmix_job *j)
{
    if (j->clients > 0 && --j->clients > 0)
        return;
    toro_pmix_get_forget(j);
    toro_pmix_upcall_forget(j);
    toro_pmix_kv_drop(j);
    toro_list_del(&j->link);
    toro_kfree(j->peers);
    toro_kfree(j);
}

int toro_pmix_pos(const struct pmix_job *j, uint32_t rank)
{
    for (uint32_t i = 0; i < j->npeers; i++) {
        if (j->peers[i] == rank)
            return (int)i;
    }
    return -1;
}

/* Keep one value of job-level data. */
static int32_t level(struct pmix_job *j, const char *key, unsigned type, uint32_t rank,
                     const void *val, uint32_t vlen)
{
    struct pmix_msg *m = toro_pmix_msg_new(0, 0, 0, 256);
    const struct torobus_pmix_item *it = NULL;
    int32_t st = TOROBUS_PMIX_ERR_NOMEM;

    if (m && toro_pmix_add_str(&m, key, type, rank, val, vlen)) {
        PMIX_EACH(m, it)
        {
            st = toro_pmix_kv_put(j, NULL, true, it);
        }
    }
    toro_kfree(m);
    return st;
}

static int32_t level_u32(struct pmix_job *j, const char *key, uint32_t rank, uint32_t v)
{
    return level(j, key, TOROBUS_PMIX_T_U32, rank, &v, sizeof(v));
}

static int32_t level_u16(struct pmix_job *j, const char *key, uint32_t rank, uint32_t v)
{
    uint16_t u = (uint16_t)v;

    return level(j, key, TOROBUS_PMIX_T_U16, rank, &u, sizeof(u));
}

static int32_t level_rank(struct pmix_job *j, const char *key, uint32_t rank, uint32_t v)
{
    return level(j, key, TOROBUS_PMIX_T_RANK, rank, &v, sizeof(v));
}

static int32_t level_str(struct pmix_job *j, const char *key, uint32_t rank, const char *s)
{
    return level(j, key, TOROBUS_PMIX_T_STRING, rank, s, (uint32_t)toro_strlen(s));
}

/* "0,1,2": the job's ranks on this guest are its cores. */
static int32_t standalone_peers(struct pmix_job *j, uint32_t n)
{
    char text[TORO_MAX_CORES * 3];
    size_t at = 0;

    j->peers = toro_kmalloc(n * sizeof(*j->peers));
    if (!j->peers)
        return TOROBUS_PMIX_ERR_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        j->peers[i] = i;
        at += (size_t)toro_snprintf(text + at, sizeof(text) - at, i ? ",%u" : "%u", i);
    }
    j->npeers = n;
    return level_str(j, "pmix.lpeers", TOROBUS_PMIX_RANK_WILDCARD, text);
}

/* Add "LABEL" and the numbers of cores or caches from a to b. */
static size_t add_place(char *text, size_t at, size_t room, const char *label, unsigned a,
                        unsigned b)
{
    return at + (size_t)toro_snprintf(text + at, room - at, a == b ? "%s%s%u" : "%s%s%u-%u",
                                      at ? ":" : "", label, a, b);
}

/* Where the n local ranks are, as hwloc finds it in /sys: Open MPI splits communicators by it. What
 * the host's server says is where their proxies are. */
static int32_t places(struct pmix_job *j, uint32_t n)
{
    unsigned each = n && toro_boot.cores >= n ? toro_boot.cores / n : 1;
    int32_t st = 0;

    for (uint32_t i = 0; st == 0 && i < n; i++) {
        unsigned a = i * each, b = a + each - 1;
        char text[128], label[4];
        size_t at = add_place(text, 0, sizeof(text), "NM", 0, 0);

        at = add_place(text, at, sizeof(text), "SK", 0, 0);
        for (unsigned k = toro_boot.ncaches; k-- > 0;) {
            const struct toro_cache *c = &toro_boot.cache[k];

            if (c->type == 'i' || c->level < 1 || c->level > 3)
                continue;
            toro_snprintf(label, sizeof(label), "L%u", c->level);
            at = add_place(text, at, sizeof(text), label, c->shared ? 0 : a, c->shared ? 0 : b);
        }
        at = add_place(text, at, sizeof(text), "CR", a, b);
        add_place(text, at, sizeof(text), "HT", a, b);
        st = level_str(j, "pmix.locstr", j->peers[i], text);
        if (st != 0)
            break;
        add_place(text, 0, sizeof(text), "", a, b);
        st = level_str(j, "pmix.cpuset", j->peers[i], text);
    }
    return st;
}

static int32_t standalone_job(struct pmix_job *j, uint32_t n)
{
    static const char *const sizes[] = {"pmix.job.size", "pmix.univ.size",  "pmix.max.size",
                                        "pmix.app.size", "pmix.local.size", "pmix.node.size"};
    const uint32_t all = TOROBUS_PMIX_RANK_WILDCARD;
    int32_t st = standalone_peers(j, n);

    for (unsigned i = 0; st == 0 && i < TORO_ARRAY_SIZE(sizes); i++)
        st = level_u32(j, sizes[i], all, n);
    j->size = n;
    j->gone = toro_pmix.ended;
    if (st == 0)
        st = level_u32(j, "pmix.num.nodes", all, 1);
    if (st == 0)
        st = level_u32(j, "pmix.job.napps", all, 1);
    if (st == 0)
        st = level_rank(j, "pmix.lldr", all, 0);
    if (st == 0)
        st = level_str(j, "pmix.nlist", all, toro_boot.name);
    if (st == 0)
        st = level_str(j, "pmix.mapby", all, "CORE");
    if (st == 0)
        st = level_str(j, "pmix.nsdir", all, SESSION_DIR);
    if (st == 0)
        st = places(j, n);
    /* of every rank: they are the same for everybody and known from the start */
    for (uint32_t r = 0; st == 0 && r < n; r++) {
        st = level_u16(j, "pmix.lrank", r, r);
        if (st == 0)
            st = level_u16(j, "pmix.nrank", r, r);
        if (st == 0)
            st = level_u32(j, "pmix.appnum", r, 0);
        if (st == 0)
            st = level_rank(j, "pmix.apprank", r, r);
        if (st == 0)
            st = level_rank(j, "pmix.grank", r, r);
        if (st == 0)
            st = level_rank(j, "pmix.aldr", r, 0);
        if (st == 0)
            st = level_u32(j, "pmix.nodeid", r, 0);
        if (st == 0)
            st = level_str(j, "pmix.hname", r, toro_boot.name);
    }
    return st;
}

/* c becomes a member. */
static int32_t join(struct pmix_client *c, struct pmix_job *j, uint32_t rank)
{
    int pos = toro_pmix_pos(j, rank);

    if (pos < 0 && j->npeers > 0) {
        if (j->clients == 0)
            toro_pmix_job_put(j);
        return TOROBUS_PMIX_ERR_BAD_PARAM;
    }
    c->rank = rank;
    c->pos = pos < 0 ? 0 : (uint32_t)pos;
    if (c->job != j) {
        if (c->job)
            toro_pmix_job_put(c->job);
        c->job = j;
        j->clients++;
    }
    if (pos >= 0)
        j->gone &= ~(1ull << pos);
    return TOROBUS_PMIX_SUCCESS;
}

int32_t toro_pmix_standalone(struct pmix_client *c)
{
    uint32_t n = c->proc->local_size;
    struct pmix_job *j;
    char ns[16];
    int32_t st;

    if (n == 0 || n > TORO_MAX_CORES || c->index >= n)
        return TOROBUS_PMIX_ERR_BAD_PARAM;
    st = toro_snprintf(ns, sizeof(ns), "%u", STANDALONE_JOBID);
    j = toro_pmix_job(ns, (uint32_t)st);
    if (!j)
        return TOROBUS_PMIX_ERR_NOMEM;
    if (j->npeers == 0) {
        st = standalone_job(j, n);
        if (st != 0) {
            toro_pmix_job_put(j);
            return st;
        }
    }
    return join(c, j, c->index);
}

/* Ranks on this node from pmix.lpeers. Trust: text of the proxy; numbers beyond what a guest can
 * hold are refused. */
static int32_t parse_peers(struct pmix_job *j, const struct torobus_pmix_item *it)
{
    const char *s = torobus_pmix_item_value(it), *end = s + it->vlen;
    uint32_t list[TORO_MAX_CORES], n = 0;

    while (s < end) {
        uint64_t v = 0;
        const char *from = s;

        for (; s < end && *s >= '0' && *s <= '9' && v <= UINT32_MAX; s++)
            v = v * 10 + (uint64_t)(*s - '0');
        if (s == from || v >= TOROBUS_PMIX_RANK_WILDCARD || (s < end && *s != ',') ||
            n == TORO_MAX_CORES)
            return TOROBUS_PMIX_ERR_BAD_PARAM;
        list[n++] = (uint32_t)v;
        s++;
    }
    if (n == 0)
        return TOROBUS_PMIX_ERR_BAD_PARAM;
    j->peers = toro_kmalloc(n * sizeof(*j->peers));
    if (!j->peers)
        return TOROBUS_PMIX_ERR_NOMEM;
    toro_memcpy(j->peers, list, n * sizeof(*j->peers));
    j->npeers = n;
    return TOROBUS_PMIX_SUCCESS;
}

bool toro_pmix_from_host(const struct torobus_pmix_item *it)
{
    return toro_pmix_key_starts(it, "pmix.") && !toro_pmix_key_is(it, "pmix.nsdir") &&
           !toro_pmix_key_is(it, "pmix.locstr") && !toro_pmix_key_is(it, "pmix.cpuset");
}

int32_t toro_pmix_hosted(struct pmix_client *c, const struct pmix_msg *reply)
{
    const struct torobus_pmix_item *it = toro_pmix_find(reply, TOROBUS_PMIX_K_NSPACE);
    struct pmix_job *j;
    uint32_t rank;
    int32_t st = TOROBUS_PMIX_SUCCESS;

    if (!it || it->vlen == 0 || it->vlen > TOROBUS_PMIX_NSPACE_MAX ||
        !toro_pmix_u32(toro_pmix_find(reply, TOROBUS_PMIX_K_RANK), &rank))
        return TOROBUS_PMIX_ERR_BAD_PARAM;
    j = toro_pmix_job(torobus_pmix_item_value(it), it->vlen);
    if (!j)
        return TOROBUS_PMIX_ERR_NOMEM;
    PMIX_EACH(reply, it)
    {
        if (!toro_pmix_from_host(it))
            continue;
        st = toro_pmix_kv_put(j, NULL, true, it);
        /* only the first rank's: who is local must not change while fences run */
        if (st == 0 && j->npeers == 0 && j->clients == 0 &&
            it->rank == TOROBUS_PMIX_RANK_WILDCARD && toro_pmix_key_is(it, "pmix.lpeers"))
            st = parse_peers(j, it);
        if (it->rank == TOROBUS_PMIX_RANK_WILDCARD && toro_pmix_key_is(it, "pmix.job.size"))
            (void)toro_pmix_u32(it, &j->size);
        if (st != 0)
            break;
    }
    if (st == 0)
        st = level_str(j, "pmix.nsdir", TOROBUS_PMIX_RANK_WILDCARD, SESSION_DIR);
    if (st == 0)
        st = places(j, j->npeers);
    if (st != 0) {
        if (j->clients == 0)
            toro_pmix_job_put(j);
        return st;
    }
    return join(c, j, rank);
}
