/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's PMIx server without a host server behind it: job data, values, fences, publish, the
 * end of ranks. */
#include "run-pmix-kernel.h"
#include "tap.h"

#define WILD TOROBUS_PMIX_RANK_WILDCARD
#define NS   "65537"

static struct t_msg tx, rx;

static void up(unsigned n)
{
    k_start(n, 0);
    for (unsigned i = 0; i < n; i++) {
        k_open_dev(i);
        t_send(i, t_new(&tx, TOROBUS_PMIX_INIT, 0, 1));
        t_recv(i, &rx);
    }
}

static void down(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        k_end(i);
}

/* Send a request without items; status of the reply, or 1 if there is none yet. */
static int32_t plain(unsigned rank, uint16_t op, uint16_t flags, uint32_t id)
{
    t_send(rank, t_new(&tx, op, flags, id));
    if (!t_recv(rank, &rx))
        return 1;
    return rx.h.id == id && rx.h.op == op && rx.h.flags == TOROBUS_PMIX_F_REPLY ? rx.h.status : 2;
}

static int32_t get(unsigned rank, uint32_t of, const char *key, uint16_t flags, uint32_t id)
{
    t_item(t_new(&tx, TOROBUS_PMIX_GET, flags, id), key, TOROBUS_PMIX_T_NONE, of, NULL, 0);
    t_send(rank, &tx);
    if (!t_recv(rank, &rx))
        return 1;
    return rx.h.id == id ? rx.h.status : 2;
}

static int32_t commit(unsigned rank, const char *key, const char *val, uint8_t scope)
{
    t_new(&tx, TOROBUS_PMIX_COMMIT, 0, 77);
    if (key) {
        t_str(&tx, key, rank, val);
        ((struct torobus_pmix_item *)tx.body)->scope = scope;
    }
    t_send(rank, &tx);
    return t_recv(rank, &rx) && rx.h.id == 77 ? rx.h.status : 2;
}

