#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Nothing of a job is left, whoever is killed. timeout: 280
. "$TORO_SRC/tests/mpi/launch.sh"

# A job that runs for ever, until it says that it does; $lead is its mpirun.
running() # NAME CMD...
{
    start "$@"
    wait_line "$1" ready
    ok $? "$1: the job runs"
    lead=$(launcher_pid)
}

pid_of() # COMMAND-NAME: the first of our processes with that name
{
    for p in $(tagged); do
        if [ "$(cat "/proc/$p/comm" 2>/dev/null)" = "$1" ]; then
            echo "$p"
            return
        fi
    done
}

long_job="mpi --host vm0:2,vm1:1 $programs/act-mpi run"
short_job="mpi -np 2 $programs/act-mpi run"

# shellcheck disable=SC2086 # they are commands
{
    running sigkill $long_job
    if [ "$native" = 1 ]; then
        skip 1 "there is no QEMU"
    else
        test -n "$(pid_of qemu-system-x86)"
        ok $? "sigkill: QEMU is seen"
    fi
    kill -KILL "$lead"
    ended
    is "$status" 137 "mpirun is killed"
    nothing_left "nothing is left after kill -9 of mpirun"

    running sigint $long_job
    kill -INT "$lead"
    ended
    test "$status" -ne 0 && test "$status" -ne 124
    ok $? "Ctrl-C: mpirun ends with status $status"
    nothing_left "nothing is left after Ctrl-C"

    running sigterm $short_job
    kill -TERM "$lead"
    ended
    test "$status" -ne 0 && test "$status" -ne 124
    ok $? "SIGTERM: mpirun ends with status $status"
    nothing_left "nothing is left after SIGTERM"

    running own-node $short_job
    kill -KILL "$lead"
    ended
    nothing_left "nothing is left after kill -9 without a host list"

    running spinning mpi -np 2 "$programs/act-mpi" spin 1
    kill -INT "$lead"
    ended
    nothing_left "nothing is left of a rank that spins"

    running orted $long_job
    kill -KILL "$(pid_of orted)"
    ended
    test "$status" -ne 0 && test "$status" -ne 124
    ok $? "orted is killed: mpirun ends with status $status"
    nothing_left "nothing is left after kill -9 of an orted"
}

if [ "$native" = 1 ]; then
    skip 15 "there is nothing else to kill"
else
    for victim in qemu-system-x86 orted-shim toro-run; do
        # shellcheck disable=SC2086
        running "$victim" $long_job
        kill -KILL "$(pid_of "$victim")"
        ended
        test "$status" -ne 0 && test "$status" -ne 124
        ok $? "$victim is killed: mpirun ends with status $status"
        nothing_left "nothing is left after kill -9 of $victim"
    done
    running alone alone -n 2 "$programs/act-mpi" run
    kill -KILL "$lead"
    ended
    nothing_left "nothing is left after kill -9 of toro-run -n"
    running alone-int alone -n 2 "$programs/act-mpi" run
    kill -INT "$lead"
    ended
    is "$status" 130 "Ctrl-C ends toro-run -n"
    nothing_left "nothing is left after Ctrl-C of toro-run -n"
fi
done_testing
