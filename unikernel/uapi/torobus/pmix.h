/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of the embedded PMIx server. The same encoding travels over /dev/toro-pmix (rank <->
 * kernel) and, inside ctl frames of type TOROBUS_CTL_PMIX, between kernel and proxy.
 *
 * A message is struct torobus_pmix_hdr followed by len bytes of body. A body is a sequence of
 * items, each a struct torobus_pmix_item followed by its key (klen bytes, no NUL) and its value
 * (vlen bytes), padded to 8 bytes. Little endian, no pointers. A reply carries the request's id; a
 * message without request has id 0.
 *
 * /dev/toro-pmix: open() makes the caller a client (one per process, EBUSY; ENOENT where there is
 * no server); write() takes exactly one whole message (EINVAL if it is malformed, EAGAIN while too
 * many of the caller's own messages wait to be read); read() returns exactly one whole message
 * (EMSGSIZE if the buffer is too small, message kept; EAGAIN with O_NONBLOCK); poll() tells
 * readiness. The file may be used by several threads; replies are matched by id.
 *
 * Kernel and proxy (ctl frames of type TOROBUS_CTL_PMIX, frame rank = local index of the rank):
 *  - An upcall is a request with an id of the kernel's choosing, unique on the guest; the proxy's
 *    reply repeats op and id, has F_REPLY set and is sent exactly once. Upcalls of one rank arrive
 * in the order in which the rank made them; a proxy starts them in that order (COMMIT before FENCE)
 *    but must not let one that waits (FENCE, GET, LOOKUP, CONNECT) hold up the next.
 *  - INIT comes first and FINALIZE last; after FINALIZE a new INIT may follow. A proxy that dies is
 *    the end of its rank.
 *  - Upcalls exist only for ranks started with TOROBUS_START_HOSTED, and for jobs that have started
 *    others (PROTOCOL.md: Families). Which ops: INIT, FINALIZE, COMMIT, GET, FENCE, ABORT, PUBLISH,
 *    LOOKUP, UNPUBLISH, CONNECT, DISCONNECT, SPAWN, LOG, EVENT. */
#ifndef TOROBUS_PMIX_H
#define TOROBUS_PMIX_H

#include "abi.h"

#define TOROBUS_PMIX_PATH "/dev/toro-pmix"
/** Largest message, bytes, header included. */
#define TOROBUS_PMIX_MSG_MAX (1u << 20)
/** Longest key, bytes, no NUL (PMIX_MAX_KEYLEN). */
#define TOROBUS_PMIX_KEY_MAX 511u
/** Longest namespace, bytes, no NUL. */
#define TOROBUS_PMIX_NSPACE_MAX    255u

#define TOROBUS_PMIX_RANK_WILDCARD 0xfffffffeu /* PMIX_RANK_WILDCARD */
#define TOROBUS_PMIX_RANK_UNDEF    0xffffffffu /* PMIX_RANK_UNDEF */

struct torobus_pmix_hdr {
    uint32_t len;   /**< bytes of body that follow */
    uint16_t op;    /**< enum torobus_pmix_op */
    uint16_t flags; /**< TOROBUS_PMIX_F_* */
    uint32_t id;    /**< of the request; the reply repeats it; 0 = unsolicited */
    int32_t status; /**< replies: enum torobus_pmix_status; requests: 0, or op specific (ABORT: exit
                       code) */
};
_Static_assert(sizeof(struct torobus_pmix_hdr) == 16, "pmix header layout");

#define TOROBUS_PMIX_F_REPLY    1u /**< this is a reply */
#define TOROBUS_PMIX_F_COLLECT  2u /**< FENCE: exchange the committed data */
#define TOROBUS_PMIX_F_OPTIONAL 4u /**< GET: do not ask beyond what the server already has */
#define TOROBUS_PMIX_F_IMMEDIATE                                                                   \
    8u /**< GET: ask the host once, do not wait for the key to be committed */
#define TOROBUS_PMIX_F_WAIT 16u /**< LOOKUP: wait until published */
#define TOROBUS_PMIX_F_MORE 32u /**< COMMIT: another COMMIT with the rest follows at once */
#define TOROBUS_PMIX_F_FACTS                                                                       \
    64u /**< GET, upcalls only: the reply carries all "pmix." data of all ranks of the own job */

#define TOROBUS_PMIX_F_WATCH 128u /**< EVENT: from now on the rank wants to hear of these codes */

/* Items in a request name its arguments by the reserved keys below (all start with "toro.") and
 * have the type named there; all other keys are PMIx keys with their values. */
enum torobus_pmix_op {
    /** Client -> server, first message; item ATTENTION may be there. Reply: items NSPACE, RANK
     *  (own), HOSTED and all job-level data that the server has; job-level items carry rank
     *  WILDCARD, those of a rank its number. Upcall to the proxy likewise (empty body): the proxy
     *  does PMIx_Init and answers with NSPACE, RANK and the job-level data it got from its server.
     *  It should have, rank WILDCARD: pmix.job.size, pmix.univ.size, pmix.max.size,
     *  pmix.num.nodes, pmix.local.size (U32), pmix.lpeers (STRING), pmix.job.napps; own rank:
     *  pmix.lrank, pmix.nrank (U16), pmix.appnum, pmix.nodeid (U32), pmix.hname, pmix.locstr,
     *  pmix.cpuset (STRING), where the server knows them. Types as the server gave them. The
     *  kernel itself says pmix.nsdir, which is the guest's. */
    TOROBUS_PMIX_INIT = 1,
    /** Client leaves. Upcall: the proxy does PMIx_Finalize. */
    TOROBUS_PMIX_FINALIZE = 2,
    /** Keys with scope (item.scope) for everyone else; takes effect at once (put and commit in
     *  one). Flag MORE. Upcall: without the keys that start with "pmix."; PMIx_Put each, then
     *  PMIx_Commit. */
    TOROBUS_PMIX_COMMIT = 3,
    /** One item: key, rank, no value; nspace in an NSPACE item before it if it is not the own.
     *  Flags OPTIONAL, IMMEDIATE; item TIMEOUT. Reply: the item with its value, or NOT_FOUND. The
     *  reply to an upcall may carry more items of the same rank than the one asked for (all that
     * the rank has committed): the kernel keeps them, which saves an upcall per key. Flag FACTS:
     * what the server knows from the start of every rank of the job, each item with its rank; the
     * kernel asks so once, when a rank first wants to know such a thing of another. */
    TOROBUS_PMIX_GET = 4,
    /** PROC items name the participants; none = all ranks of the own namespace. Flag COLLECT. Reply
     *  when all have entered. Fences among ranks of one guest make no upcall. */
    TOROBUS_PMIX_FENCE = 5,
    /** hdr.status = exit code, item MSG, PROC items = whom to end (none = the own job). Reply
     * before the end comes. Without a host server the kernel ends the ranks itself with this status
     * (0-255) and tells it to the proxy of the rank that asked, by this message with id 0 and no
     * items, before their EXIT frames. */
    TOROBUS_PMIX_ABORT = 6,
    /** Items with key and value; items RANGE and PERSIST. EXISTS if a key is there already. */
    TOROBUS_PMIX_PUBLISH = 7,
    /** Keys without value; flag WAIT (for all keys); items TIMEOUT, RANGE. Reply: the found items,
     *  item.rank = publisher, before each an NSPACE item (publisher's); NOT_FOUND if there is none.
     */
    TOROBUS_PMIX_LOOKUP = 8,
    /** Keys without value (none = all of the caller); item RANGE. */
    TOROBUS_PMIX_UNPUBLISH = 9,
    /** PROC items. */
    TOROBUS_PMIX_CONNECT = 10,
    TOROBUS_PMIX_DISCONNECT = 11,
    /** Items of job-level info, then per application: APP (starts it), CMD, ARG..., ENV..., CWD,
     * and items of its info (PMIx keys). Reply: NSPACE of the children. */
    TOROBUS_PMIX_SPAWN = 12,
    /** Server -> client or proxy -> kernel, id 0: something happened; item STATUS (enum
     *  torobus_pmix_event or _status), CODE if that says too little, PROC (who, may be absent),
     *  other items are PMIx info. The proxy registers a default event handler for its rank and
     *  passes on what it gets. Client -> server, with an id: the rank tells others; the same items
     *  and RANGE. It has told itself. Upcall: unless it concerns ranks of this guest alone; the
     *  host tells all in range but the one that asks. With flag WATCH nothing has happened: CODE
     *  items say which numbers of its own the program has handlers for. */
    TOROBUS_PMIX_EVENT = 13,
    /** Client -> server, upcall: items with PMIx log keys ("pmix.log.msg" BYTES, "pmix.log.stderr"
     *  STRING ...) for PMIx_Log; NOT_SUPPORTED: the rank prints them itself. Proxy -> kernel ->
     *  client with id 0: a MSG item is a line for the user's stderr. */
    TOROBUS_PMIX_LOG = 14,
    /** Client -> server: forget the request with this hdr.id (its time is over). No reply to
     * either. No upcall: a late reply of the proxy is dropped. */
    TOROBUS_PMIX_CANCEL = 15,
};

/** Results; the PMIx and OPAL codes are mapped once on each side. */
enum torobus_pmix_status {
    TOROBUS_PMIX_SUCCESS = 0,
    TOROBUS_PMIX_ERR_NOT_FOUND = -1,
    TOROBUS_PMIX_ERR_NOT_SUPPORTED = -2,
    TOROBUS_PMIX_ERR_BAD_PARAM = -3,
    TOROBUS_PMIX_ERR_TIMEOUT = -4,
    TOROBUS_PMIX_ERR_UNREACH = -5,
    TOROBUS_PMIX_ERR_NOMEM = -6,
    TOROBUS_PMIX_ERR_EXISTS = -7,
    TOROBUS_PMIX_ERROR = -8,
    TOROBUS_PMIX_ERR_PERM = -9,
};

/** What an EVENT reports in its STATUS item, beside the results above. */
enum torobus_pmix_event {
    TOROBUS_PMIX_EV_PROC_ABORTED = -64,    /**< PROC ended abnormally */
    TOROBUS_PMIX_EV_REQUESTED_ABORT = -65, /**< PROC called abort */
    TOROBUS_PMIX_EV_PROC_TERMINATED = -66, /**< PROC ended */
    TOROBUS_PMIX_EV_JOB_TERMINATED = -67,  /**< all of PROC's namespace ended */
    TOROBUS_PMIX_EV_NODE_DOWN = -68,
    TOROBUS_PMIX_EV_LOST_SERVER = -69, /**< the connection to the host's server is gone */
    TOROBUS_PMIX_EV_DEBUGGER = -70,    /**< a debugger releases the rank */
};

/** Type of a value; how its bytes are to be read. */
enum torobus_pmix_type {
    TOROBUS_PMIX_T_NONE = 0, /**< no value (a key asked for) */
    TOROBUS_PMIX_T_BOOL = 1, /**< 1 byte */
    TOROBUS_PMIX_T_U8 = 2,
    TOROBUS_PMIX_T_U16 = 3,
    TOROBUS_PMIX_T_U32 = 4,
    TOROBUS_PMIX_T_U64 = 5,
    TOROBUS_PMIX_T_S32 = 6,
    TOROBUS_PMIX_T_S64 = 7,
    TOROBUS_PMIX_T_SIZE = 8,   /**< 8 bytes */
    TOROBUS_PMIX_T_STRING = 9, /**< vlen bytes, no NUL */
    TOROBUS_PMIX_T_BYTES = 10, /**< a byte object */
    TOROBUS_PMIX_T_PROC = 11,  /**< value = nspace bytes; item.rank = rank */
    TOROBUS_PMIX_T_RANK = 12,  /**< u32: PMIX_PROC_RANK */
    TOROBUS_PMIX_T_INT = 13,   /**< 4 bytes, C int */
    TOROBUS_PMIX_T_UINT = 14,  /**< 4 bytes, C unsigned */
    TOROBUS_PMIX_T_DOUBLE = 15,
    TOROBUS_PMIX_T_STATUS = 16, /**< s32, enum torobus_pmix_status */
    /* 17 is free */
    TOROBUS_PMIX_T_BYTE = 18,
    TOROBUS_PMIX_T_S8 = 19,
    TOROBUS_PMIX_T_S16 = 20,
    TOROBUS_PMIX_T_FLOAT = 21,
    TOROBUS_PMIX_T_TIMEVAL = 22, /**< s64 seconds, s64 microseconds */
    TOROBUS_PMIX_T_TIME = 23,    /**< s64 */
    TOROBUS_PMIX_T_PID = 24,     /**< s32 */
};

/** Scope of a committed key. */
enum torobus_pmix_scope {
    TOROBUS_PMIX_SCOPE_NONE = 0,
    TOROBUS_PMIX_SCOPE_LOCAL = 1,  /**< ranks of the same node */
    TOROBUS_PMIX_SCOPE_REMOTE = 2, /**< ranks of other nodes */
    TOROBUS_PMIX_SCOPE_GLOBAL = 3, /**< both */
};

struct torobus_pmix_item {
    uint16_t klen;
    uint8_t type;  /**< enum torobus_pmix_type */
    uint8_t scope; /**< enum torobus_pmix_scope; COMMIT only */
    uint32_t rank; /**< the rank the item belongs to, or WILDCARD */
    uint32_t vlen;
    uint32_t reserved; /**< 0 */
};
_Static_assert(sizeof(struct torobus_pmix_item) == 16, "pmix item layout");

/* Reserved keys of arguments. */
#define TOROBUS_PMIX_K_NSPACE  "toro.nspace"  /* STRING */
#define TOROBUS_PMIX_K_RANK    "toro.rank"    /* U32 */
#define TOROBUS_PMIX_K_PROC    "toro.proc"    /* PROC */
#define TOROBUS_PMIX_K_MSG     "toro.msg"     /* STRING */
#define TOROBUS_PMIX_K_STATUS  "toro.status"  /* S32 */
#define TOROBUS_PMIX_K_RANGE   "toro.range"   /* U8, PMIx range value */
#define TOROBUS_PMIX_K_CODE    "toro.code"    /* S32: an event's number where STATUS has none */
#define TOROBUS_PMIX_K_PERSIST "toro.persist" /* U8, PMIx persistence value */
#define TOROBUS_PMIX_K_TIMEOUT "toro.timeout" /* U32, seconds, 0 = none */
#define TOROBUS_PMIX_K_HOSTED                                                                      \
    "toro.hosted" /* BOOL in the reply to INIT: a host PMIx server stands behind */
#define TOROBUS_PMIX_K_ATTENTION                                                                   \
    "toro.attention" /* U64 in INIT, rank -> kernel only: address of an aligned 32-bit word of the \
                        rank that the kernel sets to 1 while messages wait and to 0 when none does \
                      */
#define TOROBUS_PMIX_K_APP "toro.app" /* U32: processes of the application that starts here */
#define TOROBUS_PMIX_K_CMD "toro.cmd" /* STRING: program */
#define TOROBUS_PMIX_K_ARG "toro.arg" /* STRING: one word of argv, argv[0] first */
#define TOROBUS_PMIX_K_ENV "toro.env" /* STRING: NAME=value */
#define TOROBUS_PMIX_K_CWD "toro.cwd" /* STRING */

/** Bytes that an item takes in a body, padding included. */
static inline uint64_t torobus_pmix_item_size(uint32_t klen, uint32_t vlen)
{
    return (sizeof(struct torobus_pmix_item) + (uint64_t)klen + vlen + 7u) & ~7ull;
}

/**
 * Step to the next item of a body.
 *
 * @param body      the body, 8-byte aligned
 * @param len       its bytes
 * @param[in,out] off 0 at the start; set past the item on success
 * @param[out] it   the item's header inside body; key and value lie behind it
 * @return TOROBUS_OK, TOROBUS_AGAIN at the end, TOROBUS_EPROTO if the item does not fit (off
 * unchanged).
 *
 * Trust: klen and vlen come from a peer; both are checked against len before use.
 */
static inline int torobus_pmix_next(const void *body, uint32_t len, uint32_t *off,
                                    const struct torobus_pmix_item **it)
{
    const struct torobus_pmix_item *i;
    uint64_t size;

    if (*off == len)
        return TOROBUS_AGAIN;
    if (*off > len || len - *off < sizeof(*i))
        return TOROBUS_EPROTO;
    i = (const struct torobus_pmix_item *)((const char *)body + *off);
    if (i->klen > TOROBUS_PMIX_KEY_MAX)
        return TOROBUS_EPROTO;
    size = torobus_pmix_item_size(i->klen, i->vlen);
    if (size > len - *off)
        return TOROBUS_EPROTO;
    *it = i;
    *off += (uint32_t)size;
    return TOROBUS_OK;
}

static inline const char *torobus_pmix_item_key(const struct torobus_pmix_item *it)
{
    return (const char *)(it + 1);
}

static inline const void *torobus_pmix_item_value(const struct torobus_pmix_item *it)
{
    return (const char *)(it + 1) + it->klen;
}

#endif