static void init(void)
{
    uint32_t att = 5, n;
    uint64_t addr = (uintptr_t)&att;

    k_start(3, 0);
    t_ok(k_open_dev(1) == 0, "open");
    t_ok(k_open(&(struct toro_file){0}) == -EBUSY, "one client per process");
    t_ok(plain(1, TOROBUS_PMIX_FENCE, 0, 9) == TOROBUS_PMIX_ERR_BAD_PARAM,
         "nothing works before INIT");
    t_item(t_new(&tx, TOROBUS_PMIX_INIT, 0, 7), TOROBUS_PMIX_K_ATTENTION, TOROBUS_PMIX_T_U64, 0,
           &addr, 8);
    t_ok(t_send(1, &tx) == (long)(16 + tx.h.len), "write takes the message");
    t_ok(att == 1, "the attention word is set while a message waits");
    t_ok(toro_pmix_pending(&k_procs[1]), "so is what the bus asks");
    t_ok(k_pokes[1] == 2, "and the rank's sleep was ended each time");
    t_ok(k_read(1, &rx, 100) == -EMSGSIZE, "a small buffer gets nothing and loses nothing");
    t_ok(t_recv(1, &rx) && rx.h.id == 7 && rx.h.status == 0, "INIT is answered");
    t_ok(att == 0 && !toro_pmix_pending(&k_procs[1]), "nothing waits any more");
    t_ok(k_read(1, &rx, sizeof(rx)) == -EAGAIN, "an empty queue is EAGAIN");
    t_send(1, &tx);
    t_recv(1, &rx);
    t_ok(t_is_str(&rx, TOROBUS_PMIX_K_NSPACE, 0, NS) && t_is_u32(&rx, TOROBUS_PMIX_K_RANK, 0, 1),
         "identity; INIT may be repeated");
    t_ok(t_is_u32(&rx, "pmix.job.size", WILD, 3) && t_is_u32(&rx, "pmix.univ.size", WILD, 3) &&
             t_is_u32(&rx, "pmix.max.size", WILD, 3) && t_is_u32(&rx, "pmix.local.size", WILD, 3) &&
             t_is_u32(&rx, "pmix.num.nodes", WILD, 1),
         "sizes");
    t_ok(t_is_str(&rx, "pmix.lpeers", WILD, "0,1,2"), "local peers");
    t_ok(t_is_str(&rx, "pmix.nsdir", WILD, "/dev/shm"), "the directory of files that ranks share");
    t_ok(t_value(&rx, "pmix.lrank", 1, &n) && n == 2 && t_value(&rx, "pmix.nrank", 1, &n) && n == 2,
         "local and node rank are 16 bits wide");
    t_ok(t_is_u32(&rx, "pmix.appnum", 1, 0) && t_is_str(&rx, "pmix.hname", 1, "testnode"),
         "application number and host name");
    t_ok(get(1, 2, "pmix.hname", TOROBUS_PMIX_F_OPTIONAL, 8) == 0 &&
             t_is_str(&rx, "pmix.hname", 2, "testnode"),
         "a peer's job data before the peer is there");
    t_ok(get(1, WILD, "pmix.nosuch", 0, 9) == TOROBUS_PMIX_ERR_NOT_FOUND, "an unknown job key");
    t_ok(get(1, 17, "x", 0, 9) == TOROBUS_PMIX_ERR_NOT_FOUND, "a rank that does not exist");
    t_ok(plain(1, 99, 0, 10) == TOROBUS_PMIX_ERR_NOT_SUPPORTED, "an unknown operation");
    t_ok(plain(1, TOROBUS_PMIX_LOG, 0, 11) == TOROBUS_PMIX_ERR_NOT_SUPPORTED,
         "the log needs a host");
    t_ok(plain(1, TOROBUS_PMIX_FINALIZE, 0, 12) == 0, "finalize");
    t_ok(plain(1, TOROBUS_PMIX_FENCE, 0, 13) == TOROBUS_PMIX_ERR_BAD_PARAM,
         "after which it is over");
    k_close(1);
    t_ok(k_open_dev(1) == 0, "the device can be opened again");
    down(3);
}

static void values(void)
{
    up(3);
    t_ok(get(0, 1, "btl", TOROBUS_PMIX_F_OPTIONAL, 5) == TOROBUS_PMIX_ERR_NOT_FOUND,
         "OPTIONAL does not wait");
    t_ok(get(0, 1, "btl", TOROBUS_PMIX_F_IMMEDIATE, 5) == TOROBUS_PMIX_ERR_NOT_FOUND,
         "nor does IMMEDIATE");
    t_ok(get(0, 1, "btl", 0, 5) == 1, "a get waits for the peer's first commit");
    t_ok(get(2, 1, "other", 0, 6) == 1, "as does another one");
    t_ok(commit(1, "btl", "hello", TOROBUS_PMIX_SCOPE_GLOBAL) == 0, "commit");
    t_ok(t_recv(0, &rx) && rx.h.id == 5 && t_is_str(&rx, "btl", 1, "hello"), "and gets the value");
    t_ok(t_recv(2, &rx) && rx.h.id == 6 && rx.h.status == TOROBUS_PMIX_ERR_NOT_FOUND,
         "or learns that there is none");
    commit(1, "btl", "again", TOROBUS_PMIX_SCOPE_GLOBAL);
    t_ok(get(0, 1, "btl", 0, 5) == 0 && t_is_str(&rx, "btl", 1, "again"), "the last value counts");
    commit(1, "far", "x", TOROBUS_PMIX_SCOPE_REMOTE);
    t_ok(get(0, 1, "far", 0, 5) == TOROBUS_PMIX_ERR_NOT_FOUND && get(1, 1, "far", 0, 5) == 0,
         "REMOTE is not for ranks of the same node");
    commit(1, "near", "y", TOROBUS_PMIX_SCOPE_LOCAL);
    t_ok(get(0, 1, "near", 0, 5) == 0, "LOCAL is");
    commit(1, "pmix.hname", "elsewhere", TOROBUS_PMIX_SCOPE_GLOBAL);
    t_ok(get(0, 1, "pmix.hname", 0, 5) == 0 && t_is_str(&rx, "pmix.hname", 1, "testnode"),
         "job data cannot be overwritten by a rank");
    t_ok(commit(1, "bad", "x", 9) == TOROBUS_PMIX_ERR_BAD_PARAM, "an impossible scope");
    t_ok(commit(1, "toro.nspace", "x", 3) == TOROBUS_PMIX_ERR_BAD_PARAM, "a reserved key");

    t_new(&tx, TOROBUS_PMIX_COMMIT, 0, 5);
    t_str(&tx, "forged", 2, "mine"); /* rank 0 claims to be rank 2 */
    t_send(0, &tx);
    t_recv(0, &rx);
    t_ok(get(1, 2, "forged", TOROBUS_PMIX_F_OPTIONAL, 5) == TOROBUS_PMIX_ERR_NOT_FOUND &&
             get(1, 0, "forged", 0, 5) == 0,
         "nobody commits for another rank");

    t_ok(get(0, 2, "late", 0, 5) == 1, "a get that will be given up");
    t_send(0, t_new(&tx, TOROBUS_PMIX_CANCEL, 0, 5));
    commit(2, "late", "z", TOROBUS_PMIX_SCOPE_GLOBAL);
    t_ok(!t_recv(0, &rx), "is not answered");
    down(3);
}

