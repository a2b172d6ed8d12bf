/* SPDX-License-Identifier: BSD-3-Clause */
/* A rank's memory map against a model with one entry per page: what is mapped, how it is protected,
 * what it holds. The protection is the host's, so a page table that is wrong is a crash. */
#include "tap.h"
#include "kernel-memory.h"
#include "unikernel/mm/pool.c"
#include "unikernel/mm/shared.c"
#include "unikernel/mm/vma.c"
#include "unikernel/mm/vma_list.c"

#define PAGE  4096ull
#define MIB   (1ull << 20)
#define SLICE (1ull << 30)
#define NPAGE 1024u /* of the part that the random test uses */
#define RW    (ARCH_PROT_READ | ARCH_PROT_WRITE)

static struct toro_mm mm;
static uint64_t base;
static unsigned seed = 11;
static int files; /* references held by shared mappings */

void toro_file_get(struct toro_file *f)
{
    (void)f;
    files++;
}

void toro_file_put(struct toro_file *f)
{
    (void)f;
    files--;
}

bool toro_giveback_wanted(void)
{
    return true;
}

static unsigned giveback_waits;
static struct toro_range leaving;

/* What is on its way is back, and zero. */
void toro_giveback_wait(struct toro_pool *p)
{
    giveback_waits++;
    toro_pool_left(p, false);
}

int toro_giveback_now(struct toro_pool *p, uint64_t va, uint64_t len, struct toro_range *done)
{
    (void)p;
    *done = (struct toro_range){TORO_ALIGN_UP(va, 65536ul), 0};
    done->len = TORO_ALIGN_DOWN(va + len, 65536ul) - done->start;
    return madvise((void *)done->start, done->len, MADV_DONTNEED) == 0 ? 0 : -EIO;
}

static struct {
    bool mapped;
    unsigned prot;
    bool committed;
    uint64_t value;
} model[NPAGE];

static unsigned rnd(unsigned n)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % n;
}

static uint64_t *page(unsigned i)
{
    return (uint64_t *)(base + i * PAGE);
}

/* Rights of the host's page, from the kernel: a write or read that is not allowed gives EFAULT. */
static bool readable(unsigned i)
{
    unsigned char v;

    return write(stub_pipe[1], page(i), 1) == 1 && read(stub_pipe[0], &v, 1) == 1;
}

static bool writable(unsigned i)
{
    unsigned char keep;

    if (!readable(i))
        return false;
    keep = *(volatile unsigned char *)page(i);
    return write(stub_pipe[1], &keep, 1) == 1 &&
           (read(stub_pipe[0], page(i), 1) == 1 || (read(stub_pipe[0], &keep, 1), false));
}

static unsigned check_page(unsigned i)
{
    struct toro_vma v;
    bool in = toro_mm_next(&mm, (uint64_t)page(i), &v) && v.start <= (uint64_t)page(i);
    unsigned bad = in != model[i].mapped;

    if (in && model[i].mapped)
        bad += v.prot != model[i].prot || v.committed != model[i].committed;
    bad += readable(i) != (model[i].mapped && model[i].prot != 0);
    bad += writable(i) != (model[i].mapped && (model[i].prot & ARCH_PROT_WRITE) != 0);
    if (bad == 0 && model[i].mapped && model[i].prot != 0)
        bad += page(i)[0] != model[i].value || page(i)[511] != model[i].value;
    return bad;
}

static void fresh(unsigned i, unsigned prot)
{
    model[i].mapped = true;
    model[i].prot = prot;
    model[i].committed = prot != 0;
    model[i].value = 0;
}

static bool covered_in_model(unsigned first, unsigned n)
{
    for (unsigned i = first; i < first + n; i++)
        if (!model[i].mapped)
            return false;
    return true;
}

