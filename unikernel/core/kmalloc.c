/* SPDX-License-Identifier: BSD-3-Clause */
/* Kernel heap: size classes, each in pages of its own; larger pieces are whole pages. The first
 * line of a page says what is in it, so a piece finds its class by its address alone. */
#include <toro/lib.h>
#include <toro/list.h>
#include <toro/lock.h>

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
    uint16_t class, nfree;
    void *free;            /* pieces, linked by their first word */
    struct toro_list link; /* pages of the class that have a free piece */
    uint64_t npages;       /* large: pages of the piece */
    uint64_t size;         /* large: bytes asked for */
};
_Static_assert(sizeof(struct slab) <= HEADER, "slab header");

struct class
{
    struct toro_spinlock lock;
    struct toro_list partial;
    unsigned empty; /* wholly free pages in the list: one is kept */
};
static struct class classes[NCLASSES];

static unsigned class_of(size_t size)
{
    unsigned c = 0;

    while (class_size[c] < size)
        c++;
    return c;
}

static unsigned pieces(unsigned c)
{
    return (unsigned)((TORO_PAGE_SIZE - HEADER) / class_size[c]);
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
    s->class = (uint16_t)c;
    s->nfree = (uint16_t)pieces(c);
    toro_list_init(&s->link);
    for (unsigned i = s->nfree; i-- > 0;) {
        void **p = (void **)((char *)s + HEADER + i * class_size[c]);

        *p = s->free;
        s->free = p;
    }
    return s;
}

static void *small_alloc(unsigned c)
{
    struct class *k = &classes[c];
    struct slab *s;
    void **p;

    toro_spin_lock(&k->lock);
    if (k->partial.next == NULL)
        toro_list_init(&k->partial);
    if (toro_list_empty(&k->partial)) {
        s = slab_new(c);
        if (s == NULL) {
            toro_spin_unlock(&k->lock);
            return NULL;
        }
        toro_list_push(&k->partial, &s->link);
        k->empty++;
    }
    s = toro_list_entry(k->partial.next, struct slab, link);
    if (s->nfree == pieces(c))
        k->empty--;
    p = s->free;
    s->free = *p;
    if (--s->nfree == 0)
        toro_list_del(&s->link);
    toro_spin_unlock(&k->lock);
    return p;
}

static void small_free(struct slab *s, void *p)
{
    unsigned c = s->class;
    struct class *k = &classes[c];
    bool drop = false;

    if (c >= NCLASSES || ((uintptr_t)p - (uintptr_t)s - HEADER) % class_size[c] != 0)
        toro_panic("kfree of %p: not the start of a piece", p);
    toro_spin_lock(&k->lock);
    if (s->nfree >= pieces(c) || s->free == p)
        toro_panic("kfree of %p: freed twice", p);
    *(void **)p = s->free;
    s->free = p;
    if (s->nfree++ == 0)
        toro_list_push(&k->partial, &s->link);
    if (s->nfree == pieces(c)) {
        drop = k->empty > 0;
        if (drop)
            toro_list_del(&s->link);
        else
            k->empty++;
    }
    toro_spin_unlock(&k->lock);
    if (drop) {
        s->magic = 0;
        toro_kpages_free(s, 1);
    }
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
