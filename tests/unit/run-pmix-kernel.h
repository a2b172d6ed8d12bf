/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's PMIx server as part of a host program: its files, and small stand-ins for the rest
 * of the kernel. Ranks are whatever the test calls so; k_rank is the one whose system call runs. */
#ifndef RUN_PMIX_KERNEL_H
#define RUN_PMIX_KERNEL_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../unikernel/lib/printf.c"
#include "../../unikernel/lib/string.c"
#define drop(...) drop_kv(__VA_ARGS__)
#include "../../unikernel/pmix/kvs.c"
#undef drop
#define drop(...)    drop_waiting(__VA_ARGS__)
#define visible(...) visible_kv(__VA_ARGS__)
#include "../../unikernel/pmix/get.c"
#undef drop
#undef visible
#define drop(...)  drop_upcall(__VA_ARGS__)
#define reply(...) reply_upcall(__VA_ARGS__)
#define queue(...) queue_upcall(__VA_ARGS__)
#define begin(...) begin_upcall(__VA_ARGS__)
#include "../../unikernel/pmix/upcall.c"
#undef drop
#undef reply
#undef queue
#undef begin
#define drop(...) drop_published(__VA_ARGS__)
#include "../../unikernel/pmix/publish.c"
#undef drop
#undef find
#undef add
#define finish(...) finish_fence(__VA_ARGS__)
#define leave(...)  leave_fence(__VA_ARGS__)
#include "../../unikernel/pmix/fence.c"
#undef finish
#undef leave
#include "../../unikernel/pmix/msg.c"
#define join(...)  join_job(__VA_ARGS__)
#define level(...) level_job(__VA_ARGS__)
#include "../../unikernel/pmix/jobinfo.c"
#undef join
#undef level
#define attention(...) attention_word(__VA_ARGS__)
#include "../../unikernel/pmix/client.c"
#undef attention
#define init(...) serve_init(__VA_ARGS__)
#include "../../unikernel/pmix/server.c"
#undef init
#include "../../unikernel/pmix/event.c"
#include "../../unikernel/pmix/farewell.c"
#include "../../unikernel/pmix/family.c"

/* --- stand-ins -----------------------------------------------------------------------------------
 */

struct toro_bootinfo toro_boot = {.name = "testnode"};

#define K_RANKS 8
static struct toro_proc k_procs[K_RANKS];
static bool k_alive[K_RANKS];
static unsigned k_pokes[K_RANKS];
static uint32_t k_ended[K_RANKS]; /* 1 + exit argument */
static _Thread_local unsigned k_rank;
static _Thread_local struct toro_thread k_thread;
static toro_ctl_fn k_on_pmix;
static int (*k_open)(struct toro_file *f);
static bool k_user_bad; /* copies fail */

/* Frames that went to the proxies, oldest first. */
struct k_frame {
    struct k_frame *next;
    uint32_t rank;
    _Alignas(8) struct torobus_pmix_hdr h;
    uint64_t body[];
};
_Static_assert(offsetof(struct k_frame, body) == offsetof(struct k_frame, h) + 16, "as it came");
static pthread_mutex_t k_frame_lock = PTHREAD_MUTEX_INITIALIZER;
static struct k_frame *k_frames;

void arch_relax(void)
{
    sched_yield();
}

void *toro_kmalloc(size_t n)
{
    return malloc(n ? n : 1);
}

void *toro_kzalloc(size_t n)
{
    return calloc(1, n ? n : 1);
}

void *toro_krealloc(void *p, size_t n)
{
    return realloc(p, n);
}

void toro_kfree(void *p)
{
    free(p);
}

void toro_printk(int level, const char *fmt, ...)
{
    (void)level;
    (void)fmt;
}

void toro_panic(const char *fmt, ...)
{
    fprintf(stderr, "panic: %s\n", fmt);
    abort();
}

struct toro_proc *toro_proc(unsigned i)
{
    return i < K_RANKS && k_alive[i] ? &k_procs[i] : NULL;
}

struct toro_thread *toro_current(void)
{
    k_thread.proc = &k_procs[k_rank];
    return &k_thread;
}

void toro_proc_end(struct toro_proc *p, uint32_t arg)
{
    if (!k_ended[p->index])
        k_ended[p->index] = 1 + arg;
}

