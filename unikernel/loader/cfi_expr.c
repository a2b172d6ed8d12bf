/* SPDX-License-Identifier: BSD-3-Clause */
/* DWARF expressions, as far as call frame information has them: signal frames, functions that
 * align their stack, the procedure linkage table. */
#include "cfi_impl.h"

#define STACK_DEPTH 16u
#define STEPS_MAX   256u

enum {
    OP_DEREF = 0x06,
    OP_CONST1U = 0x08, /* 1u 1s 2u 2s 4u 4s 8u 8s */
    OP_CONST8S = 0x0f,
    OP_CONSTU = 0x10,
    OP_CONSTS = 0x11,
    OP_DUP = 0x12,
    OP_DROP = 0x13,
    OP_OVER = 0x14,
    OP_PICK = 0x15,
    OP_SWAP = 0x16,
    OP_ROT = 0x17,
    OP_AND = 0x1a,
    OP_MINUS = 0x1c,
    OP_MUL = 0x1e,
    OP_NEG = 0x1f,
    OP_NOT = 0x20,
    OP_OR = 0x21,
    OP_PLUS = 0x22,
    OP_PLUS_UCONST = 0x23,
    OP_SHL = 0x24,
    OP_SHR = 0x25,
    OP_SHRA = 0x26,
    OP_XOR = 0x27,
    OP_BRA = 0x28,
    OP_EQ = 0x29,
    OP_GE = 0x2a,
    OP_GT = 0x2b,
    OP_LE = 0x2c,
    OP_LT = 0x2d,
    OP_NE = 0x2e,
    OP_SKIP = 0x2f,
    OP_LIT0 = 0x30,
    OP_LIT31 = 0x4f,
    OP_BREG0 = 0x70,
    OP_BREG31 = 0x8f,
    OP_NOP = 0x96,
};

uint64_t toro_cfi_fixed(struct toro_cfi_cursor *s, unsigned bytes)
{
    uint64_t v = 0;

    if (s->bad || (uint64_t)(s->end - s->at) < bytes) {
        s->bad = true;
        return 0;
    }
    for (unsigned i = bytes; i-- > 0;)
        v = v << 8 | s->at[i];
    s->at += bytes;
    return v;
}

struct toro_cfi_cursor toro_cfi_piece(struct toro_cfi_cursor *s, uint64_t n)
{
    struct toro_cfi_cursor p = {s->at, s->at, true};

    if (s->bad || n > (uint64_t)(s->end - s->at)) {
        s->bad = true;
        return p;
    }
    p = (struct toro_cfi_cursor){s->at, s->at + n, false};
    s->at += n;
    return p;
}

/* @param[out] bits  that the number has */
static uint64_t leb(struct toro_cfi_cursor *s, unsigned *bits, bool *negative)
{
    uint64_t v = 0, b;

    *bits = 0;
    do {
        b = toro_cfi_fixed(s, 1);
        if (*bits < 64)
            v |= (b & 0x7f) << *bits;
        *bits += 7;
    } while ((b & 0x80) != 0 && *bits < 70);
    *negative = (b & 0x40) != 0;
    s->bad |= (b & 0x80) != 0;
    return v;
}

uint64_t toro_cfi_uleb(struct toro_cfi_cursor *s)
{
    unsigned bits;
    bool negative;

    return leb(s, &bits, &negative);
}

int64_t toro_cfi_sleb(struct toro_cfi_cursor *s)
{
    unsigned bits;
    bool negative;
    uint64_t v = leb(s, &bits, &negative);

    return (int64_t)(negative && bits < 64 ? v | ~0ull << bits : v);
}

static uint64_t constant(struct toro_cfi_cursor *s, unsigned op)
{
    unsigned bytes = 1u << ((op - OP_CONST1U) / 2), shift = 64 - 8 * bytes;
    uint64_t v = toro_cfi_fixed(s, bytes);

    return (op & 1) != 0 ? (uint64_t)((int64_t)(v << shift) >> shift) : v;
}

/* @return false: no such operation. */
static bool binary(unsigned op, uint64_t a, uint64_t b, uint64_t *out)
{
    const int64_t sa = (int64_t)a, sb = (int64_t)b;

    switch (op) {
    case OP_AND:
        *out = a & b;
        return true;
    case OP_MINUS:
        *out = a - b;
        return true;
    case OP_MUL:
        *out = a * b;
        return true;
    case OP_OR:
        *out = a | b;
        return true;
    case OP_PLUS:
        *out = a + b;
        return true;
    case OP_SHL:
        *out = b < 64 ? a << b : 0;
        return true;
    case OP_SHR:
        *out = b < 64 ? a >> b : 0;
        return true;
    case OP_SHRA:
        *out = (uint64_t)(sa >> (b < 63 ? b : 63));
        return true;
    case OP_XOR:
        *out = a ^ b;
        return true;
    case OP_EQ:
        *out = sa == sb;
        return true;
    case OP_GE:
        *out = sa >= sb;
        return true;
    case OP_GT:
        *out = sa > sb;
        return true;
    case OP_LE:
        *out = sa <= sb;
        return true;
    case OP_LT:
        *out = sa < sb;
        return true;
    case OP_NE:
        *out = sa != sb;
        return true;
    default:
        return false;
    }
}

