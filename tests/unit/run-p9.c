/* SPDX-License-Identifier: BSD-3-Clause */
/* The 9p file system against servers that answer correctly, wrongly, and with noise: replies cut at
 * every byte, wrong sizes, tags and counts. Fids must be given back whatever happens. */
#include "fs-kernel.h"
#include "fs-pool.h"
#include "../../unikernel/fs/p9_wire.c"
#include "../../unikernel/fs/mount.c"
#undef MAX_MOUNTS
#include "../../unikernel/fs/p9_ops.c"
#undef O_WIRE
#include "../../unikernel/fs/p9_file.c"
#include "../../unikernel/fs/p9_map.c"

#include "tap.h"

int toro_lock_ask(struct toro_node *n, struct torobus_ctl_lock *l, struct torobus_ctl_locked *out)
{
    (void)n;
    (void)l;
    (void)out;
    return -ENOSYS;
}

/* A transport without a device: `serve` writes the reply. ----------------------------------------
 */
#define BUF 8192
static uint8_t tx[BUF], rx[P9_MSIZE];
static long fids; /* numbers in use */
static uint32_t next_fid;
static bool in_use[64];
static const uint8_t *sent_data; /* of a write under way */
static uint32_t sent_len;
/* Fill rx with the reply; @return its length. data: where a read's bytes go. */
static uint32_t (*serve)(uint8_t type, struct p9_buf *b, uint8_t *data, uint32_t n);

uint32_t p9_fid_new(void)
{
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t f = (next_fid + i) % 64;

        if (!in_use[f]) {
            in_use[f] = true;
            next_fid = f + 1;
            fids++;
            return f;
        }
    }
    return P9_NOFID;
}

void p9_fid_free(uint32_t fid)
{
    if (!in_use[fid])
        abort();
    in_use[fid] = false;
    fids--;
}

void p9_clunk(uint32_t fid)
{
    p9_fid_free(fid);
}

struct p9_req *p9_new(uint8_t type)
{
    struct p9_req *r = toro_kzalloc(sizeof(*r));

    if (!r)
        return NULL;
    r->type = type;
    r->tag = 3;
    r->b = (struct p9_buf){.p = tx, .end = tx + BUF};
    p9_put32(&r->b, 0);
    p9_put8(&r->b, type);
    p9_put16(&r->b, r->tag);
    return r;
}

void p9_end(struct p9_req *r)
{
    toro_kfree(r);
}

int p9_call(struct p9_req *r, uint64_t out, uint32_t n_out, uint64_t in, uint32_t n_in)
{
    struct p9_buf b = {.p = rx, .end = rx + sizeof(rx)};
    uint32_t len = (uint32_t)(r->b.p - tx);
    uint8_t *msg;
    int err;

    sent_data = (const uint8_t *)(uintptr_t)out;
    sent_len = n_out;
    if (r->b.bad)
        return -ENAMETOOLONG;
    memcpy(tx, &len, 4);
    r->len = serve(r->type, &b, (uint8_t *)(uintptr_t)in, n_in);
    /* What the device wrote, and not a byte more, for the sanitizer. */
    msg = malloc(r->len ? r->len : 1);
    memcpy(msg, rx, n_in ? TORO_MIN(r->len, P9_IO_HDR) : r->len);
    err = p9_check_reply(&r->b, msg, r->len, r->type, r->tag);
    if (n_in)
        r->b.end = msg + TORO_MIN(r->len, P9_IO_HDR);
    r->b.p = rx + (r->b.p - msg);
    r->b.end = rx + (r->b.end - msg);
    free(msg);
    return err == -EPROTO ? -EIO : err;
}

int p9_connect(uint32_t uid, uint32_t *root, struct p9_qid *qid)
{
    (void)uid;
    *root = p9_fid_new();
    *qid = (struct p9_qid){.type = P9_QTDIR, .path = 1};
    return 0;
}