static void more(void)
{
    up(2);
    t_ok(get(0, 1, "b", 0, 5) == 1, "a get waits");
    t_str(t_new(&tx, TOROBUS_PMIX_COMMIT, TOROBUS_PMIX_F_MORE, 6), "a", 1, "1");
    t_send(1, &tx);
    t_ok(t_recv(1, &rx) && rx.h.status == 0 && !t_recv(0, &rx), "the first part of a commit");
    commit(1, "b", "2", TOROBUS_PMIX_SCOPE_GLOBAL);
    t_ok(t_recv(0, &rx) && rx.h.status == 0, "the second part answers it");
    down(2);
}

static void proc(struct t_msg *m, const char *ns, uint32_t rank)
{
    t_item(m, TOROBUS_PMIX_K_PROC, TOROBUS_PMIX_T_PROC, rank, ns, (uint32_t)strlen(ns));
}

static int32_t fence_of(unsigned rank, const char *ns, uint32_t a, uint32_t b, uint32_t id)
{
    t_new(&tx, TOROBUS_PMIX_FENCE, 0, id);
    proc(&tx, ns, a);
    proc(&tx, ns, b);
    t_send(rank, &tx);
    return t_recv(rank, &rx) && rx.h.id == id ? rx.h.status : 1;
}

static void fencing(void)
{
    up(4);
    t_ok(plain(0, TOROBUS_PMIX_FENCE, TOROBUS_PMIX_F_COLLECT, 5) == 1 &&
             plain(2, TOROBUS_PMIX_FENCE, TOROBUS_PMIX_F_COLLECT, 6) == 1 &&
             plain(3, TOROBUS_PMIX_FENCE, TOROBUS_PMIX_F_COLLECT, 7) == 1,
         "a fence holds until the last one");
    t_ok(plain(1, TOROBUS_PMIX_FENCE, TOROBUS_PMIX_F_COLLECT, 8) == 0, "has entered");
    t_ok(t_recv(0, &rx) && rx.h.id == 5 && t_recv(2, &rx) && rx.h.id == 6 && t_recv(3, &rx) &&
             rx.h.id == 7,
         "and then all are let go");
    t_ok(fence_of(0, NS, 0, 2, 5) == 1 && fence_of(1, NS, 3, 1, 6) == 1, "two fences of two");
    t_ok(fence_of(3, NS, 1, 3, 7) == 0 && fence_of(2, NS, 2, 0, 8) == 0,
         "do not meddle, whatever the order of names");
    t_recv(0, &rx);
    t_recv(1, &rx);
    t_ok(fence_of(0, NS, WILD, 0, 5) == 1 && plain(1, TOROBUS_PMIX_FENCE, 0, 6) == 1 &&
             plain(2, TOROBUS_PMIX_FENCE, 0, 7) == 1 && plain(3, TOROBUS_PMIX_FENCE, 0, 8) == 0,
         "the wildcard means all");
    t_recv(0, &rx);
    t_recv(1, &rx);
    t_recv(2, &rx);
    t_ok(plain(0, TOROBUS_PMIX_FENCE, 0, 5) == 1 && plain(0, TOROBUS_PMIX_FENCE, 0, 6) == 1 &&
             plain(1, TOROBUS_PMIX_FENCE, 0, 5) == 1 && plain(2, TOROBUS_PMIX_FENCE, 0, 5) == 1 &&
             plain(3, TOROBUS_PMIX_FENCE, 0, 5) == 0,
         "one rank may be a fence ahead");
    t_ok(t_recv(0, &rx) && rx.h.id == 5 && !t_recv(0, &rx), "its first comes first");
    t_recv(1, &rx);
    t_recv(2, &rx);
    t_ok(fence_of(3, NS, 0, 1, 9) == TOROBUS_PMIX_ERR_BAD_PARAM, "a fence of others");
    t_ok(fence_of(3, "other", 3, 1, 9) == TOROBUS_PMIX_ERR_NOT_FOUND, "with a foreign namespace");
    t_ok(fence_of(3, NS, 3, 40, 9) == TOROBUS_PMIX_ERR_NOT_FOUND, "with a rank that is not");
    k_end(1);
    t_ok(k_procs[1].exit_arg == 1, "to end without finalize is an error");
    t_ok(t_recv(0, &rx) && rx.h.id == 6 && rx.h.status == TOROBUS_PMIX_ERR_UNREACH,
         "a rank that ends lets the others go with an error");
    t_ok(t_recv(0, &rx) && rx.h.op == TOROBUS_PMIX_EVENT && rx.h.id == 0, "and an event");
    t_ok(t_recv(2, &rx) && rx.h.op == TOROBUS_PMIX_EVENT &&
             t_is_u32(&rx, TOROBUS_PMIX_K_STATUS, 0, (uint32_t)TOROBUS_PMIX_EV_PROC_ABORTED) &&
             t_is_str(&rx, TOROBUS_PMIX_K_PROC, 1, NS),
         "that names it");
    t_ok(plain(0, TOROBUS_PMIX_FENCE, 0, 5) == TOROBUS_PMIX_ERR_UNREACH,
         "later fences fail at once");
    t_ok(fence_of(2, NS, 2, 3, 5) == 1, "unless it is not asked for");
    down(4);

    up(2);
    plain(0, TOROBUS_PMIX_FENCE, 0, 5);
    toro_pmix_proc_end(&k_procs[1]);
    k_alive[1] = false;
    t_ok(!t_recv(0, &rx), "the end of a rank is not told");
    toro_pmix_proc_gone(1);
    t_ok(t_recv(0, &rx) && rx.h.id == 5 && rx.h.status == TOROBUS_PMIX_ERR_UNREACH,
         "before its exit status is on its way");
    k_end(0);

    up(2);
    plain(0, TOROBUS_PMIX_FENCE, 0, 5);
    k_procs[1].exit_arg = 9;
    k_wakes = 0;
    k_end(1);
    t_ok(!t_recv(0, &rx) && k_wakes == 1, "one that failed is left to the launcher");
    t_ok(toro_pmix_farewells(k_now + 1) > k_now + 1000000000 && !t_recv(0, &rx), "for a while");
    t_ok(toro_pmix_farewells(k_now + 3000000000) == UINT64_MAX && t_recv(0, &rx) && rx.h.id == 5 &&
             rx.h.status == TOROBUS_PMIX_ERR_UNREACH,
         "then the others learn of it");
    k_procs[0].exit_arg = 9;
    k_end(0);
    up(2);
    t_ok(plain(0, TOROBUS_PMIX_FENCE, 0, 5) == 1 && plain(1, TOROBUS_PMIX_FENCE, 0, 5) == 0,
         "a job that starts meanwhile is a new one");
    down(2);

    k_start(2, 0);
    k_open_dev(0);
    plain(0, TOROBUS_PMIX_INIT, 0, 1);
    t_ok(plain(0, TOROBUS_PMIX_FENCE, 0, 5) == 1, "waiting for a rank that never comes");
    k_end(1);
    t_ok(t_recv(0, &rx) && rx.h.status == TOROBUS_PMIX_ERR_UNREACH, "is an error, not for ever");
    k_end(0);

    k_start(2, 0);
    k_end(1);
    k_open_dev(0);
    plain(0, TOROBUS_PMIX_INIT, 0, 1);
    t_ok(plain(0, TOROBUS_PMIX_FENCE, 0, 5) == TOROBUS_PMIX_ERR_UNREACH,
         "the same if it was first");
    t_ok(get(0, 1, "k", 0, 6) == TOROBUS_PMIX_ERR_NOT_FOUND, "its values do not come either");
    k_end(0);
    up(2);
    t_ok(plain(0, TOROBUS_PMIX_FENCE, 0, 5) == 1 && plain(1, TOROBUS_PMIX_FENCE, 0, 5) == 0,
         "the next job knows nothing of it");
    t_recv(0, &rx);
    t_ok(plain(0, TOROBUS_PMIX_CONNECT, 0, 5) == 1 && plain(0, TOROBUS_PMIX_FENCE, 0, 6) == 1 &&
             plain(1, TOROBUS_PMIX_FENCE, 0, 6) == 0,
         "connect and fence are different rounds");
    t_recv(0, &rx);
    t_send(0, t_new(&tx, TOROBUS_PMIX_CANCEL, 0, 5));
    t_ok(plain(1, TOROBUS_PMIX_CONNECT, 0, 7) == 1, "who gave up does not count");
    t_send(1, t_new(&tx, TOROBUS_PMIX_FINALIZE, 0, 8));
    t_ok(t_recv(1, &rx) && rx.h.id == 7 && rx.h.status == TOROBUS_PMIX_ERR_UNREACH &&
             t_recv(1, &rx) && rx.h.id == 8 && rx.h.status == 0,
         "finalize ends the fence that the rank itself waits for");
    down(2);
}

