/* SPDX-License-Identifier: BSD-3-Clause */
/* From a frame to its caller's: the instructions of the function's entry up to the address leave
 * rules that say where the caller's registers are. */
#include "cfi_impl.h"

#define DEPTH_MAX 4u    /* remembered states */
#define INSNS_MAX 4096u /* instructions of one function */

enum {
    CFA_ADVANCE1 = 0x02, /* 2, 4 follow */
    CFA_ADVANCE4 = 0x04,
    CFA_OFFSET_EXT = 0x05,
    CFA_RESTORE_EXT = 0x06,
    CFA_UNDEFINED = 0x07,
    CFA_SAME = 0x08,
    CFA_REGISTER = 0x09,
    CFA_REMEMBER = 0x0a,
    CFA_RESTORE_STATE = 0x0b,
    CFA_DEF = 0x0c,
    CFA_DEF_REGISTER = 0x0d,
    CFA_DEF_OFFSET = 0x0e,
    CFA_DEF_EXPRESSION = 0x0f,
    CFA_EXPRESSION = 0x10,
    CFA_OFFSET_EXT_SF = 0x11,
    CFA_DEF_SF = 0x12,
    CFA_DEF_OFFSET_SF = 0x13,
    CFA_VAL_OFFSET = 0x14,
    CFA_VAL_OFFSET_SF = 0x15,
    CFA_VAL_EXPRESSION = 0x16,
    CFA_ARGS_SIZE = 0x2e,
    CFA_ADVANCE = 0x40, /* the number is in the low six bits, here and below */
    CFA_OFFSET = 0x80,
    CFA_RESTORE = 0xc0,
};

enum kind { UNSAID, UNDEFINED, SAME, AT_OFFSET, IS_OFFSET, REGISTER, AT_EXPRESSION, IS_EXPRESSION };

/* Where a register of the caller is. value: an offset from the frame's address, a register, or an
 * expression's place in the file. */
struct rule {
    int64_t value;
    uint32_t len;
    uint8_t kind;
};

struct state {
    struct rule reg[TORO_CFI_REGS];
    struct rule cfa; /* IS_OFFSET from the register in len, or IS_EXPRESSION */
};

static void rule_set(struct state *st, uint64_t reg, enum kind kind, int64_t value)
{
    if (reg < TORO_CFI_REGS) /* vector registers: nobody asks */
        st->reg[reg] = (struct rule){value, 0, (uint8_t)kind};
}

static struct rule expression(const struct toro_cfi *c, struct toro_cfi_cursor *s, enum kind kind)
{
    struct toro_cfi_cursor e = toro_cfi_piece(s, toro_cfi_uleb(s));

    return (struct rule){e.at - (const uint8_t *)c->file, (uint32_t)(e.end - e.at), (uint8_t)kind};
}

static int64_t scaled(const struct toro_cfi_entry *e, uint64_t n)
{
    return (int64_t)(n * (uint64_t)e->data_align);
}

/* The rules for one register. @return false: op is something else. */
static bool one_register(const struct toro_cfi *c, const struct toro_cfi_entry *e,
                         struct toro_cfi_cursor *s, struct state *st, const struct state *initial,
                         unsigned op)
{
    uint64_t reg;

    if (op < CFA_OFFSET_EXT || op > CFA_VAL_EXPRESSION ||
        (op >= CFA_REMEMBER && op <= CFA_DEF_EXPRESSION) || op == CFA_DEF_SF ||
        op == CFA_DEF_OFFSET_SF)
        return false;
    reg = toro_cfi_uleb(s);
    switch (op) {
    case CFA_OFFSET_EXT:
        rule_set(st, reg, AT_OFFSET, scaled(e, toro_cfi_uleb(s)));
        break;
    case CFA_OFFSET_EXT_SF:
        rule_set(st, reg, AT_OFFSET, scaled(e, (uint64_t)toro_cfi_sleb(s)));
        break;
    case CFA_VAL_OFFSET:
        rule_set(st, reg, IS_OFFSET, scaled(e, toro_cfi_uleb(s)));
        break;
    case CFA_VAL_OFFSET_SF:
        rule_set(st, reg, IS_OFFSET, scaled(e, (uint64_t)toro_cfi_sleb(s)));
        break;
    case CFA_RESTORE_EXT:
        if (reg < TORO_CFI_REGS)
            st->reg[reg] = initial->reg[reg];
        break;
    case CFA_UNDEFINED:
        rule_set(st, reg, UNDEFINED, 0);
        break;
    case CFA_SAME:
        rule_set(st, reg, SAME, 0);
        break;
    case CFA_REGISTER:
        rule_set(st, reg, REGISTER, (int64_t)toro_cfi_uleb(s));
        break;
    default: {
        struct rule r = expression(c, s, op == CFA_EXPRESSION ? AT_EXPRESSION : IS_EXPRESSION);

        if (reg < TORO_CFI_REGS)
            st->reg[reg] = r;
    }
    }
    return true;
}

