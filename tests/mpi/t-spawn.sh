#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# MPI_Comm_spawn without mpirun: toro-run -n starts the children. timeout: 400
. "$TORO_SRC/tests/mpi/launch.sh"

prog=$programs/spawn

job() # N ARGUMENTS...
{
    job_n=$1
    shift
    if [ "$native" = 1 ]; then
        plainly -np "$job_n" "$@"
    else
        alone -n "$job_n" "$@"
    fi
}

part() # WANTED-STATUS N PART...
{
    part_want=$1
    part_n=$2
    shift 2
    tap_capture job "$part_n" "$prog" "$@"
    is "$status" "$part_want" "$1: status $part_want"
    like "$out" "*$1: fine*" "$1: as it should be"
    is "$(printf '%s\n' "$out" | grep -c BAD)" 0 "$1: nothing is bad"
}

tap_capture job 1 "$programs/btl-spawn"
is "$status" 0 "three children, one after the other"
is "$(echo "$out" | grep -c 'was here')" 3 "each was there"
tap_capture job 2 "$programs/pmix-names" spawn
is "$status" 0 "two children of two parents"
is "$(echo "$out" | grep -c 'spawn: fine')" 2 "parents and children agree"

part 0 2 multiple
mkdir "$tmp/elsewhere"
part 0 1 bad "$tmp/elsewhere"
like "$out" "*child in $tmp/elsewhere*" "bad: the directory is the one that was asked for"
if [ "$native" != 1 ]; then
    like "$out" "*MPI_Comm_spawn of rank 0: /nowhere/no-such-program: there is no such program*" \
        "bad: a line says which program"
    like "$out" "*there is no host no-such-host*" "bad: and which host"
fi
part 0 1 family
like "$out" "*three generations*" "family: grandchildren"
part 0 1 outlive
like "$out" "*the child is still here*" "outlive: its output arrives"
part 3 1 fails
part 9 1 aborts
part 137 1 dies
if [ "$native" = 1 ]; then
    skip 5 "there is no toro-run"
else
    part 1 1 leaves
    like "$out" "*rank 0 on guest *+2 ended without MPI_Finalize*" "leaves: a line says so"
    TOROBUS_GUESTS=1
    export TOROBUS_GUESTS
    part 0 1 full
    like "$out" "*no slice for guest *+2*TOROBUS_GUESTS*" "full: a line says what to do"
    unset TOROBUS_GUESTS
fi
nothing_left "after all that"
done_testing
