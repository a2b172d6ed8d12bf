/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's PMIx server with proxies behind it: which requests become upcalls, how many, what is
 * done with the answers, and with answers that nobody asked for. */
#include "run-pmix-kernel.h"
#include "tap.h"

#define WILD TOROBUS_PMIX_RANK_WILDCARD
#define NS   "4211081217"

static struct t_msg tx, rx;

/* The guest has ranks 2 and 3 of 4. */
static void init_reply(unsigned index, uint32_t uid, const char *peers)
{
    uint16_t lrank = (uint16_t)index;

    t_new(&tx, TOROBUS_PMIX_INIT, TOROBUS_PMIX_F_REPLY, uid);
    t_str(&tx, TOROBUS_PMIX_K_NSPACE, 0, NS);
    t_u32(&tx, TOROBUS_PMIX_K_RANK, 0, 2 + index);
    t_u32(&tx, "pmix.job.size", WILD, 4);
    t_u32(&tx, "pmix.local.size", WILD, 2);
    t_str(&tx, "pmix.lpeers", WILD, peers);
    t_str(&tx, "pmix.nsdir", WILD, "/host/session");
    t_item(&tx, "pmix.lrank", TOROBUS_PMIX_T_U16, 2 + index, &lrank, 2);
    t_str(&tx, "pmix.hname", 2 + index, "vm1");
    k_from_proxy(index, &tx, 16 + tx.h.len);
}

/* Take the oldest upcall; true if it is this op of this rank. */
static struct k_frame *upcall(unsigned index, uint16_t op)
{
    struct k_frame *f = k_frame();

    if (f && (f->rank != index || f->h.op != op)) {
        t_diag("upcall of rank %u op %u", f->rank, f->h.op);
        free(f);
        return NULL;
    }
    return f;
}

static void status_reply(const struct k_frame *f, int32_t status)
{
    t_new(&tx, f->h.op, TOROBUS_PMIX_F_REPLY, f->h.id);
    tx.h.status = status;
    k_from_proxy(f->rank, &tx, 16);
}

/* Answer the next upcall with a status. */
static bool answer_next(unsigned index, uint16_t op, int32_t status)
{
    struct k_frame *f = upcall(index, op);

    if (f)
        status_reply(f, status);
    free(f);
    return f != NULL;
}

static void up(void)
{
    struct k_frame *f;

    k_start(2, TOROBUS_START_HOSTED);
    for (unsigned i = 0; i < 2; i++) {
        k_open_dev(i);
        t_send(i, t_new(&tx, TOROBUS_PMIX_INIT, 0, 1));
        f = upcall(i, TOROBUS_PMIX_INIT);
        init_reply(i, f->h.id, "2,3");
        free(f);
        t_recv(i, &rx);
    }
}

static void down(void)
{
    struct k_frame *f;

    k_end(0);
    k_end(1);
    while ((f = k_frame()) != NULL)
        free(f);
}

static bool send_get(unsigned rank, uint32_t of, const char *key, uint16_t flags, uint32_t id)
{
    t_item(t_new(&tx, TOROBUS_PMIX_GET, flags, id), key, TOROBUS_PMIX_T_NONE, of, NULL, 0);
    return t_send(rank, &tx) > 0;
}

static bool no_upcall(void)
{
    struct k_frame *f = k_frame();

    free(f);
    return f == NULL;
}

