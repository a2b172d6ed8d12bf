/* SPDX-License-Identifier: BSD-3-Clause */
/* The keeper: one process per job and host that owns the bus region, the guests and the routing of
 * ctl frames. One thread, one libevent loop; every function here is called from that loop. */
#ifndef KEEPER_H
#define KEEPER_H

#include "shim_accel.h"
#include "shim_bind.h"
#include "shim_frame.h"
#include "shim_huge.h"
#include "shim_job.h"
#include "shim_path.h"
#include "shim_pool.h"
#include "torobus/region.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

/** Bytes of frames that may wait for one client or guest; honest peers stay far below (credit). */
#define KEEPER_BACKLOG_MAX (64u << 20)

struct keeper;
struct keeper_core;
struct keeper_guest;

enum keeper_client_kind {
    KEEPER_CLIENT_NEW = 0, /**< has not said what it is */
    KEEPER_CLIENT_NODE,    /**< orted-shim: holds the node's slice */
    KEEPER_CLIENT_RANK,    /**< proxy of a rank */
    KEEPER_CLIENT_NATIVE,  /**< a rank that is a Linux process itself */
    KEEPER_CLIENT_INFO,    /**< toro-info */
};

/** One connection of a host program. */
struct keeper_client {
    struct keeper_client *next;
    struct keeper *keeper;
    struct bufferevent *bev;
    enum keeper_client_kind kind;
    struct keeper_guest *guest; /**< NODE, RANK and waiting INFO */
    uint32_t rank;              /**< RANK, NATIVE: local index */
    char *core_dir;             /**< RANK: where its core file goes, NULL: it wants none */
    uint32_t world_rank;        /**< likewise */
    bool bind;                  /**< RANK: its virtual CPUs are to be pinned */
    hwloc_bitmap_t cpus;        /**< RANK: to these; NULL: to any cores */
    int port;                   /**< NATIVE: index of its port in the slice, -1: none yet */
    char node[64];              /**< NODE: its name */
    void *first; /**< body of its first frame while it waits for a slice, else NULL */
    struct torobus_ctl_hdr first_hdr;
    struct event *patience; /**< how long it waits for some guest to end */
    bool impatient;
    bool leaving; /**< it has sent all it will send; closed when the keeper has nothing for it */
    bool closing; /**< close as soon as the output is written */
    pid_t pid;    /**< as the kernel says */
    bool stopped; /**< RANK: it was stopped, and its rank with it */
};

enum keeper_guest_state {
    KEEPER_GUEST_RESERVED = 0, /**< has its slice */
    KEEPER_GUEST_BOOTING,      /**< QEMU runs, no HELLO yet */
    KEEPER_GUEST_HELLO,        /**< HELLO came, the clock is being measured */
    KEEPER_GUEST_UP,
    KEEPER_GUEST_RESETTING, /**< stays: told to forget its job */
    KEEPER_GUEST_KEPT,      /**< stays: empty, waits for its next job */
    KEEPER_GUEST_STOPPING,  /**< told to end, or killed */
    KEEPER_GUEST_DEAD,      /**< QEMU is reaped */
};

/** Settings that come with the rank whose arrival boots the guest. */
struct keeper_settings {
    enum shim_fs fs;
    unsigned log;
    uint64_t spin_ns;
    uint64_t boot_timeout_s;
    uint64_t keep_s; /**< how long guests stay after the job, 0: not at all */
    unsigned cores;  /**< per rank */
    char mem[32];
    bool gdb;                      /**< a debugger is to come */
    uint64_t mem_per_rank;         /**< 0: not given; mem wins */
    char root[SHIM_PATH_MAX];      /**< what the guest sees as "/"; empty: the host's own */
    char core_dir[SHIM_PATH_MAX];  /**< of that rank alone; empty: no core files */
    enum shim_bind bind;           /**< of that rank alone, as what follows */
    char cpus[SHIM_BIND_LIST_MAX]; /**< processors that its launcher bound it to; empty: none */
};

/** One node: a slice and, from the first proxy on, a QEMU. */
struct keeper_guest {
    struct keeper *keeper;
    char name[64];  /**< for messages: node name, for jobs after the first with '+' and a number */
    char uname[64]; /**< node name as the guest's programs see it */
    unsigned slice;
    enum keeper_guest_state state;
    unsigned ncores; /**< vCPUs */
    unsigned nranks;
    struct keeper_settings settings; /**< that it was booted with */
    unsigned njobs;                  /**< that it has served before this one */

