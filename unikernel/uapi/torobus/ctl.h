/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames on the control channel: guest <-> keeper over virtio-serial, keeper <-> proxy over a unix
 * stream socket. The keeper routes by `rank` and never looks into a body that is not addressed to
 * itself; guest and proxy each check every field.
 *
 * A frame is struct torobus_ctl_hdr and len bytes. rank is the *local index* of the rank on its
 * guest (0 .. ncores-1 = its core), TOROBUS_CTL_NOBODY for frames between guest and keeper. */
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
    TOROBUS_CTL_SHUTDOWN = 4, /**< keeper -> guest: flush and power off */
    TOROBUS_CTL_QUERY = 5,    /**< keeper -> guest: arg = enum torobus_ctl_query; reply REPORT */
    TOROBUS_CTL_REPORT = 6,   /**< guest -> keeper: text */

    /* proxy -> guest (through the keeper) */
    TOROBUS_CTL_RANK_START = 16, /**< body: struct torobus_ctl_start + strings */
    TOROBUS_CTL_STDIN = 17,      /**< body: bytes; len 0 = end of file */
    TOROBUS_CTL_SIGNAL = 18,     /**< arg: Linux signal number for the rank; 9 ends it at once */
    /* guest -> proxy */
    TOROBUS_CTL_STARTED = 24, /**< the program is loaded and about to enter; arg 0 */
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

    /* proxy or orted-shim -> keeper (unix socket only), first frame of a connection */
    TOROBUS_CTL_ATTACH_NODE =
        64, /**< body: struct torobus_ctl_attach: reserve a slice (orted-shim, toro-info) */
    TOROBUS_CTL_ATTACH_RANK =
        65, /**< body: struct torobus_ctl_attach: proxy of rank `rank`; boots the guest */
    TOROBUS_CTL_ATTACH_INFO =
        66, /**< toro-info: arg = enum torobus_ctl_query; body: node name or empty */
    /* keeper -> client */
    TOROBUS_CTL_ATTACHED = 72, /**< the slice is there; body: struct torobus_ctl_attached */
    TOROBUS_CTL_ERROR = 73,    /**< body: one line for the user; arg: exit status to end with. The
                                  keeper closes next */
    TOROBUS_CTL_NOTE =
        74, /**< body: a line for the user's stderr (console of the guest, warnings) */
};

enum torobus_ctl_query {
    TOROBUS_CTL_Q_STACKS = 1,   /**< where every rank is */
    TOROBUS_CTL_Q_SYSCALLS = 2, /**< unknown system calls seen, with counts */
    TOROBUS_CTL_Q_MEMORY = 3,
    TOROBUS_CTL_Q_PORTS = 4,
};

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

/** Body of ATTACH_NODE and ATTACH_RANK. */
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
