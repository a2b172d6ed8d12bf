/* SPDX-License-Identifier: BSD-3-Clause */
/* A Linux process on the host as a port, among its like: TOROBUS_REGION names the region's file.
 * (In a job with guests the keeper gives region and port: btl_torobus_keeper.c, which uses the
 * upper half of this file.)
 *
 * The last slice may be marked native. Its ports are taken first come, first served; its memory is
 * divided evenly among them and holds their rings. A sleeper waits on the futex of its port's
 * sleeping word. What the process allocates itself is not in the region. */
#include "opal_config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "btl_torobus_bus.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* Poll so long before sleeping: there are cores to spare, or there are not. */
#define SPIN_ALONE_NS  1000000
#define SPIN_SHARED_NS 5000

static struct {
    char *base;
    struct torobus_superblock sb;
    uint32_t port;
    uint64_t next, end; /* offsets of this port's memory that is not handed out yet */
} native;

/* ---- for every Linux process ---- */

int mca_btl_torobus_native_map(int fd, struct torobus_superblock *sb, const char **why)
{
    struct stat st;
    void *base;

    if (0 != fstat(fd, &st) || (off_t)sizeof(native.sb) > st.st_size ||
        (off_t)TOROBUS_REGION_MAX < st.st_size) {
        *why = "the region is a file that is none";
        return OPAL_ERROR;
    }
    base = mmap((void *)TOROBUS_REGION_VA, (size_t)st.st_size, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, 0);
    if ((void *)TOROBUS_REGION_VA != base) {
        *why = MAP_FAILED == base && ENOMEM == errno
                   ? "there is no address space for the region; see ulimit -v"
                   : "the region's address is taken in this process";
        if (MAP_FAILED != base) {
            munmap(base, (size_t)st.st_size);
        }
        return OPAL_ERROR;
    }
    native.base = base;
    memcpy(&native.sb, base, sizeof(native.sb));
    if (!torobus_superblock_ok(&native.sb, (uint64_t)st.st_size)) {
        *why = TOROBUS_REGION_MAGIC == native.sb.magic && TOROBUS_ABI_VERSION != native.sb.version
                   ? MCA_BTL_TOROBUS_OTHER_ABI
                   : "the region's superblock does not make sense";
        munmap(base, (size_t)st.st_size);
        return OPAL_ERROR;
    }
    /* A core file of this process is not one of all the others. */
    (void)madvise(base, (size_t)st.st_size, MADV_DONTDUMP);
    *sb = native.sb;
    return OPAL_SUCCESS;
}

void mca_btl_torobus_native_unmap(void)
{
    munmap(native.base, native.sb.region_size);
}

