/* SPDX-License-Identifier: BSD-3-Clause */
/* Call frame information: stacks of this very program, with the C library's part of them, walked by
 * the tables of their files and compared with what the C library's own walker finds; then tables
 * with every byte damaged, and stacks and registers that are not there. */
#define _GNU_SOURCE
#include "tap.h"
#include "unikernel/loader/cfi.c"
#include "unikernel/loader/cfi_expr.c"
#include "unikernel/loader/cfi_table.c"
#include "unikernel/loader/elf.c"

#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#define OBJECTS 16
#define DEPTH   40

/* The world: what the loader has mapped, with its file's bytes. */
static struct object {
    unsigned char *file;
    uint64_t size, base, end;
    struct toro_elf elf;
    struct toro_cfi cfi;
    bool usable;
} objects[OBJECTS];
static int nobjects;

static unsigned seed = 5;

static unsigned rnd(unsigned n)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % n;
}

static unsigned char *slurp(const char *path, uint64_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char *p = NULL;
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && (p = malloc((size_t)st.st_size)) != NULL &&
        read(fd, p, (size_t)st.st_size) == st.st_size)
        *size = (uint64_t)st.st_size;
    if (fd >= 0)
        close(fd);
    return p;
}

/* toro_elf_parse() takes programs only; libraries have the same segments. */
static void segments(struct object *o, const struct dl_phdr_info *info)
{
    o->elf.phnum = info->dlpi_phnum;
    o->elf.phdr = (uint64_t)info->dlpi_phdr - o->base;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

        if (ph->p_type == PT_LOAD)
            o->elf.segment[o->elf.nsegments++] = (struct toro_elf_segment){
                ph->p_vaddr, ph->p_filesz, ph->p_memsz, ph->p_offset, ph->p_flags};
        if (ph->p_type == PT_LOAD && ph->p_vaddr + ph->p_memsz > o->end - o->base)
            o->end = o->base + ph->p_vaddr + ph->p_memsz;
    }
}

static int add(struct dl_phdr_info *info, size_t size, void *arg)
{
    const char *path = info->dlpi_name[0] != 0 ? info->dlpi_name : "/proc/self/exe";
    struct object *o = &objects[nobjects];

    (void)size, (void)arg;
    if (nobjects == OBJECTS || info->dlpi_phnum == 0)
        return 0;
    o->base = o->end = info->dlpi_addr;
    o->file = slurp(path, &o->size);
    if (o->file == NULL)
        return 0;
    segments(o, info);
    o->usable = toro_cfi_find(o->file, o->size, &o->elf, &o->cfi);
    nobjects++;
    return 0;
}

static struct object *object_of(uint64_t addr)
{
    for (int i = 0; i < nobjects; i++)
        if (addr >= objects[i].base && addr < objects[i].end && objects[i].usable)
            return &objects[i];
    return NULL;
}

/* Only what is between the frame and the stack's end is read; anything else is not there. */
static uint64_t stack_low, stack_high;
static unsigned reads;

__attribute__((no_sanitize("address"))) static bool read_stack(void *ctx, uint64_t addr,
                                                               uint64_t *out)
{
    (void)ctx;
    reads++;
    if (addr < stack_low || addr > stack_high - 8 || addr % 8 != 0)
        return false;
    *out = *(const uint64_t *)addr;
    return true;
}

static struct toro_cfi_frame frame_of(const ucontext_t *u, bool exact)
{
    const greg_t *g = u->uc_mcontext.gregs;
    const int order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                         REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                         REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    struct toro_cfi_frame f = {.known = (1u << TORO_CFI_REGS) - 1, .exact = exact};

    for (int i = 0; i < TORO_CFI_REGS; i++)
        f.reg[i] = (uint64_t)g[order[i]];
    return f;
}

/* @return frames; *end: how it ended. */
static int walk(struct toro_cfi_frame f, void **out, enum toro_cfi_result *end)
{
    int n = 0;

    *end = TORO_CFI_LOST;
    for (out[n++] = (void *)f.reg[TORO_CFI_RIP]; n < DEPTH; n++) {
        struct object *o = object_of(f.reg[TORO_CFI_RIP] - !f.exact);

        if (o == NULL ||
            (*end = toro_cfi_step(&o->cfi, o->base, &f, read_stack, NULL)) != TORO_CFI_CALLER)
            break;
        out[n] = (void *)f.reg[TORO_CFI_RIP];
    }
    return n;
}

static const char *case_name;