static void init(void)
{
    struct k_frame *f;

    k_start(2, TOROBUS_START_HOSTED);
    k_open_dev(0);
    t_send(0, t_new(&tx, TOROBUS_PMIX_INIT, 0, 9));
    t_ok(!t_recv(0, &rx), "INIT waits for the proxy");
    f = upcall(0, TOROBUS_PMIX_INIT);
    t_ok(f && f->h.len == 0 && f->h.id != 0, "which is asked once, without the rank's addresses");
    status_reply(f, TOROBUS_PMIX_ERR_UNREACH);
    t_ok(t_recv(0, &rx) && rx.h.id == 9 && rx.h.status == TOROBUS_PMIX_ERR_UNREACH,
         "its refusal is passed on");
    status_reply(f, 0);
    t_ok(!t_recv(0, &rx), "a second answer is ignored");
    free(f);
    t_send(0, t_new(&tx, TOROBUS_PMIX_INIT, 0, 10));
    f = upcall(0, TOROBUS_PMIX_INIT);
    status_reply(f, 0);
    t_ok(t_recv(0, &rx) && rx.h.status == TOROBUS_PMIX_ERR_BAD_PARAM, "an answer without identity");
    free(f);
    for (unsigned i = 0; i < 3; i++) {
        static const char *const bad[] = {"2,x", "0,1", "2,99999999999999999999"};

        t_send(0, t_new(&tx, TOROBUS_PMIX_INIT, 0, 11));
        f = upcall(0, TOROBUS_PMIX_INIT);
        init_reply(0, f->h.id, bad[i]);
        free(f);
        t_ok(t_recv(0, &rx) && rx.h.status == TOROBUS_PMIX_ERR_BAD_PARAM, "impossible peers: %s",
             bad[i]);
    }
    t_send(0, t_new(&tx, TOROBUS_PMIX_INIT, 0, 12));
    f = upcall(0, TOROBUS_PMIX_INIT);
    init_reply(0, f->h.id, "2,3");
    free(f);
    t_ok(t_recv(0, &rx) && rx.h.id == 12 && rx.h.status == 0, "a good answer");
    t_ok(t_is_str(&rx, TOROBUS_PMIX_K_NSPACE, 0, NS) && t_is_u32(&rx, TOROBUS_PMIX_K_RANK, 0, 2) &&
             t_is_u32(&rx, "pmix.job.size", WILD, 4) && t_is_str(&rx, "pmix.hname", 2, "vm1"),
         "arrives with its job data");
    t_ok(t_is_str(&rx, "pmix.nsdir", WILD, "/dev/shm"),
         "the directory of shared files is the guest's");
    down();
}

static void fencing(void)
{
    struct k_frame *f, *g;

    up();
    t_send(0, t_new(&tx, TOROBUS_PMIX_FENCE, TOROBUS_PMIX_F_COLLECT, 5));
    f = upcall(0, TOROBUS_PMIX_FENCE);
    t_send(1, t_new(&tx, TOROBUS_PMIX_FENCE, TOROBUS_PMIX_F_COLLECT, 6));
    g = upcall(1, TOROBUS_PMIX_FENCE);
    t_ok(f && g && (f->h.flags & TOROBUS_PMIX_F_COLLECT), "a fence of all asks each proxy");
    status_reply(g, 0);
    t_ok(!t_recv(0, &rx) && t_recv(1, &rx) && rx.h.id == 6, "each is let go by its own");
    status_reply(f, TOROBUS_PMIX_ERR_UNREACH);
    t_ok(t_recv(0, &rx) && rx.h.id == 5 && rx.h.status == TOROBUS_PMIX_ERR_UNREACH,
         "or gets its error");
    free(f);
    free(g);
    for (unsigned i = 0; i < 2; i++) {
        t_new(&tx, TOROBUS_PMIX_FENCE, 0, 7);
        t_item(&tx, TOROBUS_PMIX_K_PROC, TOROBUS_PMIX_T_PROC, 2, NS, strlen(NS));
        t_item(&tx, TOROBUS_PMIX_K_PROC, TOROBUS_PMIX_T_PROC, 3, NS, strlen(NS));
        t_send(i, &tx);
    }
    t_ok(no_upcall() && t_recv(0, &rx) && t_recv(1, &rx) && rx.h.id == 7 && rx.h.status == 0,
         "a fence of this guest's ranks stays in the guest");
    t_send(0, t_new(&tx, TOROBUS_PMIX_FENCE, 0, 8));
    f = upcall(0, TOROBUS_PMIX_FENCE);
    t_new(&tx, TOROBUS_PMIX_GET, TOROBUS_PMIX_F_REPLY, f->h.id);
    k_from_proxy(0, &tx, 16);
    t_ok(t_recv(0, &rx) && rx.h.op == TOROBUS_PMIX_FENCE && rx.h.status == TOROBUS_PMIX_ERROR,
         "an answer to something else is an error");
    free(f);
    t_send(0, t_new(&tx, TOROBUS_PMIX_FENCE, 0, 8));
    f = upcall(0, TOROBUS_PMIX_FENCE);
    f->rank = 1;
    status_reply(f, 0);
    t_ok(!t_recv(0, &rx) && !t_recv(1, &rx), "no proxy answers for another's rank");
    f->rank = 0;
    t_send(0, t_new(&tx, TOROBUS_PMIX_CANCEL, 0, 8));
    status_reply(f, 0);
    t_ok(!t_recv(0, &rx), "who gave up gets no answer");
    free(f);
    down();
}