/* The rules for the frame's address. @return false: op is something else, or cannot be here. */
static bool frame_address(const struct toro_cfi *c, const struct toro_cfi_entry *e,
                          struct toro_cfi_cursor *s, struct rule *cfa, unsigned op)
{
    switch (op) {
    case CFA_DEF:
    case CFA_DEF_SF:
        cfa->kind = IS_OFFSET;
        cfa->len = (uint32_t)toro_cfi_uleb(s);
        cfa->value =
            op == CFA_DEF ? (int64_t)toro_cfi_uleb(s) : scaled(e, (uint64_t)toro_cfi_sleb(s));
        return true;
    /* These change a part: not one of an expression's place in the file. */
    case CFA_DEF_REGISTER:
        cfa->len = (uint32_t)toro_cfi_uleb(s);
        return cfa->kind == IS_OFFSET;
    case CFA_DEF_OFFSET:
        cfa->value = (int64_t)toro_cfi_uleb(s);
        return cfa->kind == IS_OFFSET;
    case CFA_DEF_OFFSET_SF:
        cfa->value = scaled(e, (uint64_t)toro_cfi_sleb(s));
        return cfa->kind == IS_OFFSET;
    case CFA_DEF_EXPRESSION:
        *cfa = expression(c, s, IS_EXPRESSION);
        return true;
    default:
        return false;
    }
}

/* Execute instructions until they speak of what is behind addr. initial: what RESTORE goes back to.
 * @return false for what cannot be right. */
static bool execute(const struct toro_cfi *c, const struct toro_cfi_entry *e,
                    struct toro_cfi_cursor s, uint64_t addr, struct state *st,
                    const struct state *initial)
{
    struct state kept[DEPTH_MAX];
    unsigned nkept = 0;
    uint64_t loc = e->begin;

    for (unsigned n = 0; s.at < s.end && !s.bad; n++) {
        unsigned op = (unsigned)toro_cfi_fixed(&s, 1), low = op & 0x3f;

        if (n == INSNS_MAX)
            return false;
        if ((op & 0xc0) == CFA_ADVANCE)
            loc += low * e->code_align;
        else if ((op & 0xc0) == CFA_OFFSET)
            rule_set(st, low, AT_OFFSET, scaled(e, toro_cfi_uleb(&s)));
        else if ((op & 0xc0) == CFA_RESTORE) {
            if (low < TORO_CFI_REGS)
                st->reg[low] = initial->reg[low];
        } else if (op >= CFA_ADVANCE1 && op <= CFA_ADVANCE4)
            loc += toro_cfi_fixed(&s, 1u << (op - CFA_ADVANCE1)) * e->code_align;
        else if (op == CFA_REMEMBER) {
            if (nkept == DEPTH_MAX)
                return false;
            kept[nkept++] = *st;
        } else if (op == CFA_RESTORE_STATE) {
            if (nkept == 0)
                return false;
            *st = kept[--nkept];
        } else if (op == CFA_ARGS_SIZE)
            (void)toro_cfi_uleb(&s);
        else if (op != 0 && !one_register(c, e, &s, st, initial, op) &&
                 !frame_address(c, e, &s, &st->cfa, op))
            return false;
        if (loc > addr)
            break;
    }
    return !s.bad;
}

