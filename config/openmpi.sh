#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Configures, builds and stages Open MPI in a build directory of its own; called by the Makefile.
#
#   config/openmpi.sh SOURCE BUILD STAGE CONFIGURE-OPTION...
#
# Configure runs again only when its options changed; when its input changed, Open MPI's own
# makefiles do what is needed.

set -eu

source=$1
build=$2
stage=$3
shift 3
make=${MAKE:-make}

mkdir -p "$build"
for o; do printf '%s\n' "$o"; done >"$build/.options.new"
if [ ! -x "$build/config.status" ] || ! cmp -s "$build/.options.new" "$build/.options"; then
    rm -f "$build/.options"
    echo "openmpi: configure"
    (cd "$build" && "$source/configure" "$@" >configure.log 2>&1) || {
        tail -n 20 "$build/configure.log" >&2
        echo "openmpi: configure failed; see $build/configure.log and config.log" >&2
        exit 1
    }
    mv "$build/.options.new" "$build/.options"
fi
rm -f "$build/.options.new"

run() # TARGET...: make it, keep the output in a log, show the end of it when it fails
{
    log=$build/make-$1.log
    if ! $make -C "$build" "$@" >"$log" 2>&1; then
        grep -n -E '(^|[^-_[:alnum:]])error:|\*\*\*|undefined reference' "$log" | tail -n 20 >&2 || :
        echo "openmpi: make $1 failed; see $log" >&2
        exit 1
    fi
}
echo "openmpi: make"
run all
echo "openmpi: install into $stage"
run install DESTDIR="$stage"

# Debian's source leaves the directories of mpifort to its packaging, which fills in its own; here
# they are those of the prefix, as upstream has them.
find "$stage" -name 'mpifort-wrapper-data.txt' -type f | while read -r data; do
    if grep -q '@COMPILER_VERSION@' "$data"; then
        # shellcheck disable=SC2016 # for the wrapper to expand
        sed -e 's|^includedir=.*|includedir=${includedir}|' -e 's|^libdir=.*|libdir=${libdir}|' \
            -e '/^compiler_version=/d' "$data" >"$data.new"
        mv "$data.new" "$data"
    fi
done