/* Walk from here and compare with backtrace(3), which starts in this function, too. */
__attribute__((noinline)) static int compare(void)
{
    void *theirs[DEPTH], *ours[DEPTH];
    enum toro_cfi_result end;
    ucontext_t u;
    int nt = backtrace(theirs, DEPTH), no, same = 0, skip;

    getcontext(&u);
    stack_low = (uint64_t)u.uc_mcontext.gregs[REG_RSP];
    no = walk(frame_of(&u, false), ours, &end);
    /* The first is this function, at another place; with a sanitizer its wrapper comes before. */
    skip = nt > 2 && no > 1 && theirs[2] == ours[1];
    for (int i = 1; i < no && i + skip < nt; i++)
        same += theirs[i + skip] == ours[i];
    t_ok(no > 4 && no == nt - skip && same == no - 1, "%s: %d frames, as backtrace() has them (%d)",
         case_name, no, same);
    t_ok(end == TORO_CFI_END, "%s: where the thread began", case_name);
    return no;
}

static int (*volatile indirect)(void) = compare; /* keeps calls from becoming jumps */

static int by_qsort(const void *a, const void *b)
{
    if (case_name != NULL)
        indirect();
    case_name = NULL;
    return *(const int *)a - *(const int *)b;
}

__attribute__((noinline)) static int sorted(void)
{
    int v[] = {3, 1, 2};

    qsort(v, 3, sizeof(v[0]), by_qsort);
    return v[0];
}

/* An aligned frame with a variable part: its address is an expression. */
__attribute__((noinline)) static int aligned(int n)
{
    volatile double x[8] __attribute__((aligned(64))) = {n};
    volatile char *p = __builtin_alloca((size_t)n);

    p[0] = (char)sorted();
    return p[0] + (int)x[0];
}

static void on_signal(int sig)
{
    (void)sig;
    indirect();
}

static void *in_thread(void *arg)
{
    pthread_attr_t attr;
    void *low;
    size_t size;
    uint64_t was = stack_high;

    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, &low, &size);
    pthread_attr_destroy(&attr);
    stack_high = (uint64_t)low + size;
    case_name = "a thread";
    (void)aligned(5);
    stack_high = was;
    return arg;
}

static void own_stacks(void)
{
    static char other[65536] __attribute__((aligned(64)));
    stack_t ss = {.ss_sp = other, .ss_size = sizeof(other)};
    struct sigaction sa = {.sa_handler = on_signal};
    uint64_t was = stack_high;
    pthread_t t;

    case_name = "calls";
    indirect();
    case_name = "through qsort, from an aligned frame";
    (void)aligned(3);
    case_name = "in a signal's handler";
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    pthread_create(&t, NULL, in_thread, NULL);
    pthread_join(t, NULL);
    /* On a stack of its own, below the other: everything between counts as stack. */
    case_name = "on a signal stack";
    sa.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &sa, NULL);
    sigaltstack(&ss, NULL);
    raise(SIGUSR1);
    ss.ss_flags = SS_DISABLE;
    sigaltstack(&ss, NULL);
    stack_high = was;
}

/* --- expressions */
static bool no_memory(void *ctx, uint64_t addr, uint64_t *out)
{
    (void)ctx, (void)addr, (void)out;
    return false;
}

static bool eval(const void *bytes, size_t n, uint64_t *out)
{
    struct toro_cfi_frame f = {.reg = {[TORO_CFI_RSP] = 1000}, .known = 1u << TORO_CFI_RSP};
    unsigned char *copy = malloc(n + 1);
    bool ok;

    memcpy(copy, bytes, n);
    ok = toro_cfi_expression((struct toro_cfi_cursor){copy, copy + n, false}, &f, NULL, no_memory,
                             NULL, out);
    free(copy);
    return ok;
}

