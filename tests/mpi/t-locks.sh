#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Locks on the host's files: between guests, and between a guest and the host. timeout: 240
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests
job_limit 100
lock=$programs/lock

# --- four ranks in two guests and a process of the host count together
for kind in fcntl flock ofd; do
    "$lock" count $kind sum 50 &
    counter=$!
    runs "$kind: four ranks in two guests" mpi --host vm0:2,vm1:2 "$lock" count $kind sum 50
    wait $counter
    is "$(cat sum)" 250 "$kind: they and the host never lock at once"
    rm -f sum
done

# --- the host holds, a guest wants
hold() # KIND: on the host, until let_go
{
    : >"$tmp/held" # not that of the holder before
    "$lock" hold "$1" file >"$tmp/held" &
    holder=$!
    hold_i=0
    while ! grep -q held "$tmp/held" && [ $hold_i -lt 100 ]; do
        hold_i=$((hold_i + 1))
        sleep 0.1
    done
}

let_go()
{
    kill $holder
    wait $holder 2>/dev/null
}

for kind in fcntl flock ofd; do
    hold $kind
    tap_capture alone -n 1 "$lock" try $kind file
    like "$out" "*busy*" "$kind: held on the host is busy in a guest"
    [ $kind != fcntl ] || like "$out" "*seen: type 1 from 100, 50 bytes*" "and F_GETLK sees it"
    tap_capture alone -n 1 "$lock" interrupt $kind file
    is "$out" "interrupted" "$kind: a signal ends the wait"
    start job alone -n 1 "$lock" threads $kind file
    wait_line job "works on"
    ok $? "$kind: while one thread waits the others run"
    sleep 0.2
    let_go
    ended
    is "$status $(cat "$tmp/job.out")" "0 works on
has it" "$kind: the lock comes when the host lets go"
    tap_capture alone -n 1 "$lock" try $kind file
    is "$out" free "$kind: then it is free"
done

# --- a guest holds, others want
start job alone -n 1 "$lock" hold fcntl file
wait_line job held
ok $? "a rank holds a lock"
is "$("$lock" try fcntl file)" "seen: type 1 from 100, 50 bytes
busy" "the host sees it"
tap_capture alone -n 1 "$lock" try fcntl file
like "$out" "*seen: type 1*busy*" "another guest as well"
kill -KILL "$(launcher_pid)"
ended
nothing_left "the rank is killed"
is "$("$lock" try fcntl file)" free "and its lock has gone with it"
tap_capture alone -n 1 "$lock" try fcntl file
is "$out" free "another program of the guest ends: its lock too"
is "$("$lock" try fcntl file)" free "as the host sees"
nothing_left "nothing is left"
done_testing
