#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 400
# One MPI_COMM_WORLD of ranks in guests and ranks that are processes of this host.
. "$TORO_SRC/tests/mpi/launch.sh"

needs_guests
job_limit 100
me=$(hostname)

both() # NAME RANKS PROGRAM LAUNCH...
{
    both_name=$1
    both_n=$2
    both_program=$3
    shift 3
    runs "$both_name: $both_program" "$@" "$programs/$both_program"
    like "$out" "*all right, $both_n ranks*" "$both_name: $both_program ran to its end"
}

processes() # PROGRAM: pids of our ranks that are processes of this host
{
    for p in $(tagged); do
        [ "$(readlink "/proc/$p/exe" 2>/dev/null)" = "$1" ] && echo "$p"
    done
}

ticks() # PID: CPU time that it has used, in hundredths of a second
{
    awk '{ print $14 + $15 }' "/proc/$1/stat"
}

info() # what toro-info says of the job in the background; other jobs of this user may run
{
    "$bin/toro-info" --jobs | awk -v guest="^guest $guest_name:" '
        /^job/ && ours { exit }
        /^job/ { text = "" }
        { text = text $0 "\n" }
        $0 ~ guest { ours = 1 }
        ours { out = text }
        END { printf "%s", out }'
}

sent() # FILE RANK: messages that the rank has sent
{
    sed -n "s/^  port [0-9]* rank $2 .*: sent \([0-9]*\) .*/\1/p" "$1"
}

stop() # the job in the background
{
    kill -KILL "$(launcher_pid)"
    ended
}

ended_badly() # NAME: the job in the background must end by itself, with an error
{
    ended
    test "$status" -ne 0 && test "$status" -ne 124 && test "$status" -ne 3
    ok $? "$1: the job ends with an error (status $status)"
}

# Who runs where. A job on one host alone is in a guest, unless the user says otherwise.
guest_name=mixed$$
start idle mpi --host "$guest_name:2,localhost:2" "$programs/btl-lost" idle
wait_line idle ready
ok $? "two ranks in a guest and two on this host: the job runs"
# shellcheck disable=SC2046 # they are numbers
set -- $(processes "$programs/btl-lost")
is $# 2 "two ranks are processes of this host"
like "$(info)" "*guest $guest_name: *2 cores*host $me: *2 ranks as Linux processes*" \
    "toro-info knows both kinds"

# They sleep. (A look around ten times a second is all they do.)
sleep 1
before=$(($(ticks "$1") + $(ticks "$2")))
sleep 3
used=$(($(ticks "$1") + $(ticks "$2") - before))
test "$used" -le 30
ok $? "two idle ranks use $used hundredths of 3 s"

# One is killed: the job ends, and nothing of it stays.
kill -KILL "$2"
ended_badly "kill -9 of a rank on this host"
nothing_left "nothing is left of it"

start one mpi --host localhost:2 "$programs/btl-lost" idle
wait_line one ready
is "$(processes "$programs/btl-lost" | grep -c .)" 0 "one host: all ranks are in its guest"
stop
TOROBUS_LOCAL=native
export TOROBUS_LOCAL
start none mpi -np 2 "$programs/btl-lost" idle
wait_line none ready
is "$(processes "$programs/btl-lost" | grep -c .)" 2 "TOROBUS_LOCAL=native: none is"
stop
fails "TOROBUS_LOCAL=elsewhere" env TOROBUS_LOCAL=elsewhere "$bin/mpirun" --am torobus -np 1 \
    "$examples/hello"
like "$out" "*TOROBUS_LOCAL=elsewhere is impossible: give auto, guest or native*" \
    "the user is told what there is"
unset TOROBUS_LOCAL

# Everything that MPI does, between both kinds.
mixed="mpi --host vm0:2,localhost:2"
pair="mpi --host vm0:1,$me:1"
# shellcheck disable=SC2086 # they are commands
{
    both "mixed" 4 btl-p2p $mixed
    both "mixed, asleep at once" 2 btl-p2p $pair --mca btl_torobus_spin_ns 0 \
        --mca btl_torobus_gap_ns 1000000 --mca btl_torobus_hot_polls 1
    both "mixed, tiny rings" 4 btl-p2p $mixed --mca btl_torobus_ring_slots 8 \
        --mca btl_torobus_lane_size 8192 --mca btl_torobus_max_send_size 4096 \
        --mca btl_torobus_eager_limit 1024 --mca btl_torobus_native_eager_limit 1024
    both "mixed, no help from the host's kernel" 4 btl-p2p $mixed --mca btl_torobus_vm_copy 0
    both "mixed, a guest that comes first" 3 btl-p2p mpi --host localhost:1,vm0:1,vm1:1
    both "mixed" 2 btl-rma $pair
    both "mixed" 4 btl-threads $mixed
    runs "mixed: collectives" $mixed "$examples/collectives"
    runs "mixed: a ring" $mixed "$examples/ring"
    like "$out" "*ring: ok, * over 4 ranks*" "mixed: the ring ran to its end"
    runs "mixed: counters" $pair "$programs/btl-pvars"
    like "$out" "*all right*" "mixed: counters grew as they should"

    # The counters of a running job, seen from outside.
    start traffic mpi --host "$guest_name:2,localhost:2" "$programs/btl-lost" traffic
}
wait_line traffic ready
ok $? "traffic: the job runs"
sleep 1
info >"$tmp/info1"
sleep 1
info >"$tmp/info2"
for r in 0 1 2 3; do
    a=$(sent "$tmp/info1" $r)
    b=$(sent "$tmp/info2" $r)
    test "${b:-0}" -gt "${a:-0}"
    ok $? "toro-info: rank $r has sent ${a:-nothing}, then ${b:-nothing}"
done
stop
nothing_left "nothing is left"
done_testing
