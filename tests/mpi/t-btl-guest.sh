#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 900
# btl/torobus between the cores of one guest and between guests: protocols, one-sided operations,
# threads. Guests of one core each matter of their own: an emulator that knows of one CPU only is
# tempted to leave out fences and to take locked instructions apart.
. "$TORO_SRC/tests/mpi/launch.sh"

needs_guests
job_limit 200

whole() # NAME RANKS PROGRAM COMMAND...
{
    name=$1
    n=$2
    program=$3
    shift 3
    runs "$name: $program" "$@" "$programs/$program"
    like "$out" "*all right, $n ranks*" "$name: $program ran to its end"
}

for program in btl-p2p btl-rma btl-pairs btl-accum btl-threads; do
    whole "two cores of one guest" 2 "$program" alone -n 2
    whole "three guests of one core" 3 "$program" mpi --host vm0:1,vm1:1,vm2:1
    whole "two guests of two cores" 4 "$program" mpi --host vm0:2,vm1:2
done
whole "eight ranks on few CPUs" 8 btl-p2p mpi --host vm0:4,vm1:4
whole "tiny rings, no put and get" 3 btl-p2p mpi --mca btl_torobus_ring_slots 8 \
    --mca btl_torobus_lane_size 8192 --mca btl_torobus_max_send_size 4096 \
    --mca btl_torobus_eager_limit 1024 --mca btl_torobus_flags send --host vm0:2,vm1:1

# However soon a rank sleeps, it does so only when it waits.
for place in "vm0:1,vm1:1" "vm0:2"; do
    runs "busy with one-sided operations, $place" mpi --host "$place" --mca btl_torobus_spin_ns 0 \
        --mca osc rdma "$programs/btl-busy"
    like "$out" "*all right*" "never asleep, $place"
done

runs "counters" mpi --host vm0:1,vm1:1 "$programs/btl-pvars"
like "$out" "*all right*" "counters: grew as they should"

# A slice, and in it a port and the places of its rings, that somebody else had before.
runs "one guest after the other" mpi --host vm0:1,vm1:1 -np 1 "$programs/btl-spawn"
like "$out" "*btl-spawn: all right*" "each has rings of its own"

# The rings are what is used, and nothing else.
runs "the BTL that is used" mpi --host vm0:1,vm1:1 --mca btl_base_verbose 1 "$programs/btl-p2p"
like "$out" "*Using torobus btl for send to*" "torobus between the guests"
case $out in
*"Using vader btl"* | *"Using tcp btl"*) ok 1 "and no other" ;;
*) ok 0 "and no other" ;;
esac
nothing_left "nothing is left"
done_testing
