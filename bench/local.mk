# SPDX-License-Identifier: BSD-3-Clause
# The benchmark: one MPI program, built with the staged mpicc, and the comparison that runs it.
#
#   make bench          all configurations and tests, alternating
#   make bench-quick    a subset of some six minutes
#   make bench-launch   how long launches and MPI_Init take (bench/launch)
#   make bench-count    instructions of one-sided operations, in a Torobus and in a Linux guest
#   make bench-kernel   what the kernel itself costs, against a Linux guest (kernel/run)
#   BENCH_FLAGS='...'   more options for bench/run (bench/run --help)

bench_sources = $(wildcard $(srcdir)/bench/*.c)

all-local: bench/torobench

bench/torobench: $(bench_sources) $(srcdir)/bench/torobench.h openmpi.stamp
	$(AM_V_at)$(MKDIR_P) $(@D)
	$(AM_V_CC)$(stage_env) mpicc -std=gnu11 -O2 -Wall -Wextra -Werror -o $@ $(bench_sources)

bench_env = TORO_SRC='$(abs_srcdir)' TORO_BUILD='$(abs_builddir)' TORO_PREFIX='$(stage_prefix)' \
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

bench bench-quick: all bench/torobench tests/mpi/region-make
	$(bench_env) $(SHELL) $(srcdir)/bench/run \
	    $(if $(filter bench-quick,$@),--quick) $(BENCH_FLAGS)
.PHONY: bench bench-quick

bench-count: all bench/torobench
	$(bench_env) $(SHELL) $(srcdir)/bench/count
.PHONY: bench-count

bench-launch: all tests/mpi/init-time
	$(bench_env) $(SHELL) $(srcdir)/bench/launch $(BENCH_FLAGS)
.PHONY: bench-launch

# Kernels: one static program without MPI, in a Torobus guest and in a minimal Linux guest.
all-local: bench/kernel/kernel

kernel_sources = $(srcdir)/bench/kernel/kernel.c $(srcdir)/bench/kernel/alloc.c

bench/kernel/kernel: $(kernel_sources) $(srcdir)/bench/kernel/kernel.h \
    $(srcdir)/tests/lib/interrupts.h
	$(AM_V_at)$(MKDIR_P) $(@D)
	$(AM_V_CC)$(CC) -std=gnu11 -O2 -fPIE -static-pie -pthread -Wall -Wextra -Werror \
	    -I$(srcdir)/tests/lib -o $@ \
	    $(kernel_sources)

bench-kernel: all bench/kernel/kernel
	$(bench_env) $(SHELL) $(srcdir)/bench/kernel/run $(BENCH_FLAGS)
.PHONY: bench-kernel

# What the driver unpacks and writes, its last report included.
bench-clean:
	rm -rf bench/linux bench/results bench/counts
clean-local: bench-clean
.PHONY: bench-clean

CLEANFILES += bench/torobench bench/kernel/kernel
EXTRA_DIST += bench
