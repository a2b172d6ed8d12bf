#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Signals that mpirun passes on to the ranks. timeout: 180
. "$TORO_SRC/tests/mpi/launch.sh"

for sig in USR1:10 USR2:12; do
    start "${sig%:*}" mpi --host vm0 "$programs/act" catch "${sig#*:}"
    wait_line "${sig%:*}" waiting
    ok $? "a rank waits for SIG${sig%:*}"
    kill "-${sig%:*}" "$(launcher_pid)"
    ended
    is "$status" 0 "SIG${sig%:*} to mpirun: the job goes on and ends"
    like "$(cat "$tmp/${sig%:*}.out")" "*caught ${sig#*:}*" "the rank caught it"
done

# What a terminal's Ctrl-Z and fg are for mpirun: a rank that is stopped prints nothing.
count() { wc -l <"$tmp/stop.out"; }
stop_and_go() # CMD...
{
    start stop "$@" "$programs/act" ticks 600
    wait_line stop tick
    ok $? "$1: a rank ticks"
    kill -TSTP "$(launcher_pid)"
    sleep 2
    before=$(count)
    sleep 1
    is "$(count)" "$before" "$1: SIGTSTP stops it"
    kill -CONT "$(launcher_pid)"
    sleep 2
    [ "$(count)" -gt "$before" ]
    ok $? "$1: SIGCONT lets it go on"
    kill -TERM "$(launcher_pid)"
    ended
}
stop_and_go mpi --mca orte_forward_job_control 1 --host vm0
if [ "$native" = 1 ]; then
    skip 3 "there is no toro-run"
else
    stop_and_go alone -n 1
    is "$status" 143 "alone: SIGTERM ends it"
fi
nothing_left "nothing is left"
done_testing
