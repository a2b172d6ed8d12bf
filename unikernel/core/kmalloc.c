/* SPDX-License-Identifier: BSD-3-Clause */
/* Kernel heap: size classes, each in pages of its own; larger pieces are whole pages. The first
 * line of a page says what is in it, so a piece finds its class by its address alone.
 *
 * Each core has a heap of its own, and a page of pieces belongs to the core that made it. There, to
 * take and to return a piece is a matter of two lists that no other core touches: no lock, no
 * atomic operation. A piece that ends on another core is put on its owner's `returned` list, which
 * the owner looks at when it would need a new page. */
#include <toro/arch.h>
#include <toro/lib.h>
#include <toro/list.h>

#define HEADER      64u
#define SLAB_MAGIC  0x51ab51abu
#define LARGE_MAGIC 0x1a49e001u

/* All from 64 on are whole lines; the odd ones fill a page without much waste. */
static const uint16_t class_size[] = {16,  32,  48,  64,  128, 192,  256,
                                      320, 448, 576, 768, 960, 1344, 1984};
#define NCLASSES  TORO_ARRAY_SIZE(class_size)
#define SMALL_MAX 1984u

struct slab {
    uint32_t magic;
    uint8_t class, core;
    uint16_t nfree;
    void *free;            /* pieces, linked by their first word */
    struct toro_list link; /* pages of the class that have a free piece */
    uint64_t npages;       /* large: pages of the piece */
    uint64_t size;         /* large: bytes asked for */
};
_Static_assert(sizeof(struct slab) <= HEADER, "slab header");
_Static_assert(TORO_MAX_CORES <= 256 && NCLASSES <= 256, "slab header");

struct class
{
    struct toro_list partial;
    unsigned empty; /* wholly free pages in the list: one is kept */
};

struct heap {
    /* Written by other cores: pieces that they have freed, last first. */
    _Atomic(void *) returned;
    struct class class[NCLASSES] __attribute__((aligned(64)));
} __attribute__((aligned(64)));
static struct heap heaps[TORO_MAX_CORES];

/* Class by size in units of 16 bytes, and pieces by class: neither a search nor a division on the
 * way of every allocation. */
static const uint8_t class_by_size[SMALL_MAX / 16 + 1] = {
    [0 ... 1] = 0,    [2] = 1,          [3] = 2,          [4] = 3,          [5 ... 8] = 4,
    [9 ... 12] = 5,   [13 ... 16] = 6,  [17 ... 20] = 7,  [21 ... 28] = 8,  [29 ... 36] = 9,
    [37 ... 48] = 10, [49 ... 60] = 11, [61 ... 84] = 12, [85 ... 124] = 13};

#define PIECES(size) ((TORO_PAGE_SIZE - HEADER) / (size))
static const uint16_t class_pieces[NCLASSES] = {
    PIECES(16),  PIECES(32),  PIECES(48),  PIECES(64),  PIECES(128), PIECES(192),  PIECES(256),
    PIECES(320), PIECES(448), PIECES(576), PIECES(768), PIECES(960), PIECES(1344), PIECES(1984)};

static unsigned class_of(size_t size)
{
    return class_by_size[(size + 15) / 16];
}

static unsigned pieces(unsigned c)
{
    return class_pieces[c];
}

static struct slab *slab_of(void *p)
{
    return (struct slab *)((uintptr_t)p & ~(TORO_PAGE_SIZE - 1));
}

static struct slab *slab_new(unsigned c)
{
    struct slab *s = toro_kpages(1);

    if (s == NULL)
        return NULL;
    s->magic = SLAB_MAGIC;
    s->class = (uint8_t)c;
    s->core = (uint8_t)arch_core();
    s->nfree = (uint16_t)pieces(c);
    toro_list_init(&s->link);
    for (unsigned i = s->nfree; i-- > 0;) {
        void **p = (void **)((char *)s + HEADER + i * class_size[c]);

        *p = s->free;
        s->free = p;
    }
    return s;
}

/* A piece comes back to the heap of this core, its owner. */
static void put(struct heap *h, struct slab *s, void *p)
{
    unsigned c = s->class;
    struct class *k = &h->class[c];

    if (s->nfree >= pieces(c) || s->free == p)
        toro_panic("kfree of %p: freed twice", p);
    *(void **)p = s->free;
    s->free = p;
    if (s->nfree++ == 0)
        toro_list_push(&k->partial, &s->link);
    if (s->nfree < pieces(c))
        return;
    if (k->empty == 0) {
        k->empty++;
        return;
    }
    toro_list_del(&s->link);
    s->magic = 0;
    toro_kpages_free(s, 1);
}

