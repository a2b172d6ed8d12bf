#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every case of --with-torobus, with the components' own configure macros in a small configure of
# their own (Open MPI's takes minutes), and what autogen.sh refuses.
# timeout: 300
. "$TORO_SRC/tests/lib/tap.sh"
requires autoconf

# --- a configure script that does to our macros what Open MPI's does -----------------------------
mkdir -p "$tmp/t/opal/mca/btl/torobus/uapi" "$tmp/t/config" "$tmp/b"
cp -R "$TORO_SRC/unikernel/uapi/torobus" "$tmp/t/opal/mca/btl/torobus/uapi/"
cp "$TORO_SRC/config/config.guess" "$TORO_SRC/config/config.sub" "$TORO_SRC/config/install-sh" \
    "$tmp/t/config/"
for m in ompi/mca/btl/torobus opal/mca/installdirs/torobus opal/mca/pmix/toro ompi/mca/osc/torobus; do
    printf 'm4_include([%s])\n' "$TORO_SRC/$m/configure.m4"
done >"$tmp/t/includes"
cat - "$tmp/t/includes" >"$tmp/t/configure.ac" <<'END'
AC_INIT([t], [1])
AC_CONFIG_AUX_DIR([config])
m4_define([AC_CONFIG_FILES], [])
AC_DEFUN([OPAL_SUMMARY_ADD], [])
END
cat >>"$tmp/t/configure.ac" <<'END'
AC_CANONICAL_HOST
AC_PROG_CC
MCA_opal_btl_torobus_CONFIG([btl=yes], [btl=no])
MCA_opal_installdirs_torobus_CONFIG([dirs=yes], [dirs=no])
MCA_opal_pmix_toro_CONFIG([pmix=yes], [pmix=no])
MCA_ompi_osc_torobus_CONFIG([osc=yes], [osc=no])
echo "built: $btl $dirs $pmix $osc $torobus_CPPFLAGS"
AC_OUTPUT
END
generate()
{
    cd "$tmp/t" && autoconf --warnings=none
}
runs "the macros make a configure script" generate

conf() # OPTION...
{
    cd "$tmp/b" && "$tmp/t/configure" "$@"
}
built()
{
    echo "$out" | sed -n 's/^built: //p'
}

runs "no option" conf
is "$(built)" 'yes yes yes yes -I$(top_srcdir)/opal/mca/btl/torobus/uapi' "no option: all are built"
runs "--with-torobus" conf --with-torobus
is "$(built)" 'yes yes yes yes -I$(top_srcdir)/opal/mca/btl/torobus/uapi' "--with-torobus: likewise"
runs "--without-torobus" conf --without-torobus
is "$(built)" "no no no no " "--without-torobus leaves all out"
mkdir -p "$tmp/p/include"
cp -R "$TORO_SRC/unikernel/uapi/torobus" "$tmp/p/include/"
runs "--with-torobus=DIR" conf --with-torobus="$tmp/p"
is "$(built)" "yes yes yes yes -I$tmp/p/include" "--with-torobus=DIR takes DIR/include"

fails "DIR without headers stops" conf --with-torobus="$tmp/b"
like "$out" "*error: --with-torobus was given, but there is no $tmp/b/include/torobus/abi.h*" \
    "... with the reason"
mv "$tmp/p/include/torobus/wakeup.h" "$tmp/wakeup.h"
fails "DIR without one of the headers stops" conf --with-torobus="$tmp/p"
like "$out" "*but there is no $tmp/p/include/torobus/wakeup.h*" "... with the reason"
mv "$tmp/wakeup.h" "$tmp/p/include/torobus/wakeup.h"
fails "a relative DIR stops" conf --with-torobus=p
like "$out" "*must be an absolute path*" "... with the reason"
sed -i 's/\(#define TOROBUS_ABI_VERSION\) .*/\1 4711u/' "$tmp/p/include/torobus/abi.h"
fails "headers of another version stop" conf --with-torobus="$tmp/p"
like "$out" "*has version 4711u of the headers*" "... with the reason"
echo '#error broken' >>"$tmp/p/include/torobus/region.h"
fails "headers that do not compile stop" conf --with-torobus="$tmp/p"
like "$out" "*do not compile*" "... with the reason"

other="--build=x86_64-linux-gnu --host=aarch64-linux-gnu CC=$CC"
# shellcheck disable=SC2086 # two words
runs "another machine, no option" conf $other
is "$(built)" "no no no no " "... leaves all out"
# shellcheck disable=SC2086
fails "another machine, asked for" conf $other --with-torobus
like "$out" "*runs on x86-64 Linux only*" "... stops with the reason"

# --- autogen.sh --------------------------------------------------------------------------------------
overlay=$TORO_SRC/config/overlay.sh
fails "overlay: no such directory" "$overlay" "$tmp/none"
like "$out" "*no such directory*" "... says so"
fails "overlay: not Open MPI" "$overlay" "$tmp/b"
like "$out" "*is not an Open MPI source tree*" "... says so"
mkdir -p "$tmp/five/opal/mca/btl"
printf 'major=5\nminor=0\nrelease=3\n' >"$tmp/five/VERSION"
: >"$tmp/five/opal/mca/btl/btl.h"
fails "overlay: another series" "$overlay" "$tmp/five"
like "$out" "*is Open MPI 5.0.3; Torobus needs 4.1.x*" "... says so"
is "$(find "$tmp/five" -type f | wc -l | tr -d ' ')" 2 "... and touches nothing"

# In the tree that was built, a refresh of what is fresh writes nothing and says nothing.
stamps()
{
    find "$TORO_OMPI_SOURCE/opal/mca/btl/torobus" "$TORO_OMPI_SOURCE/opal/mca/pmix/toro" \
        "$TORO_OMPI_SOURCE/configure" -type f ! -name .lock -printf '%p %T@ %i\n' | sort
}
runs "overlay: again" "$overlay" --refresh "$TORO_OMPI_SOURCE"
stamps >"$tmp/before"
runs "overlay: and again" "$overlay" --refresh "$TORO_OMPI_SOURCE"
is "$out" "" "... says nothing"
stamps >"$tmp/after"
runs "... and writes nothing" cmp "$tmp/before" "$tmp/after"
done_testing