static int32_t publish(unsigned rank, const char *key, uint8_t range, uint8_t persist)
{
    t_new(&tx, TOROBUS_PMIX_PUBLISH, 0, 5);
    t_item(&tx, TOROBUS_PMIX_K_RANGE, TOROBUS_PMIX_T_U8, 0, &range, 1);
    t_item(&tx, TOROBUS_PMIX_K_PERSIST, TOROBUS_PMIX_T_U8, 0, &persist, 1);
    t_str(&tx, key, rank, "port");
    t_send(rank, &tx);
    return t_recv(rank, &rx) && rx.h.op == TOROBUS_PMIX_PUBLISH ? rx.h.status : 2;
}

static int32_t lookup(unsigned rank, const char *key, uint16_t flags)
{
    t_item(t_new(&tx, TOROBUS_PMIX_LOOKUP, flags, 6), key, TOROBUS_PMIX_T_NONE, 0, NULL, 0);
    t_send(rank, &tx);
    return t_recv(rank, &rx) && rx.h.op == TOROBUS_PMIX_LOOKUP ? rx.h.status : 1;
}

static void published_values(void)
{
    up(2);
    t_ok(lookup(0, "svc", 0) == TOROBUS_PMIX_ERR_NOT_FOUND, "nothing published");
    t_ok(lookup(0, "svc", TOROBUS_PMIX_F_WAIT) == 1, "a lookup may wait");
    t_ok(publish(1, "svc", 4, 4) == 0, "publish");
    t_ok(t_recv(0, &rx) && rx.h.id == 6 && t_is_str(&rx, "svc", 1, "port") &&
             t_is_str(&rx, TOROBUS_PMIX_K_NSPACE, 0, NS),
         "answers it, with the publisher's name");
    t_ok(publish(0, "svc", 4, 4) == TOROBUS_PMIX_ERR_EXISTS, "the first publisher wins");
    t_item(t_new(&tx, TOROBUS_PMIX_UNPUBLISH, 0, 6), "svc", TOROBUS_PMIX_T_NONE, 0, NULL, 0);
    t_send(0, &tx);
    t_recv(0, &rx);
    t_ok(lookup(0, "svc", 0) == 0, "and only he can take it back");
    t_item(t_new(&tx, TOROBUS_PMIX_UNPUBLISH, 0, 6), "svc", TOROBUS_PMIX_T_NONE, 0, NULL, 0);
    t_send(1, &tx);
    t_recv(1, &rx);
    t_ok(rx.h.status == 0 && lookup(0, "svc", 0) == TOROBUS_PMIX_ERR_NOT_FOUND, "which he does");
    publish(1, "once", 4, 1);
    t_ok(lookup(0, "once", 0) == 0 && lookup(0, "once", 0) == TOROBUS_PMIX_ERR_NOT_FOUND,
         "FIRST_READ is read once");
    publish(1, "own", 7, 4);
    t_ok(lookup(0, "own", 0) == TOROBUS_PMIX_ERR_NOT_FOUND && lookup(1, "own", 0) == 0,
         "PROC_LOCAL is for the publisher");
    publish(1, "rm", 1, 4);
    t_ok(lookup(0, "rm", 0) == TOROBUS_PMIX_ERR_NOT_FOUND, "RM is for nobody here");
    publish(1, "proc", 4, 2);
    publish(1, "session", 4, 4);
    t_ok(lookup(0, "gone", TOROBUS_PMIX_F_WAIT) == 1, "a lookup that is given up");
    t_send(0, t_new(&tx, TOROBUS_PMIX_CANCEL, 0, 6));
    publish(1, "gone", 4, 1);
    t_ok(!t_recv(0, &rx) && lookup(0, "gone", 0) == 0, "does not eat a FIRST_READ value");
    plain(1, TOROBUS_PMIX_FINALIZE, 0, 9);
    k_end(1);
    t_ok(lookup(0, "proc", 0) == TOROBUS_PMIX_ERR_NOT_FOUND && lookup(0, "session", 0) == 0,
         "values outlive their publisher as he asked");
    t_ok(plain(0, TOROBUS_PMIX_PUBLISH, 0, 5) == TOROBUS_PMIX_ERR_BAD_PARAM &&
             plain(0, TOROBUS_PMIX_LOOKUP, 0, 5) == TOROBUS_PMIX_ERR_BAD_PARAM,
         "empty requests");
    k_end(0);
    up(1);
    t_ok(lookup(0, "session", 0) == TOROBUS_PMIX_ERR_NOT_FOUND, "the next job finds nothing");
    down(1);
}

