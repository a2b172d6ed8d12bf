# -*- shell-script -*-
# SPDX-License-Identifier: BSD-3-Clause
# Open MPI configure macros of btl/torobus, and the option it shares with osc/torobus and pmix/toro.
#
#   --with-torobus         build btl/torobus, osc/torobus and pmix/toro, or stop with the reason
#   --with-torobus=DIR     the same, with the shared headers of an installed Torobus, DIR/include
#   --without-torobus      leave them out
#   (none of these)        build them when they can be built

# TOROBUS_WITH
# ------------
# The option itself. Required by both components, expanded once.
AC_DEFUN_ONCE([TOROBUS_WITH], [
    AC_ARG_WITH([torobus],
                [AS_HELP_STRING([--with-torobus@<:@=DIR@:>@],
                    [Build btl/torobus, osc/torobus and pmix/toro, for programs in Torobus unikernel
                     guests. With DIR take the shared headers from DIR/include, else use the copy in
                     this tree (default: build when possible)])])
])

# TOROBUS_CHECK(action-if-possible, action-if-not)
# ------------------------------------------------
# Finds out once whether the components can be built (torobus_happy) and with which
# preprocessor flags (torobus_CPPFLAGS); stops configure when they were asked for and cannot be.
AC_DEFUN([TOROBUS_CHECK], [
    AC_REQUIRE([TOROBUS_WITH])
    AS_IF([test -z "$torobus_happy"], [
        torobus_happy=yes
        torobus_reason=
        torobus_CPPFLAGS=
        torobus_tree='opal/mca/btl/torobus/uapi'

        AS_IF([test "x$with_torobus" = xno],
              [torobus_happy=no
               torobus_reason='switched off by --without-torobus'])

        AS_IF([test "$torobus_happy" = yes],
              [AS_CASE([$host],
                  [x86_64-*-linux*], [],
                  [torobus_happy=no
                   torobus_reason="it runs on x86-64 Linux only, this is $host"])])

        AS_IF([test "$torobus_happy" = yes],
              [AS_CASE(["$with_torobus"],
                  [''|yes], [torobus_CPPFLAGS='-I$(top_srcdir)/'"$torobus_tree"
                             torobus_include="$srcdir/$torobus_tree"],
                  [/*], [torobus_include="$with_torobus/include"
                         torobus_CPPFLAGS="-I$torobus_include"],
                  [AC_MSG_ERROR([--with-torobus=$with_torobus: DIR must be an absolute path])])
               for torobus_file in abi.h region.h ring.h wakeup.h dev.h ctl.h pmix.h note.h; do
                   AS_IF([test "$torobus_happy" = yes &&
                          test ! -r "$torobus_include/torobus/$torobus_file"],
                         [torobus_happy=no
                          torobus_reason="there is no $torobus_include/torobus/$torobus_file"])
               done])

        AS_IF([test "$torobus_happy" = yes],
              [AC_MSG_CHECKING([for the Torobus headers in $torobus_include])
               torobus_save_CPPFLAGS=$CPPFLAGS
               CPPFLAGS="-I$torobus_include $CPPFLAGS"
               AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
#include "torobus/abi.h"
#include "torobus/region.h"
#include "torobus/ring.h"
#include "torobus/wakeup.h"
#include "torobus/dev.h"
#include "torobus/ctl.h"
#include "torobus/pmix.h"
                   ]], [[return TOROBUS_ABI_VERSION == 0;]])],
                   [AC_MSG_RESULT([yes])],
                   [AC_MSG_RESULT([they do not compile])
                    torobus_happy=no
                    torobus_reason="the headers in $torobus_include do not compile with $CC $CFLAGS; see config.log"])
               CPPFLAGS=$torobus_save_CPPFLAGS])

        # A tree and an installation that differ in their contract must not be mixed.
        AS_IF([test "$torobus_happy" = yes && test -r "$srcdir/$torobus_tree/torobus/abi.h"],
              [torobus_abi_tree=`sed -n 's/^#define TOROBUS_ABI_VERSION *//p' "$srcdir/$torobus_tree/torobus/abi.h"`
               torobus_abi=`sed -n 's/^#define TOROBUS_ABI_VERSION *//p' "$torobus_include/torobus/abi.h"`
               AS_IF([test "$torobus_abi" != "$torobus_abi_tree"],
                     [torobus_happy=no
                      torobus_reason="$torobus_include has version $torobus_abi of the headers, the components in this tree need $torobus_abi_tree"])])

        AS_IF([test "$torobus_happy" = no],
              [AC_MSG_NOTICE([Torobus components are left out: $torobus_reason])
               AS_IF([test -n "$with_torobus" && test "x$with_torobus" != xno],
                     [AC_MSG_ERROR([--with-torobus was given, but $torobus_reason])])])
    ])
    AC_SUBST([torobus_CPPFLAGS])
    AS_IF([test "$torobus_happy" = yes], [$1], [$2])
])

# MCA_opal_btl_torobus_CONFIG([action-if-can-compile], [action-if-cant-compile])
# ------------------------------------------------------------------------------
AC_DEFUN([MCA_opal_btl_torobus_CONFIG], [
    AC_CONFIG_FILES([opal/mca/btl/torobus/Makefile])
    TOROBUS_CHECK([$1], [$2])
    OPAL_SUMMARY_ADD([[Transports]], [[Torobus unikernel bus]], [$1], [$torobus_happy])
])dnl
