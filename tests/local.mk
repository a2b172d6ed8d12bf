# SPDX-License-Identifier: BSD-3-Clause
# The tests, one list per layer. A new test is a file and a line here.
#
#   unit    tests/unit/NAME.c     host program, built with ASan and UBSan; may include the .c it tests
#           (more flags or libraries for one of them: unit_libs_NAME = ...)
#   tsan    names out of unit_tests that are built and run a second time with ThreadSanitizer
#   abi     tests/abi/NAME.c      static-pie program without MPI: run on Linux, then in a guest
#   guest   tests/guest/NAME.c    the same, run in a guest only
#   *_sh    tests/LAYER/t-NAME.sh shell, starts with . "$TORO_SRC/tests/lib/tap.sh"
#   mpi_programs tests/mpi/NAME.c helpers for mpi_sh, built with the staged mpicc
#
# All speak TAP (tests/lib/tap.h, tap.sh). "timeout: SECONDS" in the first 15 lines of a test's
# source changes its time limit of 120 seconds.

lint_sh = \
    tests/lint/t-format.sh \
    tests/lint/t-headers.sh \
    tests/lint/t-help.sh \
    tests/lint/t-shell.sh \
    tests/lint/t-spdx.sh

overlay_sh = \
    tests/overlay/t-configure.sh \
    tests/overlay/t-pristine.sh

unit_tests = \
    run-region \
    run-ring \
    run-ring-pair \
    run-wakeup

tsan_tests = \
    run-ring-pair \
    run-wakeup

abi_tests = \
    args \
    files \
    fpu \
    futex \
    limits \
    memory \
    nosys \
    pipes \
    polling \
    proc \
    protect \
    sched \
    signals \
    stacks \
    stdio \
    threads \
    times \
    tls \
    tmpfs

guest_tests =

model_sh = \
    tests/model/t-wakeup.sh

shim_sh =

mpi_sh =

mpi_programs =

bench_sh = \
    tests/bench/t-ringbench.sh

bench_programs = tests/bench/ringbench

# --- how they are built --------------------------------------------------------------------------
TEST_EXTENSIONS = .sh .t .abi .guest
unit_bins = $(unit_tests:%=tests/unit/%.t)
tsan_bins = $(tsan_tests:%=tests/unit/%.tsan.t)
abi_bins = $(abi_tests:%=tests/abi/%.abi)
abi_guest_bins = $(abi_tests:%=tests/abi/%.guest)
guest_bins = $(guest_tests:%=tests/guest/%.guest)
mpi_bins = $(mpi_programs:%=tests/mpi/%)
test_bins = $(unit_bins) $(tsan_bins) $(abi_bins) $(abi_guest_bins) $(guest_bins) $(mpi_bins) \
    $(bench_programs)

TESTS += $(lint_sh) $(unit_bins) $(tsan_bins) $(model_sh) $(abi_bins) $(abi_guest_bins) \
    $(guest_bins) $(shim_sh) $(mpi_sh) $(overlay_sh) $(bench_sh)
check_DATA = $(test_bins) $(example_programs)

test_cppflags = -I$(srcdir)/tests/lib -I$(srcdir)/tests -I$(srcdir) -I$(srcdir)/unikernel/include \
    -I$(srcdir)/orted-shim $(AM_CPPFLAGS) -MMD -MP
test_cflags = -std=gnu11 -g -Wall -Wextra -Werror

tests/unit/%.t: $(srcdir)/tests/unit/%.c
	$(AM_V_at)$(MKDIR_P) $(@D)
	$(AM_V_CC)$(CC) $(test_cppflags) $(test_cflags) -O1 -fsanitize=address,undefined \
	    -fno-sanitize-recover=all -pthread -o $@ $< $(unit_libs_$*)

tests/unit/%.tsan.t: $(srcdir)/tests/unit/%.c
	$(AM_V_at)$(MKDIR_P) $(@D)
	$(AM_V_CC)$(CC) $(test_cppflags) $(test_cflags) -O1 -fsanitize=thread -pthread -o $@ $< \
	    $(unit_libs_$*)

