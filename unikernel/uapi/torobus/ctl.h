/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames on the control channel: guest <-> keeper over virtio-serial, keeper <-> proxy over a unix
 * stream socket. The keeper routes by `rank` and never looks into a body that is not addressed to
 * itself; guest and proxy each check every field.
 *
 * A frame is struct torobus_ctl_hdr and len bytes. rank is the *local index* of the rank on its
 * guest (0 .. ranks-1), TOROBUS_CTL_NOBODY for frames between guest and keeper. */
#ifndef TOROBUS_CTL_H
#define TOROBUS_CTL_H

#include "abi.h"

#define TOROBUS_CTL_MAGIC 0x54b5u
/** Largest body, bytes. A PMIx message always fits into one frame. */
#define TOROBUS_CTL_BODY_MAX ((1u << 20) + 64u)
#define TOROBUS_CTL_NOBODY   0xffffffffu
/** Bytes of one stdio stream that may be on the way unacknowledged, and the most that one stdio
 * frame carries. */
#define TOROBUS_CTL_WINDOW    (256u << 10)
#define TOROBUS_CTL_STDIO_MAX (32u << 10)

/** Ranges that a RESET_DONE may name. */
#define TOROBUS_CTL_KEEP_MAX 72u

struct torobus_ctl_hdr {
    uint16_t magic; /**< TOROBUS_CTL_MAGIC */
    uint16_t type;  /**< enum torobus_ctl_type */
    uint32_t rank;
    uint32_t len; /**< bytes of body */
    uint32_t arg; /**< by type, else 0 */
};
_Static_assert(sizeof(struct torobus_ctl_hdr) == 16, "ctl header layout");

enum torobus_ctl_type {
    /* guest -> keeper */
    TOROBUS_CTL_HELLO = 1, /**< body: struct torobus_ctl_hello; the guest is up */
    TOROBUS_CTL_PANIC = 2, /**< body: text; the guest is dying */
    TOROBUS_CTL_CLOCK = 3, /**< keeper -> guest, answer to HELLO. body: struct torobus_ctl_clock */
    TOROBUS_CTL_SHUTDOWN = 4,  /**< keeper -> guest: flush and power off */
    TOROBUS_CTL_QUERY = 5,     /**< keeper -> guest: arg = enum torobus_ctl_query; reply REPORT */
    TOROBUS_CTL_REPORT = 6,    /**< guest -> keeper: text */
    TOROBUS_CTL_RESET = 7,     /**< keeper -> guest that stays: the job is over, forget it */
    TOROBUS_CTL_CORE = 8,      /**< guest -> keeper, with the rank: write its memory to a core file.
                                  body:      struct torobus_ctl_core, ranges, head; reply CORE_DONE */
    TOROBUS_CTL_CORE_DONE = 9, /**< keeper -> guest: arg errno; body: the file's name, or why not */
    TOROBUS_CTL_PUNCH = 10,    /**< guest -> keeper: free the memory of these ranges. body: struct
                                  torobus_ctl_range []; reply PUNCHED */
    TOROBUS_CTL_PUNCHED = 11,  /**< keeper -> guest, in the order of the requests: arg 0, the ranges
                                  read as zero now, or errno, nothing is known of them */
    TOROBUS_CTL_RESET_DONE = 12, /**< guest -> keeper: body: struct torobus_ctl_reset; arg: 0, or an
                                    errno: not possible */
    TOROBUS_CTL_WIPED = 13,      /**< keeper -> guest: all of its slice reads as zero now but what
                                    RESET_DONE named. CLOCK follows */