static void aborts(void)
{
    struct k_frame *f;

    up(3);
    t_new(&tx, TOROBUS_PMIX_ABORT, 0, 5);
    tx.h.status = 42;
    t_str(&tx, TOROBUS_PMIX_K_MSG, 0, "because");
    t_send(1, &tx);
    t_ok(t_recv(1, &rx) && rx.h.status == 0, "abort is answered");
    t_ok(k_ended[0] == 43 && k_ended[1] == 43 && k_ended[2] == 43, "and ends all with the status");
    f = k_frame();
    t_ok(f && f->rank == 1 && f->h.op == TOROBUS_PMIX_ABORT && f->h.id == 0 && f->h.status == 42,
         "the proxy hears of it");
    free(f);
    down(3);
    up(3);
    t_new(&tx, TOROBUS_PMIX_ABORT, 0, 5);
    tx.h.status = 256 + 7;
    proc(&tx, NS, 2);
    t_send(1, &tx);
    t_ok(k_ended[2] == 8 && !k_ended[0] && !k_ended[1], "or those that were named");
    free(k_frame());
    down(3);
}

/* The next frame to a proxy is this; its body in rx. */
static bool upcall(unsigned rank, uint16_t op, uint16_t flags)
{
    struct k_frame *f = k_frame();
    bool ok = f && f->rank == rank && f->h.op == op && f->h.flags == flags;

    if (ok) {
        rx.h = f->h;
        memcpy(rx.body, f->body, f->h.len);
    } else if (f) {
        t_diag("rank %u, op %u, flags %u", f->rank, f->h.op, f->h.flags);
    }
    free(f);
    return ok;
}