static void commits(void)
{
    const struct torobus_pmix_item *it;
    struct k_frame *f;
    uint32_t off = 0;

    up();
    t_new(&tx, TOROBUS_PMIX_COMMIT, 0, 5);
    t_str(&tx, "pmix.cpuset", 2, "0-1");
    t_str(&tx, "btl", 2, "addr");
    ((struct torobus_pmix_item *)((char *)tx.body + torobus_pmix_item_size(11, 3)))->scope =
        TOROBUS_PMIX_SCOPE_REMOTE;
    t_send(0, &tx);
    t_ok(t_recv(0, &rx) && rx.h.status == 0, "commit is answered at once");
    f = upcall(0, TOROBUS_PMIX_COMMIT);
    t_ok(f && torobus_pmix_next(f->body, f->h.len, &off, &it) == TOROBUS_OK &&
             toro_pmix_key_is(it, "btl") && it->scope == TOROBUS_PMIX_SCOPE_REMOTE &&
             it->rank == 2 && off == f->h.len,
         "and goes to the host without what only a server may say");
    status_reply(f, TOROBUS_PMIX_ERROR);
    free(f);
    t_ok(!t_recv(0, &rx), "what the host thinks of it concerns nobody");
    down();
}

static void gets(void)
{
    struct k_frame *f;

    up();
    send_get(0, 3, "k", 0, 5);
    t_ok(no_upcall() && !t_recv(0, &rx), "a get of a rank of this guest waits here");
    t_str(t_new(&tx, TOROBUS_PMIX_COMMIT, 0, 1), "k", 3, "v");
    t_send(1, &tx);
    t_ok(t_recv(0, &rx) && rx.h.id == 5 && t_is_str(&rx, "k", 3, "v"), "and is answered here");
    t_recv(1, &rx);
    answer_next(1, TOROBUS_PMIX_COMMIT, 0);

    send_get(0, 0, "pml", TOROBUS_PMIX_F_OPTIONAL, 6);
    t_ok(no_upcall() && t_recv(0, &rx) && rx.h.status == TOROBUS_PMIX_ERR_NOT_FOUND,
         "OPTIONAL does not leave the guest");
    send_get(0, 0, "pml", 0, 7);
    send_get(1, 0, "btl", 0, 8);
    f = upcall(0, TOROBUS_PMIX_GET);
    t_ok(f && no_upcall(), "two ranks that ask of one remote rank make one upcall");
    t_new(&tx, TOROBUS_PMIX_GET, TOROBUS_PMIX_F_REPLY, f->h.id);
    t_str(&tx, "pml", 0, "ob1");
    t_str(&tx, "btl", 0, "x");
    k_from_proxy(0, &tx, 16 + tx.h.len);
    free(f);
    t_ok(t_recv(0, &rx) && rx.h.id == 7 && t_is_str(&rx, "pml", 0, "ob1"), "the answer to the one");
    t_ok(t_recv(1, &rx) && rx.h.id == 8 && t_is_str(&rx, "btl", 0, "x"), "and to the other");
    send_get(1, 0, "pml", 0, 9);
    t_ok(no_upcall() && t_recv(1, &rx) && t_is_str(&rx, "pml", 0, "ob1"), "later ones need none");

    send_get(0, 1, "pml", 0, 7);
    send_get(1, 1, "btl", 0, 8);
    t_ok(answer_next(0, TOROBUS_PMIX_GET, TOROBUS_PMIX_ERR_NOT_FOUND), "an answer without values");
    t_ok(t_recv(0, &rx) && rx.h.status == TOROBUS_PMIX_ERR_NOT_FOUND, "answers the one");
    t_ok(!t_recv(1, &rx) && answer_next(1, TOROBUS_PMIX_GET, TOROBUS_PMIX_ERR_NOT_FOUND),
         "and the other asks itself");
    t_ok(t_recv(1, &rx) && rx.h.id == 8 && rx.h.status == TOROBUS_PMIX_ERR_NOT_FOUND, "once");

    send_get(0, WILD, "pmix.mapby", 0, 7);
    f = upcall(0, TOROBUS_PMIX_GET);
    t_new(&tx, TOROBUS_PMIX_GET, TOROBUS_PMIX_F_REPLY, f->h.id);
    t_str(&tx, "pmix.mapby", WILD, "CORE");
    k_from_proxy(0, &tx, 16 + tx.h.len);
    free(f);
    t_recv(0, &rx);
    send_get(1, WILD, "pmix.mapby", TOROBUS_PMIX_F_OPTIONAL, 7);
    t_ok(no_upcall() && t_recv(1, &rx) && t_is_str(&rx, "pmix.mapby", WILD, "CORE"),
         "job data that came later is kept");

    t_new(&tx, TOROBUS_PMIX_GET, 0, 9);
    t_str(&tx, TOROBUS_PMIX_K_NSPACE, 0, "other");
    t_item(&tx, "k", TOROBUS_PMIX_T_NONE, 2, NULL, 0);
    t_send(0, &tx);
    f = upcall(0, TOROBUS_PMIX_GET);
    t_new(&tx, TOROBUS_PMIX_GET, TOROBUS_PMIX_F_REPLY, f->h.id);
    t_str(&tx, "k", 2, "theirs");
    k_from_proxy(0, &tx, 16 + tx.h.len);
    free(f);
    t_ok(t_recv(0, &rx) && t_is_str(&rx, "k", 2, "theirs"), "another namespace is the host's");
    send_get(0, 2, "k", TOROBUS_PMIX_F_OPTIONAL, 9);
    t_ok(t_recv(0, &rx) && rx.h.status == TOROBUS_PMIX_ERR_NOT_FOUND, "and does not mix with ours");

    send_get(0, 1, "pml", 0, 7);
    send_get(1, 1, "btl", 0, 8);
    f = upcall(0, TOROBUS_PMIX_GET);
    k_end(0);
    status_reply(f, 0);
    t_ok(f != NULL, "an asking rank ends before its answer");
    free(f);
    down();
}

