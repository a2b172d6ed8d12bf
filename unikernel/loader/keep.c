/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that stays for another job: forgets the old one. The keeper gives the slice's memory back
 * to the host, so the next job finds zeros; only copies of program files are left where they are.
 */
#include "image.h"
#include <toro/arch.h>
#include <toro/bus.h>
#include <toro/ctl.h>
#include <toro/errno.h>
#include <toro/fs.h>
#include <toro/kpmix.h>
#include <toro/lib.h>
#include <toro/mm.h>

static struct torobus_ctl_reset done;
static bool resetting;

static void keep(uint64_t va, uint64_t len)
{
    if (len == 0 || done.nkeep == TOROBUS_CTL_KEEP_MAX)
        return;
    done.keep[done.nkeep++] = (struct torobus_ctl_range){va - TOROBUS_REGION_VA, len};
}

static int forget(void)
{
    uint64_t va, len;
    int err;

    for (unsigned i = 0; i < arch_ncores(); i++)
        if (toro_proc(i) != NULL)
            return EBUSY;
    toro_pmix_reset();
    err = toro_fs_reset();
    if (err != 0)
        return -err;
    done.nkeep = 0;
    for (unsigned i = 0; toro_image_range(i, &va, &len); i++)
        keep(va, len);
    return 0;
}

static void on_reset(const struct torobus_ctl_hdr *h, const void *body)
{
    int err = forget();

    (void)h;
    (void)body;
    if (err != 0)
        done.nkeep = 0;
    done.tsc = arch_tsc();
    resetting = err == 0;
    (void)toro_ctl_send(TOROBUS_CTL_RESET_DONE, TOROBUS_CTL_NOBODY, (uint32_t)err, &done,
                        TOROBUS_CTL_RESET_SIZE(done.nkeep));
}

static void on_wiped(const struct torobus_ctl_hdr *h, const void *body)
{
    (void)h;
    (void)body;
    if (!resetting)
        return;
    resetting = false;
    toro_pools_wiped(done.keep, done.nkeep);
}

void toro_keep_init(void)
{
    toro_ctl_register(TOROBUS_CTL_RESET, on_reset);
    toro_ctl_register(TOROBUS_CTL_WIPED, on_wiped);
}
