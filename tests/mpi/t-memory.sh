#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Memory that ranks free goes back to the host; the limit of a guest. timeout: 120
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests
job_limit 100

# --- the limit is ENOMEM, not the end
tap_capture alone --mem 64M -n 1 "$programs/act" alloc 4096
is "$status" 0 "--mem 64M: a program that wants 4 GiB goes on"
like "$out" "*of 4096 MiB: Cannot allocate memory*" "malloc says ENOMEM"
got=$(printf '%s\n' "$out" | sed -n 's/^\([0-9]*\) of.*/\1/p')
ok $((${got:-0} < 32 || ${got:-0} > 64)) "after most of the 64 MiB (${got:-0})"

# --- what an ended rank leaves
tap_capture alone -n 2 "$programs/leave"
is "$status: $out" "0: rank 1 left 6c656176" "a rank's peers in the guest find its memory after its end"

# --- what is freed
mkfifo say
limited "$bin/toro-run" -n 1 "$programs/breathe" <say >"$tmp/b.out" 2>"$tmp/b.err" &
pid=$!
exec 5>say

# Blocks of the region's file, in MiB: the keeper has it open.
held()
{
    for p in $(tagged); do
        [ "$(cat "/proc/$p/comm" 2>/dev/null)" = torobus-keeper ] || continue
        for f in "/proc/$p/fd/"*; do
            case $(readlink "$f") in
            "/memfd:torobus"*)
                echo $(($(stat -L -c %b "$f") / 2048))
                return
                ;;
            esac
        done
    done
}

tell() # COMMAND: and wait until it is done
{
    echo "$*" >&5
    wait_line b "^$* "
    grep -q "^$* ok" "$tmp/b.out"
    ok $? "$*"
}

falls_to() # MIB NAME
{
    fall_i=0
    while now=$(held) && [ "$now" -gt "$1" ] && [ "$fall_i" -lt 100 ]; do
        fall_i=$((fall_i + 1))
        sleep 0.1
    done
    ok $((now > $1)) "$2 ($now MiB)"
}

tell map 1
base=$(held)
tell unmap 1
tell map 200
now=$(held)
ok $((now < base + 199)) "200 MiB are held: $now MiB"
tell dontneed 120
falls_to $((base + 85)) "MADV_DONTNEED gives back"
tell unmap 200
falls_to $((base + 4)) "munmap gives back"
tell map 100
tell free 100
falls_to $((base + 4)) "MADV_FREE gives back"
tell unmap 100
tell brk 60
now=$(held)
ok $((now < base + 59)) "60 MiB below the break: $now MiB"
tell unbrk 60
falls_to $((base + 4)) "a lower break gives back"
tell brk 60
tell unbrk 60
tell threads 4
falls_to $((base + 80)) "threads that take and free all the time do not pile it up"
exec 5>&-
ended
is "$status" 0 "the program ends well"
nothing_left "nothing is left"
done_testing
