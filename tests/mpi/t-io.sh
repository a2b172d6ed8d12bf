#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# MPI-IO on the host's files, by both of Open MPI's ways. timeout: 120
. "$TORO_SRC/tests/mpi/launch.sh"

for io in ompio romio321; do
    for where in "-np 3" "--host vm0:2,vm1:2"; do
        # shellcheck disable=SC2086 # words
        runs "$io, $where" mpi $where --mca io $io "$programs/mpi-io" file.dat
        like "$out" "*mpi-io: all: ok*" "$io, $where: all is well"
        # (mpirun may warn about a race of its own)
        is "$(printf '%s\n' "$out" | grep -v -e ': ok$' -e 'setpgid.* failed in parent')" "" "$io, $where: nobody complains"
        is "$(ls)" "" "$io, $where: no file is left"
    done
done
nothing_left "nothing is left"
done_testing
