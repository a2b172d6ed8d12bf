/* SPDX-License-Identifier: BSD-3-Clause */
/* toro-info: what it says about this machine and its settings. */
#ifndef INFO_H
#define INFO_H

#include <stdbool.h>

/** Check the machine, a line per thing. @return false if something is to be fixed. */
bool info_check(void);

/** Every setting, its value and where that comes from. */
void info_settings(void);

#endif
