#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# make check-ompi: Open MPI's own test programs, built in its build tree as its own `make check`
# would, but as static-pie programs; run on Linux, in one guest and in two. Arguments go to run-suite.
set -eu
: "${TORO_SRC:?started by make check-ompi}"

here=$TORO_SRC/tests/suite/ompi
out=$TORO_BUILD/suites/ompi
mkdir -p "$out/bin/examples"

for dir in support class asm threads util dss mpool datatype monitoring spc; do
    "${MAKE:-make}" -C "$TORO_BUILD/openmpi/test/$dir" TESTS= LDFLAGS=-static-pie all check \
        >"$out/make-$dir.log" 2>&1 || {
        tail -n 20 "$out/make-$dir.log"
        exit 1
    }
    ln -sfn "$TORO_BUILD/openmpi/test/$dir" "$out/bin/$dir"
done
for name in hello_c ring_c connectivity_c spc_example; do
    mpicc -O2 -o "$out/bin/examples/$name" "$TORO_OMPI_SOURCE/examples/$name.c"
done
# Without Fortran they are not there, and run-suite skips them.
if [ -f "$TORO_PREFIX/lib/mpi.mod" ]; then
    for file in hello_mpifh.f hello_usempi.f90 hello_usempif08.f90 ring_mpifh.f ring_usempi.f90 \
        ring_usempif08.f90; do
        mpifort -O2 -o "$out/bin/examples/${file%.*}" "$TORO_OMPI_SOURCE/examples/$file"
    done
fi

exec "$TORO_SRC/tests/run-suite" "$here" --bin "$out/bin" --rule status --known "$here/known" \
    --logs "$out/logs" --tap "$out/ompi.tap" --junit "$out/ompi.xml" --table "$out/ompi.md" \
    --slower 4 --keep 60 "$@"
