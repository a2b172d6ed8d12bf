/* SPDX-License-Identifier: BSD-3-Clause */
/* osc/torobus: what its two files share. */
#ifndef OMPI_OSC_TOROBUS_H
#define OMPI_OSC_TOROBUS_H

struct ompi_win_t;

/**
 * Lets accumulating operations of a window that osc/rdma has made work in the target's memory,
 * where every rank can reach it: if btl/torobus carries the window and it is no dynamic one.
 * Otherwise they stay as they are. In any window the rank knows its own displacement unit then.
 * @param win  a window whose module is osc/rdma's; the module's functions are replaced in place and
 *             end with it
 * Caller: whoever selects the window's component, on all ranks of it: the operations of one rank
 * and of another exclude each other by the same lock.
 */
void ompi_osc_torobus_in_place(struct ompi_win_t *win);

#endif
