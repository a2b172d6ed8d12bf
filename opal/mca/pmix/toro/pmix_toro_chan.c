/* SPDX-License-Identifier: BSD-3-Clause */
/* The channel to the server. Any thread may send; at any time at most one thread reads and hands
 * the replies out, be it one that waits for its own reply or one that runs opal_progress. Callbacks
 * run without locks and after the reading was given up, so they may make requests themselves. */
#include "pmix_toro.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "opal/constants.h"
#include "opal/sys/atomic.h"

typedef struct req {
    struct req *next;
    uint32_t id;
    pmix_toro_reply_fn_t fn; /**< NULL: a thread waits for done */
    void *cbdata;
    bool done;
    int rc;
    struct torobus_pmix_hdr *msg; /**< reply or event */
} req_t;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t cond; /**< a waiting request is done, or nobody reads any more */
    int fd;
    bool socket, dead, reading;
    uint32_t next_id;
    req_t *reqs;
    char *buf; /**< the reader's */
    size_t size;
} chan = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER, .fd = -1};

/* Written by the kernel while messages wait, so that progress costs a load. */
static _Alignas(64) volatile uint32_t attention;

/* Fences that somebody waits for by calling opal_progress(), napping in between: MPI_Init and
 * MPI_Finalize do, 100 us at a time. */
static volatile int32_t fences;

#define FIRST_BUFFER (64u << 10)

/* Whoever comes back after a gap naps. From the FEW-th time on the nap is ours: it ends with the
 * reply, and is longer, up to what messages of peers may wait for their progress. */
