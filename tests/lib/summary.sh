#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Counts the results of a test run and closes with one line: N passed, N failed, N skipped.
#
#   tests/lib/summary.sh FILE.trs...
#
# Every file named must be there: a test that left no result has failed. Exit status 0 only when
# something passed and nothing failed. What was skipped or failed is named, from the log beside.

exec awk '
function tell(what, text)
{
    told[++ntold] = what ": " name ": " text
}
# One test; its results are counted from the .trs file, their names come from the .log file.
function file(trs,    log_file, line, rc, n, word, good, bad, errors, skips)
{
    name = log_file = trs
    sub(/\.trs$/, ".log", log_file)
    sub(/\.trs$/, "", name)
    while ((rc = (getline line < trs)) > 0)
        if (line ~ /^:test-result: /) {
            n++
            split(line, word, " ")
            if (word[2] == "PASS" || word[2] == "XFAIL")
                good++
            else if (word[2] == "SKIP")
                skips++
            else if (word[2] == "ERROR")
                errors++
            else
                bad++
        }
    close(trs)
    if (rc < 0 || !n) {
        failed++
        tell("ERROR", "it left no result")
        return
    }
    while ((getline line < log_file) > 0) {
        if (line ~ /^not ok / || line ~ /^ok .*# *SKIP/ || line ~ /^1\.\.0 *# *SKIP/)
            tell(line ~ /^not/ ? "FAIL" : "SKIP", line)
        else if (line ~ /^ERROR: .* - exited with status 1$/ && bad && errors)
            errors-- # a test with a failed result ends so; that is no further failure
        else if (line ~ /^ERROR: /)
            tell("ERROR", line)
    }
    close(log_file)
    passed += good
    failed += bad + errors
    skipped += skips
}
BEGIN {
    for (i = 1; i < ARGC; i++)
        file(ARGV[i])
    for (i = 1; i <= ntold; i++)
        print told[i]
    printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
    exit (failed > 0 || passed == 0)
}' "$@"
