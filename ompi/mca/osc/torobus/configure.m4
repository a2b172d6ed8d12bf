# -*- shell-script -*-
# SPDX-License-Identifier: BSD-3-Clause
# Open MPI configure macro of osc/torobus. The option --with-torobus and the checks are those of
# btl/torobus (TOROBUS_CHECK in its configure.m4).

# MCA_ompi_osc_torobus_CONFIG([action-if-can-compile], [action-if-cant-compile])
# ------------------------------------------------------------------------------
AC_DEFUN([MCA_ompi_osc_torobus_CONFIG], [
    AC_CONFIG_FILES([ompi/mca/osc/torobus/Makefile])
    TOROBUS_CHECK([$1], [$2])
])dnl