static bool no_upcall(void)
{
    struct k_frame *f = k_frame();

    free(f);
    return f == NULL;
}

/* A job that starts another one: toro-run hears of what both may want, and of nothing before. */
static void family(void)
{
    uint32_t id;

    up(3);
    commit(0, "addr", "here", TOROBUS_PMIX_SCOPE_GLOBAL);
    publish(1, "name", 4, 2);
    t_item(t_new(&tx, TOROBUS_PMIX_LOOKUP, TOROBUS_PMIX_F_WAIT, 77), "later", 0, 0, NULL, 0);
    t_send(2, &tx);
    t_item(t_new(&tx, TOROBUS_PMIX_GET, 0, 5), "k", TOROBUS_PMIX_T_NONE, 1, NULL, 0);
    t_send(2, &tx);
    t_ok(no_upcall(), "a job alone needs nobody");
    t_str(t_new(&tx, TOROBUS_PMIX_GET, 0, 6), TOROBUS_PMIX_K_NSPACE, 0, "65538");
    t_item(&tx, "k", TOROBUS_PMIX_T_NONE, 0, NULL, 0);
    t_send(0, &tx);
    t_ok(t_recv(0, &rx) && rx.h.status == TOROBUS_PMIX_ERR_NOT_FOUND, "no other job is there");
    t_send(2, t_new(&tx, TOROBUS_PMIX_SPAWN, 0, 7));
    t_ok(upcall(1, TOROBUS_PMIX_PUBLISH, 0) && t_is_str(&rx, "name", 1, "port"),
         "before the spawn: what is published");
    t_ok(upcall(2, TOROBUS_PMIX_LOOKUP, TOROBUS_PMIX_F_WAIT), "who waits for a name");
    t_ok(upcall(0, TOROBUS_PMIX_COMMIT, 0) && t_is_str(&rx, "addr", 0, "here") &&
             ((struct torobus_pmix_item *)rx.body)->scope == TOROBUS_PMIX_SCOPE_GLOBAL,
         "and what was committed");
    t_ok(upcall(2, TOROBUS_PMIX_SPAWN, 0), "then the spawn");
    id = rx.h.id;
    t_str(t_new(&tx, TOROBUS_PMIX_SPAWN, TOROBUS_PMIX_F_REPLY, id), TOROBUS_PMIX_K_NSPACE, 0,
          "65538");
    k_from_proxy(2, &tx, 16 + tx.h.len);
    t_ok(t_recv(2, &rx) && rx.h.id == 7 && rx.h.status == 0, "which is answered");
    commit(1, "k", "v", TOROBUS_PMIX_SCOPE_REMOTE);
    t_ok(upcall(1, TOROBUS_PMIX_COMMIT, 0) && t_is_str(&rx, "k", 1, "v") &&
             ((struct torobus_pmix_item *)rx.body)->scope == TOROBUS_PMIX_SCOPE_REMOTE,
         "what is committed from now on");
    while (t_recv(2, &rx)) {
    }
    t_ok(get(2, 0, "addr", 0, 8) == 0 && t_is_str(&rx, "addr", 0, "here") && no_upcall(),
         "ranks of the guest are answered here");
    t_str(t_new(&tx, TOROBUS_PMIX_GET, 0, 9), TOROBUS_PMIX_K_NSPACE, 0, "65538");
    t_item(&tx, "k", TOROBUS_PMIX_T_NONE, 0, NULL, 0);
    t_send(0, &tx);
    t_ok(upcall(0, TOROBUS_PMIX_GET, 0), "a rank of the other job");
    fence_of(0, NS, 0, 0, 10);
    t_ok(no_upcall(), "a fence of ranks of this guest");
    proc(t_new(&tx, TOROBUS_PMIX_CONNECT, 0, 11), NS, WILD);
    proc(&tx, "65538", 0);
    t_send(0, &tx);
    t_ok(upcall(0, TOROBUS_PMIX_CONNECT, 0), "one with others");
    publish(0, "another", 4, 2);
    t_ok(upcall(0, TOROBUS_PMIX_PUBLISH, 0), "names");
    down(3);
    while (!no_upcall()) {
    }
    up(1);
    publish(0, "x", 4, 2);
    t_ok(no_upcall(), "the guest's next job is alone again");
    down(1);
}

