/* SPDX-License-Identifier: BSD-3-Clause */
/* The jobs of one toro-run -n: the one that it was told to run, and those that their ranks have
 * started (MPI_Comm_spawn), each in a guest of its own. Toro-run is their PMIx server for all that
 * concerns more than one guest. The first job's guest answers its own ranks and comes here only
 * after its first spawn; the guests of the others have "a host server", which is this one.
 *
 * All of it runs in toro-run's loop. */
#ifndef FAMILY_H
#define FAMILY_H

#include "proxy.h"
#include "proxy_pmix.h"
#include "shim_env.h"

/** Open MPI's job ids: family << 16 | number. The family of every stand-alone job is 1. */
#define FAMILY_JOBID(number) (65536u + (number))
/** What a rank may have stored here, and may wait for. */
#define FAMILY_BYTES (4u << 20)
#define FAMILY_COUNT 4096u
#define FAMILY_WAITS 1024u

struct family;
struct family_job;

/** A value that a rank has committed or published. */
struct family_value {
    struct family_value *next;
    char nspace[16];           /**< published: the publisher's, who may be gone */
    struct family_rank *owner; /**< published: NULL once it is gone */
    uint8_t range, persist;    /**< published */
    /* item, key and value as they came */
    _Alignas(8) struct torobus_pmix_item it;
};

/** A request that has not been answered. */
struct family_req {
    struct family_req *next;
    struct family_rank *from;   /**< NULL: it is gone */
    struct preq r;              /**< hdr and body only */
    struct family_rank **procs; /**< FENCE, CONNECT: who takes part, in order */
    uint32_t nprocs;
    struct family_rank *of; /**< GET: whose value */
    bool parked;            /**< in the list of those that wait */
    struct event *timer;    /**< its time is limited */
};

struct family_rank {
    struct proxy proxy;
    struct shim_env env;
    struct family_job *job;
    uint32_t rank, app, app_rank;
    bool inited, committed;
    bool ended; /**< takes part no longer */
    struct family_value *values;
    uint32_t bytes, count, nwaits;
};

/** What ranks of one application have in common. */
struct family_app {
    struct proxy_job job;
    char exe[SHIM_PATH_MAX], cwd[SHIM_PATH_MAX];
    char **argv;         /**< owned, but for the first job's */
    struct shim_env env; /**< what the application adds */
    uint32_t n, first;   /**< ranks, and the first of them */
};

enum family_state {
    FAMILY_STARTING = 0, /**< not all of its ranks run yet */
    FAMILY_RUNNING,
    FAMILY_FAILED, /**< could not be started: its ranks are being ended */
};

struct family_job {
    struct family_job *next;
    struct family *family;
    unsigned number;
    char nspace[16];
    enum family_state state;
    uint32_t n, nstarted, nfinished, ngone;
    struct family_rank *rank;
    struct family_app *app;
    uint32_t napps;
    struct family_req *spawn; /**< who waits for it to run */
    char parent[16];          /**< namespace, empty for the first job */
};

struct family {
    struct event_base *base;
    struct family_job *jobs; /**< newest first */
    unsigned last_number;
    struct family_req *waiting; /**< GET, FENCE ... that cannot be answered yet */
    struct family_value *published;
    const struct proxy_job *model; /**< the first job's: settings, node, key */
    /** Start the ranks of a new job. @return false with a line for the user. */
    bool (*start)(struct family_job *j, char err[256]);
    /** End the ranks of a job that cannot be started. */
    void (*drop)(struct family_job *j);
    /** A rank wants all to end. */
    void (*abort)(struct family_rank *r, int status);
    bool (*ending)(const struct family *f); /**< nothing new is started any more */
    void *owner;
};

/* family.c */
/** A new job with room for n ranks. @return NULL without memory. */
struct family_job *family_job_new(struct family *f, uint32_t n, uint32_t napps);
/** Free jobs whose ranks have all gone. */
void family_sweep(struct family *f);
struct family_rank *family_find(struct family *f, const char *nspace, size_t len, uint32_t rank);
struct family_job *family_find_job(struct family *f, const char *nspace, size_t len);
/** A checked message of a rank's guest. Takes over body. Trust: its items are the guest's word. */
void family_message(struct family_rank *r, const struct torobus_pmix_hdr *h, char *body);
/** The rank has entered its program. */
void family_started(struct family_rank *r);
/** The rank is gone; aborted: the others learn it. */
void family_ended(struct family_rank *r, bool aborted);
/** Answer a request and free it. */
void family_reply(struct family_req *q, int status);
/** Let it wait, as long as it wants; refused if the rank has too many. */
void family_park(struct family *f, struct family_req *q);

/* family_info.c */
/** Append what is known of a rank (or the job: WILDCARD), all of it or one key. @return how many
 * items. */
unsigned family_info(struct pbuf *b, const struct family_job *j, uint32_t rank, const char *key,
                     size_t klen);
void family_init(struct family_req *q);

/* family_data.c */
void family_commit(struct family_req *q);
void family_get(struct family_req *q);
void family_fence(struct family_req *q);
/** A rank has committed, or has gone: those who wait for it. */
void family_data_wake(struct family *f, struct family_rank *r);
/** Copy an item. @return NULL if the rank has stored too much, or without memory. */
struct family_value *family_value_new(struct family_rank *r, const struct torobus_pmix_item *it);

/* family_names.c */
void family_publish(struct family_req *q);
void family_lookup(struct family_req *q);
void family_unpublish(struct family_req *q);
/** The rank is gone, and names with it. */
void family_names_gone(struct family_rank *r, bool last);

/* family_spawn.c */
void family_spawn(struct family_req *q);
/** The job that a request waits for runs, or never will. */
void family_spawned(struct family_job *j, int status);

#endif
