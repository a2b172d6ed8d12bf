#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Many guests, two jobs at once, much environment, little memory. timeout: 420
. "$TORO_SRC/tests/mpi/launch.sh"
job_limit 180

runs "eight guests" mpi --host a,b,c,d,e,f,g,h "$examples/ring" 5000 2
is "$(echo "$out" | grep -c '^rank [0-7] of 8 on .*: token seen 2 times')" 8 "eight ranks"

# mpiruns that begin or end at the same moment trip over ompi.HOST.UID in their TMPDIR (CAVEATS.md),
# unless somebody holds it.
host=$(uname -n)
session=$tmp/tmp/ompi.${host%%.*}.$(id -u)
mkdir -p "$session/held"
start one mpi --host vm0,vm1 "$examples/ring" 1000 50
one=$pid
start two mpi --host vm0,vm1 "$examples/ring" 3000 50
two=$pid
wait "$one"
ok $? "one job"
wait "$two"
ok $? "and another at the same time, with guests of the same names"
pid=
for job in one two; do
    grep -q '^ring: ok' "$tmp/$job.out" || diag "$job: $(cat "$tmp/$job.out" "$tmp/$job.err")"
done
rm -r "$session"
like "$(tail -n 1 "$tmp/one.out")" "ring: ok, 50 rounds of 1000 bytes*" "each has its own ring"
like "$(tail -n 1 "$tmp/two.out")" "ring: ok, 50 rounds of 3000 bytes*" "and its own guests"

big=$(head -c 60000 /dev/zero | tr '\0' x)
TORO_BIG_1=$big TORO_BIG_2=$big
export TORO_BIG_1 TORO_BIG_2
runs "120 KB of environment" mpi -np 1 "$programs/act" env TORO_BIG_2
is "${#out}" 60011 "comes whole"
unset TORO_BIG_1 TORO_BIG_2

if [ "$native" = 1 ]; then
    skip 4 "plain mpirun has no --mem"
else
    runs "a program that takes too much" alone -n 1 --mem 200M "$programs/act" alloc 1000
    like "$out" "* of 1000 MiB: Cannot allocate memory*" "is told that there is no memory"
    got=$(echo "$out" | sed -n 's/ of 1000 MiB.*//p' | tail -n 1)
    test "${got:-0}" -gt 100 && test "${got:-0}" -le 200
    ok $? "after ${got:-no} of 200 MiB"
    runs "600 MiB by default" alone -n 2 "$programs/act" alloc 300
fi
nothing_left "nothing is left"
done_testing
