# SPDX-License-Identifier: BSD-3-Clause
# The tests, one list per layer. A new test is a file and a line here.
#
#   unit    tests/unit/NAME.t     from NAME.c: host program, built with ASan and UBSan; may include the .c it tests
#           (more flags or libraries for one of them: unit_libs_NAME = ..., with _ for -)
#   tsan    tests/unit/NAME.tsan.t  those that are built and run a second time with ThreadSanitizer
#   abi     tests/abi/NAME.abi    NAME.c is a static-pie program without MPI: run on Linux as NAME.linux.host, then in
#           a guest as NAME.guest (two names, because each needs a log of its own)
#   guest   tests/guest/NAME.guest  the same, run in a guest only
#   *_sh    tests/LAYER/t-NAME.sh shell, starts with . "$TORO_SRC/tests/lib/tap.sh"
#   *_programs                    what the shell tests start
#
# (Whole names, not patterns: automake loses a pattern such as %=tests/%.t that it finds in TESTS.)
# All speak TAP (tests/lib/tap.h, tap.sh). "timeout: SECONDS" in the first 15 lines of a test's
# source changes its time limit of 120 seconds.

lint_sh = \
    tests/lint/t-harness.sh \
    tests/lint/t-format.sh \
    tests/lint/t-headers.sh \
    tests/lint/t-help.sh \
    tests/lint/t-lists.sh \
    tests/lint/t-shell.sh \
    tests/lint/t-spdx.sh

overlay_sh = \
    tests/overlay/t-configure.sh \
    tests/overlay/t-install.sh \
    tests/overlay/t-pristine.sh \
    tests/overlay/t-suite.sh

unit_bins = \
    tests/unit/run-bind.t \
    tests/unit/run-cfi.t \
    tests/unit/run-corefile.t \
    tests/unit/run-ctl.t \
    tests/unit/run-elf.t \
    tests/unit/run-keeper-region.t \
    tests/unit/run-kmalloc.t \
    tests/unit/run-lib.t \
    tests/unit/run-numa.t \
    tests/unit/run-p9.t \
    tests/unit/run-pages.t \
    tests/unit/run-path.t \
    tests/unit/run-pipes.t \
    tests/unit/run-pmix-hosted.t \
    tests/unit/run-pmix-hostile.t \
    tests/unit/run-pmix-items.t \
    tests/unit/run-pmix-server.t \
    tests/unit/run-pmix-threads.t \
    tests/unit/run-pool.t \
    tests/unit/run-protect.t \
    tests/unit/run-qemuargv.t \
    tests/unit/run-region.t \
    tests/unit/run-ring.t \
    tests/unit/run-ring-pair.t \
    tests/unit/run-sched.t \
    tests/unit/run-shim.t \
    tests/unit/run-shim-elf.t \
    tests/unit/run-start.t \
    tests/unit/run-virtq.t \
    tests/unit/run-vma.t \
    tests/unit/run-wakeup.t

tsan_bins = \
    tests/unit/run-kmalloc.tsan.t \
    tests/unit/run-pmix-threads.tsan.t \
    tests/unit/run-pool.tsan.t \
    tests/unit/run-ring-pair.tsan.t \
    tests/unit/run-sched.tsan.t \
    tests/unit/run-wakeup.tsan.t

abi_bins = \
    tests/abi/args.abi \
    tests/abi/cores.abi \
    tests/abi/cores-memory.abi \
    tests/abi/files.abi \
    tests/abi/fpu.abi \
    tests/abi/futex.abi \
    tests/abi/itimers.abi \
    tests/abi/limits.abi \
    tests/abi/locks.abi \
    tests/abi/mapfile.abi \
    tests/abi/memory.abi \
    tests/abi/mutexes.abi \
    tests/abi/nosys.abi \
    tests/abi/openmp.abi \
    tests/abi/pipes.abi \
    tests/abi/polling.abi \
    tests/abi/proc.abi \
    tests/abi/protect.abi \
    tests/abi/quiet.abi \
    tests/abi/sched.abi \
    tests/abi/signals.abi \
    tests/abi/stacks.abi \
    tests/abi/stdio.abi \
    tests/abi/threads.abi \
    tests/abi/times.abi \
    tests/abi/tls.abi \
    tests/abi/tmpfs.abi

