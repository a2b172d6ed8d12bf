#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Puts the Torobus components into an Open MPI 4.1.x source tree and keeps them fresh there.
#
#   config/overlay.sh [--refresh] DIR
#
# Adds DIR/opal/mca/{btl,installdirs}/torobus, DIR/opal/mca/pmix/toro and DIR/ompi/mca/osc/torobus; nothing that Open MPI
# ships is touched, except that its own autogen.pl regenerates autotools output. Only files that
# differ are written, so a build of DIR remakes only what changed. With --refresh a tree that would need autogen.pl is
# an error instead of two minutes of work.

set -eu

me=overlay
fail()
{
    echo "$me: $*" >&2
    exit 1
}

refresh=no
if [ "${1-}" = --refresh ]; then
    refresh=yes
    shift
fi
[ $# -eq 1 ] || fail "usage: config/overlay.sh [--refresh] DIR"
ours=$(cd "$(dirname "$0")/.." && pwd)
[ -d "$1" ] || fail "$1: no such directory; give the top of an Open MPI 4.1.x source tree"
tree=$(cd "$1" && pwd)

# --- is it the right kind of tree? -------------------------------------------------------------
if [ ! -r "$tree/VERSION" ] || [ ! -r "$tree/opal/mca/btl/btl.h" ]; then
    fail "$tree is not an Open MPI source tree (no VERSION or no opal/mca/btl/btl.h)"
fi
version=$(sed -n -e 's/^major=//p' -e 's/^minor=//p' -e 's/^release=//p' "$tree/VERSION" |
    paste -s -d. -)
case $version in
4.1.*) ;;
*) fail "$tree is Open MPI $version; Torobus needs 4.1.x" ;;
esac
[ -r "$tree/autogen.pl" ] ||
    fail "$tree has no autogen.pl; take a release tarball or a distribution's source package"
[ -w "$tree/opal/mca/btl" ] || fail "$tree is not writable; copy it first"

# --- copy --------------------------------------------------------------------------------------
btl=$tree/opal/mca/btl/torobus
pmix=$tree/opal/mca/pmix/toro
dirs=$tree/opal/mca/installdirs/torobus # makes --am work, see installdirs_torobus.c
osc=$tree/ompi/mca/osc/torobus
changed=0

put() # FILE TARGET-DIRECTORY
{
    if ! cmp -s "$1" "$2/${1##*/}"; then
        mkdir -p "$2"
        # A new file under the final name: no reader sees a half-written one.
        cp "$1" "$2/.${1##*/}.new"
        mv -f "$2/.${1##*/}.new" "$2/${1##*/}"
        changed=$((changed + 1))
    fi
}

sync_dir() # FROM TO: our files of FROM, and no older ones of ours
{
    for f in "$1"/*.[ch] "$1"/*.txt "$1"/configure.m4 "$1"/Makefile.am; do
        if [ -f "$f" ]; then put "$f" "$2"; fi
    done
    for f in "$2"/*.[ch] "$2"/*.txt; do
        if [ -f "$f" ] && [ ! -f "$1/${f##*/}" ]; then
            rm -f "$f"
            changed=$((changed + 1))
        fi
    done
}

if command -v flock >/dev/null 2>&1; then
    mkdir -p "$btl"
    exec 9>"$btl/.lock"
    flock 9
fi
sync_dir "$ours/ompi/mca/btl/torobus" "$btl"
sync_dir "$ours/unikernel/uapi/torobus" "$btl/uapi/torobus"
sync_dir "$ours/opal/mca/pmix/toro" "$pmix"
sync_dir "$ours/opal/mca/installdirs/torobus" "$dirs"
sync_dir "$ours/ompi/mca/osc/torobus" "$osc"
[ $changed -eq 0 ] || echo "$me: $changed file(s) of the components brought up to date in $tree"

# --- autotools output, when it is older than what it is made of ---------------------------------
digest()
{
    cat "$@" | sha256sum | cut -d' ' -f1
}
stamp=$btl/.autogen-stamp
want_configure=$(digest "$btl/configure.m4" "$pmix/configure.m4" "$dirs/configure.m4" "$osc/configure.m4")
want_makefile=$(digest "$btl/Makefile.am" "$pmix/Makefile.am" "$dirs/Makefile.am" "$osc/Makefile.am")
have_configure=
have_makefile=
if [ -r "$stamp" ] && [ -x "$tree/configure" ] && [ -r "$btl/Makefile.in" ] &&
    [ -r "$pmix/Makefile.in" ] && [ -r "$dirs/Makefile.in" ] &&
    [ -r "$osc/Makefile.in" ]; then
    read -r have_configure have_makefile <"$stamp"
fi

if [ "$have_configure" != "$want_configure" ]; then
    [ $refresh = no ] ||
        fail "the components' configure.m4 changed; run ./autogen.sh --with-ompi-source=$tree again"
    rm -f "$stamp"
    echo "$me: running Open MPI's autogen.pl in $tree (a minute or two)"
    (cd "$tree" && perl ./autogen.pl --force 9>&-) ||
        fail "Open MPI's autogen.pl failed in $tree; its messages are above"
elif [ "$have_makefile" != "$want_makefile" ]; then
    echo "$me: a Makefile.am of the components changed; running automake for it in $tree"
    (cd "$tree" && automake --foreign opal/mca/btl/torobus/Makefile opal/mca/pmix/toro/Makefile \
        opal/mca/installdirs/torobus/Makefile ompi/mca/osc/torobus/Makefile 9>&-) || fail "automake failed in $tree; its messages are above"
fi
echo "$want_configure $want_makefile" >"$stamp.new"
cmp -s "$stamp.new" "$stamp" || cp "$stamp.new" "$stamp"
rm -f "$stamp.new"
