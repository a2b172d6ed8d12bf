/* SPDX-License-Identifier: BSD-3-Clause */
/* stdin, stdout and stderr of the ranks, as streams of ctl frames with credit. A slot per rank
 * index stays for ever, so late frames from the host never meet freed memory. */
#include <toro/arch.h>
#include <toro/ctl.h>
#include <toro/errno.h>
#include <toro/fs.h>
#include <toro/lib.h>
#include <toro/linux.h>
#include <toro/mutex.h>
#include <toro/proc.h>

/* Credit for stdin goes back in pieces of this size, and when all is read. */
#define CREDIT_BATCH (TOROBUS_CTL_WINDOW / 4)

struct chunk {
    struct toro_list link;
    uint32_t len, at;
    char data[];
};

struct out_stream {
    struct toro_mutex writer; /* one write() at a time, whole */
    struct toro_waitq credit;
    uint32_t in_flight;
};

struct slot {
    struct toro_spinlock lock; /* in_flight, chunks, buffered, eof ... */
    bool ready;                /* a rank is expected or there: frames are for it */
    bool eof, overrun, gone;
    struct toro_list chunks;
    uint32_t buffered; /* bytes in chunks */
    uint32_t consumed; /* read, credit not sent yet */
    struct toro_mutex reader;
    struct toro_waitq input;
    struct out_stream out[2];
};

static struct slot *slots[TORO_MAX_CORES];

static struct slot *slot_of(uint32_t rank)
{
    return rank < TORO_MAX_CORES ? slots[rank] : NULL;
}

static void drop_input(struct slot *s)
{
    for (struct toro_list *l; (l = toro_list_pop(&s->chunks)) != NULL;)
        toro_kfree(toro_list_entry(l, struct chunk, link));
    s->buffered = s->consumed = 0;
}

void toro_stdio_arm(uint32_t rank)
{
    struct slot *s = slot_of(rank);

    if (!s)
        return;
    toro_spin_lock(&s->lock);
    drop_input(s);
    s->eof = s->overrun = s->gone = false;
    s->out[0].in_flight = s->out[1].in_flight = 0;
    s->ready = true;
    toro_spin_unlock(&s->lock);
}

void toro_stdio_end(uint32_t rank)
{
    struct slot *s = slot_of(rank);

    if (!s)
        return;
    toro_spin_lock(&s->lock);
    s->ready = false;
    s->gone = true;
    drop_input(s);
    toro_spin_unlock(&s->lock);
    toro_wake(&s->input, UINT32_MAX);
    toro_wake(&s->out[0].credit, UINT32_MAX);
    toro_wake(&s->out[1].credit, UINT32_MAX);
}

/* frames from the host --------------------------------------------------------------------------
 */
static void on_stdin(const struct torobus_ctl_hdr *h, const void *body)
{
    struct slot *s = slot_of(h->rank);
    struct chunk *c = NULL;

    if (!s)
        return;
    if (h->len) {
        c = toro_kmalloc(sizeof(*c) + h->len);
        if (c) {
            toro_list_init(&c->link);
            c->len = h->len;
            c->at = 0;
            toro_memcpy(c->data, body, h->len);
        }
    }
    toro_spin_lock(&s->lock);
    if (!s->ready || s->eof) {
        toro_kfree(c);
    } else if (h->len == 0) {
        s->eof = true;
    } else if (!c || h->len > TOROBUS_CTL_WINDOW ||
               s->buffered + h->len > TOROBUS_CTL_WINDOW - s->consumed) {
        /* More than the window, or no memory: input is lost, so reading must not go on as if all
         * were well. */
        s->overrun = true;
        toro_kfree(c);
    } else {
        toro_list_push(&s->chunks, &c->link);
        s->buffered += h->len;
    }
    toro_spin_unlock(&s->lock);
    toro_wake(&s->input, UINT32_MAX);
}

static void on_credit(const struct torobus_ctl_hdr *h, const void *body)
{
    struct slot *s = slot_of(h->rank);
    unsigned stream = h->arg >> 24;
    uint32_t n = h->arg & 0xffffffu;
    struct out_stream *o;

    (void)body;
    if (!s || stream < 1 || stream > 2)
        return;
    o = &s->out[stream - 1];
    toro_spin_lock(&s->lock);
    o->in_flight -= TORO_MIN(n, o->in_flight); /* never more than was sent */
    toro_spin_unlock(&s->lock);
    toro_wake(&o->credit, UINT32_MAX);
}

/* file operations -------------------------------------------------------------------------------
 */
/* priv of a file: rank index * 4 + stream. */
static struct slot *file_slot(const struct toro_file *f, uint32_t *rank, unsigned *stream)
{
    uintptr_t v = (uintptr_t)f->priv;

    *rank = (uint32_t)(v / 4);
    *stream = (unsigned)(v % 4);
    return slots[*rank];
}