void toro_proc_complain(struct toro_proc *p, const char *fmt, ...)
{
    (void)p;
    (void)fmt;
}

bool toro_user_ok(const void *p, size_t n)
{
    (void)n;
    return p != NULL && !k_user_bad;
}

int toro_copy_from_user(void *d, const void *s, size_t n)
{
    if (k_user_bad)
        return -EFAULT;
    memcpy(d, s, n);
    return 0;
}

int toro_copy_to_user(void *d, const void *s, size_t n)
{
    if (k_user_bad)
        return -EFAULT;
    if (n == sizeof(uint32_t)) /* the attention word, read by others at any time */
        __atomic_store_n((uint32_t *)d, *(const uint32_t *)s, __ATOMIC_RELEASE);
    else
        memcpy(d, s, n);
    return 0;
}

void toro_waitq_init(struct toro_waitq *q)
{
    memset(q, 0, sizeof(*q));
}

void toro_wait_add(struct toro_waitq *q, struct toro_waiter *w)
{
    (void)q;
    (void)w;
}

void toro_wait_del(struct toro_waiter *w)
{
    (void)w;
}

void toro_wake(struct toro_waitq *q, unsigned n)
{
    (void)q;
    (void)n;
}

void toro_block_begin(void)
{
}

int toro_block(uint64_t deadline, bool interruptible)
{
    (void)deadline;
    (void)interruptible;
    sched_yield();
    return 0;
}

static uint64_t k_now = 1;
static unsigned k_wakes;

uint64_t arch_now_ns(void)
{
    return k_now;
}

/* The server's thread does not run; tests call what it calls. */
struct toro_thread *toro_kthread(const char *name, unsigned core, void (*fn)(void *), void *arg)
{
    static struct toro_thread t;

    (void)name;
    (void)core;
    (void)fn;
    (void)arg;
    return &t;
}

void toro_thread_wake(struct toro_thread *t)
{
    (void)t;
    k_wakes++;
}

void toro_bus_poke(struct toro_proc *p)
{
    __atomic_fetch_add(&k_pokes[p->index], 1, __ATOMIC_RELAXED);
}

void toro_ctl_register(unsigned type, toro_ctl_fn fn)
{
    if (type == TOROBUS_CTL_PMIX)
        k_on_pmix = fn;
}

int toro_ctl_send(unsigned type, uint32_t rank, uint32_t arg, const void *body, uint32_t len)
{
    struct k_frame *f = malloc(sizeof(*f) + len), **p;

    (void)type;
    (void)arg;
    f->rank = rank;
    f->next = NULL;
    memcpy(&f->h, body, len);
    pthread_mutex_lock(&k_frame_lock);
    for (p = &k_frames; *p; p = &(*p)->next) {
    }
    *p = f;
    pthread_mutex_unlock(&k_frame_lock);
    return 0;
}

int toro_dev_register(const char *name, int (*open)(struct toro_file *f))
{
    (void)name;
    k_open = open;
    return 0;
}

/* --- what tests call
 * ------------------------------------------------------------------------------- */

static struct toro_file k_file[K_RANKS];

/* n fresh ranks. */
static inline void k_start(unsigned n, uint32_t flags)
{
    static bool once;

    if (!once)
        toro_pmix_init();
    once = true;
    memset(k_ended, 0, sizeof(k_ended));
    memset(k_pokes, 0, sizeof(k_pokes));
    for (unsigned i = 0; i < n; i++) {
        memset(&k_procs[i], 0, sizeof(k_procs[i]));
        k_procs[i].index = i;
        k_procs[i].world_rank = i;
        k_procs[i].world_size = k_procs[i].local_size = n;
        k_procs[i].start_flags = flags;
        k_alive[i] = true;
    }
}

static inline int k_open_dev(unsigned rank)
{
    k_rank = rank;
    memset(&k_file[rank], 0, sizeof(k_file[rank]));
    k_file[rank].flags = TORO_O_NONBLOCK;
    return k_open(&k_file[rank]);
}

static inline long k_write(unsigned rank, const void *buf, size_t n)
{
    k_rank = rank;
    return k_file[rank].ops->write(&k_file[rank], buf, n, NULL);
}