static unsigned step(void)
{
    static const unsigned prots[] = {0, ARCH_PROT_READ, RW, RW, ARCH_PROT_READ | ARCH_PROT_EXEC};
    unsigned n = 1 + rnd(rnd(8) == 0 ? 200 : 24), first = rnd(NPAGE - n), bad = 0;
    unsigned prot = prots[rnd(TORO_ARRAY_SIZE(prots))];
    long r, want;

    switch (rnd(6)) {
    case 0: /* MAP_FIXED */
        r = toro_mm_map(&mm, (uint64_t)page(first), n * PAGE, prot, TORO_MAP_FIXED, TORO_VMA_ANON,
                        0);
        bad += r != (long)page(first);
        for (unsigned i = first; i < first + n; i++)
            fresh(i, prot);
        break;
    case 1: /* MAP_FIXED_NOREPLACE */
        want = (long)page(first);
        for (unsigned i = first; i < first + n; i++)
            if (model[i].mapped)
                want = -EEXIST;
        r = toro_mm_map(&mm, (uint64_t)page(first), n * PAGE, prot, TORO_MAP_EXACT, TORO_VMA_ANON,
                        0);
        bad += r != want;
        for (unsigned i = first; r > 0 && i < first + n; i++)
            fresh(i, prot);
        break;
    case 2:
        bad += toro_mm_unmap(&mm, (uint64_t)page(first), n * PAGE) != 0;
        for (unsigned i = first; i < first + n; i++)
            model[i].mapped = false;
        break;
    case 3:
        want = covered_in_model(first, n) ? 0 : -ENOMEM;
        bad += toro_mm_protect(&mm, (uint64_t)page(first), n * PAGE, prot) != want;
        for (unsigned i = first; want == 0 && i < first + n; i++) {
            if (prot != 0 && !model[i].committed)
                model[i].value = 0;
            model[i].committed |= prot != 0;
            model[i].prot = prot;
        }
        break;
    case 4:
        want = covered_in_model(first, n) ? 0 : -ENOMEM;
        bad += toro_mm_discard(&mm, (uint64_t)page(first), n * PAGE) != want;
        for (unsigned i = first; want == 0 && i < first + n; i++)
            model[i].value = 0;
        break;
    default:
        for (unsigned i = first; i < first + n; i++)
            if (model[i].mapped && (model[i].prot & ARCH_PROT_WRITE) != 0) {
                model[i].value = rnd(1u << 20) + 1;
                for (unsigned j = 0; j < 512; j++)
                    page(i)[j] = model[i].value;
            }
    }
    for (unsigned i = first; i < first + n; i++)
        bad += check_page(i);
    if (first > 0)
        bad += check_page(first - 1);
    if (first + n < NPAGE)
        bad += check_page(first + n);
    return bad;
}

static void against_model(void)
{
    unsigned bad = 0, all = 0;
    uint64_t committed = 0, count = 0;
    struct toro_vma v;

    for (unsigned r = 0; r < 6000; r++)
        bad += step();
    t_eq(bad, 0, "6000 random operations do to each page what they should");
    for (unsigned i = 0; i < NPAGE; i++) {
        all += check_page(i);
        committed += model[i].mapped && model[i].committed ? PAGE : 0;
    }
    t_eq(all, 0, "every page at the end");
    t_eq(toro_mm_committed(&mm, NULL), committed, "what is charged is what is there");
    for (uint64_t at = base; toro_mm_next(&mm, at, &v); at = v.end)
        count++;
    for (unsigned i = 0; i < NPAGE; i++)
        count -= model[i].mapped &&
                 (i == 0 || !model[i - 1].mapped || model[i - 1].prot != model[i].prot ||
                  model[i - 1].committed != model[i].committed);
    t_eq(count, 0, "alike neighbours are one entry");
}

