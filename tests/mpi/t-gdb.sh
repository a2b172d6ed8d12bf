#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# toro-run --gdb: a debugger before main; and what the user sees when the kernel itself fails, which
# the debugger brings about. timeout: 240
# shellcheck disable=SC2016 # the $ are gdb's
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests
requires gdb
job_limit 100

commands() # N: until N ranks wait in the job; the file of commands in $commands
{
    wait_i=0
    while [ "$(grep -c "waits for a debugger" "$tmp/job.err")" -lt "$1" ] && [ $wait_i -lt 600 ]; do
        wait_i=$((wait_i + 1))
        sleep 0.1
    done
    commands=$(sed -n 's/.*debugger: gdb .* -x \([^ ]*\) .*/\1/p' "$tmp/job.err" | head -n 1)
}

debug() # GDB-ARGUMENT...
{
    tap_capture timeout 60 gdb -nx -batch -ex 'set confirm off' -x "$commands" "$@"
}

# --- two ranks of one guest
start job alone --gdb -n 2 "$programs/crash" segv
commands 2
ok $? "two ranks wait for a debugger: $commands"
is "$(stat -c %a "$(dirname "$commands")")" 700 "its socket is nobody else's"
debug -ex 'break main' -ex continue -ex bt -ex 'p marker' -ex 'info threads' -ex delete -ex detach
like "$out" "*main*(2 locations)*" "a breakpoint is set in each rank"
like "$out" "*hit Breakpoint 1*main (argc=2*#0*main (argc=2*_start ()*" "and reached, in main"
like "$out" "*marker in data*" "data is where the symbols say"
is "$(printf '%s\n' "$out" | grep -c '^[* ] *[12] .*CPU#')" 2 "a thread for each virtual CPU"
ended
is "$status" 139 "the program goes on after that"
like "$(cat "$tmp/job.err")" "*SIGSEGV*deep+*" "to its end"
nothing_left "nothing is left"

# --- mpirun, two guests: each has its own
start job mpi --host vm0,vm1 -x TOROBUS_GDB=1 "$programs/act" exit 7
commands 2
first=$commands
debug -ex 'break main' -ex continue -ex bt -ex delete -ex detach
like "$out" "*Breakpoint 1*main (*" "mpirun: one rank"
commands=$(sed -n 's/.*debugger: gdb .* -x \([^ ]*\) .*/\1/p' "$tmp/job.err" | grep -v "^$first\$")
debug -ex 'break act_exit' -ex continue -ex bt -ex delete -ex detach
like "$out" "*Breakpoint 1*act_exit (*" "and the other"
ended
is "$status" 7 "the job ends as ever"
nothing_left "nothing is left"

# --- a kernel that fails: the second core goes where nothing is
start job alone --gdb -n 2 "$programs/act" exit 0
commands 2
debug -ex 'thread 2' -ex 'set $rip = 0x1000' -ex detach
ended
is "$status" 1 "a kernel panic ends the job"
like "$(cat "$tmp/job.err")" "*PANIC on core 1*page fault in the kernel: execution of 0x1000*" \
    "the user sees it"
like "$(cat "$tmp/job.err")" "*rip 0x1000*rax *  idle+*schedule+*" \
    "with registers and the functions on the kernel's stack"
like "$(cat "$tmp/job.err")" "*guest vm*: kernel panic: page fault*" "and the line that says why it ended"
nothing_left "nothing is left"
done_testing
