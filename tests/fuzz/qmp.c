/* SPDX-License-Identifier: BSD-3-Clause */
/* QEMU's events, in pieces as a socket brings them: a guest fails once at most, and only by STOP;
 * no line however long is kept; whatever QEMU says, the answer is the one greeting. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>

static struct evbuffer *fuzz_in;
static int fuzz_write(const void *p, size_t n);
#define bufferevent_get_input(b)   ((void)(b), fuzz_in)
#define bufferevent_write(b, p, n) ((void)(b), fuzz_write(p, n))
#include "../../orted-shim/keeper_qmp.c"

#include "fuzz.h"

static unsigned failures;

static int fuzz_write(const void *p, size_t n)
{
    FUZZ_ASSERT(n > 1 && ((const char *)p)[n - 1] == '\n' && !memchr(p, '\n', n - 1));
    return 0;
}

void keeper_log(const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
}

void keeper_errors_drain(struct keeper_guest *g)
{
    FUZZ_ASSERT(g->state < KEEPER_GUEST_STOPPING);
}

void keeper_guest_fail(struct keeper_guest *g, int status, const char *fmt, ...)
{
    FUZZ_ASSERT(fmt && status != 0 && g->state < KEEPER_GUEST_STOPPING);
    g->state = KEEPER_GUEST_STOPPING;
    failures++;
}

/* The first byte: 1 a debugger, 2 KVM, the rest how much comes at a time (0: all). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct keeper k;
    struct fuzz f = {data, size};
    uint8_t how = fuzz_u8(&f);
    struct keeper_guest g = {.keeper = &k, .name = "vm0", .qmp = (struct bufferevent *)&k};
    size_t piece = how >> 2;
    bool stop;

    g.state = KEEPER_GUEST_UP;
    g.settings.gdb = how & 1;
    k.accel = how & 2 ? SHIM_ACCEL_KVM : SHIM_ACCEL_TCG;
    failures = 0;
    fuzz_in = evbuffer_new();
    FUZZ_ASSERT(fuzz_in);
    stop = memmem(f.p, f.left, "STOP", 4) != NULL || memmem(f.p, f.left, "\\u", 2) != NULL;
    while (f.left > 0) {
        size_t n = piece > 0 && piece < f.left ? piece : f.left;

        evbuffer_add(fuzz_in, f.p, n);
        f.p += n;
        f.left -= n;
        keeper_qmp_read(g.qmp, &g);
        FUZZ_ASSERT(evbuffer_get_length(fuzz_in) <= LINE_MAX_BYTES);
        FUZZ_ASSERT(memchr(g.last, '\0', sizeof(g.last)));
    }
    FUZZ_ASSERT(failures <= 1 && (failures == 0 || (stop && !g.settings.gdb)));
    evbuffer_free(fuzz_in);
    return 0;
}
