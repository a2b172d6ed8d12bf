#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# How long a launch takes, beside plain mpirun in turn; the times stand in the log. timeout: 150
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests

ms() { echo $(($(date +%s%N) / 1000000)); }

took() # CMD...: milliseconds in $t
{
    t=$(ms)
    tap_capture "$@"
    t=$(($(ms) - t))
}

median() # of a list
{
    echo "$@" | tr ' ' '\n' | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

guests=''
plain=''
bad=0
for _ in 1 2 3; do
    took mpi --host vm0:2,vm1:2 "$examples/hello"
    [ "$status" -eq 0 ] || bad=1
    guests="$guests $t"
    took plainly -np 4 "$examples/hello"
    [ "$status" -eq 0 ] || bad=1
    plain="$plain $t"
done
ok $bad "hello in two guests and under plain mpirun, in turn"
diag "mpirun --am torobus --host vm0:2,vm1:2 hello, ms:$guests"
diag "mpirun -np 4 hello, ms:$plain"
# shellcheck disable=SC2086 # lists
g=$(median $guests) p=$(median $plain)
diag "medians: $g ms and $p ms, ratio $((g * 10 / p))/10"
test "$g" -lt 20000
ok $? "a launch of two guests takes less than 20 s"
nothing_left "nothing is left"
done_testing
