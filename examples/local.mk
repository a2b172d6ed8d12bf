# SPDX-License-Identifier: BSD-3-Clause
# The examples, built with the staged mpicc exactly as a user would build them.

example_programs = $(example_names:%=examples/%)
example_names = hello ring pi stencil collectives hybrid

example_flags = -O2 -Wall -Wextra
collectives_sources = $(wildcard $(srcdir)/examples/coll_*.c)

all-local: $(example_programs)

examples/collectives: $(srcdir)/examples/collectives.c $(collectives_sources) \
    $(srcdir)/examples/coll.h openmpi.stamp
	$(AM_V_at)$(MKDIR_P) $(@D)
	$(AM_V_CC)$(stage_env) mpicc $(example_flags) -o $@ $(srcdir)/examples/collectives.c \
	    $(collectives_sources) -lm

examples/hybrid: example_flags += -fopenmp

examples/%: $(srcdir)/examples/%.c openmpi.stamp
	$(AM_V_at)$(MKDIR_P) $(@D)
	$(AM_V_CC)$(stage_env) mpicc $(example_flags) -o $@ $< -lm

CLEANFILES += $(example_programs)
EXTRA_DIST += examples

# The sources, for whoever has only the prefix.
install-data-hook:
	$(MKDIR_P) $(DESTDIR)$(pkgdatadir)/examples
	$(INSTALL_DATA) $(wildcard $(srcdir)/examples/*.[ch]) $(DESTDIR)$(pkgdatadir)/examples