int p9_dma(const void *p, size_t n, bool device_writes, uint64_t *pa)
{
    (void)n;
    (void)device_writes;
    *pa = (uintptr_t)p;
    return 0;
}

int toro_file_stat(struct toro_file *f, struct toro_linux_stat *st)
{
    return f->ops->stat(f, st);
}

int toro_vfs_setattr(struct toro_node *n, const struct toro_attr *a)
{
    return n->mnt->ops->setattr(n, a);
}

/* A correct server
 * --------------------------------------------------------------------------------- */
static void qid(struct p9_buf *b, uint8_t type, uint64_t path)
{
    p9_put8(b, type);
    p9_put32(b, 0);
    p9_put64(b, path);
}

static uint32_t finish(struct p9_buf *b, uint8_t type, uint32_t more)
{
    uint32_t len = (uint32_t)(b->p - rx) + more;

    memcpy(rx, &len, 4);
    rx[4] = type;
    rx[5] = 3;
    rx[6] = 0;
    return len;
}

static uint32_t error(struct p9_buf *b, uint32_t e)
{
    p9_put32(b, e);
    return finish(b, P9_TLERROR + 1, 0);
}

static unsigned names_wanted(void)
{
    return tx[15] | tx[16] << 8;
}

static unsigned walk_stops = 99; /* after this many names */
static uint8_t walk_type = P9_QTDIR, walk_last = 0;

static uint32_t good(uint8_t type, struct p9_buf *b, uint8_t *data, uint32_t n)
{
    p9_put32(b, 0);
    p9_put8(b, 0);
    p9_put16(b, 0);
    switch (type) {
    case P9_TWALK: {
        unsigned want = names_wanted(), k = TORO_MIN(want, walk_stops);

        if (want && !k)
            return error(b, ENOENT);
        p9_put16(b, (uint16_t)k);
        for (unsigned i = 0; i < k; i++)
            qid(b, i + 1 == k ? walk_last : walk_type, 100 + i);
        break;
    }
    case P9_TLOPEN:
    case P9_TLCREATE:
        qid(b, 0, 77);
        p9_put32(b, 0);
        break;
    case P9_TGETATTR:
        p9_put64(b, P9_GETATTR_BASIC);
        qid(b, 0, 77);
        p9_put32(b, TORO_S_IFREG | 0644);
        p9_put32(b, 1);
        p9_put32(b, 2);
        for (unsigned i = 0; i < 15; i++)
            p9_put64(b, i == 2 ? 12345 : i == 3 ? 4096 : 8);
        break;
    case P9_TREADLINK:
        p9_put_str(b, "target", 6);
        break;
    case P9_TREAD:
        memset(data, 'r', n);
        p9_put32(b, n);
        return finish(b, P9_TREAD + 1, n);
    case P9_TWRITE:
        p9_put32(b, 1000);
        break;
    case P9_TREADDIR: {
        struct p9_buf d = {.p = data, .end = data + n};

        for (unsigned i = 0; i < 3; i++) {
            qid(&d, i ? 0 : P9_QTDIR, 200 + i);
            p9_put64(&d, i + 1);
            p9_put8(&d, i ? 8 : 4);
            p9_put_str(&d, "entry", 3 + i);
        }
        p9_put32(b, (uint32_t)(d.p - data));
        return finish(b, P9_TREADDIR + 1, (uint32_t)(d.p - data));
    }
    case P9_TSTATFS:
        p9_put32(b, 0xef53);
        p9_put32(b, 4096);
        for (unsigned i = 0; i < 6; i++)
            p9_put64(b, i);
        p9_put32(b, 255);
        break;
    default:
        break;
    }
    return finish(b, type + 1, 0);
}