    pid_t pid;
    int pidfd;
    struct event *exit_ev;
    struct event *boot_timer;
    uint64_t boot_limit_s;
    struct event *stop_timer;
    struct event *clock_timer; /**< between HELLO and CLOCK */
    struct bufferevent *ctl;
    struct bufferevent *console;
    struct bufferevent *errors; /**< QEMU's stderr */
    struct bufferevent *qmp;    /**< QEMU's events */
    struct evbuffer *queue;     /**< frames of clients until the guest is UP */
    struct torobus_ctl_hello hello;
    struct timespec born, up; /**< CLOCK_MONOTONIC, for -v and toro-info */
    uint64_t hello_real_ns, hello_mono_ns;

    struct keeper_client *rank[TOROBUS_MAX_CORES];
    uint32_t world_rank[TOROBUS_MAX_CORES]; /**< of those that have attached */
    bool attached[TOROBUS_MAX_CORES];       /**< a proxy has come (and may have gone) */
    bool ended[TOROBUS_MAX_CORES];
    unsigned nattached, nended;
    bool gdb;                                 /**< there is a socket for a debugger */
    struct keeper_core *cores;                /**< core files that are being written */
    uint32_t pmix_up[TOROBUS_MAX_CORES];      /**< upcalls of the rank's PMIx server to the host */
    uint32_t pmix_down[TOROBUS_MAX_CORES];    /**< answers and events from there */
    hwloc_bitmap_t pinned[TOROBUS_MAX_CORES]; /**< where its virtual CPUs are; NULL: anywhere */
    hwloc_bitmap_t home;                      /**< NUMA nodes of QEMU's own memory; NULL: any */
    bool numa;                                /**< its memory is bound to the nodes of its cores */
    char numa_why[64];                        /**< why it is not */
    bool failed;      /**< its end was not asked for and has been reported */
    int wait_status;  /**< of QEMU when it was reaped */
    char last[256];   /**< last line of QEMU's stderr: why it ended */
    bool why;         /**< `last` is why QEMU stopped it, and stays */
    char panic[1024]; /**< text of PANIC */
};

/** One message of the ivshmem server that waits for its QEMU to read. */
struct keeper_ivshmem_msg {
    int64_t value;
    int16_t peer; /**< whose vector's descriptor goes along; -1 the region's, -2 none */
    uint16_t vector;
};

/** The ivshmem server's side of one QEMU. */
struct keeper_peer {
    bool used;
    int sock; /**< keeper's end of the link to QEMU; -1: Linux processes, which have none */
    struct event *write_ev;
    uint8_t told[TOROBUS_MAX_GUESTS]; /**< vectors of each other peer that it has been told of */
    unsigned nvectors;
    int vector[TOROBUS_MAX_CORES]; /**< eventfds; writing one interrupts that core */
    struct keeper_ivshmem_msg *msgs;
    unsigned nmsgs, sent, room;
};

/** Ranks of the job that are Linux processes on this host: a slice of their own, the last one. */
struct keeper_native {
    bool used;
    unsigned slice;
    char name[64];   /**< of the host */
    unsigned nranks; /**< as many as will come */
    struct keeper_client *port[TOROBUS_MAX_CORES];
};

/** The bus region. */
struct keeper_region {
    int memfd;
    enum shim_huge huge;
    uint64_t file_size; /**< power of two, as a BAR must be */
    uint64_t page;      /**< bytes of its pages: holes and policies are of whole ones */
    void *head;         /**< superblock, slice headers and ports, mapped */
    size_t head_size;
    struct torobus_superblock sb;
};

struct keeper {
    struct event_base *base;
    char key[SHIM_KEY_LEN + 1];
    struct event *listen_ev;
    int listenfd;
    struct event *idle_timer;
    struct event *child_ev, *period_ev; /**< for stopped processes */
    struct keeper_client *clients;
    bool had_client;
    bool flushed;    /**< waits for clients to read their last frames, for the last time */
    bool ending;     /**< last client is gone; leaves the loop when the guests are reaped */
    uint64_t keep_s; /**< how long guests stay after the job; 0: not at all */
    bool stop;       /**< nothing stays: it was told to end */
    bool idle;       /**< between two jobs: listens where the next one looks for guests */
    char pool[SHIM_POOL_MAX]; /**< where that is, without the number at the end; "" if unknown */