# the same in C++, from NAME.cc
abi_cxx_bins = \
    tests/abi/cxx.abi

# and in Fortran, from NAME.f90, where there is a compiler for it
if FORTRAN
abi_fortran_bins = \
    tests/abi/fortran.abi
mpi_fortran_programs = \
    mpi/fortran
endif

guest_bins =

guest_sh = \
    tests/guest/t-arch.sh \
    tests/guest/t-boot.sh \
    tests/guest/t-sysfuzz.sh

model_sh = \
    tests/model/t-wakeup.sh

shim_sh = \
    tests/shim/t-alone.sh \
    tests/shim/t-config.sh \
    tests/shim/t-foreign.sh \
    tests/shim/t-hostile.sh \
    tests/shim/t-kill.sh \
    tests/shim/t-mpirun.sh \
    tests/shim/t-native.sh

mpi_sh = \
    tests/mpi/t-launch.sh \
    tests/mpi/t-pt2pt.sh \
    tests/mpi/t-coll.sh \
    tests/mpi/t-cores.sh \
    tests/mpi/t-bind.sh \
    tests/mpi/t-topology.sh \
    tests/mpi/t-coll-many.sh \
    tests/mpi/t-coll-spread.sh \
    tests/mpi/t-given.sh \
    tests/mpi/t-graph.sh \
    tests/mpi/t-pmix.sh \
    tests/mpi/t-pmix-api.sh \
    tests/mpi/t-code.sh \
    tests/mpi/t-spawn.sh \
    tests/mpi/t-keep.sh \
    tests/mpi/t-jobs.sh \
    tests/mpi/t-init.sh \
    tests/mpi/t-slurm.sh \
    tests/mpi/t-debian.sh \
    tests/mpi/t-stdio.sh \
    tests/mpi/t-stdio-big.sh \
    tests/mpi/t-exit.sh \
    tests/mpi/t-diagnosis.sh \
    tests/mpi/t-core.sh \
    tests/mpi/t-gdb.sh \
    tests/mpi/t-root.sh \
    tests/mpi/t-memory.sh \
    tests/mpi/t-locks.sh \
    tests/mpi/t-signal.sh \
    tests/mpi/t-kill.sh \
    tests/mpi/t-kill-early.sh \
    tests/mpi/t-ends.sh \
    tests/mpi/t-bad.sh \
    tests/mpi/t-mistakes.sh \
    tests/mpi/t-stencil.sh \
    tests/mpi/t-firmware.sh \
    tests/mpi/t-fortran.sh \
    tests/mpi/t-wide.sh \
    tests/mpi/t-btl-native.sh \
    tests/mpi/t-btl-guest.sh \
    tests/mpi/t-huge.sh \
    tests/mpi/t-idle.sh \
    tests/mpi/t-mixed.sh \
    tests/mpi/t-lost.sh \
    tests/mpi/t-io.sh \
    tests/mpi/t-time.sh

bench_sh = \
    tests/bench/t-ringbench.sh \
    tests/bench/t-ports.sh

suite_sh = \
    tests/suite/t-places.sh \
    tests/suite/t-runner.sh

fuzz_sh = \
    tests/fuzz/t-fuzz.sh

# libFuzzer targets, tests/fuzz/NAME.c; built by the test, with clang.
fuzz_names = \
    cfi \
    ctl \
    elf \
    family \
    keeper \
    lock \
    native \
    p9 \
    pmix \
    proxy \
    proxy-pmix \
    qmp \
    ranges \
    ring \
    shim-elf \
    start \
    virtq

# --- programs that tests start; paths below tests/, more_PATH (with _ for / and -) are further sources ----------------
mpi_programs = \
    mpi/act-mpi \
    mpi/graph \
    mpi/hwloc \
    mpi/init-time \
    mpi/mpi-io \
    mpi/code \
    mpi/btl-accum \
    mpi/btl-lost \
    mpi/btl-p2p \
    mpi/btl-busy \
    mpi/btl-fair \
    mpi/btl-ports \
    mpi/btl-pvars \
    mpi/btl-pairs \
    mpi/btl-rma \
    mpi/btl-spawn \
    mpi/btl-threads \
    mpi/pmix-api \
    mpi/pmix-names \
    mpi/pt2pt \
    mpi/spawn

