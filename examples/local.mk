# SPDX-License-Identifier: BSD-3-Clause
# The examples, built with the staged mpicc and mpifort exactly as a user would build them.

example_programs = $(example_names:%=examples/%)
example_names = hello ring pi stencil collectives hybrid topology
if FORTRAN
fortran_example_programs = examples/ring_mpif examples/pi_mpi examples/heat_f08
endif

example_flags = -O2 -Wall -Wextra
collectives_sources = $(wildcard $(srcdir)/examples/coll_*.c)

all-local: $(example_programs) $(fortran_example_programs)

examples/collectives: $(srcdir)/examples/collectives.c $(collectives_sources) \
    $(srcdir)/examples/coll.h openmpi.stamp
	$(AM_V_at)$(MKDIR_P) $(@D)
	$(AM_V_CC)$(stage_env) mpicc $(example_flags) -o $@ $(srcdir)/examples/collectives.c \
	    $(collectives_sources) -lm

examples/hybrid: example_flags += -fopenmp

examples/%: $(srcdir)/examples/%.c openmpi.stamp
	$(AM_V_at)$(MKDIR_P) $(@D)
	$(AM_V_CC)$(stage_env) mpicc $(example_flags) -o $@ $< -lm

examples/%: $(srcdir)/examples/%.f90 openmpi.stamp
	$(AM_V_at)$(MKDIR_P) $(@D)
	$(AM_V_FC)$(stage_env) mpifort $(example_flags) -o $@ $<

examples/%: $(srcdir)/examples/%.f openmpi.stamp
	$(AM_V_at)$(MKDIR_P) $(@D)
	$(AM_V_FC)$(stage_env) mpifort $(example_flags) -o $@ $<

CLEANFILES += $(example_programs) $(fortran_example_programs)
EXTRA_DIST += examples

# The sources, for whoever has only the prefix.
install-data-hook:
	$(MKDIR_P) $(DESTDIR)$(pkgdatadir)/examples
	$(INSTALL_DATA) $(wildcard $(srcdir)/examples/*.[chf] $(srcdir)/examples/*.f90) $(DESTDIR)$(pkgdatadir)/examples
