#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What a user is told: crashes with their place, system calls, running jobs. timeout: 180
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests

# --- a crash names rank, core, signal, address, and the functions on the stack
tap_capture alone -n 2 "$programs/act" segv
like "$out" "*rank [01] (core [01], *SIGSEGV*0x10*" "a wild store: rank, core, signal, address"
like "$out" "*#0*act_segv+*" "the function by name"
like "$out" "*__libc_start*" "and those below it"
tap_capture alone -n 1 "$programs/act" overflow
like "$out" "*stack overflow*recurse+*" "a stack overflow is called one"
tap_capture alone -n 1 "$programs/act" divide
like "$out" "*SIGFPE*act_divide+*" "a division by zero"
tap_capture mpi --host vm0,vm1 "$programs/act" segv
like "$out" "*rank [01] (*act_segv+*" "under mpirun as well"
! printf '%s' "$out" | grep -q '(guess)'
ok $? "no place on the stack is a guess"
tap_capture alone -n 1 "$programs/act" abort
like "$out" "*SIGABRT: raised by the program itself*abort+*act_abort+*main+*" "who called abort()"
# Open MPI's handler prints addresses, then raises the signal again.
tap_capture mpi --host vm0:2 "$programs/act-mpi" segv 1
like "$out" "*rank 1 (*SIGSEGV*#0*do_segv+*#1*main+*_start+*" "an MPI program: the function all the same"
! printf '%s' "$out" | grep -q '(guess)'
ok $? "and nothing guessed"

# --- system calls, by rank, on stderr
TORO_STRACE=1
export TORO_STRACE
alone -n 2 "$programs/act" cwd >cwd.out 2>trace
unset TORO_STRACE
is "$(sort -u cwd.out)" "$tmp/work" "TORO_STRACE=1: the program's own output is as ever"
for rank in 0 1; do
    grep -q "^\[$rank:[0-9]*\] getcwd(.*) = " trace
    ok $? "rank $rank: getcwd is in the trace"
    grep -q "^\[$rank:[0-9]*\] exit_group(0)" trace
    ok $? "rank $rank: and its end"
done

# --- steps and plan
tap_capture alone -v -n 1 "$programs/act" exit 0
like "$out" "*enters the program*ended, status 0*" "-v tells the steps"
runs "--dry-run" alone --dry-run -n 2 "$programs/act" exit 3
like "$out" "*qemu-system-x86*-smp 2*ivshmem-doorbell*-kernel*" "shows QEMU's command line"

our_job() # the key of the job of ours that runs, once it has a guest
{
    "$bin/toro-info" --jobs | awk -v ours=" $(tagged | tr '\n' ' ')" '
    $1 == "job" { job = $2 }
    match($0, /QEMU pid [0-9]+/) {
        pid = substr($0, RSTART + 9, RLENGTH - 9)
        if (index(ours, " " pid " ")) { print job; exit }
    }'
}

wait_job()
{
    wait_job_i=0
    until wait_job_key=$(our_job) && [ -n "$wait_job_key" ]; do
        wait_job_i=$((wait_job_i + 1))
        [ "$wait_job_i" -lt 100 ] || return 1
        sleep 0.1
    done
}

# --- a running job
start job mpi --host vm0:2,vm1:1 "$programs/act-mpi" spin 1
wait_line job ready
ok $? "a job runs"
key=$(our_job)
is "${#key}" 16 "toro-info lists it"
runs "toro-info --stacks" "$bin/toro-info" --stacks "$key"
like "$out" "*guest vm0*rank 0*rank 1*" "says where each rank is"
like "$out" "*do_spin+*from main+*" "the one that spins in the function where it spins, and who called it"
like "$out" "*guest vm1*rank 2*" "in each guest"
runs "toro-info --memory" "$bin/toro-info" --memory "$key"
runs "toro-info --syscalls" "$bin/toro-info" --syscalls "$key"
runs "toro-info --check" "$bin/toro-info" --check
"$bin/toro-info" --watch 1 "$key" >"$tmp/watch.out" 2>&1 &
watcher=$!
sleep 3
fails "an unknown job" "$bin/toro-info" --stacks 0123456789abcdef
kill -INT "$(launcher_pid)"
ended
wait "$watcher"
is "$?" 0 "toro-info --watch ends with the job"
is "$(tail -n 1 "$tmp/watch.out")" "job $key has ended" "and says so"
like "$(cat "$tmp/watch.out")" "*job $key*sent*0 on vm0 *1 on vm0 *2 on vm1 *" "each rank is there"
tap_capture "$bin/toro-info" --watch soon
like "$status $out" "2 toro-info: --watch soon: give one number*" "a time that is none"
tap_capture "$bin/toro-info" --watch "$key"
like "$status $out" "1 toro-info: there is no job $key*" "a job that is no more"

# --- the counters are those of messages
: >"$tmp/watch.out" # not what the watcher before wrote
start rings alone -n 2 "$TORO_BUILD/examples/ring" 8 1000000000
sum=0
if wait_job; then
    "$bin/toro-info" --watch 1 "$wait_job_key" >"$tmp/watch.out" 2>&1 &
    watcher=$!
    for _ in $(seq 30); do
        sleep 1
        sum=$(awk '$2 == "on" { n += $4 } END { print n + 0 }' "$tmp/watch.out")
        [ "$sum" -eq 0 ] || break
    done
    kill -INT "$(launcher_pid)"
    wait "$watcher"
fi
[ "$sum" -gt 0 ]
ok $? "messages of a busy job are counted ($sum)"
ended

# --- a guest that QEMU itself stops, as it does when KVM cannot run it any further
if command -v python3 >/dev/null; then
    cat >stopping-qemu <<END
#!/bin/sh
exec "$(command -v "${TOROBUS_QEMU:-qemu-system-x86_64}")" "\$@" -monitor unix:$tmp/mon,server=on,wait=off
END
    chmod +x stopping-qemu
    start stop env TOROBUS_QEMU="$PWD/stopping-qemu" TOROBUS_TEST="$tag" "$bin/toro-run" -n 2 \
        "$programs/act-mpi" run
    wait_line stop ready
    python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"stop\n")
time.sleep(1)' "$tmp/mon"
    ended
    like "$status $(cat "$tmp/stop.err")" "1 toro-run: guest * cannot go on, QEMU stopped it*" \
        "a guest that QEMU stops is named, and ended"
    rm -f "$tmp/mon"
else
    skip 1 "needs python3"
fi
nothing_left "nothing is left"
done_testing
