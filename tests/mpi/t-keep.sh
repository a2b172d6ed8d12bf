#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Guests that stay for the next job: the same QEMU serves it, and finds nothing of the last one.
# timeout: 300
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests
mem=$programs/keep-mem

keepers() # pids of our keepers
{
    for k in $(tagged); do
        [ "$(cat "/proc/$k/comm" 2>/dev/null)" != torobus-keeper ] || echo "$k"
    done
}

qemus() # pids of our QEMUs
{
    for q in $(tagged); do
        case $(cat "/proc/$q/comm" 2>/dev/null) in qemu*) echo "$q" ;; esac
    done
}

export LINGER=3
start leave alone --keep 60 -n 2 "$mem" leave 16
wait_line leave left
is "$("$mem" scan "$(keepers)" | grep -c ' words 0$')" 0 "the host sees the job's memory while it runs"
ended
unset LINGER
is "$status" 0 "the first job ends"
q1=$(qemus)
is "$(echo "$q1" | wc -w)" 1 "its guest stays"
k1=$(keepers)
is "$("$mem" scan "$k1")" "regions 1 words 0" "the host finds nothing of it in the region"
runs "the second job" alone --keep 60 -n 2 "$mem" look 64
is "$(echo "$out" | sort -u)" "words 0 files 0" "it finds nothing in its memory or in /dev/shm"
is "$(qemus)" "$q1" "the same QEMU has served it"

tap_capture alone --keep 60 -n 2 "$programs/act" signal 9
is "$status" 137 "a job that is killed"
runs "MPI after that" alone --keep 60 -n 2 "$examples/ring"
runs "and names, ports and threads, which the last job had too" alone --keep 60 -n 2 \
    "$programs/pmix-names" names
runs "once more" alone --keep 60 -n 2 "$programs/pmix-names" names
is "$(qemus)" "$q1" "still the same QEMU"

runs "a job of another shape" alone --keep 60 -n 1 "$examples/hello"
is "$(qemus | wc -w)" 1 "has a guest of its own, in the place of the old one"
is "$(keepers)" "$k1" "with the same keeper"
tap_capture limited "$bin/toro-info"
like "$out" "*waits for a job*served *" "toro-info tells of a guest that waits"
runs "a job that keeps nothing" alone -n 1 "$examples/hello"
is "$(qemus | wc -w)" 1 "leaves the guest that waits alone"
runs "toro-info --stop" limited "$bin/toro-info" --stop
nothing_left "ends it, and nothing is left"

export TOROBUS_KEEP=60
runs "mpirun, two guests" mpi --host vm0:2,vm1:2 "$examples/ring"
q2=$(qemus)
is "$(echo "$q2" | wc -w)" 2 "both stay"
runs "mpirun again" mpi --host vm0:2,vm1:2 "$programs/pmix-names" names
is "$(qemus)" "$q2" "in the same two"
runs "mpirun with more ranks" mpi --host vm0:2,vm1:3 "$examples/ring"
is "$(qemus | wc -w)" 2 "two guests, one of them new"
runs "a job that spawns others" mpi -np 1 "$programs/btl-spawn"
runs "a job of two ranks after it" mpi -np 2 "$examples/hello"
runs "toro-info --stop" limited "$bin/toro-info" --stop
export TOROBUS_GUESTS=2
runs "spawned jobs, one after the other, where there are two slices" mpi -np 1 "$programs/btl-spawn"
is "$(echo "$out" | grep -c 'was here')" 3 "all three: the guest of one that has ended makes room"
runs "the same without mpirun" alone -n 1 "$programs/btl-spawn"
runs "two guests, all that there can be" mpi --host vm0:1,vm1:1 "$examples/ring"
runs "of another shape, in their place" mpi --host vm0:2,vm1:1 "$examples/ring"
runs "of other names" mpi --host vm2:2,vm3:1 "$examples/ring"
is "$(qemus | wc -w)" 2 "there are never more guests than slices"
runs "toro-info --stop" limited "$bin/toro-info" --stop
unset TOROBUS_GUESTS
export TOROBUS_KEEP=1
runs "a job whose guests stay for a second" mpi --host vm0:2,vm1:3 "$examples/hello"
nothing_left "after a second nothing is left"
done_testing
