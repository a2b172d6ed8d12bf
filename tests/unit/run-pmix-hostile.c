/* SPDX-License-Identifier: BSD-3-Clause */
/* timeout: 300
 * Bytes that no honest rank or proxy sends: single damages of every kind first, then many random
 * ones. What counts is that the server survives, under the sanitizers, and forgets all of it at the
 * end. */
#include "run-pmix-kernel.h"
#include "tap.h"

static struct t_msg tx, rx;

static uint64_t seed = 88172645463325252ull;

static uint32_t rnd(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 20) % n);
}

static void refused(void)
{
    struct torobus_pmix_item *it = (struct torobus_pmix_item *)tx.body;

    t_ok(k_write(0, &tx, 0) == -EINVAL && k_write(0, &tx, 15) == -EINVAL, "less than a header");
    t_new(&tx, TOROBUS_PMIX_GET, 0, 1);
    tx.h.len = 8;
    t_ok(k_write(0, &tx, 16) == -EINVAL, "a body that is not there");
    tx.h.len = 0xffffffff;
    t_ok(k_write(0, &tx, 32) == -EINVAL, "a body of 4 GiB");
    t_new(&tx, TOROBUS_PMIX_GET, TOROBUS_PMIX_F_REPLY, 1);
    t_ok(k_write(0, &tx, 16) == -EINVAL, "a reply");
    t_str(t_new(&tx, TOROBUS_PMIX_GET, 0, 1), "key", 0, "value");
    t_ok(k_write(0, &tx, 16 + tx.h.len - 8) == -EINVAL, "a cut item");
    it->vlen = 0xffffffff;
    t_ok(t_send(0, &tx) == -EINVAL, "a value of 4 GiB");
    it->vlen = 0xfffffff0;
    it->klen = 0xffff;
    t_ok(t_send(0, &tx) == -EINVAL, "a key of 64 KiB");
    it->vlen = 0;
    it->klen = TOROBUS_PMIX_KEY_MAX + 1;
    tx.h.len = 1024;
    t_ok(t_send(0, &tx) == -EINVAL, "a key that is one byte too long");
    t_str(t_new(&tx, TOROBUS_PMIX_GET, 0, 1), "key", 0, "value");
    tx.h.len += 4;
    t_ok(t_send(0, &tx) == -EINVAL, "crumbs behind the last item");
    t_ok(!t_recv(0, &rx), "none of it is answered");
    k_user_bad = true;
    t_new(&tx, TOROBUS_PMIX_COMMIT, 0, 1);
    t_ok(t_send(0, &tx) == -EFAULT, "bad memory to write from");
    k_user_bad = false;
    t_send(0, &tx);
    k_user_bad = true;
    t_ok(k_read(0, &rx, sizeof(rx)) == -EFAULT, "bad memory to read to");
    k_user_bad = false;
    t_new(&tx, TOROBUS_PMIX_GET, 0, 3);
    t_ok(t_send(0, &tx) == 16 && t_recv(0, &rx) && rx.h.status == TOROBUS_PMIX_ERR_BAD_PARAM,
         "a get of nothing");
    t_item(t_new(&tx, TOROBUS_PMIX_GET, 0, 3), "", 0, 0, NULL, 0);
    t_ok(t_send(0, &tx) > 0 && t_recv(0, &rx) && rx.h.status == TOROBUS_PMIX_ERR_BAD_PARAM,
         "a get of a key without a name");
    t_new(&tx, TOROBUS_PMIX_COMMIT, 0, 0);
    t_ok(t_send(0, &tx) == 16 && !t_recv(0, &rx), "a request with id 0 is not answered");
}

static const char *const keys[] = {
    "a",         "b",          "pmix.x",       "pmix.lpeers",    "toro.nspace", "toro.rank",
    "toro.proc", "toro.range", "toro.persist", "toro.attention", "toro.msg",    "toro.app",
    ""};

static uint32_t size; /* of the last random message, whatever its header says */

