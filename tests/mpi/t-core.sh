#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Core files of ranks, read by gdb. timeout: 240
# shellcheck disable=SC2016 # the $ are gdb's
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests

debug() # CORE COMMAND...: gdb's output in $out
{
    debug_core=$1
    shift
    set -- "$@" -ex quit
    tap_capture timeout 60 gdb -nx -batch "$@" "$programs/crash" "$debug_core"
}
have_gdb=0
command -v gdb >/dev/null || have_gdb=$?

# --- a crash among four threads
tap_capture alone -x TORO_CORE=1 -n 1 "$programs/crash" segv
is "$status" 139 "the status is the signal's"
like "$out" "*core dumped: $tmp/work/core.0 (*" "says where the core is"
is "$(ls -A)" core.0 "and nothing else is there"
is "$(stat -c %a core.0)" 600 "it is the user's alone"
is "$(($(stat -c %s core.0) > 256 << 20)) $(($(stat -c %b core.0) < 8192))" "1 1" \
    "untouched memory is in it as holes"
if [ "$have_gdb" -eq 0 ]; then
    debug core.0 -ex bt
    like "$out" "*SIGSEGV*#0*deep (n=*#3*deep (*#4*main (*" "bt: the functions, with their lines"
    debug core.0 -ex "info threads"
    like "$out" "*deep (*in_spin (*" "info threads: the one that died, the one that computes"
    is "$(printf '%s\n' "$out" | grep -c '^[* ] *[1-4] .*Thread')" 4 "all four of them"
    debug core.0 -ex "thread apply all bt"
    like "$out" "*in_read (*start_thread*in_mutex (*start_thread*in_spin (*" \
        "those that wait, in their system calls"
    debug core.0 -ex "p marker" -ex "x/s big+0x8000000" -ex "p vector" -ex 'p $_siginfo.si_signo' \
        -ex "info auxv" -ex "info proc mappings"
    like "$out" "*marker in data*in the middle*{1.5, 2.5, 3.5, 4.5}*11*AT_ENTRY*/crash*" \
        "data, far memory, siginfo, auxiliary vector, mappings"
    debug core.0 -ex 'p $mxcsr' -ex 'p/x $ymm0.v2_int128' -ex 'p $fctrl'
    like "$out" "*IM*{0x*0x*895*" "floating point and vector registers"
else
    skip 6 "gdb is not installed"
fi
rm -f core.0

# --- elsewhere, without the host's files, another signal, several ranks
mkdir cores
tap_capture alone -x TORO_CORE="$tmp/work/cores" --fs none -n 2 "$programs/crash" abort
is "$status" 134 "abort, two ranks, --fs none"
# the other one may be ended before it has aborted itself
like "$(ls cores)" "core.[01]*" "the keeper writes what the guest could not"
tap_capture alone -x TORO_CORE="$tmp/work/nowhere" -n 1 "$programs/crash" abort
is "$status" 134 "a directory that is not there"
like "$out" "*no core: *nowhere/core.0: No such file*" "is reported, and changes nothing else"
rm -rf cores
tap_capture alone -n 1 "$programs/crash" segv
is "$status $(ls -A)" "139 " "no core without TORO_CORE"
tap_capture alone -x TORO_CORE=1 -n 1 "$programs/act" segv
is "$status $(ls -A)" "139 " "nor of a program that sets RLIMIT_CORE to 0"

# --- under mpirun, in two guests
tap_capture mpi --host vm0,vm1 -x TORO_CORE=1 "$programs/crash" segv
ls core.0 >/dev/null 2>&1 || ls core.1 >/dev/null
ok $? "under mpirun the rank that dies first leaves one"
rm -f core.*

# --- stacks run into their guards
for how in overflow thread-overflow; do
    tap_capture alone -n 1 "$programs/crash" $how
    is "$status" 139 "$how: ends the rank"
    like "$out" "*SIGSEGV: stack overflow: write*endless+*" "$how: is called one"
done

# --- where the threads of a hung rank are
start job alone -n 1 "$programs/crash" hang
wait_line job hanging
key=$("$bin/toro-info" --jobs | awk -v ours=" $(tagged | tr '\n' ' ')" '
    $1 == "job" { job = $2 }
    match($0, /QEMU pid [0-9]+/) {
        if (index(ours, " " substr($0, RSTART + 9, RLENGTH - 9) " ")) { print job; exit }
    }')
runs "toro-info --stacks" "$bin/toro-info" --stacks "$key"
like "$out" "*in_spin+*" "the thread that spins"
like "$out" "*pause+*" "the one that waits for a signal"
like "$out" "*lll_lock_wait+*" "the one that wants a mutex"
like "$out" "*read+*" "the one that reads"
kill -INT "$(launcher_pid)"
ended
nothing_left "nothing is left"
done_testing