    bool ready; /**< QEMU and kernel are there; the region is there when region.head is */
    struct keeper_region region;
    struct keeper_peer peer[TOROBUS_MAX_GUESTS];
    struct keeper_guest *guest[TOROBUS_MAX_GUESTS];
    struct keeper_native native;
    char qemu[SHIM_PATH_MAX], kernel[SHIM_PATH_MAX], firmware[SHIM_PATH_MAX];
    int qemu_version;
    enum shim_accel accel;
    char accel_reason[256];
    unsigned host_cpus;
    char caches[SHIM_CACHES_MAX];
    hwloc_topology_t topo; /**< when virtual CPUs are pinned */
    hwloc_bitmap_t cpus;   /**< processors that the job may use, likewise */
    bool bound;            /**< some virtual CPUs are pinned */
    const char *unbound;   /**< why they are not, though it was asked for */
    uint64_t start_tsc;
    struct timespec start_raw; /**< CLOCK_MONOTONIC_RAW at start_tsc */
};

/** Run as a keeper; the listening socket is descriptor 3. @return exit status. */
int keeper_main(const char *key);

/* keeper_log.c */
void keeper_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* keeper_region.c */
/** Make the region from the settings. @return false with a line for the user. */
bool keeper_region_make(struct keeper_region *r, char err[512]);
/** Give a slice its name, size and state. */
void keeper_region_reserve(struct keeper_region *r, unsigned slice, const char *name,
                           unsigned ncores, uint64_t mem_limit);
void keeper_region_state(struct keeper_region *r, unsigned slice, enum torobus_slice_state state);
/** A guest is dead: say so to its peers. */
void keeper_region_retire(struct keeper_region *r, unsigned slice);
/** Give the memory of a dead guest's slice back, so that the next one finds zeros. */
void keeper_region_release(struct keeper_region *r, unsigned slice);
/** Free the memory of ranges of a slice; they read as zero then.
 *
 * @return 0, EINVAL if one is outside of the slice (nothing is done), or errno
 *
 * Trust: the ranges are the guest's. */
int keeper_region_punch(struct keeper_region *r, unsigned slice,
                        const struct torobus_ctl_range *range, uint32_t n);
/** Give the memory of a slice back but for some parts of it. @return false if that fails, or a part
 * is not a part of the slice. Trust: the parts are a guest's word. */
bool keeper_region_wipe(struct keeper_region *r, unsigned slice,
                        const struct torobus_ctl_range *keep, uint32_t nkeep);
/** Memory that all guests together may use, from TOROBUS_MEM or the host's free memory. */
bool keeper_region_mem_limit(const struct keeper_region *r, unsigned nguests, const char *setting,
                             uint64_t *limit, char err[512]);

/* keeper_ivshmem.c */
/** Let a guest join. @param[out] qemu_fd QEMU's end of the link. @return false: no descriptors. */
bool keeper_ivshmem_join(struct keeper *k, unsigned slice, unsigned nvectors, int *qemu_fd);
void keeper_ivshmem_leave(struct keeper *k, unsigned slice);
/** Give a port of Linux processes its doorbell, and tell the guests. @return its eventfd or -1. */
int keeper_ivshmem_native(struct keeper *k, unsigned slice, unsigned vector);
/** The doorbell of a port, -1 if it has none. It is the same one for as long as the keeper lives.
 */
int keeper_ivshmem_doorbell(const struct keeper *k, uint32_t port);

/* keeper_native.c */
/** A client that is about to become a rank. @return false with a line for the user. */
bool keeper_native_attach(struct keeper_client *c, const char *node, uint32_t local_size,
                          char err[512]);
/** A frame of such a rank. @return false if it makes no sense. */
bool keeper_native_frame(struct keeper_client *c, const struct torobus_ctl_hdr *h);
/** The rank has gone. */
void keeper_native_gone(struct keeper_client *c);

/* keeper_client.c */
void keeper_client_accept(evutil_socket_t fd, short what, void *arg);
/** Send a frame of the keeper's own to a client. */
void keeper_client_send(struct keeper_client *c, uint16_t type, uint32_t arg, const void *body,
                        uint32_t len);