/* What the host knows of all ranks is fetched once, whoever asks first, and whoever ends. */
static void facts(void)
{
    struct k_frame *f;

    up();
    send_get(0, 1, "pmix.hname", TOROBUS_PMIX_F_OPTIONAL, 7);
    f = upcall(0, TOROBUS_PMIX_GET);
    t_ok(f && (f->h.flags & TOROBUS_PMIX_F_FACTS) && !t_recv(0, &rx), "a fact about another rank");
    free(f);
    send_get(1, 0, "pmix.hname", TOROBUS_PMIX_F_OPTIONAL, 8);
    t_ok(no_upcall() && !t_recv(1, &rx), "is asked for once");
    k_end(0);
    toro_pmix_flush(); /* (the server's own thread does) */
    f = upcall(1, TOROBUS_PMIX_GET);
    t_ok(f && (f->h.flags & TOROBUS_PMIX_F_FACTS), "when the one that asked has ended, again");
    t_new(&tx, TOROBUS_PMIX_GET, TOROBUS_PMIX_F_REPLY, f->h.id);
    t_str(&tx, "pmix.hname", 0, "vm0");
    t_str(&tx, "pmix.hname", 1, "vm0");
    t_str(&tx, "pmix.nsdir", 1, "/host");
    t_str(&tx, "other", 1, "no");
    k_from_proxy(1, &tx, 16 + tx.h.len);
    free(f);
    t_ok(t_recv(1, &rx) && rx.h.id == 8 && t_is_str(&rx, "pmix.hname", 0, "vm0") &&
             !t_is_str(&rx, "pmix.hname", 1, "vm0"),
         "and answered with what was asked");
    send_get(1, 1, "pmix.hname", TOROBUS_PMIX_F_OPTIONAL, 9);
    t_ok(no_upcall() && t_recv(1, &rx) && t_is_str(&rx, "pmix.hname", 1, "vm0"),
         "the others are known now");
    send_get(1, 1, "pmix.nsdir", TOROBUS_PMIX_F_OPTIONAL, 10);
    t_ok(no_upcall() && t_recv(1, &rx) && rx.h.status == TOROBUS_PMIX_ERR_NOT_FOUND,
         "what is not a fact is not taken, nor asked for again");
    send_get(1, 0xfffffffd, "pmix.hname", 0, 11);
    t_ok(no_upcall() && t_recv(1, &rx) && rx.h.status == TOROBUS_PMIX_ERR_BAD_PARAM,
         "the kernel's own name for all of that is no rank");
    down();

    up();
    send_get(0, 1, "pml", 0, 7);
    free(upcall(0, TOROBUS_PMIX_GET));
    send_get(1, 1, "btl", 0, 8);
    t_ok(no_upcall(), "a second rank waits for the first one's answer");
    t_send(0, t_new(&tx, TOROBUS_PMIX_CANCEL, 0, 7));
    f = upcall(1, TOROBUS_PMIX_GET);
    t_ok(f != NULL, "when that one gives up, it asks itself");
    free(f);
    down();
}