more_mpi_pmix_api = mpi/pmix-api-data.c mpi/pmix-api-events.c mpi/pmix-api-names.c

# static-pie without MPI: for Linux and guests
pie_programs = \
    bench/ringbench \
    guest/sysfuzz \
    mpi/act \
    mpi/breathe \
    mpi/crash \
    mpi/lock \
    mpi/keep-mem \
    mpi/leave
more_bench_ringbench = bench/ringbench-ours.c bench/ringbench-others.c

# for the host
host_programs = \
    mpi/numa \
    mpi/region-make \
    shim/fakeguest \
    unit/run-pmix-bridge
more_shim_fakeguest = shim/fakepmix.c

# What unit tests need beside themselves.
unit_libs_run_bind = $(HWLOC_CFLAGS) $(HWLOC_LIBS)
unit_libs_run_numa = $(HWLOC_CFLAGS) $(HWLOC_LIBS)
unit_libs_run_keeper_region = $(LIBEVENT_CFLAGS) $(HWLOC_CFLAGS)
unit_libs_run_pmix_items = $(PMIX_CFLAGS) $(LIBEVENT_CFLAGS) $(PMIX_LIBS)

# What abi tests need.
abi_libs_openmp = -fopenmp

# --- how they are built --------------------------------------------------------------------------
TEST_EXTENSIONS = .sh .t .guest .host
abi_linux_bins = $(abi_bins:.abi=.linux.host)
abi_linux_cxx_bins = $(abi_cxx_bins:.abi=.linux.host)
abi_linux_fortran_bins = $(abi_fortran_bins:.abi=.linux.host)
abi_guest_bins = $(abi_bins:.abi=.guest) $(abi_cxx_bins:.abi=.guest) $(abi_fortran_bins:.abi=.guest)
mpi_bins = $(mpi_programs:%=tests/%)
mpi_fortran_bins = $(mpi_fortran_programs:%=tests/%)
pie_bins = $(pie_programs:%=tests/%)
host_bins = $(host_programs:%=tests/%)
test_bins = $(unit_bins) $(tsan_bins) $(abi_linux_bins) $(abi_linux_cxx_bins) $(abi_linux_fortran_bins) \
    $(abi_guest_bins) $(guest_bins) $(mpi_bins) $(mpi_fortran_bins) $(pie_bins) $(host_bins)

TESTS += $(lint_sh) $(unit_bins) $(tsan_bins) $(model_sh) $(abi_linux_bins) $(abi_linux_cxx_bins) $(abi_linux_fortran_bins) \
    $(guest_sh) $(guest_bins) $(abi_guest_bins) $(shim_sh) $(mpi_sh) $(overlay_sh) $(bench_sh) $(suite_sh) $(fuzz_sh)
check_DATA = $(test_bins) $(example_programs) $(fortran_example_programs)