static bool can_read(const struct slot *s)
{
    return s->buffered != 0 || s->eof || s->overrun || s->gone;
}

/* Copy out what is there; @return bytes, or -EFAULT if nothing could be copied. Reader's mutex
 * held, so the head chunk stays. */
static toro_ssize take(struct slot *s, char *buf, size_t n)
{
    size_t done = 0;

    while (done < n) {
        struct chunk *c = NULL;
        uint32_t k;

        toro_spin_lock(&s->lock);
        if (!toro_list_empty(&s->chunks))
            c = toro_list_entry(s->chunks.next, struct chunk, link);
        toro_spin_unlock(&s->lock);
        if (!c)
            break;
        k = (uint32_t)TORO_MIN((size_t)(c->len - c->at), n - done);
        if (toro_copy_to_user(buf + done, c->data + c->at, k) != 0)
            return done ? (toro_ssize)done : -EFAULT;
        done += k;
        toro_spin_lock(&s->lock);
        if (!s->gone) { /* else the chunk is freed already */
            c->at += k;
            s->buffered -= k;
            s->consumed += k;
            if (c->at == c->len) {
                toro_list_del(&c->link);
                toro_kfree(c);
            }
        }
        toro_spin_unlock(&s->lock);
    }
    return (toro_ssize)done;
}

static void return_credit(struct slot *s, uint32_t rank)
{
    uint32_t n = 0;

    toro_spin_lock(&s->lock);
    if (!s->eof && (s->consumed >= CREDIT_BATCH || (s->consumed && !s->buffered))) {
        n = s->consumed;
        s->consumed = 0;
    }
    toro_spin_unlock(&s->lock);
    if (n)
        (void)toro_ctl_send(TOROBUS_CTL_CREDIT, rank, n, NULL, 0); /* -ENOMEM: more comes later */
}

static toro_ssize stdin_read(struct toro_file *f, void *buf, size_t n, uint64_t *pos)
{
    uint32_t rank;
    unsigned stream;
    struct slot *s = file_slot(f, &rank, &stream);
    toro_ssize r;
    int err;

    (void)pos;
    if (n == 0)
        return 0;
    for (;;) {
        if (!can_read(s)) {
            if (f->flags & TORO_O_NONBLOCK)
                return -EAGAIN;
            err = toro_wait_event(&s->input, can_read(s), UINT64_MAX, true);
            if (err)
                return err;
        }
        err = toro_mutex_lock_intr(&s->reader);
        if (err)
            return err;
        r = take(s, buf, n);
        if (r == 0 && s->overrun)
            r = -EIO;
        else if (r == 0 && !s->eof && !s->gone)
            r = -EAGAIN; /* another thread was faster */
        toro_mutex_unlock(&s->reader);
        return_credit(s, rank);
        if (r != -EAGAIN)
            return r;
    }
}

/* Reserve up to `want` bytes of window. @return bytes, 0 if it is full. */
static uint32_t reserve(struct slot *s, struct out_stream *o, uint32_t want)
{
    uint32_t k;

    toro_spin_lock(&s->lock);
    k = TORO_MIN(want, TOROBUS_CTL_WINDOW - TORO_MIN(o->in_flight, TOROBUS_CTL_WINDOW));
    /* Not in crumbs: a slow reader would otherwise make a frame of every few bytes. */
    if (k < want && k < TOROBUS_CTL_STDIO_MAX / 8)
        k = 0;
    o->in_flight += k;
    toro_spin_unlock(&s->lock);
    return k;
}

static void unreserve(struct slot *s, struct out_stream *o, uint32_t k)
{
    toro_spin_lock(&s->lock);
    o->in_flight -= TORO_MIN(k, o->in_flight);
    toro_spin_unlock(&s->lock);
}

static int send_piece(struct slot *s, unsigned stream, uint32_t rank, const char *buf, uint32_t k)
{
    void *body = toro_ctl_frame_new(k);
    int err = -ENOMEM;

    if (body) {
        err = toro_copy_from_user(body, buf, k);
        if (!err)
            return toro_ctl_frame_send(body, stream == 1 ? TOROBUS_CTL_STDOUT : TOROBUS_CTL_STDERR,
                                       rank, 0, k);
        toro_ctl_frame_free(body);
    }
    unreserve(s, &s->out[stream - 1], k);
    return err;
}

