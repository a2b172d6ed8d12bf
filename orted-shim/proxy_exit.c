/* SPDX-License-Identifier: BSD-3-Clause */
/* Ending as the rank ended. */
#include "proxy.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

void proxy_exit(int code)
{
    proxy_pmix_unused();
    if (code > PROXY_SIGNALED) {
        const struct rlimit nocore = {0, 0};
        int sig = code - PROXY_SIGNALED;
        sigset_t set;

        /* the rank's core is not ours */
        setrlimit(RLIMIT_CORE, &nocore);
        signal(sig, SIG_DFL);
        sigemptyset(&set);
        sigaddset(&set, sig);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        raise(sig);
        _exit(128 + sig);
    }
    /* no atexit handlers: libpmix must not look finalized when the rank did not finalize */
    _exit(code);
}