/* One of everything; results are not looked at. */
static void everything(struct toro_node *root)
{
    static char buf[4096];
    struct toro_file f = {.flags = TORO_O_RDWR}, d = {0};
    struct toro_linux_stat st;
    struct toro_linux_statfs sf;
    struct toro_attr a = {.valid = TORO_ATTR_MODE};
    struct toro_node *n = NULL;
    uint64_t pos = 0;
    size_t used = 0;

    toro_list_init(&f.epolls);
    if (op_walk(root, "a/b/c", &used, &n) == 0) {
        f.node = n;
        (void)op_stat(n, &st);
        (void)op_setattr(n, &a);
        (void)op_readlink(n, buf, sizeof(buf));
        (void)op_link(n, root, "x");
        (void)op_statfs(n->mnt, n, &sf);
        n->type = TORO_S_IFREG;
        if (op_open(n, &f) == 0) {
            (void)f.ops->read(&f, buf, sizeof(buf), &pos);
            (void)f.ops->write(&f, buf, 1000, &pos);
            (void)f.ops->stat(&f, &st);
            (void)f.ops->sync(&f);
            (void)f.ops->truncate(&f, 5);
            f.ops->release(&f);
        }
        toro_node_put(n);
    }
    d.node = root;
    if (op_open(root, &d) == 0) {
        (void)d.ops->readdir(&d, buf, sizeof(buf));
        (void)d.ops->readdir(&d, buf, 30);
        d.ops->release(&d);
    }
    f = (struct toro_file){.flags = TORO_O_RDWR | TORO_O_APPEND};
    if (op_create(root, "new", 0644, &f) == 0) {
        (void)f.ops->write(&f, buf, 1000, &pos);
        f.ops->release(&f);
        toro_node_put(f.node);
    }
    (void)op_mkdir(root, "m", 0755);
    (void)op_unlink(root, "m", true);
    (void)op_rename(root, "m", root, "n", 0);
    (void)op_symlink(root, "m", "t");
}

static void test_good(struct toro_node *root)
{
    struct toro_linux_stat st;
    struct toro_node *n;
    static char buf[8192];
    struct toro_file f = {.flags = TORO_O_RDONLY}, d = {.node = root};
    uint64_t pos = 0;
    size_t used;
    uint16_t rl;

    serve = good;
    t_ok(op_walk(root, "a/bb/c", &used, &n) == 0 && used == 6 && strcmp(n->path, "/a/bb/c") == 0,
         "a walk of three names in one go");
    t_ok(op_stat(n, &st) == 0 && st.size == 12345 && st.mode == (TORO_S_IFREG | 0644) &&
             st.ino == 77,
         "attributes");
    f.node = n;
    t_eq(op_open(n, &f), 0, "open");
    t_ok(f.ops->read(&f, buf, sizeof(buf), &pos) == 8192 && pos == 8192 && buf[8191] == 'r',
         "read");
    pos = 0;
    t_ok(f.ops->write(&f, buf, 8192, &pos) == 1000 && pos == 1000, "a short write is told");
    f.ops->release(&f);
    toro_node_put(n);
    t_eq(op_open(root, &d), 0, "open a directory");
    t_eq(d.ops->readdir(&d, buf, sizeof(buf)), 24 * 2 + 32, "three entries");
    memcpy(&rl, buf + 16, 2);
    t_ok(rl == 24 && strcmp(buf + 19, "ent") == 0 && buf[18] == 4, "the first");
    d.pos = 0;
    t_ok(d.ops->readdir(&d, buf, 50) == 48 && d.pos == 2, "only those that fit");
    t_eq(d.ops->readdir(&d, buf, 10), -EINVAL, "none fits");
    d.ops->release(&d);
    walk_stops = 2;
    t_ok(op_walk(root, "a/b/c/d", &used, &n) == 0 && used == 3, "a walk that stops half way");
    toro_node_put(n);
    walk_stops = 99;
    walk_type = P9_QTSYMLINK;
    t_eq(op_walk(root, "a/b/c", &used, &n), -EIO, "a server that walks through a symlink");
    walk_type = P9_QTDIR;
    t_ok(fids == 1 && host_heap == 2, "no fid and no memory is left but the root's");
}

