#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Nothing is left of a job that is killed while it starts or while it prints. timeout: 200
. "$TORO_SRC/tests/mpi/launch.sh"

# the launcher appears a moment after start
lead_soon()
{
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        lead=$(launcher_pid)
        [ -z "$lead" ] || return 0
        sleep 0.02
    done
    return 1
}

for delay in 0 0.1 0.2 0.4 0.8 1.2; do
    for sig in KILL INT; do
        start early mpi --host vm0:2,vm1:1 "$programs/act-mpi" run
        lead_soon
        sleep "$delay"
        [ -z "$lead" ] || kill "-$sig" "$lead" 2>/dev/null
        ended
        test "$status" -ne 0 && test "$status" -ne 124
        ok $? "SIG$sig after $delay s: status $status"
        nothing_left "SIG$sig after $delay s: nothing is left"
    done
done

start flood mpi --host vm0:2 "$programs/act" lines 100000000
wait_line flood 'line 0001000'
ok $? "a flood of output is under way"
kill -KILL "$(launcher_pid)"
ended
nothing_left "nothing is left of it"

if [ "$native" = 1 ]; then
    skip 6 "there is no toro-run"
else
    for delay in 0.05 0.3 0.6; do
        start early alone -n 2 "$programs/act-mpi" run
        lead_soon
        sleep "$delay"
        [ -z "$lead" ] || kill -KILL "$lead" 2>/dev/null
        ended
        test "$status" -ne 0 && test "$status" -ne 124
        ok $? "toro-run, SIGKILL after $delay s: status $status"
        nothing_left "toro-run, SIGKILL after $delay s: nothing is left"
    done
fi
done_testing
