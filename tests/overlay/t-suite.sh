#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 500
# A suite of programs with an autotools build of its own, like the OSU micro-benchmarks, configures
# and builds with our mpicc and mpicxx, unmodified; libtool's programs are static-pie and run in guests.
. "$TORO_SRC/tests/mpi/launch.sh"

requires autoreconf libtoolize automake readelf g++
needs_guests

cp -R "$TORO_SRC/tests/overlay/suite" "$tmp/suite" && cd "$tmp/suite" || exit 99
chmod -R u+w .
export OPAL_PREFIX="$TORO_PREFIX"
runs "autoreconf" autoreconf -i
runs "configure CC=mpicc CXX=mpicxx" ./configure CC="$bin/mpicc" CXX="$bin/mpicxx" \
    --prefix="$tmp/installed"
for f in MPI_IBARRIER MPI_GET_ACCUMULATE MPI_WIN_ALLOCATE_SHARED MPI_NEIGHBOR_ALLTOALLW; do
    grep -q "^#define HAVE_$f 1" config.h || missing="${missing-} $f"
done
is "${missing-}" "" "configure finds the functions of MPI-3"
runs "make install" make install
for p in latency threads reduce; do
    f=$tmp/installed/libexec/suite/$p
    kind=$(readelf -hl "$f" 2>&1)
    like "$kind" "*DYN*" "$p: can be loaded anywhere"
    case $kind in *INTERP*) ok 1 "$p: needs no dynamic linker" ;; *) ok 0 "$p: needs no dynamic linker" ;; esac
    runs "$p: runs on Linux" plainly -np 2 "$f"
    like "$out" "*$p: ok*" "$p: to its end"
    runs "$p: runs in two guests" mpi --host vm0:1,vm1:1 "$f"
    like "$out" "*$p: ok*" "$p: to its end"
done
done_testing
