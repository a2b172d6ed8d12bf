# SPDX-License-Identifier: BSD-3-Clause
# Sources of the host programs, relative to the top of the tree. All need -D_GNU_SOURCE,
# -I unikernel/uapi and -I orted-shim.
SHIM_COMMON_SOURCES = \
	orted-shim/shim_msg.c \
	orted-shim/shim_parse.c \
	orted-shim/shim_job.c \
	orted-shim/shim_path.c
