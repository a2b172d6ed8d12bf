#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Two jobs that meet at an ompi-server. Names go from one to the other; a connection is refused with an
# error on both sides, as guests of two jobs share no memory, unless they are of one group. timeout: 200
. "$TORO_SRC/tests/mpi/launch.sh"
prog=$programs/pmix-names

limited "$bin/ompi-server" --no-daemonize --mca oob_tcp_if_include lo -r "$tmp/uri" 2>"$tmp/server.err" &
server=$!
i=0
while [ ! -s "$tmp/uri" ] && [ "$i" -lt 100 ]; do
    i=$((i + 1))
    sleep 0.1
done
test -s "$tmp/uri"
ok $? "an ompi-server"

meet() # NAME HOST
{
    start accept mpi --host "$2:1" --ompi-server "file:$tmp/uri" -np 1 "$prog" accept
    wait_line accept published
    tap_capture mpi --host "$2:1" --ompi-server "file:$tmp/uri" -np 1 "$prog" reach
    is "$status" 0 "$1: the second job finds the name and ends"
    reached=$(echo "$out" | grep '^reach: class')
    ended
    is "$status" 0 "$1: so does the first"
    accepted=$(grep '^accept: class' "$tmp/accept.out")
}

if [ "$native" = 1 ]; then
    skip 4 "plain jobs always meet"
else
    meet "strangers" localhost
    like "$reached" "reach: class [1-9]*" "connecting is an error"
    like "$accepted" "accept: class [1-9]*" "and so is accepting"
    TOROBUS_GROUP=t.$$
    export TOROBUS_GROUP
fi
# on mpirun's own node; both jobs have a guest of that name
meet "a group" localhost
is "$reached, $accepted" "reach: class 0, accept: class 0" "they are connected"
if [ "$native" = 1 ]; then
    skip 3 "there are no groups"
else
    fails "a group that has no name" env TOROBUS_GROUP=a/b "$bin/toro-run" -n 1 true
    like "$out" "*TOROBUS_GROUP=a/b is impossible*" "is refused with a line"
    fails "a group whose guests would stay" env TOROBUS_KEEP=5 "$bin/toro-run" -n 1 true
fi
# the server is all that is left of ours; $server is the shell that waits for it
for p in $(tagged); do
    kill "$p"
done
wait "$server" 2>/dev/null
nothing_left "nothing is left"
done_testing
