#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The harness itself: what must count as a failure does.
. "$TORO_SRC/tests/lib/tap.sh"

driver=$TORO_SRC/config/tap-driver.sh
timed=$TORO_SRC/tests/lib/timed.sh
mkdir "$tmp/tests"
cd "$tmp" || exit 1

# Runs a test made of the lines on stdin through the driver; leaves NAME.trs and NAME.log.
harness() # NAME.sh
{
    {
        echo ". \"$TORO_SRC/tests/lib/tap.sh\""
        cat
    } >"tests/$1"
    AM_TAP_AWK=${AWK:-awk} sh "$driver" --test-name "$1" --log-file "${1%.sh}.log" \
        --trs-file "${1%.sh}.trs" --color-tests no --enable-hard-errors yes --expect-failure no -- \
        "$timed" sh "tests/$1" >/dev/null
}
counted() # NAME...: the closing line
{
    "$TORO_SRC/tests/lib/summary.sh" "$@" | tail -n 1
}

harness good.sh <<'END'
plan 3
ok 0 one
is a a two
skip 1 "no reason"
END
is "$(counted good.trs)" "2 passed, 0 failed, 1 skipped" "passes and skips are told apart"

harness bad.sh <<'END'
ok 0 one
ok 1 two
is a b three
done_testing
END
is "$(counted bad.trs)" "1 passed, 2 failed, 0 skipped" "failures are counted once"

harness short.sh <<'END'
plan 3
ok 0 one
END
is "$(counted short.trs)" "1 passed, 2 failed, 0 skipped" "a test that ends before its plan has failed"

harness none.sh <<'END'
ok 0 one
exit 0
END
is "$(counted none.trs | sed 's/ [0-9]* failed/ some failed/')" "1 passed, some failed, 0 skipped" \
    "a test without a plan has failed"

harness crash.sh <<'END'
plan 1
ok 0 one
kill -SEGV $$
END
is "$(counted crash.trs | sed 's/ [1-9][0-9]* failed/ some failed/')" \
    "1 passed, some failed, 0 skipped" "a test that crashes after its last result has failed"

harness slow.sh <<'END'
# timeout: 1
plan 1
sleep 20
ok 0 one
END
is "$(counted slow.trs | sed 's/ [1-9][0-9]* failed/ some failed/')" \
    "0 passed, some failed, 0 skipped" "a test past its time limit has failed"
like "$(cat slow.log)" "*slow.sh did not end within 1 seconds*" "... and the log says so"

harness skipped.sh <<'END'
skip_all "not here"
END
is "$(counted skipped.trs)" "0 passed, 0 failed, 1 skipped" "a skipped file is a skip"
fails "a run in which nothing passed has failed" "$TORO_SRC/tests/lib/summary.sh" skipped.trs
runs "a run with passes and skips is good" "$TORO_SRC/tests/lib/summary.sh" good.trs skipped.trs
fails "a test without a result has failed" "$TORO_SRC/tests/lib/summary.sh" good.trs missing.trs
fails "no tests at all have failed" "$TORO_SRC/tests/lib/summary.sh"

harness clean.sh <<'END'
plan 1
gone() { echo "# cleaned up"; }
cleanup_fn gone
echo "# tmp $tmp"
ok 0 one
exit 0
END
like "$(cat clean.log)" "*# cleaned up*" "clean-up functions run"
[ ! -e "$(sed -n 's/^# tmp //p' clean.log)" ]
ok $? "the test's own directory is gone"

is "$(printf '%s\n' 'PASS: a/t-x.sh 1 - x' 'SKIP: a/t-x.sh 2 - y' 'FAIL: a/t-x.sh 3 - z' |
    "$TORO_SRC/tests/lib/progress.sh" | tail -n 1 | tr -s ' ')" \
    " a/t-x.sh 1 passed, 1 skipped, 1 failed" "the progress tells skips from failures"

cat >c.c <<'END'
#include "tap.h"
int main(int argc, char **argv)
{
    (void)argv;
    t_plan(2);
    t_ok(1, "one");
    if (argc > 1)
        t_eq(1 + 1, 2, "two");
    return t_done();
}
END
runs "tap.h compiles" "${CC:-cc}" -std=c11 -Wall -Wextra -Werror -I"$TORO_SRC/tests/lib" -o c c.c
runs "a C test that fulfils its plan passes" ./c x
fails "a C test that does not fails" ./c
done_testing
