#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Not one line of Open MPI's own files differs: the overlaid tree against the tarball or source
# package that it came from. Allowed are our directories and what autogen.pl regenerates.
# timeout: 600
. "$TORO_SRC/tests/lib/tap.sh"

# What may differ or be new, relative to the top of the tree. Names are those that autoconf,
# automake, libtool and autogen.pl write.
tools='(ar-lib|compile|config\.guess|config\.sub|depcomp|install-sh|ltmain\.sh|missing|test-driver|ylwrap'
tools="$tools|libtool\\.m4|ltoptions\\.m4|ltsugar\\.m4|ltversion\\.m4|lt~obsolete\\.m4)"
romio=ompi/mca/io/romio321/romio
libevent=opal/mca/event/libevent2022/libevent
pmix=opal/mca/pmix/pmix3x/pmix
package="(|$romio/|$libevent/|$pmix/)"
regenerated="^($package(configure|aclocal\\.m4|configure~|autom4te\\.cache)"
regenerated="$regenerated|([^ ]*/)?Makefile\\.in"
regenerated="$regenerated|(config|$romio/confdb|$libevent(/m4)?|$pmix/config)/$tools"
regenerated="$regenerated|(config|$pmix/config)/(ltmain\\.sh\\.orig|autogen_found_items\\.m4)"
regenerated="$regenerated|config/opal_get_version\\.sh~?"
regenerated="$regenerated|(opal/include/opal_config|$romio/adio/include/romioconf)\\.h\\.in~?"
regenerated="$regenerated|$libevent/config\\.h\\.in~?|$pmix/src/include/pmix_config\\.h\\.in~?"
regenerated="$regenerated|(opal|orte|ompi|oshmem)/include/(opal|orte|ompi|oshmem)/frameworks\\.h)\$"
added='^(ompi/mca/osc/torobus|opal/mca/btl/torobus|opal/mca/installdirs/torobus|opal/mca/pmix/toro)$'

compare() # PRISTINE TREE: lines "changed|new|gone PATH", sorted
{
    LC_ALL=C diff -r -q --no-dereference "$1" "$2" | awk -v a="$1" -v b="$2" '
        function below(top, dir, name) {
            return substr(dir == top ? name : substr(dir, length(top) + 2) "/" name, 1)
        }
        /^Files / { print "changed", substr($2, length(a) + 2); next }
        /^Only in / {
            dir = $3
            sub(/:$/, "", dir)
            if (dir == b || index(dir, b "/") == 1) print "new", below(b, dir, $4)
            else print "gone", below(a, dir, $4)
            next
        }
        { print "other", $0 }' | sort
}

verdict() # reads those lines, prints the ones that are not allowed
{
    while read -r what path; do
        case $what in
        changed) echo "$path" | grep -q -E "$regenerated" && continue ;;
        new) echo "$path" | grep -q -E "$regenerated|$added" && continue ;;
        esac
        echo "$what $path"
    done
}

# The judge itself, on a case of each kind.
is "$(printf '%s\n' 'changed configure' 'changed ompi/mca/btl/Makefile.in' \
    'new opal/mca/btl/torobus' | verdict)" "" "the judge lets regenerated files pass"
is "$(printf '%s\n' 'changed opal/mca/btl/btl.h' 'new opal/mca/btl/extra' 'gone README' \
    'changed config/opal_mca.m4' 'changed Makefile.am' | verdict | wc -l | tr -d ' ')" 5 \
    "the judge finds what must not be"

if [ -z "${OMPI_PRISTINE:-}" ]; then
    skip 3 "configure was not given OMPI_PRISTINE, the tarball or .dsc of the source tree"
    done_testing
fi
case $OMPI_PRISTINE in
*.dsc) runs "unpack the source package" dpkg-source --no-check -x "$OMPI_PRISTINE" "$tmp/pristine" ;;
*)
    mkdir "$tmp/pristine"
    runs "unpack the tarball" tar xf "$OMPI_PRISTINE" -C "$tmp/pristine" --strip-components=1
    ;;
esac
compare "$tmp/pristine" "$TORO_OMPI_SOURCE" >"$tmp/all"
# A comparison that sees nothing has not looked: the overlay must be there.
is "$(grep -c -E 'new (opal/mca/btl/torobus|opal/mca/pmix/toro|ompi/mca/osc/torobus)$' "$tmp/all")" 3 \
    "the components are in the tree"
is "$(verdict <"$tmp/all")" "" "nothing else of Open MPI differs"
done_testing