    /* proxy -> guest (through the keeper) */
    TOROBUS_CTL_RANK_START = 16, /**< arg: the rank's cores, TOROBUS_CTL_CORES(); 0: the one with
                                    its number. body: struct torobus_ctl_start + strings */
    TOROBUS_CTL_STDIN = 17,      /**< body: bytes; len 0 = end of file */
    TOROBUS_CTL_SIGNAL = 18,     /**< arg: Linux signal number for the rank; 9 ends it at once */
    /* guest -> proxy */
    TOROBUS_CTL_STARTED = 24, /**< the program is loaded and about to enter; arg 0; body: nothing,
                                 or struct torobus_ctl_started */
    TOROBUS_CTL_STDOUT = 25,
    TOROBUS_CTL_STDERR = 26,
    TOROBUS_CTL_EXIT =
        27, /**< last frame of a rank. arg: exit status 0-255, or 256 + signal that ended it */
    TOROBUS_CTL_FAILED =
        28, /**< RANK_START impossible. arg: errno; body: one line of text. The rank is gone */
    /* both ways */
    TOROBUS_CTL_CREDIT =
        32, /**< arg: stream (0 stdin, 1 stdout, 2 stderr) << 24 | bytes consumed (< 2^24) */
    TOROBUS_CTL_PMIX = 33, /**< body: one message of pmix.h. Guest -> proxy: upcall; proxy -> guest:
                              its reply or an event */
    TOROBUS_CTL_LOCK = 34, /**< guest -> proxy: lock on a file of the host. body: struct
                              torobus_ctl_lock + path */
    TOROBUS_CTL_LOCKED = 35, /**< proxy -> guest, the answer. body: struct torobus_ctl_locked */

    /* proxy or orted-shim -> keeper (unix socket only), first frame of a connection */
    TOROBUS_CTL_ATTACH_NODE =
        64, /**< body: struct torobus_ctl_attach: reserve a slice (orted-shim, toro-info) */
    TOROBUS_CTL_ATTACH_RANK = 65, /**< body: struct torobus_ctl_attach: proxy of rank `rank`, arg:
                                     world rank, for messages; boots the guest */
    TOROBUS_CTL_ATTACH_INFO =
        66, /**< toro-info: arg = enum torobus_ctl_query; body: node name or empty */
    TOROBUS_CTL_ATTACH_NATIVE =
        67, /**< body: struct torobus_ctl_attach. toro-run that is about to become its rank, a Linux
               process; arg: world rank. The connection outlives its exec and stands for the rank */
    TOROBUS_CTL_ADOPT =
        68, /**< to a keeper that waits for its next job: body: that job's key, 16 hex digits */
    TOROBUS_CTL_END_IDLE = 69, /**< toro-info --stop, likewise: end, and all guests with it */
    /* keeper -> client */
    TOROBUS_CTL_ATTACHED = 72, /**< the slice is there; body: struct torobus_ctl_attached */
    TOROBUS_CTL_ERROR = 73,    /**< body: one line for the user; arg: exit status to end with. The
                                  keeper closes next */
    TOROBUS_CTL_NOTE = 74, /**< body: a line for the user's stderr (console of the guest, warnings);
                              arg: 1 if only for those who want to know each step (-v) */
    TOROBUS_CTL_ADOPTED = 75, /**< the keeper listens at the job's address from now on */

    /* Linux process <-> keeper after ATTACH_NATIVE, one question at a time. Descriptors come with
     * the first byte of the answer (SCM_RIGHTS). */
    TOROBUS_CTL_PORT = 80, /**< take a port; no body. Answer: struct torobus_ctl_port, with the
                              region and the eventfd of the own doorbell */
    TOROBUS_CTL_DOORBELL =
        81, /**< arg: a port. Answer: the same without body, with its eventfd if it has one */
};

enum torobus_ctl_query {
    TOROBUS_CTL_Q_STACKS = 1,   /**< where every rank is */
    TOROBUS_CTL_Q_SYSCALLS = 2, /**< unknown system calls seen, with counts */
    TOROBUS_CTL_Q_MEMORY = 3,
    TOROBUS_CTL_Q_PORTS = 4,
};

/** Cores of a rank, as the arg of RANK_START: the first one (home of its port and pool) and how
 * many that follow each other. */
#define TOROBUS_CTL_CORES(first, n)    ((uint32_t)(first) << 16 | (uint32_t)(n))
#define TOROBUS_CTL_CORES_FIRST(cores) ((uint32_t)(cores) >> 16)
#define TOROBUS_CTL_CORES_COUNT(cores) ((uint32_t)(cores)&0xffffu)

