/* SPDX-License-Identifier: BSD-3-Clause */
/* The control channel's parser, and the ranks' standard streams on top of frames: windows, credit,
 * order, what a wrong host does. */
#include "fs-kernel.h"
#include "../../unikernel/dev/ctl_parse.c"
#include "../../unikernel/dev/stdio.c"

#include "tap.h"

/* frames that the kernel sends ------------------------------------------------------------------
 */
#define MAX_SENT 4096
static struct {
    struct torobus_ctl_hdr h;
    char *body;
} sent[MAX_SENT];
static unsigned nsent;
static toro_ctl_fn fns[96];

void toro_ctl_register(unsigned type, toro_ctl_fn fn)
{
    fns[type] = fn;
}

void *toro_ctl_frame_new(uint32_t len)
{
    return toro_kmalloc(len ? len : 1);
}

void toro_ctl_frame_free(void *body)
{
    toro_kfree(body);
}

int toro_ctl_frame_send(void *body, unsigned type, uint32_t rank, uint32_t arg, uint32_t len)
{
    sent[nsent].h =
        (struct torobus_ctl_hdr){.type = (uint16_t)type, .rank = rank, .len = len, .arg = arg};
    sent[nsent++].body = body;
    return 0;
}

int toro_ctl_send(unsigned type, uint32_t rank, uint32_t arg, const void *body, uint32_t len)
{
    void *b = toro_ctl_frame_new(len);

    if (!b)
        return -ENOMEM;
    if (len)
        memcpy(b, body, len);
    return toro_ctl_frame_send(b, type, rank, arg, len);
}

struct toro_file *toro_file_new(const struct toro_file_ops *ops, void *priv, unsigned flags)
{
    struct toro_file *f = toro_kzalloc(sizeof(*f));

    f->ops = ops;
    f->priv = priv;
    f->flags = flags;
    return f;
}

static void forget_sent(void)
{
    while (nsent)
        toro_kfree(sent[--nsent].body);
}

/* The host side: a frame for the guest. */
static void frame(unsigned type, uint32_t rank, uint32_t arg, const void *body, uint32_t len)
{
    struct torobus_ctl_hdr h = {
        .magic = TOROBUS_CTL_MAGIC, .type = (uint16_t)type, .rank = rank, .len = len, .arg = arg};

    fns[type](&h, body);
}

/* parser ------------------------------------------------------------------------------------------
 */
static unsigned parsed;
static uint32_t parsed_sum;

static void on_frame(const struct torobus_ctl_hdr *h, const void *body)
{
    parsed++;
    for (uint32_t i = 0; i < h->len; i++)
        parsed_sum = parsed_sum * 31 + ((const uint8_t *)body)[i];
    parsed_sum = parsed_sum * 31 + h->type + h->rank + h->arg;
}

static void test_parser(void)
{
    static char stream[200000];
    uint32_t n = 0, want;
    struct toro_ctl_parser p = {0};
    struct torobus_ctl_hdr h;
    unsigned frames = 0;
    bool good = true;

    srand(7);
    while (n + 5000 < sizeof(stream)) {
        uint32_t len = rand() % 4 ? (uint32_t)rand() % 100 : (uint32_t)rand() % 4000;

        h = (struct torobus_ctl_hdr){TOROBUS_CTL_MAGIC, TOROBUS_CTL_STDIN, frames++, len, n};
        memcpy(stream + n, &h, sizeof(h));
        for (uint32_t i = 0; i < len; i++)
            stream[n + sizeof(h) + i] = (char)rand();
        n += (uint32_t)sizeof(h) + len;
    }
    t_eq(toro_ctl_feed(&p, stream, n, on_frame), 0, "a stream in one piece");
    t_eq(parsed, frames, "gives all its frames");
    want = parsed_sum;
    for (unsigned round = 0; round < 20; round++) {
        parsed = parsed_sum = 0;
        for (uint32_t at = 0; at < n;) {
            uint32_t k = 1 + (uint32_t)rand() % (round < 3 ? 3 : 5000);

            k = TORO_MIN(k, n - at);
            good &= toro_ctl_feed(&p, stream + at, k, on_frame) == 0;
            at += k;
        }
        good &= parsed == frames && parsed_sum == want;
    }
    t_ok(good, "cut into random pieces it gives the same");
    h = (struct torobus_ctl_hdr){TOROBUS_CTL_MAGIC + 1, 17, 0, 0, 0};
    t_eq(toro_ctl_feed(&p, &h, sizeof(h), on_frame), -EPROTO, "a wrong magic number is refused");
    p = (struct toro_ctl_parser){0};
    h = (struct torobus_ctl_hdr){TOROBUS_CTL_MAGIC, 17, 0, TOROBUS_CTL_BODY_MAX + 1, 0};
    t_eq(toro_ctl_feed(&p, &h, sizeof(h), on_frame), -EPROTO, "as is a body that is too long");
    p = (struct toro_ctl_parser){0};
    h.len = 100;
    host_heap_fail = 0;
    t_eq(toro_ctl_feed(&p, &h, sizeof(h), on_frame), -ENOMEM, "no memory for a body is told");
    host_heap_fail = -1;
    t_eq(host_heap, 0, "and nothing is left on the heap");
}

