#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Under the system's own mpirun and orted (Debian's openmpi-bin): our programs, tools and guests.
# timeout: 200
. "$TORO_SRC/tests/mpi/launch.sh"
needs_guests
unset OPAL_PREFIX # names ours
system=${TORO_SYSTEM_MPIRUN:-/usr/bin/mpirun}
[ -x "$system" ] || skip_all "there is no $system (openmpi-bin)"
case $("$system" --version 2>&1) in
*"Open MPI) 4.1"*) ;;
*) skip_all "$system is no Open MPI 4.1" ;;
esac
theirs()
{
    limited "$system" --tune "$TORO_PREFIX/share/openmpi/amca-param-sets/torobus" "$@"
}

runs "one guest" theirs -np 3 "$examples/ring"
like "$out" "*ring: ok*over 3 ranks*" "three ranks"
runs "two guests" theirs --host vm0:2,vm1:2 "$examples/ring"
like "$out" "*on vm1 core*ring: ok*over 4 ranks*" "four ranks, some of them on vm1"
runs "names" theirs --host vm0:1,vm1:1 "$programs/pmix-names" names
runs "spawn" theirs --host vm0:2,vm1:2 -np 2 "$programs/pmix-names" spawn
tap_capture theirs --host vm0:1,vm1:1 "$programs/act" exit 7
is "$status" 7 "the exit status"
nothing_left "nothing is left"
done_testing