static void heap(void)
{
    uint64_t size = 16 * MIB, at;
    long va = toro_mm_map(&mm, 0, size, 0, TORO_MAP_HINT, TORO_VMA_BRK, 0);

    mm.brk_start = mm.brk = (uint64_t)va;
    mm.brk_end = mm.brk + size;
    at = mm.brk;
    t_eq(toro_mm_brk(&mm, 0), at, "brk(0) tells");
    t_eq(toro_mm_brk(&mm, at + 100000), at + 100000, "it grows");
    t_ok(stub_zero(at, 100000 & ~7ul), "zeroed");
    memset((void *)at, 1, 100000);
    t_eq(toro_mm_brk(&mm, at + 5000), at + 5000, "it shrinks");
    t_eq(((unsigned char *)at)[4999], 1, "what is left stays");
    t_eq(toro_mm_brk(&mm, at + 100000), at + 100000, "it grows again");
    t_ok(stub_zero(at + 8192, 90000), "zeroed again");
    t_eq(toro_mm_brk(&mm, at + size + 1), at + 100000, "not beyond its room");
    t_eq(toro_mm_brk(&mm, at - 1), at + 100000, "nor below its start");
    t_eq(toro_mm_brk(&mm, at), at, "down to nothing");
    toro_mm_unmap(&mm, at, size);
}

static void shared(void)
{
    char file[16];
    struct toro_file *f = (struct toro_file *)file;
    uint64_t at = base + SLICE; /* memory elsewhere */
    struct toro_vma v;

    files = 2;
    t_ok(toro_mm_map_shared(&mm, at, 8 * PAGE, RW, f, 0) == 0 &&
             toro_mm_map_shared(&mm, at, 8 * PAGE, RW, f, 0) == 0,
         "one file mapped twice is at one place");
    t_ok(toro_mm_next(&mm, at + PAGE, &v) && v.kind == TORO_VMA_SHARED && v.start == at,
         "and is found");
    t_ok(toro_mm_unmap(&mm, at, 8 * PAGE) == 0 && files == 1 && toro_mm_next(&mm, at, &v),
         "one munmap ends one of them");
    t_ok(toro_mm_unmap(&mm, at + 2 * PAGE, 2 * PAGE) == 0 && files == 2, "a hole makes two");
    t_ok(toro_mm_next(&mm, at + 3 * PAGE, &v) && v.start == at + 4 * PAGE && v.off == 4 * PAGE,
         "the second begins behind it");
    t_ok(toro_mm_unmap(&mm, at, PAGE) == 0 && toro_mm_next(&mm, at, &v) && v.start == at + PAGE &&
             v.off == PAGE,
         "cut at the front");
    t_ok(toro_mm_unmap(&mm, at + PAGE, PAGE) == 0 && files == 1, "the first is gone");
    t_eq(toro_mm_discard(&mm, at + 4 * PAGE, PAGE), 0, "discarding there touches nothing");
    t_eq(toro_mm_protect(&mm, at, 8 * PAGE, 0), -ENOMEM, "a range that is not all mapped");
}

static void errors(void)
{
    struct toro_pool *p = toro_pool(0);
    uint64_t used0, size, used1;
    long va;

    toro_pool_usage(p, &used0, &size);
    t_eq(toro_mm_map(&mm, base + SLICE, PAGE, RW, TORO_MAP_FIXED, TORO_VMA_ANON, 0), -ENOMEM,
         "MAP_FIXED outside of the pool");
    t_eq(toro_mm_map(&mm, 0, 2 * SLICE, RW, TORO_MAP_HINT, TORO_VMA_ANON, 0), -ENOMEM,
         "more than there is");
    stub_protect_fails = 1;
    t_eq(toro_mm_map(&mm, 0, PAGE, RW, TORO_MAP_HINT, TORO_VMA_ANON, 0), -ENOMEM,
         "no page for the page table");
    stub_protect_fails = 0;
    stub_allocs_left = 0;
    t_eq(toro_mm_map(&mm, 0, PAGE, RW, TORO_MAP_HINT, TORO_VMA_ANON, 0), -ENOMEM,
         "no memory for the entry");
    stub_allocs_left = -1;
    toro_pool_usage(p, &used1, &size);
    t_eq(used0, used1, "failures leave nothing behind");
    va = toro_mm_map(&mm, 0, 8 * PAGE, RW, TORO_MAP_HINT, TORO_VMA_FILE, 0);
    t_eq(toro_mm_discard(&mm, (uint64_t)va, PAGE), -EINVAL,
         "a file's private copy cannot be read anew");
    t_eq(toro_mm_protect(&mm, (uint64_t)va + 4 * PAGE, 8 * PAGE, 0), -ENOMEM, "a hole in a range");
    atomic_store(&mm.cores, 5);
    stub_cores_seen = 0;
    toro_mm_unmap(&mm, (uint64_t)va, 8 * PAGE);
    t_eq(stub_cores_seen, 5, "only the rank's own cores are flushed");
}

