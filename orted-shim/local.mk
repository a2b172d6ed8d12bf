# SPDX-License-Identifier: BSD-3-Clause
# The host programs: four mains over one library of their own.

bin_PROGRAMS += orted-shim/toro-rsh orted-shim/orted-shim orted-shim/toro-run orted-shim/toro-info
noinst_LIBRARIES += orted-shim/libshim.a

shim_cppflags = -I$(srcdir)/orted-shim $(AM_CPPFLAGS) \
    $(LIBEVENT_CFLAGS) $(PMIX_CFLAGS) $(HWLOC_CFLAGS) $(JSON_C_CFLAGS)
shim_libs = orted-shim/libshim.a $(LIBEVENT_LIBS) $(PMIX_LIBS) $(HWLOC_LIBS) $(JSON_C_LIBS) \
    -lpthread

orted_shim_libshim_a_CPPFLAGS = $(shim_cppflags)
orted_shim_libshim_a_SOURCES = \
    orted-shim/family.c \
    orted-shim/family.h \
    orted-shim/family_data.c \
    orted-shim/family_info.c \
    orted-shim/family_names.c \
    orted-shim/family_spawn.c \
    orted-shim/keeper.h \
    orted-shim/keeper_attach.c \
    orted-shim/keeper_bind.c \
    orted-shim/keeper_boot.c \
    orted-shim/keeper_client.c \
    orted-shim/keeper_clock.c \
    orted-shim/keeper_core.c \
    orted-shim/keeper_ctl.c \
    orted-shim/keeper_gdb.c \
    orted-shim/keeper_guest.c \
    orted-shim/keeper_info.c \
    orted-shim/keeper_ivshmem.c \
    orted-shim/keeper_keep.c \
    orted-shim/keeper_log.c \
    orted-shim/keeper_main.c \
    orted-shim/keeper_native.c \
    orted-shim/keeper_numa.c \
    orted-shim/keeper_qemu.c \
    orted-shim/keeper_qmp.c \
    orted-shim/keeper_region.c \
    orted-shim/keeper_stop.c \
    orted-shim/proxy.h \
    orted-shim/proxy_exit.c \
    orted-shim/proxy_gdb.c \
    orted-shim/proxy_launch.c \
    orted-shim/proxy_lock.c \
    orted-shim/proxy_main.c \
    orted-shim/proxy_pmix.c \
    orted-shim/proxy_pmix.h \
    orted-shim/proxy_pmix_args.c \
    orted-shim/proxy_pmix_event.c \
    orted-shim/proxy_pmix_job.c \
    orted-shim/proxy_pmix_msg.c \
    orted-shim/proxy_pmix_names.c \
    orted-shim/proxy_pmix_ops.c \
    orted-shim/proxy_pmix_spawn.c \
    orted-shim/proxy_pmix_value.c \
    orted-shim/proxy_stdio.c \
    orted-shim/run.h \
    orted-shim/run_alone.c \
    orted-shim/run_bind.c \
    orted-shim/run_dry.c \
    orted-shim/run_job.c \
    orted-shim/run_native.c \
    orted-shim/run_options.c \
    orted-shim/run_place.c \
    orted-shim/run_proxy.c \
    orted-shim/shim_accel.c \
    orted-shim/shim_accel.h \
    orted-shim/shim_attach.c \
    orted-shim/shim_bind.c \
    orted-shim/shim_bind.h \
    orted-shim/shim_attach.h \
    orted-shim/shim_config.c \
    orted-shim/shim_config.h \
    orted-shim/shim_cores.c \
    orted-shim/shim_cores.h \
    orted-shim/shim_elf.c \
    orted-shim/shim_elf.h \
    orted-shim/shim_env.c \
    orted-shim/shim_env.h \
    orted-shim/shim_frame.c \
    orted-shim/shim_frame.h \
    orted-shim/shim_hello.c \
    orted-shim/shim_hello.h \
    orted-shim/shim_huge.c \
    orted-shim/shim_huge.h \
    orted-shim/shim_job.c \
    orted-shim/shim_job.h \
    orted-shim/shim_kvmprobe.c \
    orted-shim/shim_msg.c \
    orted-shim/shim_msg.h \
    orted-shim/shim_numa.c \
    orted-shim/shim_numa.h \
    orted-shim/shim_parse.c \
    orted-shim/shim_parse.h \
    orted-shim/shim_path.c \
    orted-shim/shim_path.h \
    orted-shim/shim_pool.c \
    orted-shim/shim_pool.h \
    orted-shim/shim_qemuargv.c \
    orted-shim/shim_qemuargv.h \
    orted-shim/shim_sink.c \
    orted-shim/shim_sink.h \
    orted-shim/shim_source.c \
    orted-shim/shim_source.h \
    orted-shim/shim_tmpdir.c \
    orted-shim/shim_tmpdir.h

orted_shim_toro_rsh_SOURCES = orted-shim/toro_rsh.c
orted_shim_toro_rsh_CPPFLAGS = $(shim_cppflags)
orted_shim_toro_rsh_LDADD = $(shim_libs)

orted_shim_orted_shim_SOURCES = orted-shim/orted_shim.c
orted_shim_orted_shim_CPPFLAGS = $(shim_cppflags)
orted_shim_orted_shim_LDADD = $(shim_libs)

orted_shim_toro_run_SOURCES = orted-shim/toro_run.c
orted_shim_toro_run_CPPFLAGS = $(shim_cppflags)
orted_shim_toro_run_LDADD = $(shim_libs)

orted_shim_toro_info_SOURCES = orted-shim/toro_info.c orted-shim/info.h orted-shim/info_check.c \
    orted-shim/info_jobs.c orted-shim/info_watch.c
orted_shim_toro_info_CPPFLAGS = $(shim_cppflags)
orted_shim_toro_info_LDADD = $(shim_libs)