#define GAP_NS (50 * 1000)
#define FEW    4
#define NAP_NS (2 * 1000 * 1000)

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int connect_socket(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd;

    if (sizeof(sa.sun_path) <= strlen(path)) {
        return -1;
    }
    strcpy(sa.sun_path, path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (0 <= fd && 0 != connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
        close(fd);
        return -1;
    }
    if (0 <= fd) {
        fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
    }
    return fd;
}

/* The descriptor stays open for the init that normally follows. */
int pmix_toro_chan_probe(const char *path)
{
    if (0 <= chan.fd) {
        return OPAL_SUCCESS;
    }
    chan.fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (0 > chan.fd && ENXIO == errno) {
        chan.fd = connect_socket(path);
        chan.socket = true;
    }
    return 0 > chan.fd ? OPAL_ERR_NOT_FOUND : OPAL_SUCCESS;
}

int pmix_toro_chan_open(const char *path)
{
    int rc = pmix_toro_chan_probe(path);

    if (OPAL_SUCCESS != rc) {
        return rc;
    }
    if (NULL == chan.buf) {
        /* a socket would cut a message that does not fit, the device keeps it */
        chan.size = chan.socket ? TOROBUS_PMIX_MSG_MAX : FIRST_BUFFER;
        if (NULL == (chan.buf = malloc(chan.size))) {
            return OPAL_ERR_OUT_OF_RESOURCE;
        }
    }
    chan.dead = false;
    return OPAL_SUCCESS;
}

volatile uint32_t *pmix_toro_chan_attention(void)
{
    return chan.socket ? NULL : &attention;
}

/* Take the request with this id off the list; lock held. */
static req_t *take(uint32_t id)
{
    req_t **p, *r;

    for (p = &chan.reqs; NULL != (r = *p); p = &r->next) {
        if (r->id == id) {
            *p = r->next;
            r->next = NULL;
            return r;
        }
    }
    return NULL;
}

/* All requests fail; those with a callback go to todo. lock held. */
static void fail_all(req_t ***todo)
{
    req_t *r;

    chan.dead = true;
    while (NULL != (r = chan.reqs)) {
        chan.reqs = r->next;
        r->next = NULL;
        r->rc = OPAL_ERR_UNREACH;
        if (NULL == r->fn) {
            r->done = true;
        } else {
            **todo = r;
            *todo = &r->next;
        }
    }
    pthread_cond_broadcast(&chan.cond);
}

static void event_message(int rc, const struct torobus_pmix_hdr *h, void *cbdata)
{
    (void)rc;
    (void)cbdata;
    pmix_toro_event_message(h);
}

/* One message lies in chan.buf. */
static void dispatch(size_t n, req_t ***todo)
{
    const struct torobus_pmix_hdr *h = (const struct torobus_pmix_hdr *)chan.buf;
    struct torobus_pmix_hdr *copy;
    req_t *r;

    if (sizeof(*h) > n || n - sizeof(*h) != h->len || NULL == (copy = malloc(n))) {
        return;
    }
    memcpy(copy, h, n);
    pthread_mutex_lock(&chan.lock);
    if (0 == h->id) {
        if (NULL != (r = calloc(1, sizeof(*r)))) {
            r->fn = event_message;
        }
    } else {
        r = 0 == (h->flags & TOROBUS_PMIX_F_REPLY) ? NULL : take(h->id);
    }
    if (NULL == r) {
        free(copy); /* the reply of a request that was given up */
    } else {
        r->msg = copy;
        r->rc = OPAL_SUCCESS;
        if (NULL == r->fn) {
            r->done = true;
            pthread_cond_broadcast(&chan.cond);
        } else {
            **todo = r;
            *todo = &r->next;
        }
    }
    pthread_mutex_unlock(&chan.lock);
}

/* Nothing waits, as far as can be seen without asking. */
static bool surely_empty(void)
{
    return !chan.socket && 0 == attention;
}

/* Read all that is there; the caller has set chan.reading. sure: something is. */
static void read_all(req_t ***todo, bool sure)
{
    ssize_t n;
    char *p;

    for (; sure || !surely_empty(); sure = false) {
        n = read(chan.fd, chan.buf, chan.size);
        if (0 < n) {
            dispatch((size_t)n, todo);
        } else if (0 > n && EMSGSIZE == errno && TOROBUS_PMIX_MSG_MAX > chan.size &&
                   NULL != (p = realloc(chan.buf, TOROBUS_PMIX_MSG_MAX))) {
            chan.buf = p;
            chan.size = TOROBUS_PMIX_MSG_MAX;
        } else if (0 > n && EAGAIN == errno) {
            return;
        } else if (0 <= n || EINTR != errno) {
            pthread_mutex_lock(&chan.lock);
            fail_all(todo);
            pthread_mutex_unlock(&chan.lock);
            return;
        }
    }
}

static int run(req_t *r)
{
    req_t *next;
    int n = 0;

    for (; NULL != r; r = next, ++n) {
        next = r->next;
        r->fn(r->rc, r->msg, r->cbdata);
        free(r->msg);
        free(r);
    }
    return n;
}

/* Be the reader for one round: until something is there or, if there is a request to wait for,
 * until that is done. lock held at entry and exit, free in between. */
static int read_round(const req_t *mine, int64_t timeout_ns)
{
    const struct timespec t = {.tv_sec = timeout_ns / 1000000000,
                               .tv_nsec = timeout_ns % 1000000000};
    struct pollfd pf = {.fd = chan.fd, .events = POLLIN};
    req_t *list = NULL, **todo = &list;
    int n;

    chan.reading = true;
    pthread_mutex_unlock(&chan.lock);
    /* mostly the answer is there already: the server has made it in our own write() */
    read_all(&todo, false);
    if (NULL == list && 0 < timeout_ns && !(NULL != mine && mine->done) &&
        0 < ppoll(&pf, 1, &t, NULL)) {
        read_all(&todo, true);
    }
    pthread_mutex_lock(&chan.lock);
    chan.reading = false;
    pthread_cond_broadcast(&chan.cond);
    pthread_mutex_unlock(&chan.lock);
    n = run(list);
    pthread_mutex_lock(&chan.lock);
    return n;
}

static int progress(int64_t nap_ns)
{
    int n = 0;

    if (0 != pthread_mutex_trylock(&chan.lock)) {
        return 0;
    }
    if (!chan.reading && !chan.dead && 0 <= chan.fd) {
        n = read_round(NULL, nap_ns);
    }
    pthread_mutex_unlock(&chan.lock);
    return n;
}

/* A fence is on its way. Two threads may mix up the counts here: then one naps once more or less.
 */
static int progress_fence(void)
{
    static int64_t last;
    static unsigned int calls;
    const int64_t now = now_ns();
    int n;

    calls = now - last < GAP_NS ? 0 : calls + 1;
    n = progress(FEW <= calls ? NAP_NS : 0);
    last = now_ns();
    return n;
}

int pmix_toro_chan_progress(void)
{
    if (OPAL_UNLIKELY(0 < fences)) {
        return progress_fence();
    }
    return surely_empty() ? 0 : progress(0);
}

void pmix_toro_chan_fences(int more)
{
    (void)opal_atomic_add_fetch_32(&fences, more);
}

/* The server takes no more from us until we have read some of ours. */
static int write_message(const pmix_toro_msg_t *m)
{
    struct pollfd pf = {.fd = chan.fd, .events = POLLIN | POLLOUT};

    while (0 > write(chan.fd, m->buf, m->used)) {
        if (EAGAIN == errno) {
            pthread_mutex_lock(&chan.lock);
            if (!chan.reading) {
                (void)read_round(NULL, 0);
            }
            pthread_mutex_unlock(&chan.lock);
            (void)poll(&pf, 1, 10);
        } else if (EINVAL == errno || EMSGSIZE == errno) {
            return OPAL_ERR_BAD_PARAM;
        } else if (EINTR != errno) {
            return OPAL_ERR_UNREACH;
        }
    }
    return OPAL_SUCCESS;
}

/* Number m, put r on the list, write. r stays the caller's if this fails. */
static int submit(pmix_toro_msg_t *m, req_t *r)
{
    struct torobus_pmix_hdr *h = (struct torobus_pmix_hdr *)m->buf;
    int rc = m->rc;

    if (OPAL_SUCCESS != rc) {
        return rc;
    }
    h->len = (uint32_t)(m->used - sizeof(*h));
    pthread_mutex_lock(&chan.lock);
    if (chan.dead || 0 > chan.fd) {
        pthread_mutex_unlock(&chan.lock);
        return OPAL_ERR_UNREACH;
    }
    if (0 == ++chan.next_id) {
        ++chan.next_id;
    }
    h->id = r->id = chan.next_id;
    r->next = chan.reqs;
    chan.reqs = r;
    pthread_mutex_unlock(&chan.lock);
    rc = write_message(m);
    if (OPAL_SUCCESS != rc) {
        pthread_mutex_lock(&chan.lock);
        /* gone already if the channel broke meanwhile: then its callback was or will be called */
        if (NULL == take(r->id)) {
            rc = OPAL_SUCCESS;
        }
        pthread_mutex_unlock(&chan.lock);
    }
    return rc;
}

static void cancel(uint32_t id)
{
    struct torobus_pmix_hdr h = {.op = TOROBUS_PMIX_CANCEL, .id = id};
    pmix_toro_msg_t m = {.buf = (char *)&h, .used = sizeof(h), .rc = OPAL_SUCCESS};

    (void)write_message(&m);
}

static void wait_cond(int64_t left_ms)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += left_ms / 1000;
    t.tv_nsec += left_ms % 1000 * 1000000;
    if (1000000000 <= t.tv_nsec) {
        t.tv_nsec -= 1000000000;
        ++t.tv_sec;
    }
    pthread_cond_timedwait(&chan.cond, &chan.lock, &t);
}