/* Memory that is on its way to the host while it is wanted. */
static void comes_back(void)
{
    long va = toro_mm_map(&mm, 0, 8 * MIB, RW, TORO_MAP_HINT, TORO_VMA_ANON, 2 * MIB);
    long room = toro_mm_map(&mm, 0, 8 * MIB, 0, TORO_MAP_HINT, TORO_VMA_BRK, 2 * MIB);
    uint64_t brk = mm.brk_start = mm.brk = (uint64_t)room;

    mm.brk_end = brk + 8 * MIB;
    memset((void *)va, 1, 8 * MIB);
    leaving = (struct toro_range){(uint64_t)va, 4 * MIB};
    t_ok(toro_pool_leave(mm.part[0].pool, &leaving) && !toro_pool_leave(mm.part[0].pool, &leaving),
         "one batch at a time");
    t_ok(toro_mm_map(&mm, (uint64_t)va, 2 * MIB, RW, TORO_MAP_FIXED, TORO_VMA_ANON, 0) == va &&
             giveback_waits == 1 && stub_zero((uint64_t)va, 2 * MIB),
         "MAP_FIXED waits for it");
    toro_mm_unmap(&mm, (uint64_t)va, 8 * MIB);
    t_eq(toro_mm_brk(&mm, brk + 2 * MIB), brk + 2 * MIB, "the break up");
    memset((void *)brk, 1, 2 * MIB);
    toro_mm_brk(&mm, brk);
    leaving = (struct toro_range){TORO_ALIGN_DOWN(brk, 65536ul), 2 * MIB};
    toro_pool_leave(mm.part[0].pool, &leaving);
    t_ok(toro_mm_brk(&mm, brk + 2 * MIB) == brk + 2 * MIB && giveback_waits == 2 &&
             stub_zero(brk, 2 * MIB),
         "so does the break");
    toro_mm_brk(&mm, brk);
    va = toro_mm_map(&mm, 0, 4 * MIB + 8 * PAGE, RW, TORO_MAP_HINT, TORO_VMA_ANON, 65536);
    memset((void *)va, 1, 4 * MIB + 8 * PAGE);
    t_eq(toro_mm_discard(&mm, (uint64_t)va + PAGE, 3 * MIB), 0, "a large part discarded");
    t_ok(stub_zero((uint64_t)va + PAGE, 3 * MIB) && *(char *)va == 1 &&
             *(char *)(va + PAGE + 3 * MIB) == 1,
         "is zero, to the byte");
    toro_mm_unmap(&mm, (uint64_t)va, 4 * MIB + 8 * PAGE);
}

