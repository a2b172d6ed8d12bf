#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Two jobs that meet at an ompi-server. Names go from one to the other; a connection is refused with an
# error on both sides, as guests of two jobs share no memory (plain mpirun connects them). timeout: 150
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

start accept mpi --ompi-server "file:$tmp/uri" -np 1 "$prog" accept
wait_line accept published
tap_capture mpi --ompi-server "file:$tmp/uri" -np 1 "$prog" reach
is "$status" 0 "the second job finds the name and ends"
reached=$(echo "$out" | grep '^reach: class')
ended
is "$status" 0 "so does the first"
accepted=$(grep '^accept: class' "$tmp/accept.out")
if [ "$native" = 1 ]; then
    is "$reached, $accepted" "reach: class 0, accept: class 0" "they are connected"
else
    like "$reached" "reach: class [1-9]*" "connecting is an error"
    like "$accepted" "accept: class [1-9]*" "and so is accepting"
fi
# the server is all that is left of ours; $server is the shell that waits for it
for p in $(tagged); do
    kill "$p"
done
wait "$server" 2>/dev/null
nothing_left "nothing is left"
done_testing
