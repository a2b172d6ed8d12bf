/* SPDX-License-Identifier: BSD-3-Clause */
/* A directory per node for orted's session files. Several orteds of one job on one host, all of the
 * same host name, would share a session directory and each removes it when it starts and ends. */
#ifndef SHIM_TMPDIR_H
#define SHIM_TMPDIR_H

#include "shim_path.h"

/** Name of the node's directory below base (NULL: TMPDIR, else /tmp). */
bool shim_tmpdir_name(const char *base, const char *key, const char *node,
                      char path[SHIM_PATH_MAX]);
/** Make it, for this user only. @return false with errno set. */
bool shim_tmpdir_make(const char *path);
/** Remove it with all that is in it; nothing is followed out of it. */
void shim_tmpdir_remove(const char *path);

/** Remove directories of this user's jobs that have no keeper any more, all of them killed. */
void shim_tmpdir_scavenge(void);

#endif
