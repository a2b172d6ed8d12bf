/* SPDX-License-Identifier: BSD-3-Clause */
/* The control channel: a kernel thread on the boot core takes frames off the virtio-serial port and
 * hands them to their handlers; anybody in thread context sends. */
#include <toro/arch.h>
#include <torobus/boot.h>
#include <toro/ctl.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/vserial.h>

#define CTL_TYPES      96u
#define OPEN_TIMEOUT   10000000000ull
#define DRAIN_TIMEOUT  2000000000ull
#define PANIC_TEXT_MAX 2048u

static toro_ctl_fn handlers[CTL_TYPES];
/* Header and text of the last words; from the heap, because the device needs its physical address.
 */
static struct torobus_ctl_hdr *last_words;

void toro_ctl_register(unsigned type, toro_ctl_fn fn)
{
    TORO_ASSERT(type < CTL_TYPES && !handlers[type]);
    handlers[type] = fn;
}

void *toro_ctl_frame_new(uint32_t len)
{
    struct torobus_ctl_hdr *h;

    if (len > TOROBUS_CTL_BODY_MAX)
        return NULL;
    h = toro_kmalloc(sizeof(*h) + len);
    return h ? h + 1 : NULL;
}

void toro_ctl_frame_free(void *body)
{
    if (body)
        toro_kfree((struct torobus_ctl_hdr *)body - 1);
}

int toro_ctl_frame_send(void *body, unsigned type, uint32_t rank, uint32_t arg, uint32_t len)
{
    struct torobus_ctl_hdr *h = (struct torobus_ctl_hdr *)body - 1;

    *h = (struct torobus_ctl_hdr){
        .magic = TOROBUS_CTL_MAGIC, .type = (uint16_t)type, .rank = rank, .len = len, .arg = arg};
    return toro_vserial_send(h, (uint32_t)sizeof(*h) + len);
}

int toro_ctl_send(unsigned type, uint32_t rank, uint32_t arg, const void *body, uint32_t len)
{
    void *b;

    if (len > TOROBUS_CTL_BODY_MAX)
        return -EMSGSIZE;
    b = toro_ctl_frame_new(len);
    if (!b)
        return -ENOMEM;
    if (len)
        toro_memcpy(b, body, len);
    return toro_ctl_frame_send(b, type, rank, arg, len);
}

void toro_ctl_panic(const char *text)
{
    size_t len;

    if (!last_words)
        return;
    len = toro_strnlen(text, PANIC_TEXT_MAX);
    *last_words = (struct torobus_ctl_hdr){.magic = TOROBUS_CTL_MAGIC,
                                           .type = TOROBUS_CTL_PANIC,
                                           .rank = TOROBUS_CTL_NOBODY,
                                           .len = (uint32_t)len};
    toro_memcpy(last_words + 1, text, len);
    toro_vserial_panic(last_words, (uint32_t)(sizeof(*last_words) + len));
}

static void dispatch(const struct torobus_ctl_hdr *h, const void *body)
{
    if (h->type >= CTL_TYPES || !handlers[h->type]) {
        toro_printk(0, "ctl: frame of unknown type %u for rank %u ignored", h->type, h->rank);
        return;
    }
    /* Only here is it certain that the old rank's bytes all came before and the new one's after. */
    if (h->type == TOROBUS_CTL_RANK_START)
        toro_stdio_arm(h->rank);
    handlers[h->type](h, body);
}

static void ctl_thread(void *arg)
{
    struct toro_ctl_parser *p = arg;

    for (;;) {
        const void *data;
        uint32_t len;
        int err;

        toro_vserial_wait_rx();
        data = toro_vserial_peek(&len);
        if (!len)
            continue;
        err = toro_ctl_feed(p, data, len, dispatch);
        if (err)
            toro_panic("ctl: %s from the keeper (type %u, %u bytes)",
                       err == -ENOMEM ? "no memory for a frame" : "impossible frame", p->hdr.type,
                       p->hdr.len);
        toro_vserial_consume(len);
    }
}

static void on_clock(const struct torobus_ctl_hdr *h, const void *body)
{
    struct torobus_ctl_clock c;

    if (h->len != sizeof(c)) {
        toro_printk(0, "ctl: CLOCK of %u bytes ignored", h->len);
        return;
    }
    toro_memcpy(&c, body, sizeof(c));
    /* 100 MHz to 100 GHz: outside of that the vDSO's multiplier would not be meaningful. */
    if (c.tsc_hz < 100000000ull || c.tsc_hz > 100000000000ull) {
        toro_printk(0, "ctl: impossible TSC rate %lu ignored", (unsigned long)c.tsc_hz);
        return;
    }
    arch_clock_set(c.tsc_hz, c.realtime_ns, c.monotonic_ns, c.hello_tsc);
}

static void on_shutdown(const struct torobus_ctl_hdr *h, const void *body)
{
    (void)h;
    (void)body;
    if (toro_vserial_drain(arch_now_ns() + DRAIN_TIMEOUT) != 0)
        toro_printk(0, "ctl: the keeper does not read; frames are lost");
    arch_exit(TOROBUS_EXIT_OK);
}

int toro_ctl_init(void)
{
    struct toro_ctl_parser *p = toro_kzalloc(sizeof(*p));
    int err;

    last_words = toro_kmalloc(sizeof(*last_words) + PANIC_TEXT_MAX);
    if (!p || !last_words)
        return -ENOMEM;
    toro_ctl_register(TOROBUS_CTL_CLOCK, on_clock);
    toro_ctl_register(TOROBUS_CTL_SHUTDOWN, on_shutdown);
    toro_stdio_init();
    err = toro_vserial_open(TOROBUS_PORT_CTL, arch_now_ns() + OPEN_TIMEOUT);
    if (err) {
        toro_printk(0, "ctl: no virtio-serial port 1 named " TOROBUS_PORT_CTL " (error %d)", -err);
        toro_kfree(p);
        return err;
    }
    if (!toro_kthread("ctl", 0, ctl_thread, p))
        return -ENOMEM;
    return 0;
}