/* Wrong servers
 * ------------------------------------------------------------------------------------- */
static uint32_t cut_at, cut_type;

static uint32_t cut(uint8_t type, struct p9_buf *b, uint8_t *data, uint32_t n)
{
    uint32_t len = good(type, b, data, n);

    if (type != cut_type)
        return len;
    len = TORO_MIN(len, cut_at);
    memcpy(rx, &len, 4); /* the size field agrees, the contents are short */
    return len;
}

static unsigned noise_kind;

static uint32_t noise(uint8_t type, struct p9_buf *b, uint8_t *data, uint32_t n)
{
    uint32_t len = good(type, b, data, n);

    if (rand() % 3)
        return len;
    switch (noise_kind) {
    case 0: /* bytes */
        for (unsigned i = 0; i < 4; i++)
            rx[7 + (unsigned)rand() % (len > 7 && len < 200 ? len - 6 : 4)] = (uint8_t)rand();
        if (data && n)
            for (unsigned i = 0; i < 4; i++)
                data[(unsigned)rand() % TORO_MIN(n, 90u)] = (uint8_t)rand();
        break;
    case 1: /* header */
        rx[rand() % 7] = (uint8_t)rand();
        break;
    case 2: /* length */
        len = (uint32_t)rand() % (n ? P9_IO_HDR + n + 1 : len + 1);
        memcpy(rx, &len, 4);
        break;
    default: /* errors, possible and impossible */
        b->p = rx + 7;
        return error(b, rand() % 2 ? (uint32_t)rand() % 140 : (uint32_t)rand() * 3u);
    }
    return len;
}

static void test_wrong(struct toro_node *root)
{
    static const uint8_t types[] = {P9_TWALK,  P9_TLOPEN, P9_TLCREATE, P9_TGETATTR, P9_TREADLINK,
                                    P9_TREAD,  P9_TWRITE, P9_TREADDIR, P9_TSTATFS,  P9_TSETATTR,
                                    P9_TFSYNC, P9_TLINK,  P9_TMKDIR,   P9_TUNLINKAT};

    serve = cut;
    for (unsigned i = 0; i < sizeof(types); i++) {
        cut_type = types[i];
        for (cut_at = 0; cut_at < 200; cut_at++)
            everything(root);
    }
    t_ok(fids == 1 && host_heap == 2, "replies cut at every byte: nothing leaks");
    srand(3);
    serve = noise;
    for (noise_kind = 0; noise_kind < 4; noise_kind++) {
        for (unsigned i = 0; i < 20000; i++)
            everything(root);
        t_ok(fids == 1 && host_heap == 2, "noise of kind %u: nothing leaks", noise_kind);
    }
    serve = good;
    for (long i = 0; i < 60; i++) {
        host_heap_fail = i;
        everything(root);
    }
    host_heap_fail = -1;
    t_ok(fids == 1 && host_heap == 2, "memory that runs out anywhere: nothing leaks");
}

/* Shared mappings, with a server that keeps one file
 * --------------------------------------------------- */
static uint8_t disk[100000];
static unsigned writes;

static uint32_t keeper(uint8_t type, struct p9_buf *b, uint8_t *data, uint32_t n)
{
    uint64_t off;
    uint32_t len;

    if (type == P9_TGETATTR) {
        (void)good(type, b, data, n);
        memset(rx + 7 + 8 + 13 + 12 + 16, 0, 8);
        len = sizeof(disk);
        memcpy(rx + 7 + 8 + 13 + 12 + 16, &len, 4);
        return finish(b, type + 1, 0);
    }
    if (type != P9_TREAD && type != P9_TWRITE)
        return good(type, b, data, n);
    memcpy(&off, tx + 11, 8);
    memcpy(&len, tx + 19, 4);
    len = off >= sizeof(disk) ? 0 : (uint32_t)TORO_MIN((uint64_t)len, sizeof(disk) - off);
    p9_put32(b, 0);
    p9_put8(b, 0);
    p9_put16(b, 0);
    p9_put32(b, len);
    if (type == P9_TREAD) {
        memcpy(data, disk + off, len);
        return finish(b, P9_TREAD + 1, len);
    }
    if (len != sent_len)
        abort();
    memcpy(disk + off, sent_data, len);
    writes++;
    return finish(b, P9_TWRITE + 1, 0);
}

