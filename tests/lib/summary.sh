#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Counts the results of a test run and closes with one line: N passed, N failed, N skipped.
#
#   tests/lib/summary.sh FILE.trs...
#
# Every file named must be there: a test that left no result has failed. Exit status 0 only when
# something passed and nothing failed.

exec awk '
function result(what, text)
{
    if (what == "PASS" || what == "XFAIL")
        passed++
    else if (what == "SKIP") {
        skipped++
        skips[skipped] = text
    } else {
        failed++
        failures[failed] = what ": " text
    }
}
BEGIN {
    for (i = 1; i < ARGC; i++) {
        file = ARGV[i]
        name = file
        sub(/\.trs$/, "", name)
        seen = 0
        while ((rc = (getline line < file)) > 0)
            if (line ~ /^:test-result: /) {
                seen++
                split(line, word, " ")
                text = line
                sub(/^:test-result: [A-Z]+ ?/, "", text)
                result(word[2], name ": " text)
            }
        if (rc < 0)
            result("ERROR", name ": it left no result")
        else if (!seen)
            result("ERROR", name ": its result is empty")
        close(file)
    }
    for (i = 1; i <= skipped; i++)
        print "SKIP: " skips[i]
    for (i = 1; i <= failed; i++)
        print failures[i]
    printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
    exit (failed > 0 || passed == 0)
}' "$@"