/** Send ERROR (empty text: end silently) and close when it is written. */
void keeper_client_error(struct keeper_client *c, int status, const char *text);
/** The guest has no more for this client: close it when its output is written. */
void keeper_client_done(struct keeper_client *c);
/** Make every client that only waits for the end go. */
void keeper_client_release_all(struct keeper *k);

/** A guest has gone: let clients that wait for a slice try again. */
void keeper_client_retry(struct keeper *k);

/* keeper_attach.c */
enum keeper_attach_result {
    KEEPER_ATTACH_REFUSED, /**< the client is closing */
    KEEPER_ATTACH_OK,
    KEEPER_ATTACH_LATER, /**< there will be a slice when a guest has ended: try again then */
};
/** First frame of a client. */
enum keeper_attach_result keeper_attach(struct keeper_client *c, const struct torobus_ctl_hdr *h,
                                        const void *body);

/* keeper_guest.c */
struct keeper_guest *keeper_guest_find(struct keeper *k, const char *name);
/** Reserve a slice for a node. @return NULL with a line for the user. */
struct keeper_guest *keeper_guest_reserve(struct keeper *k, const char *name, char err[512]);
/** Forward a frame of a proxy to the guest, or keep it until the guest is up. */
void keeper_guest_forward(struct keeper_guest *g, struct evbuffer *in, uint32_t bytes);
void keeper_guest_send(struct keeper_guest *g, uint16_t type, uint32_t rank, uint32_t arg,
                       const void *body, uint32_t len);