static bool tells(unsigned rank, uint8_t range, uint16_t flags, uint32_t id)
{
    t_u32(t_new(&tx, TOROBUS_PMIX_EVENT, flags, id), TOROBUS_PMIX_K_STATUS, 0,
          (uint32_t)TOROBUS_PMIX_ERROR);
    t_u32(&tx, TOROBUS_PMIX_K_CODE, 0, (uint32_t)-3001);
    t_item(&tx, TOROBUS_PMIX_K_RANGE, TOROBUS_PMIX_T_U8, 0, &range, 1);
    t_str(&tx, "what", 0, "news");
    return t_send(rank, &tx) > 0;
}

static void events(void)
{
    up();
    t_ok(tells(0, 2, 0, 5) && no_upcall() && t_recv(0, &rx) && rx.h.id == 5 && rx.h.status == 0,
         "an event for this node is no business of the host");
    t_ok(t_recv(1, &rx) && rx.h.op == TOROBUS_PMIX_EVENT && rx.h.id == 0 &&
             t_is_u32(&rx, TOROBUS_PMIX_K_CODE, 0, (uint32_t)-3001) &&
             t_is_str(&rx, "what", 0, "news") && t_is_str(&rx, TOROBUS_PMIX_K_PROC, 2, NS),
         "the other rank hears of it, and from whom");
    t_ok(!t_recv(0, &rx), "the one that told it does not");
    t_ok(tells(0, 7, 0, 6) && no_upcall() && t_recv(0, &rx) && rx.h.status == 0 && !t_recv(1, &rx),
         "one for the process alone goes nowhere");
    for (uint8_t range = 3; range < 6; range++)
        t_ok(tells(1, range, 0, 7) && answer_next(1, TOROBUS_PMIX_EVENT, 0) && t_recv(1, &rx) &&
                 rx.h.status == 0 && !t_recv(0, &rx),
             "range %u has ranks elsewhere: the host tells them", range);
    t_ok(tells(1, 0, TOROBUS_PMIX_F_WATCH, 8) && answer_next(1, TOROBUS_PMIX_EVENT, 0) &&
             t_recv(1, &rx) && rx.h.status == 0,
         "the host is told which codes are of interest");
    t_ok(tells(1, 6, 0, 9) && no_upcall() && t_recv(1, &rx) &&
             rx.h.status == TOROBUS_PMIX_ERR_NOT_SUPPORTED,
         "a range of one's own is refused");
    t_ok(tells(1, 8, 0, 9) && no_upcall() && t_recv(1, &rx) &&
             rx.h.status == TOROBUS_PMIX_ERR_BAD_PARAM,
         "and one that is none");
    t_send(1, t_new(&tx, TOROBUS_PMIX_EVENT, 0, 10));
    t_ok(no_upcall() && t_recv(1, &rx) && rx.h.status == TOROBUS_PMIX_ERR_BAD_PARAM,
         "and an event that says nothing");
    down();
}

