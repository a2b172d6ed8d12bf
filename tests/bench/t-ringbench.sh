#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The ring benchmark runs and fills both tables. Its figures are not judged here.
. "$TORO_SRC/tests/lib/tap.sh"

bench=$TORO_BUILD/tests/bench/ringbench
cpus=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
case $cpus in
*[-,]*) ;;
*) skip_all "needs two CPUs" ;;
esac
first=${cpus%%[-,]*}
last=${cpus##*[-,]}

plan 4
runs "ringbench runs" "$bench" -r 1 -m 1 -c "$first,$last"
is "$(echo "$out" | grep -c '^[0-9]')" 12 "a row for every size, in both tables"
like "$out" '*torobus*split virtqueue*fast box*' "all layouts are there"
fails "an impossible option is refused" "$bench" -r 0
done_testing
