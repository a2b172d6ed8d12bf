#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
# The table of violent ends: each process of a job in turn gets kill -9. The job ends within 5 s and
# nothing is left.
. "$TORO_SRC/tests/lib/tap.sh"
. "$TORO_SRC/tests/shim/shim.sh"
requires mpirun pgrep timeout
cd "$tmp" || exit 99

agents="--mca oob_tcp_if_include lo --mca plm_rsh_agent $TORO_PREFIX/bin/toro-rsh
    --mca orte_launch_agent $TORO_PREFIX/bin/orted-shim
    --mca orte_fork_agent $TORO_PREFIX/bin/toro-run"

# Pids by program. A keeper calls itself so; its file is that of whoever started it.
of() { ours | grep -E "^[0-9]+ ([^ ]*/)?$1 " | cut -d' ' -f1; }
keeper() { of torobus-keeper; }

# A job of two guests, or one on mpirun's own node; $job is its pid.
start() # OPTIONS
{
    : >o
    # shellcheck disable=SC2086 # several words
    mpirun $agents "$@" "$app" print up wait >o 2>&1 </dev/null &
    job=$!
    wait_until up && return
    diag "the job did not start"
    diag "$(cat o)"
}
up() { [ "$(grep -c '^up' o)" -ge 2 ]; }

# Wait at most 5 s for the job; sets $ended.
ends()
{
    wait_n=0
    ended=1
    while [ "$ended" -ne 0 ] && [ "$wait_n" -lt 50 ]; do
        if kill -0 "$job" 2>/dev/null; then sleep 0.1; else ended=0; fi
        wait_n=$((wait_n + 1))
    done
    [ "$ended" -eq 0 ] || kill -9 "$job"
    wait "$job"
    status=$?
}

strike() # NAME SIGNAL PIDS
{
    if [ -z "$3" ]; then
        tap_result not-ok "$1: there is such a process"
        of mpirun | xargs -r kill -9
        wait "$job"
        return
    fi
    # shellcheck disable=SC2086 # several pids
    kill "-$2" $3
    ends
    ok "$ended" "$1: the job ends within 5 s"
    [ "$status" -ne 0 ]
    ok $? "$1: with an error (status $status)"
    [ "$ended" -eq 0 ] || diag "$(cat o)"
    [ "${4:-}" = later ] || nothing_left "$1"
}

for where in "--host vm0:1,vm1:1" "--oversubscribe -np 2"; do
    # shellcheck disable=SC2086 # several words
    {
        start $where && strike "$where: mpirun" KILL "$(of mpirun | head -n 1)"
        start $where && strike "$where: interrupt" INT "$(of mpirun | head -n 1)"
        start $where && strike "$where: toro-run" KILL "$(of toro-run | head -n 1)"
        start $where && strike "$where: keeper" KILL "$(keeper | head -n 1)"
        start $where && strike "$where: keeper told to end" TERM "$(keeper | head -n 1)"
        start $where && strike "$where: QEMU" KILL "$(of fakeguest | head -n 1)"
        start $where && strike "$where: all QEMUs" KILL "$(of fakeguest)"
    }
done
start --host vm0,vm1 && strike "orted" KILL "$(of orted | head -n 1)"
start --host vm0,vm1 && strike "orted-shim" KILL "$(of orted-shim | head -n 1)"
start --host vm0,vm1 && strike "all of them but mpirun" KILL \
    "$(of toro-run) $(keeper) $(of orted-shim) $(of orted) $(of fakeguest)" later
# nobody was left to remove orted's directories: the next job does

out=$(timeout 20 "$TORO_PREFIX/bin/toro-run" -n 2 "$app" print up pause 300 2>&1)
is "$out" "up
up" "and the next job runs"
nothing_left "at last"
done_testing
