# -*- shell-script -*-
# SPDX-License-Identifier: BSD-3-Clause

AC_DEFUN([MCA_opal_installdirs_torobus_PRIORITY], [20])

# Needed before any DSO can be opened, hence always static.
AC_DEFUN([MCA_opal_installdirs_torobus_COMPILE_MODE], [
    AC_MSG_CHECKING([for MCA component $2:$3 compile mode])
    $4="static"
    AC_MSG_RESULT([$$4])
])

# MCA_opal_installdirs_torobus_CONFIG(action-if-can-compile, [action-if-cant-compile])
AC_DEFUN([MCA_opal_installdirs_torobus_CONFIG], [
    AC_CONFIG_FILES([opal/mca/installdirs/torobus/Makefile])
    TOROBUS_CHECK([$1], [$2])
])dnl
