/* SPDX-License-Identifier: BSD-3-Clause */
/* Formatted text: the part of printf that the kernel uses. */
#include <toro/lib.h>

struct out {
    char *buf;
    size_t size;
    size_t n; /* characters so far, those that did not fit included */
};

static void out_put(struct out *o, char c)
{
    if (o->n + 1 < o->size)
        o->buf[o->n] = c;
    o->n++;
}

struct spec {
    bool left, zero;
    int width, precision; /* -1: none */
    int longs;            /* 0 int, 1 and more 64 bits */
};

static void pad(struct out *o, char c, int n)
{
    while (n-- > 0)
        out_put(o, c);
}

static void put_text(struct out *o, const struct spec *sp, const char *s)
{
    size_t max = sp->precision >= 0 ? (size_t)sp->precision : SIZE_MAX, n;

    if (s == NULL)
        s = "(null)";
    n = toro_strnlen(s, max);
    if (!sp->left)
        pad(o, ' ', sp->width - (int)n);
    for (size_t i = 0; i < n; i++)
        out_put(o, s[i]);
    if (sp->left)
        pad(o, ' ', sp->width - (int)n);
}

static void put_number(struct out *o, const struct spec *sp, uint64_t v, unsigned base, bool upper,
                       const char *prefix)
{
    char digits[24];
    const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    int n = 0, len, zeros;

    do {
        digits[n++] = set[v % base];
        v /= base;
    } while (v != 0);
    zeros = sp->precision > n ? sp->precision - n : 0;
    len = n + zeros + (int)toro_strlen(prefix);
    if (sp->zero && !sp->left && sp->precision < 0 && sp->width > len) {
        zeros += sp->width - len;
        len = sp->width;
    }
    if (!sp->left)
        pad(o, ' ', sp->width - len);
    while (*prefix != '\0')
        out_put(o, *prefix++);
    pad(o, '0', zeros);
    while (n > 0)
        out_put(o, digits[--n]);
    if (sp->left)
        pad(o, ' ', sp->width - len);
}

static int number(const char **fmt, va_list *ap)
{
    int v = 0;

    if (**fmt == '*') {
        (*fmt)++;
        return va_arg(*ap, int);
    }
    while (**fmt >= '0' && **fmt <= '9')
        v = v * 10 + *(*fmt)++ - '0';
    return v;
}

static const char *parse(const char *fmt, struct spec *sp, va_list *ap)
{
    *sp = (struct spec){.precision = -1};
    for (;; fmt++) {
        if (*fmt == '-')
            sp->left = true;
        else if (*fmt == '0')
            sp->zero = true;
        else
            break;
    }
    sp->width = number(&fmt, ap);
    if (sp->width < 0) {
        sp->left = true;
        sp->width = -sp->width;
    }
    if (*fmt == '.') {
        fmt++;
        sp->precision = number(&fmt, ap);
    }
    while (*fmt == 'l' || *fmt == 'z' || *fmt == 'j') {
        sp->longs++;
        fmt++;
    }
    return fmt;
}

int toro_vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
    struct out o = {buf, size, 0};
    struct spec sp;
    va_list ap;
    uint64_t v;
    char c[2] = "";

    va_copy(ap, args);
    for (; *fmt != '\0'; fmt++) {
        if (*fmt != '%') {
            out_put(&o, *fmt);
            continue;
        }
        fmt = parse(fmt + 1, &sp, &ap);
        switch (*fmt) {
        case 'd':
        case 'i':
            v = sp.longs ? va_arg(ap, uint64_t) : (uint64_t)(int64_t)va_arg(ap, int);
            if ((int64_t)v < 0)
                put_number(&o, &sp, -v, 10, false, "-");
            else
                put_number(&o, &sp, v, 10, false, "");
            break;
        case 'u':
        case 'x':
        case 'X':
            v = sp.longs ? va_arg(ap, uint64_t) : va_arg(ap, unsigned);
            put_number(&o, &sp, v, *fmt == 'u' ? 10 : 16, *fmt == 'X', "");
            break;
        case 'p':
            put_number(&o, &sp, (uint64_t)va_arg(ap, void *), 16, false, "0x");
            break;
        case 'c':
            c[0] = (char)va_arg(ap, int);
            sp.precision = 1;
            if (c[0] == '\0')
                out_put(&o, '\0');
            else
                put_text(&o, &sp, c);
            break;
        case 's':
            put_text(&o, &sp, va_arg(ap, const char *));
            break;
        case '%':
            out_put(&o, '%');
            break;
        default: /* an unknown one shows, and ends the text: its argument's size is unknown too */
            out_put(&o, '%');
            if (*fmt != '\0')
                out_put(&o, *fmt);
            goto done;
        }
    }
done:
    va_end(ap);
    if (size > 0)
        buf[TORO_MIN(o.n, size - 1)] = '\0';
    return (int)o.n;
}

int toro_snprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = toro_vsnprintf(buf, size, fmt, ap);
    va_end(ap);
    return n;
}
