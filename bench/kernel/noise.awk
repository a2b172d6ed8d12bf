# SPDX-License-Identifier: BSD-3-Clause
# Two files of "INDEX NS" (fixed work in a Torobus guest, in a Linux guest) as one SVG: every
# quantum a point, its time relative to the fastest, on a logarithmic scale.
FNR == 1 { file++ }
{ x[file, FNR] = $1; y[file, FNR] = $2; len[file] = FNR
  if (!best[file] || $2 < best[file]) best[file] = $2 }
END {
    w = 900; h = 220; left = 60; title[1] = "Torobus guest"; title[2] = "Linux guest"
    printf "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' font-family='sans-serif' font-size='12'>\n", w + left + 20, 2 * (h + 50) + 20
    print "<rect width='100%' height='100%' fill='white'/>"
    for (f = 1; f <= 2; f++) {
        top = 30 + (f - 1) * (h + 50)
        printf "<text x='%d' y='%d'>%s: fixed work of %.1f us, %d times; 1 is the fastest</text>\n", left, top - 8, title[f], best[f] / 1000, len[f]
        printf "<rect x='%d' y='%d' width='%d' height='%d' fill='none' stroke='#888'/>\n", left, top, w, h
        for (d = 0; d <= 3; d++)
            printf "<text x='%d' y='%d' text-anchor='end'>%d</text><line x1='%d' x2='%d' y1='%d' y2='%d' stroke='#ddd'/>\n", left - 6, top + h - d * h / 3 + 4, 10 ^ d, left, left + w, top + h - d * h / 3, top + h - d * h / 3
        # All points are one path, each place of the picture once: thousands lie on each other.
        printf "<path stroke='%s' stroke-width='2' d='", f == 1 ? "#06c" : "#c40"
        for (i = 1; i <= len[f]; i++) {
            v = log(y[f, i] / best[f]) / log(10); v = v > 3 ? 3 : v
            px = int(left + w * i / len[f]); py = int(top + h - v * h / 3)
            if (!drawn[px, py]++) printf "M%d %dh2", px, py
        }
        print "'/>"
    }
    print "</svg>"
}