/* A message that is well-formed but means anything at all. */
static void random_message(bool from_rank)
{
    static const uint32_t ranks[] = {
        0, 1, 2, 3, 77, TOROBUS_PMIX_RANK_WILDCARD, TOROBUS_PMIX_RANK_UNDEF};
    static const char *const values[] = {"", "65537", "0,1,2", "7", "x", "1234", "12345678"};
    const char *v;

    t_new(&tx, (uint16_t)rnd(18), (uint16_t)(rnd(64) & ~(from_rank ? 1u : 0u)), rnd(40));
    if (!from_rank && rnd(4))
        tx.h.flags |= TOROBUS_PMIX_F_REPLY;
    tx.h.status = (int32_t)rnd(3) - 1;
    for (uint32_t n = rnd(5); n > 0; n--) {
        v = values[rnd(TORO_ARRAY_SIZE(values))];
        t_item(&tx, keys[rnd(TORO_ARRAY_SIZE(keys))], rnd(30), ranks[rnd(7)], v,
               (uint32_t)strlen(v));
        ((struct torobus_pmix_item *)tx.body)->scope = (uint8_t)rnd(5);
    }
    size = 16 + tx.h.len;
    for (uint32_t n = rnd(8) ? 0 : rnd(4); n > 0; n--) /* now and then it is not well-formed */
        ((uint8_t *)&tx)[rnd(size)] ^= (uint8_t)(1u << rnd(8));
}

/* The attention address is the kernel's to check; here it would be a wild pointer of the test. */
static bool has_address(void)
{
    const struct torobus_pmix_item *it;
    uint32_t off = 0;

    while (torobus_pmix_next(tx.body, size - 16, &off, &it) == TOROBUS_OK) {
        if (toro_pmix_key_is(it, TOROBUS_PMIX_K_ATTENTION) && it->vlen == 8)
            return true;
    }
    return false;
}

static void storm(uint32_t flags, unsigned rounds)
{
    unsigned sent = 0, taken = 0, got = 0;
    struct k_frame *f;
    uint32_t uid = 1;

    k_start(3, flags);
    for (unsigned i = 0; i < rounds; i++) {
        unsigned r = rnd(3);

        if (!k_procs[r].pmix || !toro_pmix.client[r].file) {
            k_alive[r] = true;
            k_open_dev(r);
        }
        switch (rnd(16)) {
        case 0:
            if (rnd(8) == 0)
                k_end(r);
            break;
        case 1:
            if (rnd(8) == 0)
                k_close(r);
            break;
        case 2:
        case 3:
        case 4:
            if (flags) {
                random_message(false);
                if (rnd(4))
                    tx.h.id = uid;
                k_from_proxy(r, &tx, rnd(16) ? size : rnd(size));
                break;
            }
            /* fall through */
        case 5:
            t_new(&tx, TOROBUS_PMIX_INIT, 0, 1);
            t_send(r, &tx);
            break;
        case 6:
        case 7:
            while (t_recv(r, &rx))
                got++;
            break;
        default:
            random_message(true);
            if (has_address())
                break;
            sent++;
            taken += k_write(r, &tx, size) > 0;
        }
        while ((f = k_frame()) != NULL) {
            uid = f->h.id;
            free(f);
        }
    }
    for (unsigned r = 0; r < 3; r++)
        k_end(r);
    t_ok(taken > sent / 2 && taken < sent && got > sent / 8,
         "%u messages sent, %u taken, %u answers (%s)", sent, taken, got,
         flags ? "hosted" : "standalone");
}

int main(void)
{
    k_start(1, 0);
    k_open_dev(0);
    t_send(0, t_new(&tx, TOROBUS_PMIX_INIT, 0, 1));
    t_recv(0, &rx);
    refused();
    k_end(0);
    storm(0, 300000);
    storm(TOROBUS_START_HOSTED, 300000);
    for (unsigned i = 0; i < BUCKETS; i++) {
        if (!toro_list_empty(&bucket[i]))
            t_ok(false, "a value was left behind");
    }
    t_ok(toro_list_empty(&toro_pmix.jobs) && toro_list_empty(&waiting) &&
             toro_list_empty(&lookups) && toro_list_empty(&upcalls) && toro_list_empty(&fences),
         "nothing is left of it");
    toro_pmix_publish_clear();
    return t_done();
}
