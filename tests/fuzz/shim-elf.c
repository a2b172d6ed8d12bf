/* SPDX-License-Identifier: BSD-3-Clause */
/* An executable file, as toro-run looks at it before anything boots. */
#include "../../orted-shim/shim_elf.c"

#include "fuzz.h"

#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char path[32], err[512] = "";

    if (fd < 0)
        fd = memfd_create("fuzz", 0);
    FUZZ_ASSERT(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (!shim_elf_check(path, err))
        FUZZ_ASSERT(err[0] != '\0' && strlen(err) < sizeof(err));
    return 0;
}
