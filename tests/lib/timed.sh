#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Runs one test under a time limit: timed.sh [COMMAND...] TEST
# The limit is the first "timeout: SECONDS" in the first 15 lines of the test's source, else
# TORO_TEST_TIMEOUT, else 120. TORO_TEST_SLOWER multiplies it (slow machines, sanitizers).
# "cores: N" there gives the rank of a guest test that many cores.

set -u
for test; do :; done
name=${test##*/}
base=${test%.*}
base=${base%.tsan}
base=${base%.linux}
layer=${base%/*}
layer=${layer##*/}
source=$test
case $name in
*.sh) ;;
*)
    source=$TORO_SRC/tests/$layer/${base##*/}.c
    [ -r "$source" ] || source=${source}c
    case $test in
    */*) ;;
    *) test=./$test ;;
    esac
    ;;
esac

limit=
[ ! -r "$source" ] ||
    limit=$(sed -n -e '1,15s/.*timeout: \([0-9][0-9]*\).*/\1/p' "$source" | head -n 1)
[ ! -r "$source" ] ||
    cores=$(sed -n -e '1,15s/.*cores: \([0-9][0-9]*\).*/\1/p' "$source" | head -n 1)
if [ -n "${cores:-}" ]; then
    TOROBUS_CORES_PER_RANK=$cores
    export TOROBUS_CORES_PER_RANK
fi
limit=$((${limit:-${TORO_TEST_TIMEOUT:-120}} * ${TORO_TEST_SLOWER:-1}))

# No --foreground: the test and what it started are one process group, and all of it ends.
timeout -k 15 "$limit" "$@"
status=$?
case $status in
124 | 137) echo "Bail out! $name did not end within $limit seconds" ;;
12[67]) echo "Bail out! $name could not be started (status $status)" ;;
1[3-9][0-9]) echo "Bail out! $name was ended by signal $((status - 128))" ;;
esac
exit $status
