/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/torobus: a rank attaches to the port of its first core, sleeps until a message comes, wakes
 * others.
 *
 * Messages themselves never come here: only a receiver that wants to sleep and a sender that has
 * read its `sleeping` word do. */
#include <toro/arch.h>
#include <toro/boot.h>
#include <toro/bus.h>
#include <toro/errno.h>
#include <toro/fs.h>
#include <toro/lib.h>
#include <toro/linux.h>
#include <toro/proc.h>
#include <torobus/dev.h>
#include <torobus/wakeup.h>

/* Longest sleep without a look around: a peer may lie in the shared region, we need not believe it.
 */
#define WAIT_MAX_NS (3600ull * 1000000000ull)

/* A core's port, as the kernel sees it. Stays for ever: doorbells may come at any time. */
struct port {
    struct toro_waitq q;       /* threads in WAIT */
    _Atomic unsigned sleepers; /* how many */
    _Atomic int poked;         /* something else than a message wants attention */
    struct toro_spinlock lock; /* owner */
    struct toro_proc *owner;   /* attached rank */
    struct torobus_port *shared;
} __attribute__((aligned(64)));

static struct port ports[TORO_MAX_CORES];

static uint32_t port_id(unsigned core)
{
    return toro_bus.guest * toro_bus.sb.ports_per_guest + core;
}

void toro_bus_on_doorbell(unsigned core)
{
    struct port *pt = &ports[core];

    if (pt->shared == NULL)
        return;
    atomic_fetch_add_explicit(&pt->shared->stats.doorbells_recv, 1, memory_order_relaxed);
    toro_wake(&pt->q, UINT32_MAX);
}

void toro_bus_poke(struct toro_proc *p)
{
    struct port *pt = &ports[p->core];

    /* Order: poked, then the look for waiters; pairs with wait_port(): waiter, then poked. */
    atomic_store_explicit(&pt->poked, 1, memory_order_seq_cst);
    if (pt->q.waiters.next != NULL)
        toro_wake(&pt->q, UINT32_MAX);
}

/* Wake the owner of a port, wherever it is. Port checked. */
static void ring(uint32_t port)
{
    uint32_t guest = port / toro_bus.sb.ports_per_guest;
    unsigned core = port % toro_bus.sb.ports_per_guest;
    struct torobus_slice_hdr *h;

    if (guest == toro_bus.guest) {
        if (core < arch_ncores())
            toro_wake(&ports[core].q, UINT32_MAX);
        return;
    }
    h = torobus_slice_at(toro_bus.base, &toro_bus.sb, guest);
    if (atomic_load_explicit(&h->state, memory_order_acquire) == TOROBUS_SLICE_UP)
        toro_ivshmem_ring(h->ivshmem_id, core);
}

/* The next port after `port` (~0 to begin) that somebody may use: unused control blocks are not
 * even looked at, that would make memory of them. @return ~0u at the end. */
static uint32_t next_port(uint32_t port)
{
    const struct torobus_superblock *sb = &toro_bus.sb;

    for (port++; port < sb->nports; port++) {
        struct torobus_slice_hdr *h =
            torobus_slice_at(toro_bus.base, sb, port / sb->ports_per_guest);
        uint32_t state = atomic_load_explicit(&h->state, memory_order_acquire);

        if ((state == TOROBUS_SLICE_UP || h->native != 0) && port % sb->ports_per_guest < h->ncores)
            return port;
    }
    return ~0u;
}

/* No port may go on with a ring of this port's last owner: its memory is gone. */
static void forget_rings(uint32_t self)
{
    for (uint32_t i = next_port(~0u); i != ~0u; i = next_port(i))
        atomic_store_explicit(&torobus_port_at(toro_bus.base, &toro_bus.sb, i)->ring[self], 0,
                              memory_order_relaxed);
}

static long attach(struct toro_proc *p, struct toro_file *f, unsigned long arg)
{
    struct port *pt = &ports[p->core];
    struct torobus_port *s = pt->shared;
    struct torobus_dev_info info;
    int err = 0;

    if (toro_copy_from_user(&info, (void *)arg, sizeof(info)) != 0)
        return -EFAULT;
    if (info.version != TOROBUS_ABI_VERSION)
        return -EOPNOTSUPP;
    toro_spin_lock(&pt->lock);
    if (pt->owner != NULL)
        err = -EBUSY;
    else
        pt->owner = p;
    toro_spin_unlock(&pt->lock);
    if (err != 0)
        return err;
    p->bus = f;
    p->was_on_bus = true;
    f->priv = p;

    forget_rings(port_id(p->core));
    /* Nobody sends here while the port is not OPEN; late senders of a rank before find the epoch
     * changed. */
    s->owner_rank = p->world_rank;
    atomic_store_explicit(&s->sleeping, 0, memory_order_relaxed);
    atomic_store_explicit(&s->pending_summary, 0, memory_order_relaxed);
    for (unsigned i = 0; i < TOROBUS_PENDING_WORDS; i++)
        atomic_store_explicit(&s->pending[i], 0, memory_order_relaxed);
    for (unsigned i = 0; i < TOROBUS_MAX_PORTS; i++)
        atomic_store_explicit(&s->ring[i], 0, memory_order_relaxed);
    toro_memset((void *)&s->stats, 0, sizeof(s->stats));
    atomic_store_explicit(&pt->poked, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->epoch, 1, memory_order_relaxed);
    /* Order: [O] everything above, then OPEN; pairs with the peers' acquire of state. */
    atomic_store_explicit(&s->state, TOROBUS_PORT_OPEN, memory_order_release);

    info = (struct torobus_dev_info){
        .version = TOROBUS_ABI_VERSION,
        .port = port_id(p->core),
        .guest = toro_bus.guest,
        .core = p->core,
        .region_va = (uint64_t)toro_bus.base,
        .region_size = toro_bus.sb.region_size,
        .spin_ns = toro_boot.spin_ns,
        .ncores = arch_ncores(),
        .can_sleep = 1,
    };
    return toro_copy_to_user((void *)arg, &info, sizeof(info));
}