static inline long k_read(unsigned rank, void *buf, size_t n)
{
    k_rank = rank;
    return k_file[rank].ops->read(&k_file[rank], buf, n, NULL);
}

static inline void k_close(unsigned rank)
{
    k_file[rank].ops->release(&k_file[rank]);
}

static inline void k_end(unsigned rank)
{
    toro_pmix_proc_end(&k_procs[rank]);
    k_alive[rank] = false;
    toro_pmix_proc_gone(rank);
}

/* The oldest frame to a proxy, to be freed; NULL if there is none. */
static inline struct k_frame *k_frame(void)
{
    struct k_frame *f;

    pthread_mutex_lock(&k_frame_lock);
    f = k_frames;
    if (f)
        k_frames = f->next;
    pthread_mutex_unlock(&k_frame_lock);
    return f;
}

/* A frame from the proxy of a rank. */
static inline void k_from_proxy(unsigned rank, const void *msg, uint32_t len)
{
    struct torobus_ctl_hdr h = {
        .magic = TOROBUS_CTL_MAGIC, .type = TOROBUS_CTL_PMIX, .rank = rank, .len = len};

    k_on_pmix(&h, msg);
}

/* A message being built by a rank or a proxy. */
struct t_msg {
    struct torobus_pmix_hdr h;
    uint64_t body[8192];
};

static inline struct t_msg *t_new(struct t_msg *m, uint16_t op, uint16_t flags, uint32_t id)
{
    memset(&m->h, 0, sizeof(m->h));
    m->h.op = op;
    m->h.flags = flags;
    m->h.id = id;
    return m;
}

static inline void t_item(struct t_msg *m, const char *key, unsigned type, uint32_t rank,
                          const void *val, uint32_t vlen)
{
    char *p = (char *)m->body + m->h.len;
    struct torobus_pmix_item it = {
        .klen = (uint16_t)strlen(key), .type = (uint8_t)type, .rank = rank, .vlen = vlen};
    uint64_t size = torobus_pmix_item_size(it.klen, vlen);

    memset(p, 0, size);
    memcpy(p, &it, sizeof(it));
    memcpy(p + sizeof(it), key, it.klen);
    if (vlen)
        memcpy(p + sizeof(it) + it.klen, val, vlen);
    m->h.len += (uint32_t)size;
}

static inline void t_str(struct t_msg *m, const char *key, uint32_t rank, const char *s)
{
    t_item(m, key, TOROBUS_PMIX_T_STRING, rank, s, (uint32_t)strlen(s));
}

static inline void t_u32(struct t_msg *m, const char *key, uint32_t rank, uint32_t v)
{
    t_item(m, key, TOROBUS_PMIX_T_U32, rank, &v, 4);
}

static inline long t_send(unsigned rank, const struct t_msg *m)
{
    return k_write(rank, m, sizeof(m->h) + m->h.len);
}

/* Value of a key in a message, NULL if it is not there. */
static inline const void *t_value(const struct t_msg *m, const char *key, uint32_t rank,
                                  uint32_t *vlen)
{
    const struct torobus_pmix_item *it;
    uint32_t off = 0;

    while (torobus_pmix_next(m->body, m->h.len, &off, &it) == TOROBUS_OK) {
        if (it->klen == strlen(key) && it->rank == rank &&
            memcmp(torobus_pmix_item_key(it), key, it->klen) == 0) {
            *vlen = it->vlen;
            return torobus_pmix_item_value(it);
        }
    }
    return NULL;
}

static inline bool t_is_str(const struct t_msg *m, const char *key, uint32_t rank, const char *want)
{
    uint32_t n;
    const void *v = t_value(m, key, rank, &n);

    return v && n == strlen(want) && memcmp(v, want, n) == 0;
}

static inline bool t_is_u32(const struct t_msg *m, const char *key, uint32_t rank, uint32_t want)
{
    uint32_t n, got;
    const void *v = t_value(m, key, rank, &n);

    if (!v || n != 4)
        return false;
    memcpy(&got, v, 4);
    return got == want;
}

/* Next message for the rank into m. @return false if there is none. */
static inline bool t_recv(unsigned rank, struct t_msg *m)
{
    long n = k_read(rank, m, sizeof(*m));

    return n == (long)(sizeof(m->h) + m->h.len);
}

#endif