struct torobus_ctl_hello {
    uint32_t version;      /**< TOROBUS_ABI_VERSION */
    uint32_t ncores;       /**< cores that came up */
    uint64_t tsc;          /**< guest TSC when this was written */
    uint64_t boot_tsc;     /**< guest TSC at kernel entry */
    uint64_t kernel_bytes; /**< kernel memory in use */
};
_Static_assert(sizeof(struct torobus_ctl_hello) == 32, "hello layout");

/** Wall clock for the guest. The rate is that of the host's TSC, which the guest's TSC follows (TCG
 * and KVM). */
struct torobus_ctl_clock {
    uint64_t tsc_hz;
    uint64_t realtime_ns;  /**< CLOCK_REALTIME when HELLO was read */
    uint64_t monotonic_ns; /**< CLOCK_MONOTONIC at the same time */
    uint64_t hello_tsc;    /**< tsc of the HELLO this answers */
};
_Static_assert(sizeof(struct torobus_ctl_clock) == 32, "clock layout");

/** Body of RANK_START; strings follow, NUL-terminated one after the other: cwd, exe path,
 * argv[argc], env[envc]. */
struct torobus_ctl_start {
    uint32_t argc;
    uint32_t envc;
    uint32_t flags;      /**< TOROBUS_START_* */
    uint32_t world_rank; /**< for diagnosis */
    uint32_t world_size;
    uint32_t local_size; /**< ranks on this guest */
    uint32_t uid, gid;
    uint32_t umask;
    uint32_t strings; /**< bytes of strings */
};
_Static_assert(sizeof(struct torobus_ctl_start) == 40, "start layout");

#define TOROBUS_START_STRACE 1u /**< print the rank's system calls on its stderr */
#define TOROBUS_START_HOSTED                                                                       \
    2u /**< a host PMIx server stands behind the proxy; else the kernel answers everything */
#define TOROBUS_START_STOP 4u /**< wait for a debugger before entering the program */

/** Where the rank is, for debuggers. */
struct torobus_ctl_started {
    uint64_t load_bias; /**< added to the addresses in the program's file */
    uint64_t entry;     /**< first instruction that runs */
    uint64_t resume;    /**< with TOROBUS_START_STOP: the rank goes on when the 32-bit word at this
                           address of the guest is not 0 */
};
_Static_assert(sizeof(struct torobus_ctl_started) == 24, "started layout");

/** Body of CORE: nranges of struct torobus_ctl_core_range follow, then head_len bytes, which are
 * the file's first. */
struct torobus_ctl_core {
    uint32_t world_rank;
    uint32_t nranges;
    uint32_t head_len;
    uint32_t reserved;
};
_Static_assert(sizeof(struct torobus_ctl_core) == 16, "core layout");

struct torobus_ctl_core_range {
    uint64_t offset; /**< in the region, inside the guest's slice */
    uint64_t len;
    uint64_t file; /**< where in the file; behind the head, rising */
};
_Static_assert(sizeof(struct torobus_ctl_core_range) == 24, "core range layout");

/** Part of the guest's slice: whole pages. */
struct torobus_ctl_range {
    uint64_t offset; /**< in the region */
    uint64_t len;
};
_Static_assert(sizeof(struct torobus_ctl_range) == 16, "range layout");
/** Body of RESET_DONE: what is to stay as it is are copies of program files, which the next job
 * most likely runs again. */
struct torobus_ctl_reset {
    uint64_t tsc; /**< guest TSC when this was written */
    uint32_t nkeep;
    uint32_t reserved;
    struct torobus_ctl_range keep[TOROBUS_CTL_KEEP_MAX]; /**< the first nkeep are sent */
};
#define TOROBUS_CTL_RESET_SIZE(n) (16u + 16u * (n))
_Static_assert(sizeof(struct torobus_ctl_reset) == TOROBUS_CTL_RESET_SIZE(TOROBUS_CTL_KEEP_MAX),
               "reset layout");

