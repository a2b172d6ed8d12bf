/* SPDX-License-Identifier: BSD-3-Clause */
/* Order of the boot: command line, cores, bus, then everything that may block, in a thread. */
#include <toro/arch.h>
#include <toro/boot.h>
#include <toro/bus.h>
#include <toro/ctl.h>
#include <toro/fs.h>
#include <toro/kpmix.h>
#include <toro/lib.h>
#include <toro/mm.h>
#include <toro/sched.h>
#include <torobus/boot.h>
#include <torobus/note.h>

TOROBUS_NOTE_DEFINE(toro_note);

struct toro_bootinfo toro_boot = {.cores = 1, .fs = TORO_FS_RW, .name = "torobus"};

/* Value of a word of the command line; ends at a blank. */
static size_t value_len(const char *v)
{
    size_t n = 0;

    while (v[n] != '\0' && v[n] != ' ')
        n++;
    return n;
}

static unsigned value_number(const char *word, const char *v, uint64_t max)
{
    const char *end;
    uint64_t n = toro_strtou(v, &end);

    if (end == v || (*end != '\0' && *end != ' ') || n > max)
        toro_panic("command line: %.*s is no number from 0 to %lu", (int)value_len(word), word,
                   max);
    return (unsigned)n;
}

static bool is(const char *word, size_t key_len, const char *key)
{
    return toro_strlen(key) == key_len && toro_strncmp(word, key, key_len) == 0;
}

/* One number of a list, and what must stand behind it ('\0': nothing of the word). */
static uint64_t list_number(const char **at, const char *end, char behind, uint64_t max)
{
    const char *from = *at, *stop;
    uint64_t v = toro_strtou(from, &stop);

    if (stop == from || stop > end || v > max ||
        (behind ? stop == end || *stop != behind : stop != end && *stop != ','))
        toro_panic("command line: caches=: \"%.*s\" is no cache", (int)(end - from), from);
    *at = stop < end ? stop + 1 : stop;
    return v;
}

static void parse_caches(const char *v, const char *end)
{
    struct toro_bootinfo *b = &toro_boot;

    for (b->ncaches = 0; v < end; b->ncaches++) {
        struct toro_cache *c = &b->cache[b->ncaches];

        if (b->ncaches == TOROBUS_BOOT_NCACHES || (*v != 'd' && *v != 'i' && *v != 'u'))
            toro_panic("command line: caches=: \"%.*s\" is one too many or of no type",
                       (int)(end - v), v);
        c->type = *v++;
        c->level = (unsigned)list_number(&v, end, ':', 9);
        c->size = list_number(&v, end, ':', 1ull << 40);
        c->ways = (unsigned)list_number(&v, end, ':', 1u << 20);
        c->line = (unsigned)list_number(&v, end, ':', 1u << 20);
        c->shared = list_number(&v, end, '\0', 1);
    }
}

static void parse_word(const char *word)
{
    struct toro_bootinfo *b = &toro_boot;
    size_t len = value_len(word), klen = 0, vlen;
    const char *v;

    while (klen < len && word[klen] != '=')
        klen++;
    if (klen == len)
        toro_panic("command line: unknown word \"%.*s\"", (int)len, word);
    v = word + klen + 1;
    vlen = len - klen - 1;

    if (is(word, klen, TOROBUS_BOOT_GUEST)) {
        b->guest = value_number(word, v, TOROBUS_MAX_GUESTS - 1);
    } else if (is(word, klen, TOROBUS_BOOT_CORES)) {
        b->cores = value_number(word, v, TOROBUS_MAX_CORES);
        if (b->cores == 0)
            toro_panic("command line: cores=0");
    } else if (is(word, klen, TOROBUS_BOOT_NAME)) {
        if (vlen == 0 || vlen >= sizeof(b->name))
            toro_panic("command line: name= takes 1 to %zu characters", sizeof(b->name) - 1);
        toro_memcpy(b->name, v, vlen);
        b->name[vlen] = '\0';
    } else if (is(word, klen, TOROBUS_BOOT_SPIN)) {
        b->spin_ns = value_number(word, v, UINT32_MAX);
    } else if (is(word, klen, TOROBUS_BOOT_FS)) {
        if (is(v, vlen, "none"))
            b->fs = TORO_FS_NONE;
        else if (is(v, vlen, "ro"))
            b->fs = TORO_FS_RO;
        else if (is(v, vlen, "rw"))
            b->fs = TORO_FS_RW;
        else
            toro_panic("command line: fs=%.*s, possible are none, ro and rw", (int)vlen, v);
    } else if (is(word, klen, TOROBUS_BOOT_LOG)) {
        b->log = value_number(word, v, 2);
    } else if (is(word, klen, TOROBUS_BOOT_GIVEBACK)) {
        b->hoard = value_number(word, v, 1) == 0;
    } else if (is(word, klen, TOROBUS_BOOT_CACHES)) {
        parse_caches(v, v + vlen);
    } else if (is(word, klen, TOROBUS_BOOT_CPUMASK)) {
        b->cpumask = value_number(word, v, UINT32_MAX);
    } else {
        toro_panic("command line: unknown word \"%.*s\"", (int)len, word);
    }
}

static void parse_cmdline(const char *s)
{
    while (*s != '\0') {
        if (*s == ' ') {
            s++;
            continue;
        }
        parse_word(s);
        s += value_len(s);
    }
}

/* Panics, and says which part failed. */
static void need(int r, const char *what)
{
    if (r != 0)
        toro_panic("%s failed: error %d", what, -r);
}

/* Thread "init": from here on the boot may block. */
static void init(void *arg)
{
    struct torobus_ctl_hello hello = {.version = TOROBUS_ABI_VERSION};

    (void)arg;
    toro_virtio_init();
    need(toro_ctl_init(), "the control channel");
    if (!toro_boot.hoard)
        toro_giveback_init();
    need(toro_fs_init(), "mounting the file systems");
    toro_bus_init();
    toro_pmix_init();
    toro_rank_init();

    hello.ncores = arch_ncores();
    hello.boot_tsc = toro_boot.entry_tsc;
    hello.kernel_bytes = toro_kmem_used();
    hello.tsc = arch_tsc();
    need(toro_ctl_send(TOROBUS_CTL_HELLO, TOROBUS_CTL_NOBODY, 0, &hello, sizeof(hello)),
         "the first word to the keeper");
    toro_printk(1, "up: %u cores, %lu KiB of kernel memory", hello.ncores,
                hello.kernel_bytes / 1024);
    toro_thread_exit();
}

void toro_main(void)
{
    const struct toro_bus *bus = &toro_bus;
    struct torobus_slice_hdr *slice;

    toro_boot.entry_tsc = arch_entry_tsc();
    parse_cmdline(arch_cmdline());
    toro_printk(1, "torobus kernel, ABI %u: guest %u \"%s\"", TOROBUS_ABI_VERSION, toro_boot.guest,
                toro_boot.name);
    arch_start_cores(toro_boot.cores);
    toro_printk(1, "cores: %u", arch_ncores());

    toro_pci_init();
    toro_ivshmem_init(toro_boot.guest);
    slice = torobus_slice_at(bus->base, &bus->sb, bus->guest);
    need(toro_pools_init(TOROBUS_REGION_VA + torobus_slice_offset(&bus->sb, bus->guest),
                         bus->sb.slice_size, slice->mem_limit, arch_ncores()),
         "dividing the slice into pools");
    if (toro_kthread("init", 0, init, NULL) == NULL)
        toro_panic("no memory for the first thread");
    toro_core_main();
}