/* A copy of something, made so that pages which are right already are not written. */
static void copies(void)
{
    static char from[3 * PAGE];
    struct torobus_ctl_range kept;
    long va = toro_mm_map(&mm, 0, 4 * PAGE, 0, TORO_MAP_HINT, TORO_VMA_IMAGE, 0);
    char *p = (char *)va;

    for (unsigned i = 0; i < sizeof(from); i++)
        from[i] = (char)rnd(256);
    t_eq(toro_mm_fill(&mm, (uint64_t)va + PAGE, 3 * PAGE, from, 2 * PAGE + 100,
                      ARCH_PROT_READ | ARCH_PROT_EXEC),
         0, "reserved memory becomes a copy");
    t_ok(memcmp(p + PAGE, from, 2 * PAGE + 100) == 0, "with the bytes");
    t_ok(stub_zero((uint64_t)va + 3 * PAGE + 104, PAGE - 104), "and zeros behind them");
    t_eq(toro_mm_fill(&mm, (uint64_t)va + PAGE, PAGE, from, PAGE, RW), -EINVAL,
         "memory that is in use is not overwritten");
    t_eq(toro_mm_fill(&mm, (uint64_t)va, 8 * PAGE, from, PAGE, RW), -EINVAL,
         "nor what is not reserved");
    /* as a guest that stays does: the copy is left there, all else is new */
    kept = (struct torobus_ctl_range){(uint64_t)va + PAGE - TOROBUS_REGION_VA, 3 * PAGE};
    toro_mm_unmap(&mm, (uint64_t)va, 4 * PAGE);
    toro_pools_wiped(&kept, 1);
    t_eq(toro_mm_map(&mm, (uint64_t)va, 4 * PAGE, RW, TORO_MAP_EXACT, TORO_VMA_ANON, 0), va,
         "the place is free again");
    t_ok(stub_zero((uint64_t)va + PAGE, 3 * PAGE), "what was left there is zero for others");
    toro_mm_unmap(&mm, (uint64_t)va, 4 * PAGE);
}

/* A rank with several cores: each takes memory of its own pool, and what it does to another's
 * happens on that one's core. */