/** Most ranges of one PUNCH. */
#define TOROBUS_CTL_PUNCH_MAX 256u

enum torobus_ctl_lock_op {
    TOROBUS_LOCK_SET = 1,    /**< fcntl(F_SETLK, F_SETLKW): type on [start, start + len) */
    TOROBUS_LOCK_GET = 2,    /**< fcntl(F_GETLK): who is in the way of it */
    TOROBUS_LOCK_FLOCK = 3,  /**< flock(): type on the file */
    TOROBUS_LOCK_CLOSE = 4,  /**< give up all that is held under the key; no answer */
    TOROBUS_LOCK_CANCEL = 5, /**< the request `id` need not wait any longer: it is answered, if it
                                has not been, with EINTR */
};

/** A rank's locks are held by its proxy under keys of the guest's choice: one for each file that it
 * locks by fcntl(), one for each open file that it locks by flock() or F_OFD_SETLK. */
struct torobus_ctl_lock {
    uint32_t id;     /**< comes back in the answer */
    uint8_t op;      /**< enum torobus_ctl_lock_op */
    uint8_t type;    /**< 0 shared, 1 exclusive, 2 none: as F_RDLCK, F_WRLCK, F_UNLCK */
    uint8_t wait;    /**< 1: answer when the lock is there */
    uint8_t by_file; /**< the key is an open file's; both kinds are counted apart */
    uint64_t key;
    uint64_t start, len; /**< len 0: to the end of all files */
    /* then the path, canonical and absolute as the guest sees it, NUL-terminated */
};
_Static_assert(sizeof(struct torobus_ctl_lock) == 32, "lock layout");

struct torobus_ctl_locked {
    uint32_t id;
    int32_t err; /**< 0 or errno */
    /* of GET: a lock that is in the way, or type 2 */
    uint32_t type;
    int32_t pid;
    uint64_t start, len;
};
_Static_assert(sizeof(struct torobus_ctl_locked) == 32, "locked layout");

/** Body of ATTACH_NODE and ATTACH_RANK; settings follow, "name=value" strings, NUL-terminated each:
 * fs, mem, log, spin_ns, boot_timeout, cores (per rank; 1 if not given; every rank of a guest has
 * as many), and cpus=LIST or bind=core: the rank's virtual CPUs are to be pinned to these
 * processors of the host, or to cores of the keeper's choice. */
struct torobus_ctl_attach {
    uint32_t version;    /**< TOROBUS_ABI_VERSION */
    uint32_t local_size; /**< ranks the node gets; 0 for ATTACH_NODE */
    char node[64];       /**< NUL-terminated */
};
_Static_assert(sizeof(struct torobus_ctl_attach) == 72, "attach layout");

struct torobus_ctl_attached {
    uint32_t version;
    uint32_t guest; /**< slice index */
    uint32_t nguests;
    uint32_t reserved;
};
_Static_assert(sizeof(struct torobus_ctl_attached) == 16, "attached layout");

/** Answer to PORT. The port is as good as new and OPEN, as after TOROBUS_IOC_ATTACH. */
struct torobus_ctl_port {
    uint32_t version; /**< TOROBUS_ABI_VERSION */
    uint32_t port;
    uint32_t guest;    /**< slice index; port p has the p'th part of ports_per_guest of it */
    uint32_t reserved; /**< 0 */
    uint64_t region_size;
    uint64_t spin_ns; /**< advised time to poll before sleeping */
};
_Static_assert(sizeof(struct torobus_ctl_port) == 32, "port layout");

/**
 * Check a frame header that came from a peer.
 *
 * @return true if the magic is right and the body fits; the type is the caller's to know.
 *
 * Trust: everything in h is the peer's.
 */
static inline bool torobus_ctl_hdr_ok(const struct torobus_ctl_hdr *h)
{
    return h->magic == TOROBUS_CTL_MAGIC && h->len <= TOROBUS_CTL_BODY_MAX;
}

#endif
