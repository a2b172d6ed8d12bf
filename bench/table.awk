# SPDX-License-Identifier: BSD-3-Clause
# results.csv -> a table: a line per test, ranks and size, a column per configuration, the median of
# the rounds' medians in each field.
BEGIN { FS = "," }
NR == 1 { next }
{
    row = $3 "," $4 "," $5 "," $6
    if (!(row in seen)) { seen[row] = 1; rows[++nrows] = row }
    if (!($2 in column)) { column[$2] = 1; columns[++ncolumns] = $2 }
    key = row SUBSEP $2
    values[key, ++n[key]] = $7
}
function median(key,    i, j, t, c) {
    c = n[key]
    for (i = 2; i <= c; i++)
        for (j = i; j > 1 && values[key, j - 1] + 0 > values[key, j] + 0; j--) {
            t = values[key, j]; values[key, j] = values[key, j - 1]; values[key, j - 1] = t
        }
    return c % 2 ? values[key, (c + 1) / 2] : (values[key, c / 2] + values[key, c / 2 + 1]) / 2
}
END {
    printf "%-12s %5s %8s %-5s", "test", "ranks", "size", "unit"
    for (c = 1; c <= ncolumns; c++) printf " %12s", columns[c]
    printf "\n"
    for (r = 1; r <= nrows; r++) {
        split(rows[r], f, ",")
        printf "%-12s %5d %8d %-5s", f[1], f[2], f[3], f[4]
        for (c = 1; c <= ncolumns; c++) {
            key = rows[r] SUBSEP columns[c]
            if (key in n) printf " %12.3f", median(key)
            else printf " %12s", "-"
        }
        printf "\n"
    }
}
