# SPDX-License-Identifier: BSD-3-Clause
# Sources of the host programs, relative to the top of the tree.
# All are compiled with -std=c11 -D_GNU_SOURCE, -I of unikernel/uapi and orted-shim, and
# -DTOROBUS_VERSION='"..."' (optional). toro-run: libpmix, libevent, hwloc, pthread.
# orted-shim and toro-info: libevent, hwloc. toro-rsh: nothing.
# The programs find the kernel at ../lib/torobus/torobus.elf and orted beside themselves.
SHIM_BASE_SOURCES = \
	orted-shim/shim_job.c \
	orted-shim/shim_msg.c

SHIM_COMMON_SOURCES = \
	$(SHIM_BASE_SOURCES) \
	orted-shim/keeper_attach.c \
	orted-shim/keeper_boot.c \
	orted-shim/keeper_client.c \
	orted-shim/keeper_clock.c \
	orted-shim/keeper_ctl.c \
	orted-shim/keeper_guest.c \
	orted-shim/keeper_info.c \
	orted-shim/keeper_ivshmem.c \
	orted-shim/keeper_log.c \
	orted-shim/keeper_main.c \
	orted-shim/keeper_qemu.c \
	orted-shim/keeper_region.c \
	orted-shim/shim_accel.c \
	orted-shim/shim_attach.c \
	orted-shim/shim_elf.c \
	orted-shim/shim_env.c \
	orted-shim/shim_frame.c \
	orted-shim/shim_kvmprobe.c \
	orted-shim/shim_parse.c \
	orted-shim/shim_path.c \
	orted-shim/shim_qemuargv.c \
	orted-shim/shim_sink.c \
	orted-shim/shim_source.c \
	orted-shim/shim_tmpdir.c

TORO_RUN_SOURCES = \
	$(SHIM_COMMON_SOURCES) \
	orted-shim/proxy_exit.c \
	orted-shim/proxy_launch.c \
	orted-shim/proxy_main.c \
	orted-shim/proxy_pmix.c \
	orted-shim/proxy_pmix_args.c \
	orted-shim/proxy_pmix_event.c \
	orted-shim/proxy_pmix_job.c \
	orted-shim/proxy_pmix_msg.c \
	orted-shim/proxy_pmix_names.c \
	orted-shim/proxy_pmix_ops.c \
	orted-shim/proxy_pmix_spawn.c \
	orted-shim/proxy_pmix_value.c \
	orted-shim/proxy_stdio.c \
	orted-shim/run_alone.c \
	orted-shim/run_dry.c \
	orted-shim/run_job.c \
	orted-shim/run_options.c \
	orted-shim/run_place.c \
	orted-shim/run_proxy.c \
	orted-shim/toro_run.c

ORTED_SHIM_SOURCES = \
	$(SHIM_COMMON_SOURCES) \
	orted-shim/orted_shim.c

TORO_INFO_SOURCES = \
	$(SHIM_COMMON_SOURCES) \
	orted-shim/toro_info.c

TORO_RSH_SOURCES = \
	$(SHIM_BASE_SOURCES) \
	orted-shim/toro_rsh.c
