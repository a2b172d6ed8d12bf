/* SPDX-License-Identifier: BSD-3-Clause */
/* The proxy of one rank: its link to the keeper, its stdio, its end. All from one libevent loop;
 * libpmix works in a thread of its own (proxy_pmix_worker.c). */
#ifndef PROXY_H
#define PROXY_H

#include "shim_frame.h"
#include "shim_path.h"
#include "shim_qemuargv.h"
#include "shim_sink.h"
#include "shim_source.h"
#include "torobus/pmix.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proxy_locks;
struct proxy_pmix;

/** What all ranks of a job have in common, and where the guest is. */
struct proxy_job {
    char key[17];     /**< job key */
    char node[64];    /**< node name */
    const char *exe;  /**< absolute path on the host */
    const char *root; /**< directory that the guest sees as "/": real path, or "" for the host's */
    char **argv;
    const char *cwd;
    uint32_t umask;
    uint32_t flags; /**< TOROBUS_START_* */
    uint32_t world_size;
    uint32_t local_size;
    uint32_t cores;                         /**< per rank */
    char settings[512 + 2 * SHIM_PATH_MAX]; /**< "name=value" strings for the keeper, NUL-terminated
                                               each */
    uint32_t settings_len;
    enum shim_fs fs; /**< what the guest may do with the host's files */
};

enum proxy_state {
    PROXY_ATTACHING = 0, /**< waits for ATTACHED */
    PROXY_STARTING,      /**< RANK_START is out */
    PROXY_RUNNING,
    PROXY_ENDED,    /**< EXIT, FAILED or ERROR came; output may still be on its way out */
    PROXY_FINISHED, /**< on_end was called */
};

/** Exit codes: 0-255 a status, 256 + n ended by signal n. */
#define PROXY_SIGNALED 256

struct proxy {
    struct event_base *base;
    const struct proxy_job *job;
    uint32_t rank; /**< local index on the guest */
    uint32_t world_rank;
    char **env; /**< environment of the rank */
    enum proxy_state state;
    int code; /**< how the rank ended */
    struct bufferevent *bev;
    struct shim_stream out, err;
    struct shim_source in;
    bool has_stdin;
    struct proxy_pmix *pmix;   /**< from the first upcall on */
    struct proxy_locks *locks; /**< from the first lock on */
    void (*on_end)(struct proxy *p);
    void (*on_gone)(struct proxy *p);    /**< the keeper has closed the connection after the end */
    void (*on_started)(struct proxy *p); /**< it enters its program; may be NULL */
    /** This process is the PMIx server of the rank (toro-run -n). Takes over body; NULL: the
     * launcher's server is. */
    void (*on_pmix)(struct proxy *p, const struct torobus_pmix_hdr *h, char *body);
    void *owner;
};

/** Keep a printed text for the user's stderr in step with what the rank itself prints. */
void proxy_note(const struct proxy *p, const char *text, uint32_t len);

/* proxy_main.c */
/**
 * Start a proxy on a socket connected to the keeper. The sinks may be shared.
 *
 * @param fd taken over
 * @return false without memory.
 */
bool proxy_start(struct proxy *p, int fd, struct shim_sink *out, struct shim_sink *err,
                 bool has_stdin);
void proxy_send(struct proxy *p, uint16_t type, uint32_t arg, const void *body, uint32_t len);
/** Pass a signal on to the rank; before it runs, SIGTERM and the like end the proxy at once. */
void proxy_signal(struct proxy *p, int sig);
/** Free what it has. Caller: on_gone and on_end were called, or it was never started. */
void proxy_close(struct proxy *p);
/** End without the guest's word: code as in struct proxy. */
void proxy_end(struct proxy *p, int code);
/** Tell the keeper that nothing more comes; on_gone is called when it has let go. */
void proxy_leave(struct proxy *p);

/* proxy_launch.c */
/** Send the first frame. */
void proxy_send_attach(struct proxy *p);
/** Send RANK_START. @return false with a line for the user. */
bool proxy_send_start(struct proxy *p, char err[256]);

/* proxy_gdb.c */
/** The rank waits for a debugger: write what that must know and tell the user. */
void proxy_gdb(struct proxy *p, const struct torobus_ctl_started *s);

/* proxy_stdio.c */
bool proxy_stdio_open(struct proxy *p, bool has_stdin);
void proxy_stdio_output(struct proxy *p, struct shim_stream *st, struct evbuffer *in, uint32_t len);
void proxy_stdio_credit(struct proxy *p, uint32_t arg);
void proxy_stdio_finish(struct proxy *p);
bool proxy_stdio_done(const struct proxy *p);

/* proxy_pmix.c */
/** A message of the guest's PMIx server. Takes over body. */
void proxy_pmix_message(struct proxy *p, void *body, uint32_t len);

#define SHIM_PMIX_WHY 320u
/**
 * Why there is no PMIx session with the launcher, in a line for the user that names both versions.
 *
 * @param rc what PMIx_Init() said
 */
void proxy_pmix_why(int rc, char text[SHIM_PMIX_WHY]);

/** The PMIx session was opened before the rank asked for it; it is the rank's as soon as it does.
 */
extern bool proxy_pmix_early;
/** Close it if the rank never asked. */
void proxy_pmix_unused(void);

/* proxy_lock.c */
/** LOCK of the guest. @return false if it makes no sense. */
bool proxy_lock(struct proxy *p, const void *body, uint32_t len);
/** The rank is gone: give up all that it had. */
void proxy_lock_end(struct proxy *p);

/* proxy_exit.c */
/** End this process as the rank ended. */
void proxy_exit(int code) __attribute__((noreturn));

#endif
