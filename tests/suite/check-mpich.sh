#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# make check-mpich: MPICH's own test programs (its test/mpi), built with our mpicc, run on Linux, in
# one guest and in two. Arguments go to run-suite. The source comes from Debian's archives unless
# MPICH_SOURCE names an unpacked tree or a tarball.
set -eu
: "${TORO_SRC:?started by make check-mpich}"

here=$TORO_SRC/tests/suite/mpich
out=$TORO_BUILD/suites/mpich
mkdir -p "$out"

quietly() # LOG COMMAND...
{
    log=$out/$1.log
    shift
    "$@" >"$log" 2>&1 </dev/null || {
        tail -n 20 "$log"
        echo "check-mpich: failed: $*; all of it is in $log" >&2
        exit 1
    }
}

unpack() # TARBALL: its test/mpi
{
    mkdir -p "$out/source.new"
    top=$(tar tf "$1" | sed -n '1s|/.*||p')
    tar xf "$1" -C "$out/source.new" --strip-components=1 "$top/test/mpi"
    mv "$out/source.new" "$out/source"
}

source=${MPICH_SOURCE:-$out/source}
if [ -f "$source" ] || [ ! -d "$source/test/mpi" ]; then
    rm -rf "$out/source" "$out/source.new" "$out/build"
    if [ ! -f "$source" ]; then
        echo "fetching MPICH's source"
        quietly fetch "$TORO_SRC/config/debian-source.sh" mpich 4.0 "$out"
        source=$(ls "$out"/download/mpich_*.orig.tar.*)
    fi
    unpack "$source"
    source=$out/source
fi
tests=$(cd "$source/test/mpi" && pwd)

if [ -n "$(mpifort -showme:version 2>/dev/null)" ] && [ -f "$TORO_PREFIX/lib/mpi.mod" ]; then
    fortran=all
else
    fortran=no
fi
# libtool does not take libraries whose .la files are of a prefix that is not there (a staged one).
libs=$out/lib
mkdir -p "$libs"
ln -sfn "$TORO_PREFIX"/lib/* "$libs/"
rm -f "$libs"/*.la

# Two functions that MPI 3 removed have new names; the rest are MPICH's own switches.
configure_it()
{
    cd "$out/build"
    OPAL_LIBDIR=$libs "$tests/configure" --with-mpi="$TORO_PREFIX" CC=mpicc CFLAGS='-O1 -w' \
        F77=mpifort FC=mpifort FFLAGS=-fallow-argument-mismatch FCFLAGS=-fallow-argument-mismatch \
        CPPFLAGS='-DOMPI_OMIT_MPI1_COMPAT_DECLS=1 -DMPI_Type_hvector=MPI_Type_create_hvector
            -DMPI_Type_hindexed=MPI_Type_create_hindexed' \
        --enable-strictmpi --enable-threads=multiple --enable-romio --disable-part \
        --disable-cxx --enable-fortran="$fortran" --disable-shared --enable-static \
        MPI_SIZEOF_AINT=8 MPI_SIZEOF_OFFSET=8
}
if [ ! -f "$out/build/.configured" ]; then
    echo "configuring MPICH's tests"
    rm -rf "$out/build"
    mkdir -p "$out/build"
    quietly configure configure_it
    : >"$out/build/.configured"
fi

dirs="$(sed 's/#.*//' "$here/testlist")"
[ "$fortran" = no ] || dirs="$dirs f77 f90"
# Programs of MPI 4 do not link; run-suite skips what is not there.
build_it()
{
    for dir in util dtpools $dirs; do
        echo "== $dir"
        OPAL_LIBDIR=$libs "${MAKE:-make}" -C "$out/build/$dir" -k -j2 || echo "== $dir: some were not built"
    done
}
echo "building MPICH's tests"
quietly build build_it
for dir in $dirs; do
    echo "$dir"
done >"$out/build/testlist"
# Lists that need no configure lie beside the sources.
(cd "$tests" && find . -name testlist) |
    while read -r f; do
        [ -e "$out/build/$f" ] || [ ! -d "$out/build/${f%/*}" ] || cp "$tests/$f" "$out/build/$f"
    done

cd "$out"
exec "$TORO_SRC/tests/run-suite" "$out/build" --strict --known "$here/known" --logs "$out/logs" \
    --tap "$out/mpich.tap" --junit "$out/mpich.xml" --table "$out/mpich.md" --slower 4 --keep 60 "$@"
