#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Model-check the wake-up protocol: the protocol holds, and without any one of its steps it does not.
. "$TORO_SRC/tests/lib/tap.sh"

SPIN=${SPIN:-spin}
CC=${CC:-gcc}
requires "$SPIN"

model=$TORO_SRC/tests/model/wakeup.pml

# Prints sound, lost (somebody sleeps for ever), or broken when the search did not work.
verdict() # MACRO or nothing
{
    (
        mkdir -p "$tmp/run" && cd "$tmp/run" && rm -f ./* || exit 1
        "$SPIN" ${1:+-D"$1"} -a "$model" >spin.log 2>&1 &&
            $CC -O2 -DSAFETY -DCOLLAPSE -w -o pan pan.c >cc.log 2>&1 &&
            ./pan -m100000 >pan.log 2>&1 || exit 1
        if grep -q 'max search depth too small' pan.log; then exit 1; fi
        if grep -q 'pan:1: invalid end state' pan.log; then
            echo lost
        elif grep -q 'errors: 0$' pan.log; then
            echo sound
        else
            exit 1
        fi
    ) || echo broken
}

is "$(verdict)" sound "no wake-up is lost"
for step in NO_SEND_FENCE NO_RECHECK NO_SLEEP_FENCE NO_SLEEP_CHECK NO_CREDIT_CHECK NO_DROP_FLUSH; do
    is "$(verdict $step)" lost "one is when a step is taken out: $step"
done
done_testing
