#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Random system calls in guests: on files of the guest's own, and on the host's, which are read-only.
# timeout: 400
. "$TORO_SRC/tests/lib/tap.sh"

requires toro-run timeout
fuzz=$TORO_BUILD/tests/guest/sysfuzz
seed=${TORO_FUZZ_SEED:-7}

for fs in none ro; do
    timeout 180 toro-run --fs $fs -n 2 "$fuzz" "$seed" >"$tmp/out" 2>"$tmp/err" </dev/null
    is $? 0 "--fs $fs: both ranks end well"
    # What the calls wrote to the streams is in there as well.
    is "$(grep -ac '^ok ' "$tmp/out")" 6 "--fs $fs: with all their results"
    is "$(grep -ai 'panic' "$tmp/err")" "" "--fs $fs: the kernel is well"
done
done_testing