# What else a program with several sources depends on.
more = $(more_$(subst -,_,$(subst /,_,$*)):%=$(srcdir)/tests/%)
test_headers = $(wildcard $(srcdir)/tests/*/*.h)

test_cppflags = -I$(srcdir)/tests/lib -I$(srcdir)/tests -I$(srcdir) -I$(srcdir)/unikernel/include \
    -I$(srcdir)/orted-shim $(AM_CPPFLAGS) -MMD -MP -MT $@ -MF $@.d
test_cflags = -std=gnu11 -g -Wall -Wextra -Werror
test_build = $(test_cppflags) $(test_cflags) -pthread -o $@ $< $(more)
test_pre = $(AM_V_at)$(MKDIR_P) $(@D)
pie_build = -O2 -fPIE -static-pie $(test_build)

$(unit_bins): tests/unit/%.t: $(srcdir)/tests/unit/%.c
	$(test_pre)
	$(AM_V_CC)$(CC) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
	    $(test_build) $(unit_libs_$(subst -,_,$*))

$(tsan_bins): tests/unit/%.tsan.t: $(srcdir)/tests/unit/%.c
	$(test_pre)
	$(AM_V_CC)$(CC) -O1 -fsanitize=thread $(test_build) $(unit_libs_$(subst -,_,$*))

$(abi_linux_bins): tests/abi/%.linux.host: $(srcdir)/tests/abi/%.c
	$(test_pre)
	$(AM_V_CC)$(CC) $(pie_build) $(abi_libs_$(subst -,_,$*))

$(abi_linux_cxx_bins): tests/abi/%.linux.host: $(srcdir)/tests/abi/%.cc
	$(test_pre)
	$(AM_V_CC)$(CXX) -std=c++23 -O2 -fPIE -static-pie -U_GNU_SOURCE $(test_cppflags) -g -Wall -Wextra -Werror \
	    -pthread -o $@ $<

# Debian's libgfortran.a calls these through weak references, which in a static program stay NULL unless
# something else needs them. (Open MPI does need them all; t-fortran.sh looks.)
gfortran_weak = cond_broadcast cond_destroy cond_init cond_wait create getspecific join key_create key_delete \
    mutex_destroy mutex_init mutex_lock mutex_trylock mutex_unlock self setspecific
gfortran_static = $(gfortran_weak:%=-Wl,-u,pthread_%)
fortran_flags = -O2 -g -Wall -Wextra -Werror -Wno-compare-reals -Wno-function-elimination
$(abi_linux_fortran_bins): tests/abi/%.linux.host: $(srcdir)/tests/abi/%.f90
	$(test_pre)
	$(AM_V_FC)$(FC) $(fortran_flags) -fPIE -static-pie -fopenmp $(gfortran_static) -J$(@D) -o $@ $<

# The very same file runs in the guest.
$(abi_guest_bins): tests/abi/%.guest: tests/abi/%.linux.host
	$(AM_V_at)rm -f $@ && ln $< $@

$(guest_bins): tests/guest/%.guest: $(srcdir)/tests/guest/%.c
	$(test_pre)
	$(AM_V_CC)$(CC) $(pie_build)

$(pie_bins): tests/%: $(srcdir)/tests/%.c $(test_headers)
	$(test_pre)
	$(AM_V_CC)$(CC) $(pie_build)

$(host_bins): tests/%: $(srcdir)/tests/%.c $(test_headers)
	$(test_pre)
	$(AM_V_CC)$(CC) -O2 $(test_build)

$(mpi_bins): tests/%: $(srcdir)/tests/%.c openmpi.stamp
	$(test_pre)
	$(AM_V_CC)$(stage_env) mpicc -O2 $(mpi_flags_$(subst -,_,$(*F))) $(test_build)

# the hwloc inside Open MPI, with the headers that are not installed
hwloc_include = opal/mca/hwloc/hwloc201/hwloc/include
mpi_flags_hwloc = -I$(OMPI_SOURCE)/$(hwloc_include) -Iopenmpi/$(hwloc_include)

# the layer of Open MPI that calls PMIx
libevent_include = opal/mca/event/libevent2022/libevent
mpi_flags_pmix_api = $(foreach d,$(OMPI_SOURCE) openmpi,-isystem $d -isystem $d/opal/include \
    -isystem $d/orte/include -isystem $d/$(hwloc_include) -isystem $d/$(libevent_include) \
    -isystem $d/$(libevent_include)/include)

$(mpi_fortran_bins): tests/%: $(srcdir)/tests/%.f90 openmpi.stamp
	$(test_pre)
	$(AM_V_FC)$(stage_env) mpifort $(fortran_flags) -fcheck=bounds -J$(@D) -o $@ $<

# (their .d names one source only)
tests/mpi/pmix-api: $(wildcard $(srcdir)/tests/mpi/pmix-api*.c)
tests/bench/ringbench: $(wildcard $(srcdir)/tests/bench/*.c)
tests/shim/fakeguest: $(wildcard $(srcdir)/tests/shim/*.c)

-include $(wildcard tests/*/*.d)

# --- how they are run ------------------------------------------------------------------------------
tap_driver = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/config/tap-driver.sh
timed = $(SHELL) $(top_srcdir)/tests/lib/timed.sh
SH_LOG_DRIVER = $(tap_driver)
SH_LOG_COMPILER = $(timed) $(SHELL)
T_LOG_DRIVER = $(tap_driver)
T_LOG_COMPILER = $(timed)
HOST_LOG_DRIVER = $(tap_driver)
HOST_LOG_COMPILER = $(timed)
GUEST_LOG_DRIVER = $(tap_driver)
GUEST_LOG_COMPILER = $(timed) $(stage_prefix)/bin/toro-run -n 1