/* Order: [R] acquire; pairs with the release in give_back(). */
static void collect(struct heap *h)
{
    void *p;

    if (atomic_load_explicit(&h->returned, memory_order_relaxed) == NULL)
        return;
    p = atomic_exchange_explicit(&h->returned, NULL, memory_order_acquire);
    while (p != NULL) {
        void *next = *(void **)p;

        put(h, slab_of(p), p);
        p = next;
    }
}

/* Any number of cores push, one takes all: no piece can come and go in between. */
static void give_back(struct heap *owner, void *p)
{
    void *head = atomic_load_explicit(&owner->returned, memory_order_relaxed);

    do
        *(void **)p = head;
    while (!atomic_compare_exchange_weak_explicit(&owner->returned, &head, p, memory_order_release,
                                                  memory_order_relaxed)); /* [R] */
}

static void *small_alloc(unsigned c)
{
    struct heap *h = &heaps[arch_core()];
    struct class *k = &h->class[c];
    struct slab *s;
    void **p;

    if (toro_unlikely(k->partial.next == NULL))
        toro_list_init(&k->partial);
    if (toro_list_empty(&k->partial)) {
        collect(h);
        if (toro_list_empty(&k->partial)) {
            s = slab_new(c);
            if (s == NULL)
                return NULL;
            toro_list_push(&k->partial, &s->link);
            k->empty++;
        }
    }
    s = toro_list_entry(k->partial.next, struct slab, link);
    if (s->nfree == pieces(c))
        k->empty--;
    p = s->free;
    s->free = *p;
    if (--s->nfree == 0)
        toro_list_del(&s->link);
    return p;
}

static void small_free(struct slab *s, void *p)
{
    unsigned c = s->class;

    if (c >= NCLASSES || s->core >= TORO_MAX_CORES ||
        (uint32_t)((uintptr_t)p - (uintptr_t)s - HEADER) % class_size[c] != 0)
        toro_panic("kfree of %p: not the start of a piece", p);
    if (toro_likely(s->core == arch_core()))
        put(&heaps[s->core], s, p);
    else
        give_back(&heaps[s->core], p);
}

void toro_kmalloc_collect(void)
{
    collect(&heaps[arch_core()]);
}

void *toro_kmalloc(size_t size)
{
    struct slab *s;
    size_t npages;

    if (size <= SMALL_MAX)
        return small_alloc(class_of(size));
    if (size > SIZE_MAX / 2)
        return NULL;
    npages = (size + HEADER + TORO_PAGE_SIZE - 1) / TORO_PAGE_SIZE;
    s = toro_kpages(npages);
    if (s == NULL)
        return NULL;
    s->magic = LARGE_MAGIC;
    s->npages = npages;
    s->size = size;
    return (char *)s + HEADER;
}

void toro_kfree(void *p)
{
    struct slab *s = slab_of(p);

    if (p == NULL)
        return;
    if (s->magic == SLAB_MAGIC) {
        small_free(s, p);
    } else if (s->magic == LARGE_MAGIC && (char *)p == (char *)s + HEADER) {
        s->magic = 0;
        toro_kpages_free(s, s->npages);
    } else {
        toro_panic("kfree of %p: not from the heap", p);
    }
}

void *toro_kzalloc(size_t size)
{
    void *p = toro_kmalloc(size);

    if (p != NULL)
        toro_memset(p, 0, size);
    return p;
}

static size_t room(void *p)
{
    struct slab *s = slab_of(p);

    if (s->magic == SLAB_MAGIC)
        return class_size[s->class];
    TORO_ASSERT(s->magic == LARGE_MAGIC);
    return s->npages * TORO_PAGE_SIZE - HEADER;
}

void *toro_krealloc(void *p, size_t size)
{
    void *n;

    if (p == NULL)
        return toro_kmalloc(size);
    if (size <= room(p) && size >= room(p) / 4)
        return p;
    n = toro_kmalloc(size);
    if (n == NULL)
        return NULL;
    toro_memcpy(n, p, TORO_MIN(size, room(p)));
    toro_kfree(p);
    return n;
}

char *toro_kstrdup(const char *s)
{
    size_t n = toro_strlen(s) + 1;
    char *d = toro_kmalloc(n);

    if (d != NULL)
        toro_memcpy(d, s, n);
    return d;
}
