/* SPDX-License-Identifier: BSD-3-Clause */
/* A rank in a guest as a port: through /dev/torobus. All of its memory lies in the region. */
#include "opal_config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "btl_torobus_bus.h"

static int fd = -1;

static int dev_attach(struct torobus_dev_info *info, const char **why)
{
    fd = open(TOROBUS_DEV_PATH, O_RDWR | O_CLOEXEC);
    if (0 > fd) {
        *why = strerror(errno);
        return ENOENT == errno || ENODEV == errno || ENXIO == errno ? OPAL_ERR_NOT_AVAILABLE
                                                                    : OPAL_ERROR;
    }
    *info = (struct torobus_dev_info){.version = TOROBUS_ABI_VERSION};
    if (0 != ioctl(fd, TOROBUS_IOC_ATTACH, info)) {
        *why = EOPNOTSUPP == errno ? MCA_BTL_TOROBUS_OTHER_ABI : strerror(errno);
        close(fd);
        fd = -1;
        return OPAL_ERROR;
    }
    return OPAL_SUCCESS;
}

static void *dev_alloc(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return MAP_FAILED == p ? NULL : p;
}

static void dev_wait(uint64_t ns)
{
    struct torobus_dev_wait wait = {.timeout_ns = ns};

    (void)ioctl(fd, TOROBUS_IOC_WAIT, &wait);
}

static void dev_kick(uint32_t port)
{
    (void)ioctl(fd, TOROBUS_IOC_KICK, (unsigned long)port);
}

static void dev_detach(void)
{
    close(fd);
    fd = -1;
}

const mca_btl_torobus_platform_t mca_btl_torobus_dev = {
    .attach = dev_attach,
    .alloc = dev_alloc,
    .wait = dev_wait,
    .kick = dev_kick,
    .detach = dev_detach,
    .private_memory = false,
};