# The one place where a test's environment is made.
AM_TESTS_ENVIRONMENT = \
    TORO_SRC='$(abs_srcdir)'; export TORO_SRC; \
    TORO_BUILD='$(abs_builddir)'; export TORO_BUILD; \
    TORO_PREFIX='$(stage_prefix)'; export TORO_PREFIX; \
    TORO_OMPI_SOURCE='$(OMPI_SOURCE)'; OMPI_PRISTINE='$(OMPI_PRISTINE)'; \
    export TORO_OMPI_SOURCE OMPI_PRISTINE; \
    PATH='$(stage_prefix)'/bin:$$PATH; export PATH; \
    CC='$(CC)'; FC='$(FC)'; CLANG='$(CLANG)'; SPIN='$(SPIN)'; QEMU='$(QEMU)'; AWK='$(AWK)'; MAKE='$(MAKE)'; \
    export CC FC CLANG SPIN QEMU AWK MAKE; \
    OMPI_ALLOW_RUN_AS_ROOT=1; OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; \
    export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM; \
    LC_ALL=C; TZ=UTC; export LC_ALL TZ; \
    TOROBUS_CONFIG=; export TOROBUS_CONFIG; \
    unset TOROBUS_KERNEL TORO_STRACE MAKEFLAGS MFLAGS MAKELEVEL;

# A run that is over: count it. (check-list is for those who run tests/lib/summary.sh themselves.)
check-summary:
	@$(SHELL) $(srcdir)/tests/lib/summary.sh $(TEST_LOGS:.log=.trs)
check-list:
	@echo $(TEST_LOGS:.log=.trs)
.PHONY: check-summary check-list

CLEANFILES += $(test_bins)
EXTRA_DIST += tests

# --- suites that others wrote: long, so not in `make check` ------------------------------------------
# SUITE_FLAGS go to tests/run-suite, e.g. SUITE_FLAGS="--only 'pt2pt/*' --where native,1 -j 2".
check-ompi check-mpich: all-local
	@$(AM_TESTS_ENVIRONMENT) $(SHELL) $(srcdir)/tests/suite/$@.sh $(SUITE_FLAGS)
.PHONY: check-ompi check-mpich

# --- fuzzing ------------------------------------------------------------------------------------------
fuzz_bins = $(fuzz_names:%=tests/fuzz/bin/%)
fuzz-bins: $(fuzz_bins)
$(fuzz_bins): tests/fuzz/bin/%: $(srcdir)/tests/fuzz/%.c $(srcdir)/tests/fuzz/fuzz.h
	$(test_pre)
	$(AM_V_CC)$(CLANG) -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	    -I$(srcdir)/tests/lib -I$(srcdir) -I$(srcdir)/unikernel/include -I$(srcdir)/orted-shim \
	    $(AM_CPPFLAGS) $(PMIX_CFLAGS) $(LIBEVENT_CFLAGS) $(HWLOC_CFLAGS) $(JSON_C_CFLAGS) \
	    -MMD -MP -MT $@ -MF tests/fuzz/$*.d \
	    $(test_cflags) -pthread -o $@ $< $(PMIX_LIBS) $(LIBEVENT_LIBS) $(JSON_C_LIBS)

# make fuzz FUZZ_SECONDS=600: each target for so long; FUZZ_KEEP=DIR keeps the inputs it grew.
fuzz: all-local
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-60}; export FUZZ_SECONDS; $(AM_TESTS_ENVIRONMENT) \
	    MAKE='$(MAKE)' $(SHELL) $(srcdir)/tests/fuzz/t-fuzz.sh
.PHONY: fuzz fuzz-bins
CLEANFILES += $(fuzz_bins)

# --- longer than `make check` -----------------------------------------------------------------------
# The whole table of violent ends.
check-ends:
	TORO_ENDS=all; export TORO_ENDS; $(MAKE) check TESTS='tests/mpi/t-ends.sh'
# 100 MB through stdin and stdout.
check-stdio:
	TORO_STDIO_MB=100; export TORO_STDIO_MB; $(MAKE) check TESTS='tests/mpi/t-stdio-big.sh'
.PHONY: check-ends check-stdio