static void expressions(void)
{
    static const struct {
        const char *text, *bytes;
        int n; /* bytes; -1: no good */
        uint64_t want;
    } cases[] = {
        {"rsp + 8, and 1 << 3 if above", "\x77\x08\x32\x33\x24\x22", 6, 1024},
        {"a negative offset", "\x77\x78", 2, 992},
        {"constants", "\x09\xfe\x0a\x00\x01\x22", 6, 254},
        {"an address and a comparison", "\x77\x00\x3b\x1a\x3b\x2a", 6, 0},
        {"rot", "\x31\x32\x33\x17\x1c", 5, (uint64_t)-1},
        {"swap, over, pick, drop", "\x35\x32\x16\x14\x15\x02\x13\x1c\x1c", 9, (uint64_t)-1},
        {"a jump over what is wrong", "\x31\x2f\x01\x00\xff\x31\x22", 7, 2},
        {"neg, not, mul", "\x33\x1f\x20\x34\x1e", 5, 8},
        {"an unknown operation", "\x31\xff", -2, 0},
        {"nothing on the stack", "\x22", -1, 0},
        {"nothing at all", "", 0, 0},
        {"a register that is not known", "\x70\x00", -2, 0},
        {"memory that is not there", "\x77\x00\x06", -3, 0},
        {"a loop without end", "\x2f\xfd\xff", -3, 0},
        {"a jump out", "\x2f\x70\x00\x31", -4, 0},
        {"a number that does not end", "\x10\xff\xff", -3, 0},
        {"a number too long", "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", -12, 0},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t got = 0;
        bool good = cases[i].n > 0;
        bool ok = eval(cases[i].bytes, (size_t)abs(cases[i].n), &got);

        t_ok(ok == good && (!ok || got == cases[i].want), "expression: %s (%d, %lld)",
             cases[i].text, ok, (long long)got);
    }
}

/* --- hostile bytes */
/* Step from many addresses of an image whose tables were changed. */
static unsigned steps_in(const struct object *o, const unsigned char *file, uint64_t size,
                         unsigned tries)
{
    struct toro_cfi c;
    unsigned stepped = 0;

    if (!toro_cfi_find(file, size, &o->elf, &c))
        return 0;
    for (unsigned i = 0; i < tries; i++) {
        struct toro_cfi_frame f = {.known = rnd(4) != 0 ? (1u << TORO_CFI_REGS) - 1 : rnd(1 << 17)};

        for (unsigned r = 0; r < TORO_CFI_REGS; r++)
            f.reg[r] = stack_low + rnd(512) * 8;
        f.reg[TORO_CFI_RIP] = rnd((unsigned)(o->end - o->base));
        stepped += toro_cfi_step(&c, 0, &f, read_stack, NULL) == TORO_CFI_CALLER;
    }
    return stepped;
}

static void hostile(void)
{
    static uint64_t stack[512];
    const struct object *o = &objects[0];
    uint64_t header = 0, at = 0, tables;
    unsigned char *copy = malloc(o->size);
    unsigned good, n = 0;

    /* A stack of zeros of its own. */
    stack_low = (uint64_t)stack;
    stack_high = stack_low + sizeof(stack);
    header = o->cfi.header;
    for (unsigned i = 0; i < o->elf.nsegments; i++)
        if (header - o->elf.segment[i].vaddr < o->elf.segment[i].filesz)
            at = o->elf.segment[i].offset + (header - o->elf.segment[i].vaddr);
    tables = o->size - at < 65536 ? o->size - at : 65536;
    good = steps_in(o, o->file, o->size, 2000);
    t_ok(good > 100, "random places of the program: %u of 2000 lead on", good);
    for (unsigned round = 0; round < 400; round++) {
        memcpy(copy, o->file, o->size);
        for (unsigned i = 0; i <= rnd(60); i++)
            copy[at + (round % 2 != 0 ? rnd(12 + (unsigned)o->cfi.count * 8)
                                      : rnd((unsigned)tables))] = (unsigned char)rnd(256);
        n += steps_in(o, copy, o->size, 50);
    }
    t_ok(n > 0, "damaged tables: nothing out of bounds, and an end (%u steps)", n);
    free(copy);
    for (unsigned round = 0; round < 64; round++) {
        uint64_t size = round < 32 ? at + round * 7 : rnd((unsigned)o->size);

        copy = malloc(size + 1);
        memcpy(copy, o->file, size);
        n += steps_in(o, copy, size, 20);
        free(copy);
    }
    t_ok(true, "files cut short");
}

/* argv and the environment are above everything that is called. */
static uint64_t end_of_stack(void)
{
    const uint64_t here = (uint64_t)__builtin_frame_address(0);
    FILE *maps = fopen("/proc/self/maps", "re");
    unsigned long low, high;
    uint64_t end = here;
    char line[512];

    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
        if (sscanf(line, "%lx-%lx", &low, &high) == 2 && low <= here && here < high)
            end = high;
    if (maps != NULL)
        fclose(maps);
    return end;
}

int main(void)
{
    stack_high = end_of_stack();
    dl_iterate_phdr(add, NULL);
    t_ok(nobjects >= 2 && objects[0].usable, "this program and the C library have tables");
    own_stacks();
    expressions();
    hostile();
    for (int i = 0; i < nobjects; i++)
        free(objects[i].file);
    return t_done();
}
