#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Generates ./configure; with --with-ompi-source=DIR also puts our components into the Open MPI
# 4.1.x source tree DIR and regenerates that tree's configure when it has to.

set -eu

usage()
{
    cat <<'END'
Usage: ./autogen.sh [--with-ompi-source=DIR]

Generates this project's configure script (autoconf, automake).
  --with-ompi-source=DIR  also add btl/torobus and pmix/toro to the Open MPI 4.1.x source tree DIR
                          and run its own autogen.pl when needed. Files that Open MPI ships are not
                          changed. Afterwards DIR/configure knows --with-torobus[=DIR].
END
}

ompi=
for arg; do
    case $arg in
    --with-ompi-source=?*) ompi=${arg#*=} ;;
    --help | -h)
        usage
        exit 0
        ;;
    *)
        echo "autogen.sh: unknown option $arg; try ./autogen.sh --help" >&2
        exit 2
        ;;
    esac
done

here=$(cd "$(dirname "$0")" && pwd)
if [ -n "$ompi" ]; then
    [ -d "$ompi" ] || {
        echo "autogen.sh: --with-ompi-source=$ompi: no such directory" >&2
        exit 1
    }
    ompi=$(cd "$ompi" && pwd)
fi

for tool in autoreconf automake aclocal perl; do
    command -v "$tool" >/dev/null 2>&1 || {
        echo "autogen.sh: $tool is missing; install autoconf, automake, libtool and perl" >&2
        exit 1
    }
done

cd "$here"
autoreconf -i
[ -z "$ompi" ] || config/overlay.sh "$ompi"