tests/abi/%.abi: $(srcdir)/tests/abi/%.c
	$(AM_V_at)$(MKDIR_P) $(@D)
	$(AM_V_CC)$(CC) $(test_cppflags) $(test_cflags) -O2 -fPIE -static-pie -pthread -o $@ $<

# The very same file runs in the guest.
tests/abi/%.guest: tests/abi/%.abi
	$(AM_V_at)rm -f $@ && ln $< $@

tests/guest/%.guest: $(srcdir)/tests/guest/%.c
	$(AM_V_at)$(MKDIR_P) $(@D)
	$(AM_V_CC)$(CC) $(test_cppflags) $(test_cflags) -O2 -fPIE -static-pie -pthread -o $@ $<

# One program of several files; runs on Linux and in a guest.
tests/bench/ringbench: $(srcdir)/tests/bench/ringbench.c $(srcdir)/tests/bench/ringbench-ours.c \
    $(srcdir)/tests/bench/ringbench-others.c $(srcdir)/tests/bench/ringbench.h
	$(AM_V_at)$(MKDIR_P) $(@D)
	$(AM_V_CC)$(CC) $(test_cppflags) $(test_cflags) -O2 -fPIE -static-pie -pthread -o $@ \
	    $(filter %.c,$^)

tests/mpi/%: $(srcdir)/tests/mpi/%.c openmpi.stamp
	$(AM_V_at)$(MKDIR_P) $(@D)
	$(AM_V_CC)$(stage_env) mpicc $(test_cppflags) $(test_cflags) -O2 -o $@ $< $(static_quiet)

-include $(wildcard tests/*/*.d)

# --- how they are run ------------------------------------------------------------------------------
tap_driver = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/config/tap-driver.sh
timed = $(SHELL) $(top_srcdir)/tests/lib/timed.sh
SH_LOG_DRIVER = $(tap_driver)
SH_LOG_COMPILER = $(timed) $(SHELL)
T_LOG_DRIVER = $(tap_driver)
T_LOG_COMPILER = $(timed)
ABI_LOG_DRIVER = $(tap_driver)
ABI_LOG_COMPILER = $(timed)
GUEST_LOG_DRIVER = $(tap_driver)
GUEST_LOG_COMPILER = $(timed) $(stage_prefix)/bin/toro-run -n 1

# The one place where a test's environment is made.
AM_TESTS_ENVIRONMENT = \
    TORO_SRC='$(abs_srcdir)'; export TORO_SRC; \
    TORO_BUILD='$(abs_builddir)'; export TORO_BUILD; \
    TORO_PREFIX='$(stage_prefix)'; export TORO_PREFIX; \
    TORO_OMPI_SOURCE='$(OMPI_SOURCE)'; OMPI_PRISTINE='$(OMPI_PRISTINE)'; \
    export TORO_OMPI_SOURCE OMPI_PRISTINE; \
    OPAL_PREFIX='$(stage_prefix)'; export OPAL_PREFIX; \
    PATH='$(stage_prefix)'/bin:$$PATH; export PATH; \
    CC='$(CC)'; CLANG='$(CLANG)'; SPIN='$(SPIN)'; QEMU='$(QEMU)'; AWK='$(AWK)'; MAKE='$(MAKE)'; \
    export CC CLANG SPIN QEMU AWK MAKE; \
    OMPI_ALLOW_RUN_AS_ROOT=1; OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; \
    export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM; \
    LC_ALL=C; TZ=UTC; export LC_ALL TZ; \
    unset TOROBUS_KERNEL TORO_STRACE MAKEFLAGS MFLAGS MAKELEVEL;

# A run that is over: count it. `make check` itself stops at the first layer of make that failed.
check-summary:
	@$(SHELL) $(srcdir)/tests/lib/summary.sh $(TEST_LOGS:.log=.trs)
.PHONY: check-summary

CLEANFILES += $(test_bins)
EXTRA_DIST += tests