static toro_ssize out_write(struct toro_file *f, const void *buf, size_t n, uint64_t *pos)
{
    uint32_t rank, k = 0;
    unsigned stream;
    struct slot *s = file_slot(f, &rank, &stream);
    struct out_stream *o = &s->out[stream - 1];
    size_t done = 0;
    int err;

    (void)pos;
    err = f->flags & TORO_O_NONBLOCK ? (toro_mutex_try(&o->writer) ? 0 : -EAGAIN)
                                     : toro_mutex_lock_intr(&o->writer);
    if (err)
        return err;
    while (done < n && !err) {
        uint32_t want = (uint32_t)TORO_MIN(n - done, (size_t)TOROBUS_CTL_STDIO_MAX);

        if (s->gone) {
            err = -EPIPE;
            break;
        }
        k = reserve(s, o, want);
        if (!k && (f->flags & TORO_O_NONBLOCK)) {
            err = -EAGAIN;
        } else if (!k) {
            err = toro_wait_event(&o->credit, s->gone || (k = reserve(s, o, want)) != 0, UINT64_MAX,
                                  true);
        }
        if (k) {
            err = send_piece(s, stream, rank, (const char *)buf + done, k);
            if (!err)
                done += k;
        }
    }
    toro_mutex_unlock(&o->writer);
    return done ? (toro_ssize)done : err;
}

static unsigned stdio_poll(struct toro_file *f, struct toro_waitq **q)
{
    uint32_t rank;
    unsigned stream;
    struct slot *s = file_slot(f, &rank, &stream);

    if (stream == 0) {
        if (q)
            *q = &s->input;
        return (can_read(s) ? TORO_POLLIN : 0) | (s->eof && !s->buffered ? TORO_POLLHUP : 0);
    }
    if (q)
        *q = &s->out[stream - 1].credit;
    return s->out[stream - 1].in_flight <= TOROBUS_CTL_WINDOW - TOROBUS_CTL_STDIO_MAX ? TORO_POLLOUT
                                                                                      : 0;
}

static long stdio_ioctl(struct toro_file *f, unsigned cmd, unsigned long arg)
{
    uint32_t rank;
    unsigned stream;
    struct slot *s = file_slot(f, &rank, &stream);
    int n;

    if (cmd != TORO_FIONREAD || stream != 0)
        return -ENOTTY;
    n = (int)s->buffered;
    if (!toro_user_ok((void *)arg, sizeof(n)))
        return -EFAULT;
    return toro_copy_to_user((void *)arg, &n, sizeof(n));
}

static int stdio_stat(struct toro_file *f, struct toro_linux_stat *st)
{
    *st = (struct toro_linux_stat){.dev = 12,
                                   .ino = (uintptr_t)f->priv + 1,
                                   .nlink = 1,
                                   .mode = TORO_S_IFIFO | 0600,
                                   .blksize = 4096};
    return 0;
}

static toro_ssize no_read(struct toro_file *f, void *buf, size_t n, uint64_t *pos)
{
    (void)f;
    (void)buf;
    (void)n;
    (void)pos;
    return -EBADF;
}

static const struct toro_file_ops in_ops = {
    .read = stdin_read, .poll = stdio_poll, .ioctl = stdio_ioctl, .stat = stdio_stat};
static const struct toro_file_ops out_ops = {.read = no_read,
                                             .write = out_write,
                                             .poll = stdio_poll,
                                             .ioctl = stdio_ioctl,
                                             .stat = stdio_stat};

struct toro_file *toro_stdio_file(uint32_t rank, unsigned stream)
{
    static const char *const names[] = {"pipe:[stdin]", "pipe:[stdout]", "pipe:[stderr]"};
    struct toro_file *f;

    if (!slot_of(rank) || stream > 2)
        return NULL;
    f = toro_file_new(stream ? &out_ops : &in_ops, (void *)(uintptr_t)(rank * 4 + stream),
                      stream ? TORO_O_WRONLY : TORO_O_RDONLY);
    if (f)
        f->path = names[stream];
    return f;
}

int toro_stdio_complain(uint32_t rank, const char *text, size_t len)
{
    struct slot *s = slot_of(rank);
    int err = 0;

    if (!s)
        return -ESRCH;
    for (size_t done = 0; done < len && !err;) {
        uint32_t k = (uint32_t)TORO_MIN(len - done, (size_t)TOROBUS_CTL_STDIO_MAX);

        toro_spin_lock(&s->lock);
        s->out[1].in_flight += k;
        toro_spin_unlock(&s->lock);
        err = toro_ctl_send(TOROBUS_CTL_STDERR, rank, 0, text + done, k);
        done += k;
    }
    return err;
}

void toro_stdio_init(void)
{
    for (unsigned i = 0; i < arch_ncores() && i < TORO_MAX_CORES; i++) {
        struct slot *s = toro_kzalloc(sizeof(*s));

        if (!s)
            toro_panic("no memory for the ranks' standard streams");
        toro_list_init(&s->chunks);
        toro_mutex_init(&s->reader);
        toro_waitq_init(&s->input);
        for (unsigned k = 0; k < 2; k++) {
            toro_mutex_init(&s->out[k].writer);
            toro_waitq_init(&s->out[k].credit);
        }
        slots[i] = s;
    }
    toro_ctl_register(TOROBUS_CTL_STDIN, on_stdin);
    toro_ctl_register(TOROBUS_CTL_CREDIT, on_credit);
}