struct stack {
    uint64_t v[STACK_DEPTH];
    unsigned n;
    bool bad;
};

static void push(struct stack *k, uint64_t v)
{
    if (k->n < STACK_DEPTH)
        k->v[k->n++] = v;
    else
        k->bad = true;
}

static uint64_t pop(struct stack *k)
{
    if (k->n > 0)
        return k->v[--k->n];
    k->bad = true;
    return 0;
}

/* The value so many places below the top. */
static uint64_t pick(struct stack *k, uint64_t below)
{
    if (below < k->n)
        return k->v[k->n - 1 - below];
    k->bad = true;
    return 0;
}

static void jump(struct toro_cfi_cursor *s, const uint8_t *start, bool taken)
{
    int16_t by = (int16_t)toro_cfi_fixed(s, 2);

    if (s->bad || !taken)
        return;
    if (by < start - s->at || by > s->end - s->at)
        s->bad = true;
    else
        s->at += by;
}

static void memory(struct stack *k, toro_cfi_read *read, void *ctx)
{
    uint64_t v = 0;

    k->bad |= !read(ctx, pop(k), &v);
    push(k, v);
}

static void base_register(struct stack *k, struct toro_cfi_cursor *s,
                          const struct toro_cfi_frame *f, unsigned reg)
{
    uint64_t by = (uint64_t)toro_cfi_sleb(s);

    if (reg < TORO_CFI_REGS && (f->known >> reg & 1) != 0)
        push(k, f->reg[reg] + by);
    else
        k->bad = true;
}

/* What only moves values. @return false: op is something else. */
static bool shuffle(struct stack *k, struct toro_cfi_cursor *s, unsigned op)
{
    uint64_t a, b, c;

    switch (op) {
    case OP_DUP:
        push(k, pick(k, 0));
        return true;
    case OP_DROP:
        (void)pop(k);
        return true;
    case OP_OVER:
        push(k, pick(k, 1));
        return true;
    case OP_PICK:
        push(k, pick(k, toro_cfi_fixed(s, 1)));
        return true;
    case OP_SWAP:
        a = pop(k);
        b = pop(k);
        push(k, a);
        push(k, b);
        return true;
    case OP_ROT:
        a = pop(k);
        b = pop(k);
        c = pop(k);
        push(k, a);
        push(k, c);
        push(k, b);
        return true;
    default:
        return false;
    }
}

bool toro_cfi_expression(struct toro_cfi_cursor s, const struct toro_cfi_frame *f,
                         const uint64_t *first, toro_cfi_read *read, void *ctx, uint64_t *out)
{
    const uint8_t *start = s.at;
    struct stack k = {.n = 0};

    if (first != NULL)
        push(&k, *first);
    for (unsigned step = 0; s.at < s.end && !s.bad && !k.bad; step++) {
        unsigned op = (unsigned)toro_cfi_fixed(&s, 1);
        uint64_t a, b;

        if (step == STEPS_MAX)
            return false;
        if (op >= OP_LIT0 && op <= OP_LIT31)
            push(&k, op - OP_LIT0);
        else if (op >= OP_BREG0 && op <= OP_BREG31)
            base_register(&k, &s, f, op - OP_BREG0);
        else if (op >= OP_CONST1U && op <= OP_CONST8S)
            push(&k, constant(&s, op));
        else if (op == OP_CONSTU)
            push(&k, toro_cfi_uleb(&s));
        else if (op == OP_CONSTS)
            push(&k, (uint64_t)toro_cfi_sleb(&s));
        else if (op == OP_DEREF)
            memory(&k, read, ctx);
        else if (op == OP_NEG)
            push(&k, -pop(&k));
        else if (op == OP_NOT)
            push(&k, ~pop(&k));
        else if (op == OP_PLUS_UCONST)
            push(&k, pop(&k) + toro_cfi_uleb(&s));
        else if (op == OP_SKIP)
            jump(&s, start, true);
        else if (op == OP_BRA)
            jump(&s, start, pop(&k) != 0);
        else if (op != OP_NOP && !shuffle(&k, &s, op)) {
            b = pop(&k);
            a = pop(&k);
            if (!binary(op, a, b, &a))
                return false;
            push(&k, a);
        }
    }
    *out = pop(&k);
    return !s.bad && !k.bad;
}
