/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of .eh_frame: a function's entry by binary search in .eh_frame_hdr. */
#include "cfi_impl.h"

#define PHDR_SIZE   56u
#define PT_EH_FRAME 0x6474e550u
#define ENTRY_SIZE  8u

/* Encodings of pointers. */
#define PE_PCREL   0x10u
#define PE_DATAREL 0x30u
#define PE_SDATA4  0x0bu
#define PE_UDATA4  0x03u

/* The bytes of the file that are loaded at va, up to the end of its segment. */
static struct toro_cfi_cursor bytes_at(const struct toro_cfi *c, uint64_t va)
{
    const uint8_t *file = c->file;

    for (unsigned i = 0; i < c->elf->nsegments; i++) {
        const struct toro_elf_segment *s = &c->elf->segment[i];

        if (va >= s->vaddr && va - s->vaddr < s->filesz && s->offset <= c->size &&
            s->filesz <= c->size - s->offset)
            return (struct toro_cfi_cursor){file + s->offset + (va - s->vaddr),
                                            file + s->offset + s->filesz, false};
    }
    return (struct toro_cfi_cursor){file, file, true};
}

/* @param here  where the pointer itself is loaded */
static uint64_t pointer(const struct toro_cfi *c, struct toro_cfi_cursor *s, unsigned enc,
                        uint64_t here)
{
    static const uint8_t sizes[] = {8, 0, 2, 4, 8};
    unsigned form = enc & 7;
    uint64_t v;

    if (form == 1)
        v = (enc & 8) != 0 ? (uint64_t)toro_cfi_sleb(s) : toro_cfi_uleb(s);
    else if (form < sizeof(sizes))
        v = toro_cfi_fixed(s, sizes[form]);
    else {
        s->bad = true;
        return 0;
    }
    if ((enc & 8) != 0 && (form == 2 || form == 3))
        v = form == 2 ? (uint64_t)(int16_t)v : (uint64_t)(int32_t)v;
    if ((enc & 0x70) == PE_PCREL)
        v += here;
    else if ((enc & 0x70) == PE_DATAREL)
        v += c->header;
    else if ((enc & 0x70) != 0)
        s->bad = true;
    return v;
}

bool toro_cfi_find(const void *file, uint64_t size, const struct toro_elf *elf,
                   struct toro_cfi *out)
{
    struct toro_cfi c = {.file = file, .size = size, .elf = elf};
    struct toro_cfi_cursor s = bytes_at(&c, elf->phdr);
    unsigned frame_enc, count_enc, table_enc;

    for (unsigned i = 0; i < elf->phnum; i++) {
        struct toro_cfi_cursor ph = toro_cfi_piece(&s, PHDR_SIZE);

        if (toro_cfi_fixed(&ph, 4) != PT_EH_FRAME)
            continue;
        (void)toro_cfi_piece(&ph, 12);
        c.header = toro_cfi_fixed(&ph, 8);
    }
    if (c.header == 0)
        return false;
    s = bytes_at(&c, c.header);
    if (toro_cfi_fixed(&s, 1) != 1)
        return false;
    frame_enc = (unsigned)toro_cfi_fixed(&s, 1);
    count_enc = (unsigned)toro_cfi_fixed(&s, 1);
    table_enc = (unsigned)toro_cfi_fixed(&s, 1);
    /* Linkers write no other table. */
    if (table_enc != (PE_DATAREL | PE_SDATA4) || count_enc != PE_UDATA4)
        return false;
    (void)pointer(&c, &s, frame_enc, c.header + 4);
    c.count = toro_cfi_fixed(&s, 4);
    if (s.bad || c.count > (uint64_t)(s.end - s.at) / ENTRY_SIZE)
        return false;
    c.table = (uint64_t)(s.at - (const uint8_t *)file);
    *out = c;
    return true;
}

