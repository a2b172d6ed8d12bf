#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Ranks of a guest share the code that they execute, and nobody can tell. timeout: 60
. "$TORO_SRC/tests/mpi/launch.sh"

runs "two guests" mpi --host vm0:2,vm1:2 "$programs/code"
is "$out" "code ok" "each rank has its own code as others see it, and as it changes it"
if [ "$native" = 1 ]; then
    skip 2 "there is no toro-run"
else
    runs "one guest" alone -n 3 "$programs/code"
    is "$out" "code ok" "likewise"
fi
done_testing