static void passed_on(void)
{
    static const uint16_t ops[] = {TOROBUS_PMIX_PUBLISH,   TOROBUS_PMIX_LOOKUP,
                                   TOROBUS_PMIX_UNPUBLISH, TOROBUS_PMIX_SPAWN,
                                   TOROBUS_PMIX_LOG,       TOROBUS_PMIX_ABORT};
    struct k_frame *f;

    up();
    for (unsigned i = 0; i < TORO_ARRAY_SIZE(ops); i++) {
        t_str(t_new(&tx, ops[i], 0, 5), "a", 0, "b");
        tx.h.status = 33;
        t_send(1, &tx);
        f = upcall(1, ops[i]);
        t_ok(f && f->h.status == 33 && f->h.len == tx.h.len && !t_recv(1, &rx), "op %u is asked",
             ops[i]);
        t_str(t_new(&tx, ops[i], TOROBUS_PMIX_F_REPLY, f->h.id), TOROBUS_PMIX_K_NSPACE, 0, "kids");
        tx.h.status = TOROBUS_PMIX_ERR_EXISTS;
        k_from_proxy(1, &tx, 16 + tx.h.len);
        free(f);
        t_ok(t_recv(1, &rx) && rx.h.op == ops[i] && rx.h.id == 5 &&
                 rx.h.status == TOROBUS_PMIX_ERR_EXISTS &&
                 t_is_str(&rx, TOROBUS_PMIX_K_NSPACE, 0, "kids"),
             "and answered");
    }
    t_ok(!k_ended[0] && !k_ended[1], "abort is the host's");
    t_new(&tx, TOROBUS_PMIX_CONNECT, 0, 6);
    t_item(&tx, TOROBUS_PMIX_K_PROC, TOROBUS_PMIX_T_PROC, 3, NS, strlen(NS));
    t_send(1, &tx);
    t_ok(answer_next(1, TOROBUS_PMIX_CONNECT, 0) && t_recv(1, &rx) && rx.h.status == 0,
         "connect too, whoever takes part");
    t_u32(t_new(&tx, TOROBUS_PMIX_EVENT, 0, 77), TOROBUS_PMIX_K_STATUS, 0, (uint32_t)-64);
    k_from_proxy(1, &tx, 16 + tx.h.len);
    t_ok(t_recv(1, &rx) && rx.h.op == TOROBUS_PMIX_EVENT && rx.h.id == 0, "events arrive");
    tx.h.op = TOROBUS_PMIX_INIT;
    k_from_proxy(1, &tx, 16 + tx.h.len);
    t_ok(!t_recv(1, &rx), "other unasked messages do not");
    tx.h.op = TOROBUS_PMIX_EVENT;
    tx.h.len += 8;
    k_from_proxy(1, &tx, 16 + tx.h.len);
    k_from_proxy(1, &tx, 8);
    k_from_proxy(77, &tx, 16 + tx.h.len);
    ((struct torobus_pmix_item *)tx.body)->vlen = 0xfffffff0;
    k_from_proxy(1, &tx, 16 + tx.h.len);
    t_ok(!t_recv(1, &rx), "nor do damaged ones");
    t_send(1, t_new(&tx, TOROBUS_PMIX_FINALIZE, 0, 5));
    t_ok(!t_recv(1, &rx) && answer_next(1, TOROBUS_PMIX_FINALIZE, 0) && t_recv(1, &rx) &&
             rx.h.status == 0,
         "finalize waits for the host");
    down();
}

int main(void)
{
    init();
    fencing();
    commits();
    gets();
    facts();
    events();
    passed_on();
    t_ok(toro_list_empty(&toro_pmix.jobs) && toro_list_empty(&waiting) &&
             toro_list_empty(&upcalls) && toro_list_empty(&toro_pmix.out),
         "nothing is left of the jobs");
    return t_done();
}