static void quotas(void)
{
    static uint64_t big[2 + (TOROBUS_PMIX_MSG_MAX >> 3)];
    struct torobus_pmix_hdr *h = (struct torobus_pmix_hdr *)big;
    struct torobus_pmix_item *it = (struct torobus_pmix_item *)(h + 1);
    unsigned taken = 0, i;
    long n;

    up(2);
    memset(big, 0, sizeof(big));
    h->op = TOROBUS_PMIX_COMMIT;
    h->id = 3;
    h->len = TOROBUS_PMIX_MSG_MAX - 16;
    it->klen = 8;
    it->vlen = h->len - 16 - 8;
    for (i = 0; i < 10; i++) {
        memcpy(it + 1, &(uint64_t){i}, 8);
        t_ok(k_write(0, big, TOROBUS_PMIX_MSG_MAX) == TOROBUS_PMIX_MSG_MAX, "commit of 1 MiB");
        t_recv(0, &rx);
        taken += rx.h.status == 0;
    }
    t_ok(taken == 4 && rx.h.status == TOROBUS_PMIX_ERR_NOMEM, "a rank may store 4 MiB (%u)", taken);
    t_ok(k_write(0, big, TOROBUS_PMIX_MSG_MAX + 8) == -EMSGSIZE, "longer messages are refused");
    for (i = 0; i < 100000; i++) {
        n = t_send(1, t_new(&tx, TOROBUS_PMIX_COMMIT, 0, i + 1));
        if (n < 0)
            break;
    }
    t_ok(n == -EAGAIN && i == PMIX_QUEUE_MSGS, "who does not read is refused after %u", i);
    t_ok(k_file[1].ops->poll(&k_file[1], NULL) == TORO_POLLIN, "poll says so");
    t_recv(1, &rx);
    t_ok(t_send(1, t_new(&tx, TOROBUS_PMIX_COMMIT, 0, 5)) > 0, "until it reads");
    while (t_recv(1, &rx)) {
    }
    for (i = 0; i < 100000 && get(1, 1, "never", 0, i + 1) != 2; i++) {
        t_item(t_new(&tx, TOROBUS_PMIX_LOOKUP, TOROBUS_PMIX_F_WAIT, i + 1), "never", 0, 0, NULL, 0);
        n = t_send(1, &tx);
        if (n < 0)
            break;
    }
    t_ok(n == -EAGAIN && i == PMIX_WAITS, "waiting requests are limited (%u)", i);
    down(2);
}

int main(void)
{
    init();
    values();
    more();
    fencing();
    published_values();
    aborts();
    family();
    quotas();
    for (unsigned i = 0; i < BUCKETS; i++) {
        if (!toro_list_empty(&bucket[i]))
            t_ok(false, "a value was left behind");
    }
    t_ok(toro_list_empty(&toro_pmix.jobs) && toro_list_empty(&waiting) &&
             toro_list_empty(&lookups) && toro_list_empty(&upcalls),
         "nothing is left of the jobs");
    return t_done();
}
