# SPDX-License-Identifier: BSD-3-Clause
# Checks for the tools and libraries that Torobus needs.

# TORO_PROG_GNU_MAKE
# ------------------
AC_DEFUN([TORO_PROG_GNU_MAKE], [
    AC_MSG_CHECKING([whether ${MAKE-make} is GNU make])
    AS_IF([${MAKE-make} --version 2>/dev/null | $GREP 'GNU Make' >/dev/null],
          [AC_MSG_RESULT([yes])],
          [AC_MSG_RESULT([no])
           AC_MSG_ERROR([GNU make is needed; set MAKE to it])])
])

# TORO_STATIC_PIE
# ---------------
# Ranks are static-pie programs, so the C library must come with rcrt1.o and static archives.
AC_DEFUN([TORO_STATIC_PIE], [
    AC_MSG_CHECKING([whether $CC links static-pie programs])
    toro_save_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -fPIE -static-pie"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>]], [[return puts("x") < 0;]])],
        [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
         AC_MSG_ERROR([$CC cannot link with -static-pie; install the static C library (libc6-dev)])])
    CFLAGS=$toro_save_CFLAGS
])

# TORO_FORTRAN
# ------------
# Sets FC, to nothing where there is no Fortran compiler or FC=no asks for none. One that cannot
# link what a rank needs is an error only when it was named.
AC_DEFUN([TORO_FORTRAN], [
    AC_ARG_VAR([FC], [Fortran compiler for Open MPI's bindings (default: gfortran where it is; no: without)])
    toro_named_FC=$FC
    AS_IF([test "x$FC" = xno], [FC=], [AC_CHECK_PROGS([FC], [gfortran])])
    AS_IF([test -n "$FC"], [
        AC_MSG_CHECKING([whether $FC links static-pie programs])
        echo '      end' >conftest.f
        AS_IF([$FC -fPIE -static-pie -o conftest$EXEEXT conftest.f >&AS_MESSAGE_LOG_FD 2>&1],
            [AC_MSG_RESULT([yes])],
            [AC_MSG_RESULT([no])
             AS_IF([test -n "$toro_named_FC"],
                 [AC_MSG_ERROR([$FC cannot link with -static-pie; install its static libraries, or set FC=no])])
             FC=])
        rm -f conftest conftest.f
    ])
    AM_CONDITIONAL([FORTRAN], [test -n "$FC"])
])

# TORO_QEMU
# ---------
# QEMU is used at run time only, but a build without it cannot be tested, so it is asked for here.
AC_DEFUN([TORO_QEMU], [
    AC_ARG_VAR([QEMU], [qemu-system-x86_64, 7.0 or later])
    AC_PATH_PROG([QEMU], [qemu-system-x86_64])
    AS_IF([test -z "$QEMU"],
          [AC_MSG_ERROR([qemu-system-x86_64 was not found; install qemu-system-x86 or set QEMU])])
    AC_MSG_CHECKING([for QEMU's version])
    QEMU_VERSION=`"$QEMU" --version 2>/dev/null | $SED -n 's/^QEMU emulator version \([[0-9.]]*\).*/\1/p'`
    AS_IF([test -z "$QEMU_VERSION"],
          [AC_MSG_RESULT([unknown])
           AC_MSG_ERROR([$QEMU --version does not answer like QEMU])])
    AC_MSG_RESULT([$QEMU_VERSION])
    AS_VERSION_COMPARE([$QEMU_VERSION], [7.0],
        [AC_MSG_ERROR([$QEMU is version $QEMU_VERSION; 7.0 or later is needed])])
])

# TORO_PKG(VARIABLE, module and version, Debian package)
# ------------------------------------------------------
AC_DEFUN([TORO_PKG], [
    PKG_CHECK_MODULES([$1], [$2], [],
        [AC_MSG_ERROR([$2 was not found ($[]$1[]_PKG_ERRORS); on Debian install $3])])
])
