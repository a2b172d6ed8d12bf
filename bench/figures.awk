# SPDX-License-Identifier: BSD-3-Clause
# results.csv -> the figures that Torobus is to reach, each with what was measured and whether it is
# reached. A figure whose parts were not measured is said to be so. A ratio is formed round by round,
# of measurements that follow each other; the table shows the median round.
BEGIN { FS = "," }
NR == 1 { next }
{
    value[$1, $2, $3, $4, $5] = $7
    if ($1 > rounds) rounds = $1
}
# A part is "configuration test ranks size".
function part(r, text,    f, k) {
    split(text, f, " ")
    k = r SUBSEP f[1] SUBSEP f[2] SUBSEP f[3] SUBSEP f[4]
    return k in value ? value[k] : -1
}
function median(v, c,    i, j, t) {
    for (i = 2; i <= c; i++)
        for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
    return c % 2 ? v[(c + 1) / 2] : (v[c / 2] + v[c / 2 + 1]) / 2
}
function row(what, ours, against, theirs, shown, ratio, reached) {
    printf "| %s | %s | %s | %s | %s | %s | %s |\n", what, ours, against, theirs, shown, ratio, reached
}
# want "<": ours / theirs at most bar; ">": at least. theirs may be a number, in the test's unit.
function figure(what, ours, name, theirs, want, bar,    r, a, b, c, as, bs, qs, q, shown) {
    c = 0
    for (r = 1; r <= rounds; r++) {
        a = part(r, ours)
        b = theirs ~ / / ? part(r, theirs) : theirs + 0
        if (a <= 0 || b <= 0) continue
        c++; as[c] = a; bs[c] = b; qs[c] = a / b
    }
    shown = (want == "<" ? "≤ " : "≥ ") (bar < 0.1 ? sprintf("%.3f", bar) : bar)
    if (c == 0) { row(what, "-", name, "-", shown, "-", "not measured"); missed["not measured"]++; return }
    q = median(qs, c)
    reached = (want == "<" ? q <= bar : q >= bar) ? "reached" : "**missed**"
    missed[reached]++
    row(what, sprintf("%.3f", median(as, c)), name, sprintf("%.3f", median(bs, c)), shown, \
        sprintf("%.3f", q), reached)
}
END {
    print "## The figures to reach\n"
    print "Latencies in us, bandwidths in MB/s.\n"
    print "| measure | ours | against | theirs | reach | ratio | |"
    print "|---|---|---|---|---|---|---|"
    split("one,two", places, ",")
    label["one"] = "one guest"; label["two"] = "two guests"
    vader = "Linux guest, vader"
    figure("8 B latency, one guest", "one latency 2 8", vader, "linux latency 2 8", "<", 0.6)
    figure("8 B latency, two guests", "two latency 2 8", "our one guest", "one latency 2 8", "<", 1.2)
    figure("8 B latency, two guests", "two latency 2 8", "two Linux guests, TCP", \
        "linuxtcp latency 2 8", "<", 0.02)
    for (p = 1; p <= 2; p++)
        for (s = 1048576; s <= 4194304; s *= 4)
            figure(s / 1048576 " MiB bandwidth, " label[places[p]], places[p] " bw 2 " s, \
                "memcpy in the guest", "one memcpy 1 " s, ">", 0.85)
    figure("1 MiB bandwidth, one guest", "one bw 2 1048576", vader " (CMA), our CPU flags", \
        "linux bw 2 1048576", ">", 4)
    figure("1 MiB bandwidth, one guest", "one bw 2 1048576", vader " (CMA), plain CPU", \
        "linuxmax bw 2 1048576", ">", 4)
    figure("barrier, 2 ranks", "one barrier 2 0", vader, "linux barrier 2 0", "<", 0.6)
    figure("8 B allreduce, 2 ranks", "one allreduce 2 8", vader, "linux allreduce 2 8", "<", 0.6)
    figure("barrier, 2 ranks", "one barrier 2 0", "Toro (measured elsewhere)", 1.7, "<", 1)
    figure("8 B allreduce, 2 ranks", "one allreduce 2 8", "Toro (measured elsewhere)", 3.4, "<", 1)
    figure("barrier, 8 ranks on the same CPUs", "one barrier 8 0", "Linux guest, 8 vCPUs", \
        "linux barrier 8 0", "<", 0.5)
    figure("native 8 B latency on the region", "region latency 2 8", "native vader", \
        "vader latency 2 8", "<", 1)
    for (s = 65536; s <= 4194304; s *= 4)
        figure("native bandwidth, " s / 1024 " KiB", "region bw 2 " s, "native vader", \
            "vader bw 2 " s, ">", 1)
    figure("MPI_Put 8 B", "one put_latency 2 8", vader, "linux put_latency 2 8", "<", 0.3)
    figure("MPI_Get 8 B", "one get_latency 2 8", vader, "linux get_latency 2 8", "<", 0.3)
    figure("MPI_Fetch_and_op", "one fop_latency 2 8", vader, "linux fop_latency 2 8", "<", 0.3)
    printf "\n%d reached, %d missed, %d not measured.\n", missed["reached"], missed["**missed**"], \
        missed["not measured"]
}
