/* SPDX-License-Identifier: BSD-3-Clause */
/* 9P2000.L: messages, requests, and the client. */
#ifndef TORO_P9_H
#define TORO_P9_H

#include <toro/linux.h>
#include <toro/sched.h>
#include <toro/types.h>

#define P9_TLERROR       6u
#define P9_TSTATFS       8u
#define P9_TLOPEN        12u
#define P9_TLCREATE      14u
#define P9_TSYMLINK      16u
#define P9_TREADLINK     22u
#define P9_TGETATTR      24u
#define P9_TSETATTR      26u
#define P9_TREADDIR      40u
#define P9_TFSYNC        50u
#define P9_TLINK         70u
#define P9_TMKDIR        72u
#define P9_TRENAMEAT     74u
#define P9_TUNLINKAT     76u
#define P9_TVERSION      100u
#define P9_TATTACH       104u
#define P9_TWALK         110u
#define P9_TREAD         116u
#define P9_TWRITE        118u
#define P9_TCLUNK        120u

#define P9_NOTAG         0xffffu
#define P9_NOFID         0xffffffffu

#define P9_MSIZE         (512u << 10)
#define P9_HDR           7u
#define P9_IO_HDR        11u /* Rread, Rreaddir, and also the whole of Rlerror */
#define P9_WRITE_HDR     23u
#define P9_IO_MAX        (P9_MSIZE - 24u)
#define P9_WALK_MAX      16u

#define P9_QTDIR         0x80u
#define P9_QTSYMLINK     0x02u

#define P9_GETATTR_BASIC 0x7ffull

struct p9_qid {
    uint8_t type;
    uint32_t version;
    uint64_t path;
};

/* Wire form ------------------------------------------------------------------------------------ */
/** Cursor over a message; `bad` sticks once a read or write went past the end. */
struct p9_buf {
    uint8_t *p, *end;
    bool bad;
};
void p9_put8(struct p9_buf *b, uint8_t v);
void p9_put16(struct p9_buf *b, uint16_t v);
void p9_put32(struct p9_buf *b, uint32_t v);
void p9_put64(struct p9_buf *b, uint64_t v);
void p9_put_str(struct p9_buf *b, const char *s, size_t n);
uint8_t p9_get8(struct p9_buf *b);
uint16_t p9_get16(struct p9_buf *b);
uint32_t p9_get32(struct p9_buf *b);
uint64_t p9_get64(struct p9_buf *b);
/** String in place, not terminated; NULL (and bad) if it does not fit. */
const char *p9_get_str(struct p9_buf *b, uint16_t *n);
void p9_get_qid(struct p9_buf *b, struct p9_qid *q);
/** Body of Rgetattr. @return 0 or -EPROTO. */
int p9_get_attr(struct p9_buf *b, struct p9_qid *q, struct toro_linux_stat *st);
/**
 * Check a reply's header.
 *
 * @param len bytes the device wrote, data part included
 * @return 0 with b at the body; -EPROTO; or the error that an Rlerror carries, negative
 *
 * Trust: size, type, tag and error number are the server's.
 */
int p9_check_reply(struct p9_buf *b, uint8_t *msg, uint32_t len, uint8_t request, uint16_t tag);

/* Client --------------------------------------------------------------------------------------- */
struct p9_req {
    struct p9_buf b; /**< first the request, after p9_call() the reply's body */
    uint8_t *tx, *rx;
    uint16_t tag;
    uint8_t type;
    bool no_wait; /**< nobody waits: the interrupt frees it */
    uint32_t fid; /**< clunk: free this number when it is done */
    _Atomic bool done;
    uint32_t len;
    struct toro_waitq q;
    struct p9_req *next;
};

/** Start a request of this type; waits for a free slot. NULL if out of memory. */
struct p9_req *p9_new(uint8_t type);
/**
 * Send, wait, check the reply's header. Not interruptible: the server always answers.
 *
 * @param out data after the message (Twrite), physical address, n_out bytes
 * @param in  where data after the P9_IO_HDR bytes of reply goes (Tread, Treaddir)
 * @return 0 or -errno; the request is still to be freed by p9_end()
 */
int p9_call(struct p9_req *r, uint64_t out, uint32_t n_out, uint64_t in, uint32_t n_in);
void p9_end(struct p9_req *r);
uint32_t p9_fid_new(void); /**< P9_NOFID when there are none left */
void p9_fid_free(uint32_t fid);
/** Clunk without waiting; frees the number too. */
void p9_clunk(uint32_t fid);
/** Version and attach; *root is the root's fid. */
int p9_connect(uint32_t uid, uint32_t *root, struct p9_qid *qid);

/** [p, p + n) for the device: kernel heap or user memory. Checks that user memory may be read (or
 * written). @return 0 or -EFAULT. */
int p9_dma(const void *p, size_t n, bool device_writes, uint64_t *pa);

/* p9_file.c: what opening sets */
struct toro_file;
struct toro_node;
extern const struct toro_file_ops p9_file_ops, p9_dir_ops;
/** Attributes of a fid. */
int p9_getattr(uint32_t fid, struct p9_qid *q, struct toro_linux_stat *st);
/** Clone or walk: names are plain components "a/b". *nq qids were answered. */
int p9_walk(uint32_t fid, uint32_t newfid, const char *rel, size_t len, unsigned names,
            struct p9_qid *qids, unsigned *nq);

/** What a 9p node knows. */
struct p9_node {
    uint32_t fid;
    bool opened; /**< the fid was opened by the one file that owns this node */
};

/** What an open 9p file knows (file->priv). */
struct p9_open {
    uint32_t fid;
    bool own;           /**< the fid is this file's alone, not its node's */
    bool append;        /**< the server appends by itself */
    bool cached;        /**< st is what the server said last */
    uint64_t end;       /**< end of the furthest write */
    struct p9_map *map; /**< this file has mapped it */
    struct toro_linux_stat st;
};

/** One Tread or Twrite. @return bytes or -errno. */
toro_ssize p9_file_io(struct p9_open *o, void *buf, uint32_t n, uint64_t off, bool write);

/* p9_map.c: shared mappings. All may block; all are cheap while nothing is mapped. */
long p9_file_mmap(struct toro_file *f, uint64_t off, uint64_t len, unsigned prot);
/** Write back what was stored into mappings of f's file. @return 0 or -errno. */
int p9_map_flush(struct toro_file *f);
/** The file was written to: mappings show it. */
void p9_map_written(struct toro_file *f, uint64_t off, uint64_t n);
/** The file's size was set. */
void p9_map_cut(struct toro_file *f, uint64_t size);
/** The open file ends. */
void p9_map_release(struct toro_file *f);

#endif