/** A proxy has gone: its rank is to end. */
void keeper_guest_client_gone(struct keeper_guest *g, struct keeper_client *c);
void keeper_guest_rank_ended(struct keeper_guest *g, uint32_t rank);
/** Report a guest's failure to its clients and kill it. Only the first report counts. */
void keeper_guest_fail(struct keeper_guest *g, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/** Name the guest and its ranks, for messages. */
void keeper_guest_who(const struct keeper_guest *g, char text[256]);
/** Ask the guest to power off; kill it if it does not. */
void keeper_guest_stop(struct keeper_guest *g);
void keeper_guest_kill(struct keeper_guest *g);
/** Free a guest that is dead, or was never booted, and its slice, unless its node still holds it.
 */
void keeper_guest_release(struct keeper_guest *g);
/** A line for the user's stderr through one of the guest's clients. */
void keeper_guest_note(struct keeper_guest *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/** The same for those only who want to know each step (-v). */
void keeper_guest_step(struct keeper_guest *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* keeper_boot.c */
/** Time that a waiting rank should spin before it sleeps, with all ranks that there will be. */
uint64_t keeper_spin_ns(const struct keeper *k, unsigned ncores);
/** Start QEMU for a reserved guest. @return false with a line for the user. */
bool keeper_boot(struct keeper_guest *g, unsigned nranks, const struct keeper_settings *s,
                 char err[512]);

/** Pass on what the kernel has printed so far: before an end that lets nobody listen any more. */
void keeper_console_drain(struct keeper_guest *g);

/** Take what QEMU has written to its stderr so far. */
void keeper_errors_drain(struct keeper_guest *g);

/* keeper_qmp.c */
/** libevent callback of a guest's QMP link. */
void keeper_qmp_read(struct bufferevent *bev, void *arg);
/** One line of it. Trust: any bytes. */
void keeper_qmp_line(struct keeper_guest *g, const char *line, size_t len);

/* keeper_qemu.c */
/**
 * Start a child that dies with the keeper.
 *
 * @param keep descriptors it inherits under their own numbers
 * @return its pid, or -1.
 */
pid_t keeper_qemu_spawn(struct keeper_guest *g, char *const argv[], const int *keep, unsigned nkeep,
                        int errfd, int *pidfd);

/* keeper_ctl.c */
/** libevent callbacks of a guest's control channel. */
void keeper_ctl_read(struct bufferevent *bev, void *arg);
void keeper_ctl_event(struct bufferevent *bev, short what, void *arg);

/* keeper_core.c */
/** CORE of a guest: write the file, then answer. @return false if the frame makes no sense. */
bool keeper_core(struct keeper_guest *g, uint32_t rank, const void *body, uint32_t len);
/** The guest is gone: so are its unfinished core files. */
void keeper_core_cancel(struct keeper_guest *g);

/* keeper_gdb.c */
/** Make the node's directory. @param[out] path of the socket. @return false with a line in err. */
bool keeper_gdb_socket(struct keeper_guest *g, char path[SHIM_PATH_MAX], char err[512]);
/** Remove socket and commands, and the directory if nobody else needs it. */
void keeper_gdb_gone(struct keeper_guest *g);

/* keeper_clock.c */
void keeper_clock_start(struct keeper *k);
/** The host's TSC rate, or 0 if the keeper has not lived long enough; *wait_ms says how much. */
uint64_t keeper_clock_hz(struct keeper *k, unsigned *wait_ms);

/* keeper_stop.c */
/** Begin to watch for stopped QEMUs and proxies. @return false without memory. */
bool keeper_stop_watch(struct keeper *k);

/* keeper_keep.c */
/** Whether guests stay after this job. (Not with ranks that are Linux processes: they have seen the
 * region.) */
bool keeper_keeps(const struct keeper *k);
/** All ranks of all guests have ended: let guests that stay forget the job. */
void keeper_keep_quiet(struct keeper *k);
/** The last client is gone: wait for the next job. @return false if there is nothing to wait with
 * (and the keeper should end), true if it waits, or will soon. */
bool keeper_keep_idle(struct keeper *k);
/** A node of the next job: a kept guest that suits it, under its name. NULL if there is none. */
struct keeper_guest *keeper_keep_find(struct keeper *k, const char *name);
/** Put a kept guest to use; if it does not suit, end it and reserve another one in its place.
 *  @return the guest, or NULL with a line for the user. */
struct keeper_guest *keeper_keep_use(struct keeper_guest *g, unsigned nranks,
                                     const struct keeper_settings *s, char err[512]);
/** No slice is free: end the oldest guest that only stays for a job to come, unless some guest is
 * about to end anyway. @return true if a slice will be free. */
bool keeper_keep_make_room(struct keeper *k);
/** RESET_DONE of a guest. */
void keeper_keep_reset_done(struct keeper_guest *g, uint32_t err, const void *body, uint32_t len);
/** ADOPT or END_IDLE. */
void keeper_keep_request(struct keeper_client *c, const struct torobus_ctl_hdr *h,
                         const void *body);
/** The wait is over: everything ends. */
void keeper_keep_end(struct keeper *k);

/* keeper_bind.c */
/** What a rank that attaches wants. @return false with a line for the user. */
bool keeper_bind_wish(struct keeper_client *c, const struct keeper_settings *s, char err[512]);
/** A rank has come, or a guest is up: pin the virtual CPUs of all guests anew. */
void keeper_bind_update(struct keeper *k);
/** A guest's QEMU is gone. */
void keeper_bind_forget(struct keeper_guest *g);
/** A line of toro-info, if there is something to say. */
void keeper_bind_print(FILE *f, const struct keeper_guest *g);

/** What the host has, in k->topo and k->cpus. @return false if that is not to be known. */
bool keeper_bind_look(struct keeper *k);

/* keeper_numa.c */
/** Before a guest boots: which nodes QEMU's own memory should come from, as far as the first of its
 * ranks tells. */
void keeper_numa_home(struct keeper_guest *g, const struct keeper_client *first, unsigned nranks,
                      unsigned cores);
/** In QEMU's process, before it is QEMU. */
void keeper_numa_enter(const struct keeper_guest *g);
/** Its virtual CPUs have been pinned, or freed: memory that is touched from now on comes from the
 * nodes of the cores that own it. */
void keeper_numa_bind(struct keeper_guest *g);
/** A guest's QEMU is gone: its slice is to be as it was. */
void keeper_numa_forget(struct keeper_guest *g);
/** A line of toro-info, if there is something to say. */
void keeper_numa_print(FILE *f, const struct keeper_guest *g);

/* keeper_info.c */
/** Answer a toro-info client (or pass its query on to a guest). */
void keeper_info(struct keeper_client *c, uint32_t query, const char *node);

/* keeper_main.c */
/** Look whether anything is left to do; call after a client or guest has gone. */
void keeper_check_idle(struct keeper *k);

#endif