int pmix_toro_chan_call(pmix_toro_msg_t *m, int timeout_s, struct torobus_pmix_hdr **reply)
{
    int64_t deadline = 0 < timeout_s ? now_ms() + (int64_t)timeout_s * 1000 : INT64_MAX, left;
    req_t r = {.rc = OPAL_SUCCESS};
    int rc = submit(m, &r);

    pmix_toro_msg_free(m);
    if (OPAL_SUCCESS != rc) {
        return rc;
    }
    pthread_mutex_lock(&chan.lock);
    while (!r.done) {
        left = 60000;
        if (INT64_MAX != deadline && left > deadline - now_ms()) {
            left = deadline - now_ms();
        }
        if (0 >= left) {
            (void)take(r.id);
            pthread_mutex_unlock(&chan.lock);
            cancel(r.id);
            return OPAL_ERR_TIMEOUT;
        }
        if (chan.reading) {
            wait_cond(left);
        } else {
            (void)read_round(&r, left * 1000000);
        }
    }
    pthread_mutex_unlock(&chan.lock);
    if (NULL == r.msg) {
        return r.rc;
    }
    rc = pmix_toro_rc(r.msg->status);
    if (NULL != reply) {
        *reply = r.msg;
    } else {
        free(r.msg);
    }
    return rc;
}

int pmix_toro_chan_post(pmix_toro_msg_t *m, pmix_toro_reply_fn_t fn, void *cbdata)
{
    req_t *r = calloc(1, sizeof(*r));
    int rc = OPAL_ERR_OUT_OF_RESOURCE;

    if (NULL != r) {
        r->fn = fn;
        r->cbdata = cbdata;
        rc = submit(m, r);
        if (OPAL_SUCCESS != rc) {
            free(r);
        }
    }
    pmix_toro_msg_free(m);
    return rc;
}

void pmix_toro_chan_close(void)
{
    req_t *list = NULL, **todo = &list;

    pthread_mutex_lock(&chan.lock);
    if (0 <= chan.fd) {
        fail_all(&todo);
        close(chan.fd);
        chan.fd = -1;
        free(chan.buf);
        chan.buf = NULL;
        chan.socket = false;
        attention = 0;
    }
    pthread_mutex_unlock(&chan.lock);
    (void)run(list);
}
