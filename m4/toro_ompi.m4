# SPDX-License-Identifier: BSD-3-Clause
# Where Open MPI's source is, and the options it is configured with.

# TORO_OMPI
# ---------
# Sets OMPI_SOURCE, OMPI_VERSION, OMPI_OPTIONS and toro_prefix.
AC_DEFUN([TORO_OMPI], [
    AC_ARG_WITH([ompi-source],
        [AS_HELP_STRING([--with-ompi-source=DIR],
            [Open MPI 4.1.x source tree that ./autogen.sh --with-ompi-source=DIR prepared (required)])])
    AC_ARG_VAR([OMPI_CFLAGS], [compiler flags for Open MPI (default: -O3 -fPIE)])
    AC_ARG_VAR([OMPI_FCFLAGS], [Fortran flags for Open MPI (default: -O2 -fPIE)])
    AC_ARG_VAR([OMPI_PRISTINE],
        [the tarball or .dsc that the tree was unpacked from; a test compares the tree with it])
    AC_ARG_VAR([OMPI_CONFIGURE_OPTIONS],
        [more options for Open MPI's configure; they come last and win, as in
         OMPI_CONFIGURE_OPTIONS=--enable-mpi-fortran=mpifh])

    AS_CASE(["$with_ompi_source"],
        [''|yes|no],
        [AC_MSG_ERROR([--with-ompi-source=DIR is required: DIR is an Open MPI 4.1.x source tree in which ./autogen.sh --with-ompi-source=DIR has been run])])
    AC_MSG_CHECKING([for the Open MPI source tree])
    AS_IF([test ! -d "$with_ompi_source"],
          [AC_MSG_RESULT([none])
           AC_MSG_ERROR([--with-ompi-source=$with_ompi_source: no such directory])])
    OMPI_SOURCE=`cd "$with_ompi_source" && pwd`
    OMPI_VERSION=`$SED -n -e 's/^major=//p' -e 's/^minor=//p' -e 's/^release=//p' "$OMPI_SOURCE/VERSION" 2>/dev/null | paste -s -d. -`
    AC_MSG_RESULT([$OMPI_SOURCE, version $OMPI_VERSION])
    AS_CASE(["$OMPI_SOURCE"],
        [*[[\ \	\"\'\`\$]]*],
        [AC_MSG_ERROR([the path of the Open MPI tree must be free of blanks and quotes])])
    AS_CASE([$OMPI_VERSION],
        [4.1.*], [],
        [AC_MSG_ERROR([$OMPI_SOURCE is not an Open MPI 4.1.x source tree])])
    AS_IF([test ! -r "$OMPI_SOURCE/opal/mca/btl/torobus/.autogen-stamp"],
          [AC_MSG_ERROR([$OMPI_SOURCE does not have the Torobus components; run ./autogen.sh --with-ompi-source=$OMPI_SOURCE first])])
    AC_SUBST([OMPI_SOURCE])
    AC_SUBST([OMPI_VERSION])

    # The prefix is compiled into Open MPI, so it has to be final here.
    toro_prefix=$prefix
    AS_IF([test "x$toro_prefix" = xNONE], [toro_prefix=$ac_default_prefix])
    AS_CASE([$toro_prefix],
        [*[[\ \	\"\'\`\$:]]*],
        [AC_MSG_ERROR([--prefix must be free of blanks, colons and quotes])])

    # Fortran's bindings are built where a compiler is: it must link static-pie, like the rest.
    toro_fortran=none
    AS_IF([test -n "$FC"], [toro_fortran=all])

    # Everything static: a rank is one static-pie file. What no user of this prefix can reach
    # (fabrics, Java, OpenSHMEM, netlink) stays out to keep the build short.
    OMPI_OPTIONS="\
--enable-static --disable-shared --disable-dlopen \
--with-hwloc=internal --with-libevent=internal --with-pmix=internal \
--disable-hwloc-pci --disable-libxml2 --without-zlib --without-libnl \
--without-verbs --without-ucx --without-ofi --without-psm --without-psm2 --without-portals4 \
--disable-oshmem --disable-mpi-java --enable-mpi-fortran=$toro_fortran --disable-pty-support \
--enable-mca-no-build=reachable-netlink --disable-wrapper-rpath --disable-wrapper-runpath \
--with-wrapper-cflags=-fPIE --with-wrapper-fcflags=-fPIE --with-wrapper-ldflags=-static-pie \
--with-torobus"
    AC_SUBST([OMPI_OPTIONS])
    AS_IF([test -z "$OMPI_CFLAGS"], [OMPI_CFLAGS='-O3 -fPIE'])
    AS_IF([test -z "$OMPI_FCFLAGS"], [OMPI_FCFLAGS='-O2 -fPIE'])
])