static long wait_port(struct toro_proc *p, unsigned long arg)
{
    struct port *pt = &ports[p->core];
    struct torobus_port *s = pt->shared;
    struct toro_thread *t = toro_current();
    struct toro_waiter w = {.thread = t};
    struct torobus_dev_wait a;
    bool slept = false;

    if (toro_copy_from_user(&a, (void *)arg, sizeof(a)) != 0)
        return -EFAULT;
    if (pt->owner != p)
        return -EINVAL;
    if (a.timeout_ns == 0) {
        toro_yield();
        return 0;
    }
    toro_list_init(&w.link);
    atomic_fetch_add_explicit(&pt->sleepers, 1, memory_order_relaxed);
    toro_block_begin();
    toro_wait_add(&pt->q, &w);
    /* The contract's fence stands in torobus_wake_sleep(); our waiter is queued before it, so who
     * sees sleeping = 1 finds us. */
    if (torobus_wake_sleep(s) &&
        atomic_exchange_explicit(&pt->poked, 0, memory_order_seq_cst) == 0) {
        t->where = "message";
        slept = true;
        (void)toro_block(arch_now_ns() + TORO_MIN(a.timeout_ns, WAIT_MAX_NS), true);
        t->where = NULL;
    }
    toro_wait_del(&w);
    /* The last sleeper is awake: senders need not ring. */
    if (atomic_fetch_sub_explicit(&pt->sleepers, 1, memory_order_relaxed) == 1)
        torobus_wake_up(s);
    if (slept) {
        atomic_fetch_add_explicit(&s->stats.sleeps, 1, memory_order_relaxed);
        atomic_store_explicit(&pt->poked, 0, memory_order_relaxed);
    }
    return 0;
}

static long kick(struct toro_proc *p, unsigned long port)
{
    struct torobus_port *s = ports[p->core].shared;

    if (port >= toro_bus.sb.nports)
        return -EINVAL;
    atomic_fetch_add_explicit(&s->stats.doorbells_sent, 1, memory_order_relaxed);
    ring((uint32_t)port);
    return 0;
}

static long bus_ioctl(struct toro_file *f, unsigned cmd, unsigned long arg)
{
    struct toro_proc *p = toro_current_proc();

    switch (cmd) {
    case TOROBUS_IOC_ATTACH:
        return attach(p, f, arg);
    case TOROBUS_IOC_WAIT:
        return wait_port(p, arg);
    case TOROBUS_IOC_KICK:
        return kick(p, arg);
    default:
        return -ENOTTY;
    }
}

/* Mark the port dead and let everybody who is connected to it look. */
static void detach(struct toro_proc *p)
{
    struct port *pt = &ports[p->core];
    struct torobus_port *s = pt->shared;
    uint32_t self = port_id(p->core);
    bool mine;

    toro_spin_lock(&pt->lock);
    mine = pt->owner == p;
    pt->owner = NULL;
    toro_spin_unlock(&pt->lock);
    if (!mine)
        return;
    p->bus = NULL;
    /* Order: DEAD, then the peers' bits; pairs with their look at state after taking a bit. */
    atomic_store_explicit(&s->state, TOROBUS_PORT_DEAD, memory_order_seq_cst);
    torobus_wake_up(s);
    for (uint32_t i = next_port(~0u); i != ~0u; i = next_port(i)) {
        struct torobus_port *peer = torobus_port_at(toro_bus.base, &toro_bus.sb, i);

        if (i == self ||
            atomic_load_explicit(&peer->state, memory_order_acquire) != TOROBUS_PORT_OPEN)
            continue;
        if (atomic_load_explicit(&peer->ring[self], memory_order_relaxed) == 0 &&
            atomic_load_explicit(&s->ring[i], memory_order_relaxed) == 0)
            continue;
        if (torobus_wake_raise(peer, self))
            ring(i);
    }
}

void toro_bus_proc_end(struct toro_proc *p)
{
    detach(p);
}

static void bus_release(struct toro_file *f)
{
    if (f->priv != NULL)
        detach(f->priv);
}

static const struct toro_file_ops bus_ops = {.ioctl = bus_ioctl, .release = bus_release};

static int bus_open(struct toro_file *f)
{
    f->ops = &bus_ops;
    f->priv = NULL;
    return 0;
}

void toro_bus_init(void)
{
    for (unsigned i = 0; i < TORO_MAX_CORES; i++)
        toro_waitq_init(&ports[i].q);
    for (unsigned i = 0; i < arch_ncores(); i++) {
        ports[i].shared = torobus_port_at(toro_bus.base, &toro_bus.sb, port_id(i));
        atomic_store_explicit(&ports[i].shared->state, TOROBUS_PORT_FREE, memory_order_relaxed);
    }
    /* Superblock and slice headers are for reading: what a stray pointer wrote there, all guests
     * would believe. */
    if (arch_protect((uint64_t)toro_bus.base,
                     TORO_ALIGN_DOWN(toro_bus.sb.port_offset, TORO_PAGE_SIZE), ARCH_PROT_READ) != 0)
        toro_panic("no memory for the page tables");
    if (toro_dev_register("torobus", bus_open) != 0)
        toro_panic("no memory for /dev/torobus");
}