static void test_map(struct toro_node *root)
{
    struct toro_file f = {.flags = TORO_O_RDWR}, g = {.flags = TORO_O_RDONLY};
    uint64_t pos = 0;
    size_t used;
    uint8_t b[16];
    char *m, *m2;

    for (unsigned i = 0; i < sizeof(disk); i++)
        disk[i] = (uint8_t)(i * 3 + i / 251);
    serve = keeper;
    if (op_walk(root, "file", &used, &f.node) || op_open(f.node, &f) ||
        op_walk(root, "file", &used, &g.node) || op_open(g.node, &g))
        t_bail("open");
    m2 = (char *)g.ops->mmap(&g, 8192, 4096, 1);
    t_ok(memcmp(m2, disk + 8192, 4096) == 0, "a mapping of a part, to read");
    m = (char *)f.ops->mmap(&f, 0, sizeof(disk), 3);
    t_ok(m + 8192 == m2 && memcmp(m, disk, sizeof(disk)) == 0, "another of all, at the same place");
    t_eq(m[sizeof(disk)], 0, "zero behind the end");
    m[5] = 'x';
    m[50000] = 'y';
    m[sizeof(disk) - 1] = 'z';
    m[sizeof(disk)] = '!';
    t_ok(m2[50000 - 8192] == 'y' && disk[50000] != 'y', "stores are seen at once here, not there");
    t_eq(f.ops->sync(&f), 0, "sync");
    t_ok(disk[5] == 'x' && disk[50000] == 'y' && disk[sizeof(disk) - 1] == 'z' && writes == 3,
         "writes the three pages back, up to the end");
    t_ok(f.ops->sync(&f) == 0 && writes == 3, "and then nothing more");
    m[6] = 'w';
    t_ok(f.ops->read(&f, b, 8, &pos) == 8 && b[6] == 'w', "read() shows what was stored");
    pos = 20000;
    t_ok(f.ops->write(&f, "hello", 5, &pos) == 5 && memcmp(m + 20000, "hello", 5) == 0,
         "and a mapping what was written");
    m[30000] = 'q';
    f.ops->release(&f);
    t_eq(disk[30000], 'q', "the end of a mapping writes back");
    t_ok(memcmp(m2, disk + 8192, 4096) == 0, "the other lives on");
    g.ops->release(&g);
    toro_node_put(f.node);
    toro_node_put(g.node);
    t_ok(pool_bytes == 0 && fids == 1 && host_heap == 2, "and then all is given back");
}

static void test_wire(void)
{
    uint8_t m[16];
    struct p9_buf b = {.p = m, .end = m + 4};
    uint16_t n;

    p9_put32(&b, 0x04030201);
    t_ok(!b.bad && m[0] == 1 && m[3] == 4, "little endian");
    p9_put8(&b, 1);
    t_ok(b.bad, "a write past the end is refused");
    b = (struct p9_buf){.p = m, .end = m + 4};
    m[0] = 3;
    m[1] = 0;
    t_ok(p9_get_str(&b, &n) == NULL && b.bad, "as is a string that ends outside");
    t_eq(p9_get64(&b), 0, "and what follows reads as zero");
}

int main(void)
{
    struct toro_node *root;

    test_wire();
    if (toro_p9_mount(false) != 0)
        t_bail("mount");
    root = toro_mount_nth(0)->root;
    test_good(root);
    test_wrong(root);
    test_map(root);
    return t_done();
}