/* stdin -------------------------------------------------------------------------------------------
 */
static struct toro_file *in, *out, *err;
static unsigned turns;

static bool late_input(void)
{
    if (turns++)
        return false;
    frame(TOROBUS_CTL_STDIN, 0, 0, "late", 4);
    return true;
}

static uint32_t credit_sent(void)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < nsent; i++)
        if (sent[i].h.type == TOROBUS_CTL_CREDIT)
            sum += sent[i].h.arg;
    forget_sent();
    return sum;
}

static void test_stdin(void)
{
    static char block[TOROBUS_CTL_STDIO_MAX], back[3 * TOROBUS_CTL_STDIO_MAX];
    unsigned sum = 0;
    char b[16];

    frame(TOROBUS_CTL_STDIN, 1, 0, "too early", 9);
    toro_stdio_arm(0);
    in->flags |= TORO_O_NONBLOCK;
    t_eq(in->ops->read(in, b, 4, NULL), -EAGAIN, "nothing there: EAGAIN without waiting");
    t_eq(in->ops->poll(in, NULL), 0, "and not ready");
    in->flags &= ~TORO_O_NONBLOCK;
    host_others = late_input;
    t_ok(in->ops->read(in, b, 16, NULL) == 4 && memcmp(b, "late", 4) == 0,
         "a reader waits for input");
    t_eq(credit_sent(), 4, "its credit goes back when all is read");
    frame(TOROBUS_CTL_STDIN, 0, 0, "abc", 3);
    frame(TOROBUS_CTL_STDIN, 0, 0, "defgh", 5);
    t_eq(in->ops->poll(in, NULL), TORO_POLLIN, "input makes it ready");
    t_ok(in->ops->read(in, b, 5, NULL) == 5 && memcmp(b, "abcde", 5) == 0, "reads cross frames");
    t_eq(credit_sent(), 0, "credit waits while input is left");
    t_ok(in->ops->read(in, b, 16, NULL) == 3 && memcmp(b, "fgh", 3) == 0, "the rest");
    t_eq(credit_sent(), 8, "credit for both");
    for (unsigned i = 0; i < TOROBUS_CTL_WINDOW / TOROBUS_CTL_STDIO_MAX; i++) {
        memset(block, 'a' + (int)i, sizeof(block));
        frame(TOROBUS_CTL_STDIN, 0, 0, block, sizeof(block));
    }
    while (sum < TOROBUS_CTL_WINDOW) {
        toro_ssize n = in->ops->read(in, back, sizeof(back), NULL);

        if (n <= 0 || back[0] != (char)('a' + sum / TOROBUS_CTL_STDIO_MAX))
            break;
        sum += (unsigned)n;
    }
    t_eq(sum, TOROBUS_CTL_WINDOW, "a whole window is buffered and read in order");
    t_eq(credit_sent(), TOROBUS_CTL_WINDOW, "and credited once");
    frame(TOROBUS_CTL_STDIN, 0, 0, "end", 3);
    frame(TOROBUS_CTL_STDIN, 0, 0, NULL, 0);
    frame(TOROBUS_CTL_STDIN, 0, 0, "after the end", 13);
    t_eq(in->ops->read(in, b, 16, NULL), 3, "what came before the end");
    t_eq(in->ops->read(in, b, 16, NULL), 0, "then the end");
    t_eq(in->ops->read(in, b, 16, NULL), 0, "again");
    t_eq(in->ops->poll(in, NULL), TORO_POLLIN | TORO_POLLHUP, "which poll shows");
    host_bad_user = b + 1;
    toro_stdio_arm(0);
    frame(TOROBUS_CTL_STDIN, 0, 0, "abc", 3);
    t_eq(in->ops->read(in, b, 3, NULL), -EFAULT, "a bad buffer: EFAULT");
    host_bad_user = NULL;
    t_eq(in->ops->read(in, b, 3, NULL), 3, "and the input is still there");
}

static void test_overrun(void)
{
    static char block[TOROBUS_CTL_WINDOW];
    char b[16];
    toro_ssize n, sum = 0;

    toro_stdio_arm(0);
    frame(TOROBUS_CTL_STDIN, 0, 0, block, sizeof(block));
    frame(TOROBUS_CTL_STDIN, 0, 0, "x", 1);
    while ((n = in->ops->read(in, block, sizeof(block), NULL)) > 0)
        sum += n;
    t_ok(sum == TOROBUS_CTL_WINDOW && n == -EIO, "a host that overruns the window: EIO, no gap");
    toro_stdio_arm(0);
    frame(TOROBUS_CTL_STDIN, 0, 0, block, 1000);
    toro_stdio_end(0);
    t_eq(in->ops->read(in, b, 16, NULL), 0, "a rank that ended reads nothing more");
    frame(TOROBUS_CTL_STDIN, 0, 0, block, 1000);
    frame(TOROBUS_CTL_STDIN, 63, 0, block, 1000);
    frame(TOROBUS_CTL_STDIN, 0xffffffff, 0, block, 1000);
    frame(TOROBUS_CTL_CREDIT, 5, 1u << 24 | 77, NULL, 0);
    t_ok(true, "late frames and impossible ranks are ignored");
    forget_sent();
}

