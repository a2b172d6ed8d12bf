#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Reads what automake's test harness prints, shows one line per test file as soon as it is done, and
# every result that is not a pass.

file=
passed=0
skipped=0
failed=0

flush()
{
    [ -z "$file" ] || printf '      %-34s %4d passed%s%s\n' "$file" "$passed" \
        "$([ "$skipped" -eq 0 ] || echo ", $skipped skipped")" \
        "$([ "$failed" -eq 0 ] || echo ", $failed failed")"
}

while IFS= read -r line; do
    case $line in
    PASS:\ * | XFAIL:\ * | FAIL:\ * | XPASS:\ * | SKIP:\ * | ERROR:\ *) ;;
    make*'*** ['*check-TESTS* | make*'*** ['*test-suite.log* | make*'*** [Makefile'*check-am*) continue ;;
    make*'*** '*)
        echo "      $line"
        continue
        ;;
    *) continue ;;
    esac
    rest=${line#*: }
    name=${rest%% *}
    if [ "$name" != "$file" ]; then
        flush
        file=$name
        passed=0
        skipped=0
        failed=0
    fi
    case $line in
    PASS:* | XFAIL:*) passed=$((passed + 1)) ;;
    SKIP:*)
        skipped=$((skipped + 1))
        echo "      $line"
        ;;
    *)
        failed=$((failed + 1))
        echo "      $line"
        ;;
    esac
done
flush
