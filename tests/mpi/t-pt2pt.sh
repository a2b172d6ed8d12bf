#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Point-to-point messages through every protocol switch. timeout: 240
. "$TORO_SRC/tests/mpi/launch.sh"
job_limit 100

runs "one rank with itself" mpi -np 1 "$programs/pt2pt"
runs "two ranks in a guest" mpi -np 2 "$programs/pt2pt"
runs "two guests" mpi --host vm0,vm1 "$programs/pt2pt"
runs "two guests with two ranks" mpi --host vm0:2,vm1:2 "$programs/pt2pt"
runs "a megabyte round the ring" mpi --host vm0:2,vm1:2 "$examples/ring" 1000000 5
like "$out" "*ring: ok, 5 rounds of 1000000 bytes over 4 ranks*" "all there"
nothing_left "nothing is left"
done_testing