static void parts(void)
{
    uint64_t slice, start[4], end[4], size, used, peak;
    struct toro_vma v;
    long a[4], r;
    unsigned n = 0;
    bool ok = true;

    for (unsigned i = 0; i < npools; i++) {
        for (struct extent *e = pools[i].free, *next; e != NULL; e = next) {
            next = e->next;
            toro_kfree(e);
        }
        for (struct extent *e = pools[i].spare, *next; e != NULL; e = next) {
            next = e->next;
            toro_kfree(e);
        }
        toro_kfree((void *)pools[i].chunk);
    }
    slice = stub_slice(4 * SLICE);
    t_eq(toro_pools_init(slice, 4 * SLICE, 0, 3), 0, "pools of three cores");
    stub_core = 1;
    toro_mm_init(&mm, 1, 2); /* the rank has cores 1 and 2 */
    for (unsigned i = 0; i < 3; i++)
        toro_pool_range(toro_pool(i), &start[i], &end[i]);
    for (unsigned i = 1; i < 3; i++) {
        stub_core = i;
        a[i] = toro_mm_map(&mm, 0, 8 * PAGE, RW, TORO_MAP_HINT, TORO_VMA_ANON, 0);
        ok = ok && toro_pool_has(toro_pool(i), (uint64_t)a[i], 8 * PAGE);
        memset((void *)a[i], (int)i, 8 * PAGE);
    }
    t_ok(ok && stub_visits == 0, "each core maps memory of its own pool, and goes nowhere for it");
    t_eq(toro_mm_protect(&mm, (uint64_t)a[2], PAGE, ARCH_PROT_READ), 0, "core 2 protects its page");
    t_eq(toro_mm_unmap(&mm, (uint64_t)a[2] + PAGE, PAGE), 0, "and unmaps one");
    t_eq(stub_visits, 0, "without a visit");
    stub_core = 1;
    t_eq(toro_mm_protect(&mm, (uint64_t)a[2], PAGE, RW), 0, "core 1 does it for core 2's page");
    t_eq(toro_mm_unmap(&mm, (uint64_t)a[2] + 2 * PAGE, PAGE), 0, "and frees one there");
    t_ok(stub_visits == 2 && stub_core == 1, "with a visit each, and is back");
    r = toro_mm_map(&mm, (uint64_t)a[2] + PAGE, PAGE, RW, TORO_MAP_FIXED, TORO_VMA_ANON, 0);
    t_ok(r == a[2] + (long)PAGE && stub_visits == 3, "MAP_FIXED is where it should be");
    r = toro_mm_map(&mm, (uint64_t)a[2] + 2 * PAGE, PAGE, RW, TORO_MAP_HINT, TORO_VMA_ANON, 0);
    t_ok(r == a[2] + 2 * (long)PAGE, "so is a hint that is free");
    r = toro_mm_map(&mm, (uint64_t)a[2], PAGE, RW, TORO_MAP_HINT, TORO_VMA_ANON, 0);
    t_ok(toro_pool_has(toro_pool(1), (uint64_t)r, PAGE), "one that is taken leads to the own pool");
    t_eq(toro_mm_map(&mm, start[0], PAGE, RW, TORO_MAP_FIXED, TORO_VMA_ANON, 0), -ENOMEM,
         "another rank's pool is out of reach");
    for (uint64_t at = 0; toro_mm_next(&mm, at, &v); at = v.end)
        n += toro_pool_has(toro_pool(at == 0 ? 1 : 2), v.start, v.end - v.start) ||
             toro_pool_has(toro_pool(1), v.start, v.end - v.start);
    t_ok(n == 2 && stub_core == 1, "the map lists both parts, in order (%u)", n);
    t_eq(toro_mm_committed(&mm, &peak), 17 * PAGE, "the sum is right");
    t_eq(peak, 17 * PAGE, "and the most");
    r = toro_mm_map(&mm, 0, end[1] - start[1] - 4 * MIB, RW, TORO_MAP_HINT, TORO_VMA_ANON, 0);
    t_ok(toro_pool_has(toro_pool(1), (uint64_t)r, PAGE), "a block that fills the own pool");
    r = toro_mm_map(&mm, 0, 16 * MIB, RW, TORO_MAP_HINT, TORO_VMA_ANON, 0);
    t_ok(r > 0 && toro_pool_has(toro_pool(2), (uint64_t)r, 16 * MIB),
         "then memory comes from the rank's other pool");
    t_eq(
        toro_mm_unmap(&mm, end[1] - 64 * PAGE,
                      start[2] - end[1] + (uint64_t)(a[2] + 4 * (long)PAGE) - start[2] + 64 * PAGE),
        0, "a range over two pools is unmapped in both");
    t_ok(toro_mm_next(&mm, start[2], &v) && v.start == (uint64_t)a[2] + 4 * PAGE,
         "as far as it goes");
    toro_mm_clear(&mm);
    toro_pool_usage(toro_pool(1), &used, &size);
    n = used != 0;
    toro_pool_usage(toro_pool(2), &used, &size);
    t_ok(n + used == 0 && stub_core == 1, "and all of both comes back");
    stub_core = 0;
}

int main(void)
{
    uint64_t used, size, slice = stub_slice(SLICE);

    if (pipe(stub_pipe) != 0)
        t_bail("no pipe");
    t_eq(toro_pools_init(slice, SLICE, 0, 1), 0, "pools");
    toro_mm_init(&mm, 0, 1);
    base = toro_pool(0)->start;
    against_model();
    toro_mm_clear(&mm);
    toro_pool_usage(toro_pool(0), &used, &size);
    t_eq(used, 0, "all memory comes back");
    toro_mm_init(&mm, 0, 1);
    heap();
    copies();
    errors();
    comes_back();
    shared();
    toro_mm_clear(&mm);
    t_eq(files, 0, "all files are let go");
    toro_pool_usage(toro_pool(0), &used, &size);
    t_eq(used, 0, "and all memory again");
    t_ok(toro_pool(0)->free->next == NULL, "in one piece");
    stub_visits = 0;
    parts();
    return t_done();
}
