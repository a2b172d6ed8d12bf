# -*- shell-script -*-
# SPDX-License-Identifier: BSD-3-Clause
# Open MPI configure macro of pmix/toro. The option --with-torobus and the checks are those of
# btl/torobus (TOROBUS_CHECK in its configure.m4).

# MCA_opal_pmix_toro_CONFIG([action-if-can-compile], [action-if-cant-compile])
# ----------------------------------------------------------------------------
AC_DEFUN([MCA_opal_pmix_toro_CONFIG], [
    AC_CONFIG_FILES([opal/mca/pmix/toro/Makefile])
    TOROBUS_CHECK([$1], [$2])
])dnl