/* Where the table says that the entry of the function with this address is. @return 0: nowhere. */
static uint64_t search(const struct toro_cfi *c, uint64_t addr)
{
    const uint8_t *table = (const uint8_t *)c->file + c->table;
    uint64_t low = 0, high = c->count, found = 0;

    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        struct toro_cfi_cursor s = {table + mid * ENTRY_SIZE, table + (mid + 1) * ENTRY_SIZE,
                                    false};
        uint64_t begin = c->header + (uint64_t)(int32_t)toro_cfi_fixed(&s, 4);
        uint64_t at = c->header + (uint64_t)(int32_t)toro_cfi_fixed(&s, 4);

        if (begin <= addr) {
            found = at;
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return found;
}

/* What the entries of several functions have in common. */
static bool read_common(const struct toro_cfi *c, uint64_t va, struct toro_cfi_entry *e,
                        bool *augmented)
{
    struct toro_cfi_cursor whole = bytes_at(c, va), s, data;
    uint64_t len = toro_cfi_fixed(&whole, 4), version;
    unsigned ra;
    char aug[8] = "";

    if (len >= 0xfffffff0)
        return false;
    s = toro_cfi_piece(&whole, len);
    if (toro_cfi_fixed(&s, 4) != 0)
        return false;
    version = toro_cfi_fixed(&s, 1);
    for (unsigned i = 0; i < sizeof(aug); i++) {
        aug[i] = (char)toro_cfi_fixed(&s, 1);
        if (aug[i] == 0)
            break;
        if (i == sizeof(aug) - 1)
            return false;
    }
    if ((version != 1 && version != 3) || (aug[0] != 0 && aug[0] != 'z'))
        return false;
    e->code_align = toro_cfi_uleb(&s);
    e->data_align = toro_cfi_sleb(&s);
    ra = (unsigned)(version == 1 ? toro_cfi_fixed(&s, 1) : toro_cfi_uleb(&s));
    *augmented = aug[0] == 'z';
    if (*augmented) {
        data = toro_cfi_piece(&s, toro_cfi_uleb(&s));
        for (const char *a = aug + 1; *a != 0; a++) {
            if (*a == 'R')
                e->encoding = (unsigned)toro_cfi_fixed(&data, 1);
            else if (*a == 'P') /* its value does not matter */
                (void)pointer(c, &data, (unsigned)toro_cfi_fixed(&data, 1) & 0x0f, 0);
            else if (*a == 'L')
                (void)toro_cfi_fixed(&data, 1);
            else if (*a == 'S')
                e->signal = true;
            else
                break; /* nothing after it is needed if R came first; gcc's order */
        }
        s.bad |= data.bad;
    }
    e->first = s;
    return !s.bad && ra == TORO_CFI_RIP && (e->encoding & 0x80) == 0;
}

static bool read_entry(const struct toro_cfi *c, uint64_t va, struct toro_cfi_entry *e)
{
    struct toro_cfi_cursor whole = bytes_at(c, va), s;
    uint64_t len = toro_cfi_fixed(&whole, 4), back, here;
    bool augmented = false;

    *e = (struct toro_cfi_entry){.encoding = 0};
    if (va == 0 || len >= 0xfffffff0)
        return false;
    s = toro_cfi_piece(&whole, len);
    back = toro_cfi_fixed(&s, 4);
    if (s.bad || back == 0 || back > va + 4 || !read_common(c, va + 4 - back, e, &augmented))
        return false;
    here = va + 8;
    e->begin = pointer(c, &s, e->encoding, here);
    e->len = pointer(c, &s, e->encoding & 0x0f, 0);
    if (augmented)
        (void)toro_cfi_piece(&s, toro_cfi_uleb(&s));
    e->own = s;
    return !s.bad;
}

bool toro_cfi_entry(const struct toro_cfi *c, uint64_t addr, struct toro_cfi_entry *e)
{
    return read_entry(c, search(c, addr), e) && addr - e->begin < e->len;
}
