# SPDX-License-Identifier: BSD-3-Clause
# results.csv -> an SVG plot of one test over the message size, both axes logarithmic; a line per
# configuration, through the medians of the rounds.
#
#     awk -v test=latency -v unit=us -f plot.awk results.csv >latency.svg
BEGIN {
    FS = ","
    split("#0b62a4 #d1495b #2a9d4a #8a5cc2 #e08a1e #444444 #11a0a8", colour, " ")
    width = 720; height = 440; left = 70; right = 150; top = 40; bottom = 50
}
NR == 1 || $3 != test || $7 <= 0 { next }
{
    if (!($2 in seen)) { seen[$2] = 1; confs[++nconfs] = $2 }
    if (!($5 in size)) { size[$5] = 1; sizes[++nsizes] = $5 + 0 }
    v[$2, $5, ++n[$2, $5]] = $7
    if (!high || $7 > high) high = $7 + 0
    if (!low || $7 < low) low = $7 + 0
}
function log10(x) { return log(x) / log(10) }
function floor(x,    i) { i = int(x); return i > x ? i - 1 : i }
function median(c, s,    i, j, t, m) {
    m = n[c, s]
    for (i = 2; i <= m; i++)
        for (j = i; j > 1 && v[c, s, j - 1] + 0 > v[c, s, j] + 0; j--) {
            t = v[c, s, j]; v[c, s, j] = v[c, s, j - 1]; v[c, s, j - 1] = t
        }
    return m % 2 ? v[c, s, (m + 1) / 2] : (v[c, s, m / 2] + v[c, s, m / 2 + 1]) / 2
}
function x_of(s) {
    return left + (x1 == x0 ? 0.5 : (log(s) - x0) / (x1 - x0)) * (width - left - right)
}
function y_of(y) { return height - bottom - (log10(y) - y0) / (y1 - y0) * (height - top - bottom) }
function bytes(s) {
    if (s >= 1048576) return s / 1048576 " MiB"
    return s >= 1024 ? s / 1024 " KiB" : s " B"
}
function text(x, y, anchor, what) {
    printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, what
}
END {
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" " \
        "font-family=\"sans-serif\" font-size=\"12\">\n", width, height
    print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
    if (nsizes == 0) {
        text(width / 2, height / 2, "middle", "no result for " test)
        print "</svg>"
        exit
    }
    for (i = 2; i <= nsizes; i++)
        for (j = i; j > 1 && sizes[j - 1] > sizes[j]; j--) {
            t = sizes[j]; sizes[j] = sizes[j - 1]; sizes[j - 1] = t
        }
    first = sizes[1] > 0 ? sizes[1] : 1
    x0 = log(first); x1 = log(sizes[nsizes] > 0 ? sizes[nsizes] : 1)
    y0 = floor(log10(low)); y1 = floor(log10(high)) + 1
    text(left, 22, "start", test ", " unit)
    for (y = y0; y <= y1; y++) {
        printf "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", left, \
            width - right, y_of(10 ^ y), y_of(10 ^ y)
        text(left - 8, y_of(10 ^ y) + 4, "end", 10 ^ y)
    }
    for (i = 1; i <= nsizes; i++)
        if (sizes[i] > 0 && (nsizes < 6 || i % 4 == 1))
            text(x_of(sizes[i]), height - bottom + 20, "middle", bytes(sizes[i]))
    for (c = 1; c <= nconfs; c++) {
        path = ""
        for (i = 1; i <= nsizes; i++) {
            if (sizes[i] == 0 || !((confs[c], sizes[i]) in n)) continue
            x = x_of(sizes[i]); y = y_of(median(confs[c], sizes[i]))
            path = path sprintf("%s%.1f %.1f", path == "" ? "M" : " L", x, y)
            printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\" fill=\"%s\"/>\n", x, y, colour[c]
        }
        printf "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\"/>\n", path, colour[c]
        y = top + 20 * c
        printf "<line x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\" stroke=\"%s\" stroke-width=\"2\"/>\n", \
            width - right + 14, width - right + 34, y - 4, y - 4, colour[c]
        text(width - right + 40, y, "start", confs[c])
    }
    print "</svg>"
}