void mca_btl_torobus_native_own(uint32_t port)
{
    const uint64_t share = native.sb.slice_size / native.sb.ports_per_guest & ~4095ull;

    native.port = port;
    native.next = torobus_slice_offset(&native.sb, port / native.sb.ports_per_guest) +
                  share * (port % native.sb.ports_per_guest);
    native.end = native.next + share;
#ifdef PR_SET_PTRACER
    /* Where it takes permission to read another process's memory, give it to our peers. */
    (void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
#endif
}

void *mca_btl_torobus_native_alloc(size_t size)
{
    const uint64_t offset = native.next;

    size = (size + 4095) & ~(size_t)4095;
    if (size > native.end - offset) {
        return NULL;
    }
    native.next = offset + size;
    return native.base + offset;
}

/* ---- without a keeper ---- */

/* Take a free port of the native slice and make it as good as new. */
static bool claim_port(uint32_t guest)
{
    const uint32_t first = guest * native.sb.ports_per_guest;

    for (uint32_t i = 0; i < native.sb.ports_per_guest; i++) {
        struct torobus_port *port = torobus_port_at(native.base, &native.sb, first + i);
        uint32_t state = atomic_load_explicit(&port->state, memory_order_acquire);

        if (TOROBUS_PORT_OPEN == state ||
            !atomic_compare_exchange_strong(&port->state, &state, TOROBUS_PORT_OPEN)) {
            continue;
        }
        native.port = first + i;
        atomic_store_explicit(&port->sleeping, 0, memory_order_relaxed);
        atomic_store_explicit(&port->pending_summary, 0, memory_order_relaxed);
        for (uint32_t w = 0; w < TOROBUS_PENDING_WORDS; w++) {
            atomic_store_explicit(&port->pending[w], 0, memory_order_relaxed);
        }
        for (uint32_t s = 0; s < TOROBUS_MAX_PORTS; s++) {
            atomic_store_explicit(&port->ring[s], 0, memory_order_relaxed);
        }
        memset(&port->stats, 0, sizeof(port->stats));
        atomic_fetch_add_explicit(&port->epoch, 1, memory_order_release);
        return true;
    }
    return false;
}

static uint32_t spin_ns(void)
{
    cpu_set_t cpus;
    const uint32_t ranks = opal_process_info.num_local_peers + 1;

    if (0 != sched_getaffinity(0, sizeof(cpus), &cpus)) {
        return SPIN_SHARED_NS;
    }
    /* A rank that is bound sees its own cores only: then nobody else is there. */
    return 1 == CPU_COUNT(&cpus) || ranks <= (uint32_t)CPU_COUNT(&cpus) ? SPIN_ALONE_NS
                                                                        : SPIN_SHARED_NS;
}

static int native_attach(struct torobus_dev_info *info, const char **why)
{
    const char *path = getenv("TOROBUS_REGION");
    struct torobus_superblock sb;
    uint32_t guest;
    int fd, rc;

    if (NULL == path) {
        return OPAL_ERR_NOT_AVAILABLE;
    }
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (0 > fd) {
        *why = strerror(errno);
        return OPAL_ERROR;
    }
    rc = mca_btl_torobus_native_map(fd, &sb, why);
    close(fd);
    if (OPAL_SUCCESS != rc) {
        return rc;
    }
    guest = sb.nguests - 1;
    if (0 == torobus_slice_at(native.base, &sb, guest)->native) {
        *why = "the region has no place for Linux processes";
    } else if (!claim_port(guest)) {
        *why = "all ports for Linux processes are taken";
    } else {
        mca_btl_torobus_native_own(native.port);
        *info = (struct torobus_dev_info){
            .version = TOROBUS_ABI_VERSION,
            .port = native.port,
            .guest = guest,
            .core = native.port % sb.ports_per_guest,
            .region_va = TOROBUS_REGION_VA,
            .region_size = sb.region_size,
            .spin_ns = spin_ns(),
            .ncores = sb.ports_per_guest,
            .can_sleep = 1,
        };
        return OPAL_SUCCESS;
    }
    mca_btl_torobus_native_unmap();
    return OPAL_ERROR;
}

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
    return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

static void native_wait(uint64_t ns)
{
    struct torobus_port *self = torobus_port_at(native.base, &native.sb, native.port);
    const struct timespec timeout = {.tv_sec = (time_t)(ns / 1000000000u),
                                     .tv_nsec = (long)(ns % 1000000000u)};

    if (torobus_wake_sleep(self)) {
        mca_btl_torobus_bus_count(&self->stats.sleeps, 1);
        (void)futex(&self->sleeping, FUTEX_WAIT, 1, &timeout);
    }
    torobus_wake_up(self);
}

/* The word is the futex: whoever wakes clears it first, so that a sleeper on its way into the
 * kernel does not sleep. */
static void native_kick(uint32_t port)
{
    struct torobus_port *peer = torobus_port_at(native.base, &native.sb, port);

    mca_btl_torobus_bus_count(&mca_btl_torobus_bus.self->stats.doorbells_sent, 1);
    atomic_store_explicit(&peer->sleeping, 0, memory_order_seq_cst);
    (void)futex(&peer->sleeping, FUTEX_WAKE, 1, NULL);
}

static void native_detach(void)
{
    /* The mapping stays: rings of peers may still be looked at by other threads. */
    atomic_store_explicit(&torobus_port_at(native.base, &native.sb, native.port)->state,
                          TOROBUS_PORT_FREE, memory_order_release);
}

const mca_btl_torobus_platform_t mca_btl_torobus_native = {
    .attach = native_attach,
    .alloc = mca_btl_torobus_native_alloc,
    .wait = native_wait,
    .kick = native_kick,
    .detach = native_detach,
    .private_memory = true,
};