static bool evaluate(const struct toro_cfi *c, const struct rule *r, const struct toro_cfi_frame *f,
                     const uint64_t *cfa, toro_cfi_read *read, void *ctx, uint64_t *out)
{
    const uint8_t *at = (const uint8_t *)c->file + r->value;

    return toro_cfi_expression((struct toro_cfi_cursor){at, at + r->len, false}, f, cfa, read, ctx,
                               out);
}

/* What a rule says. @return false: it does not, or memory is not there. */
static bool value_of(const struct toro_cfi *c, const struct rule *r, uint64_t cfa, unsigned reg,
                     const struct toro_cfi_frame *f, toro_cfi_read *read, void *ctx, uint64_t *out)
{
    switch (r->kind) {
    case UNSAID:
    case SAME:
        *out = f->reg[reg];
        return (f->known >> reg & 1) != 0;
    case AT_OFFSET:
        return read(ctx, cfa + (uint64_t)r->value, out);
    case IS_OFFSET:
        *out = cfa + (uint64_t)r->value;
        return true;
    case REGISTER:
        if (r->value < 0 || r->value >= TORO_CFI_REGS || (f->known >> r->value & 1) == 0)
            return false;
        *out = f->reg[r->value];
        return true;
    case AT_EXPRESSION:
    case IS_EXPRESSION:
        return evaluate(c, r, f, &cfa, read, ctx, out) &&
               (r->kind == IS_EXPRESSION || read(ctx, *out, out));
    default:
        return false;
    }
}

static bool frame_base(const struct toro_cfi *c, const struct rule *r,
                       const struct toro_cfi_frame *f, toro_cfi_read *read, void *ctx,
                       uint64_t *out)
{
    if (r->kind == IS_EXPRESSION)
        return evaluate(c, r, f, NULL, read, ctx, out);
    if (r->kind != IS_OFFSET || r->len >= TORO_CFI_REGS || (f->known >> r->len & 1) == 0)
        return false;
    *out = f->reg[r->len] + (uint64_t)r->value;
    return true;
}

/* rbx, rbp, rsp, r12 to r15 and rip outlive a call. */
#define CALLEE_SAVED (1u << 3 | 1u << TORO_CFI_RBP | 1u << TORO_CFI_RSP | 0xfu << 12)

enum toro_cfi_result toro_cfi_step(const struct toro_cfi *c, uint64_t load_bias,
                                   struct toro_cfi_frame *f, toro_cfi_read *read, void *ctx)
{
    /* A return address may be behind its function's end: it belongs to the call before it. */
    uint64_t addr = f->reg[TORO_CFI_RIP] - load_bias - (f->exact ? 0 : 1), cfa;
    struct toro_cfi_frame up = {.known = 0};
    struct state initial = {.cfa.kind = UNSAID}, st;
    struct toro_cfi_entry e;

    if (!toro_cfi_entry(c, addr, &e))
        return TORO_CFI_LOST;
    if (!execute(c, &e, e.first, ~0ull, &initial, &initial))
        return TORO_CFI_LOST;
    st = initial;
    if (!execute(c, &e, e.own, addr, &st, &initial))
        return TORO_CFI_LOST;
    if (st.reg[TORO_CFI_RIP].kind == UNDEFINED)
        return TORO_CFI_END;
    if (!frame_base(c, &st.cfa, f, read, ctx, &cfa))
        return TORO_CFI_LOST;
    if (st.reg[TORO_CFI_RSP].kind == UNSAID)
        st.reg[TORO_CFI_RSP] = (struct rule){0, 0, IS_OFFSET};
    for (unsigned i = 0; i < TORO_CFI_REGS; i++) {
        if (st.reg[i].kind == UNSAID && (CALLEE_SAVED >> i & 1) == 0)
            continue;
        if (value_of(c, &st.reg[i], cfa, i, f, read, ctx, &up.reg[i]))
            up.known |= 1u << i;
    }
    if ((up.known >> TORO_CFI_RIP & 1) == 0 || (up.known >> TORO_CFI_RSP & 1) == 0)
        return TORO_CFI_LOST;
    up.exact = e.signal;
    *f = up;
    return TORO_CFI_CALLER;
}