/* stdout ------------------------------------------------------------------------------------------
 */
static uint32_t to_credit;

static bool give_credit(void)
{
    uint32_t n = TORO_MIN(to_credit, 5000u);

    if (!n)
        return false;
    to_credit -= n;
    frame(TOROBUS_CTL_CREDIT, 0, 1u << 24 | n, NULL, 0);
    return true;
}

static uint32_t frames_of(unsigned type, uint32_t *longest)
{
    uint32_t sum = 0;

    *longest = 0;
    for (unsigned i = 0; i < nsent; i++) {
        if (sent[i].h.type != type)
            continue;
        sum += sent[i].h.len;
        *longest = TORO_MAX(*longest, sent[i].h.len);
    }
    return sum;
}

static void test_stdout(void)
{
    static char big[3 * TOROBUS_CTL_WINDOW];
    uint32_t longest, sum;
    toro_ssize n;
    bool same = true;
    size_t at = 0;

    forget_sent();
    toro_stdio_arm(0);
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7 + i / 999);
    t_eq(out->ops->write(out, "hello", 5, NULL), 5, "a small write");
    t_ok(nsent == 1 && sent[0].h.type == TOROBUS_CTL_STDOUT && sent[0].h.len == 5, "is one frame");
    t_eq(err->ops->write(err, "oops", 4, NULL), 4, "stderr is another stream");
    t_ok(nsent == 2 && sent[1].h.type == TOROBUS_CTL_STDERR, "with frames of its own");
    forget_sent();
    frame(TOROBUS_CTL_CREDIT, 0, 1u << 24 | 5, NULL, 0);
    out->flags |= TORO_O_NONBLOCK;
    t_eq(out->ops->write(out, big, sizeof(big), NULL), TOROBUS_CTL_WINDOW,
         "nonblocking: as much as the window takes");
    t_eq(out->ops->write(out, big, 10, NULL), -EAGAIN, "then EAGAIN");
    t_eq(out->ops->poll(out, NULL), 0, "not ready");
    sum = frames_of(TOROBUS_CTL_STDOUT, &longest);
    t_ok(sum == TOROBUS_CTL_WINDOW && longest == TOROBUS_CTL_STDIO_MAX,
         "no frame is longer than allowed");
    forget_sent();
    frame(TOROBUS_CTL_CREDIT, 0, 1u << 24 | TOROBUS_CTL_WINDOW, NULL, 0);
    frame(TOROBUS_CTL_CREDIT, 0, 1u << 24 | 0xffffff, NULL, 0);
    t_eq(out->ops->write(out, big, sizeof(big), NULL), TOROBUS_CTL_WINDOW,
         "credit for more than was sent opens no larger window");
    forget_sent();
    out->flags &= ~TORO_O_NONBLOCK;
    to_credit = 10 * TOROBUS_CTL_WINDOW;
    host_others = give_credit;
    t_eq(out->ops->write(out, big, sizeof(big), NULL), sizeof(big),
         "a blocked writer sleeps until there is credit");
    for (unsigned i = 0; i < nsent; i++) {
        same &= memcmp(sent[i].body, big + at, sent[i].h.len) == 0;
        at += sent[i].h.len;
    }
    t_ok(same && at == sizeof(big), "and all its bytes go out once, in order");
    forget_sent();
    to_credit = 0;
    atomic_store(&host_thread.interrupt, true);
    out->flags &= ~TORO_O_NONBLOCK;
    while ((n = out->ops->write(out, big, 100, NULL)) == 100)
        ;
    t_eq(n, -EINTR, "a signal ends the wait");
    atomic_store(&host_thread.interrupt, false);
    t_eq(toro_stdio_complain(0, "kernel text\n", 12), 0, "the kernel's own text does not wait");
    toro_stdio_end(0);
    t_eq(out->ops->write(out, big, 100, NULL), -EPIPE, "nothing goes out for a rank that is gone");
    forget_sent();
}

int main(void)
{
    test_parser();
    toro_stdio_init();
    in = toro_stdio_file(0, 0);
    out = toro_stdio_file(0, 1);
    err = toro_stdio_file(0, 2);
    t_ok(toro_stdio_file(2, 0) == NULL && toro_stdio_file(0, 3) == NULL,
         "no streams for a rank that cannot be");
    test_stdin();
    test_overrun();
    test_stdout();
    toro_kfree(in);
    toro_kfree(out);
    toro_kfree(err);
    t_eq(host_heap, 2, "the heap holds the two slots, nothing else");
    toro_kfree(slots[0]);
    toro_kfree(slots[1]);
    return t_done();
}
