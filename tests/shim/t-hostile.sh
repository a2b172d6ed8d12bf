#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 400
# Guests that send nonsense: keeper and proxies refuse it with a line or live with it, end in time,
# and leave nothing. TORO_FUZZ_SEEDS says how many seeds (default 60), TORO_FUZZ_FIRST the first.
. "$TORO_SRC/tests/lib/tap.sh"
. "$TORO_SRC/tests/shim/shim.sh"
cd "$tmp" || exit 99

seeds=${TORO_FUZZ_SEEDS:-60}
seed=${TORO_FUZZ_FIRST:-1}
last=$((seed + seeds - 1))
crashed=
hung=
refused=0
while [ "$seed" -le "$last" ]; do
    since=$(date +%s)
    timeout -k 1 20 "$run" -v -n 3 "$app" pause 1 fuzz "$seed" exit 0 >o 2>e </dev/null
    status=$?
    case $status in
    # (a rank may say that it ended with status 124)
    124 | 137)
        [ $(($(date +%s) - since)) -lt 20 ] || grep -q 'ended: QEMU' e || hung="$hung $seed"
        ;;
    # a rank may be said to end with any signal or status; toro-run itself says nothing when it crashes
    13[0-9])
        grep -aqE "was ended by signal|rank [0-9]+: ended, status $status\$" e ||
            crashed="$crashed $seed"
        ;;
    esac
    # the keeper is only ever gone when it crashed
    if grep -aqE 'keeper of guest .* is gone|Sanitizer|runtime error' e; then
        crashed="$crashed $seed"
    fi
    grep -aq 'guest .* sent' e && refused=$((refused + 1))
    seed=$((seed + 1))
done
is "$crashed" "" "nobody crashes on $seeds seeds"
is "$hung" "" "nobody hangs"
[ "$refused" -gt 0 ] && [ "$refused" -lt "$seeds" ]
ok $? "$refused guests were refused with a line, the others were harmless"
nothing_left "after all that"
done_testing
