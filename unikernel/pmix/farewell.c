/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a rank. Its peers are told late enough that whoever started the job has heard of it
 * first: their own giving up must not be taken for the reason. */
#include "srv.h"

/* A rank that failed is its launcher's business, which ends the others. This long it may take. */
#define GRACE_NS 2000000000ull

static struct toro_thread *thread;

/* A member of the job ended without finalize: say so to the others. With a host server it is the
 * host's word that counts. */
static void tell_others(const struct pmix_job *job, uint32_t rank)
{
    int32_t what = TOROBUS_PMIX_EV_PROC_ABORTED;

    for (unsigned i = 0; i < TORO_MAX_CORES; i++) {
        struct pmix_client *c = &toro_pmix.client[i];
        struct pmix_msg *m;

        if (!c->inited || c->job != job || c->rank == rank)
            continue;
        m = toro_pmix_msg_new(TOROBUS_PMIX_EVENT, 0, 0, 128);
        if (m &&
            toro_pmix_add_str(&m, TOROBUS_PMIX_K_STATUS, TOROBUS_PMIX_T_S32, 0, &what,
                              sizeof(what)) &&
            toro_pmix_add_str(&m, TOROBUS_PMIX_K_PROC, TOROBUS_PMIX_T_PROC, rank, job->nspace,
                              job->nslen))
            toro_pmix_deliver(c, m);
        else
            toro_kfree(m);
    }
}

void toro_pmix_say_goodbye(const struct pmix_farewell *bye)
{
    if (!bye->job)
        return;
    toro_pmix_rank_gone(bye->job, bye->rank);
    if (bye->aborted && !bye->hosted)
        tell_others(bye->job, bye->rank);
    toro_pmix_job_put(bye->job);
}

void toro_pmix_proc_end(struct toro_proc *p)
{
    struct pmix_farewell *bye;
    struct pmix_client *c;
    bool improper = false;

    if (p->index >= TORO_MAX_CORES)
        return;
    c = &toro_pmix.client[p->index];
    bye = &toro_pmix.farewell[p->index];
    toro_spin_lock(&toro_pmix.lock);
    if (!bye->due) {
        *bye = (struct pmix_farewell){.due = true, .rank = p->index, .when = UINT64_MAX};
        if (c->file && c->proc == p)
            toro_pmix_client_end(c, bye);
        bye->hosted = (p->start_flags & TOROBUS_START_HOSTED) != 0;
        bye->failed = p->exit_arg != 0;
        /* An error, as mpirun sees it; and nobody else would tell the user why the job ends. */
        if (bye->aborted && !bye->hosted && p->exit_arg == 0) {
            p->exit_arg = 1;
            improper = true;
        }
        bye->local_size = p->local_size;
    }
    if (c->proc == p)
        c->proc = NULL;
    toro_spin_unlock(&toro_pmix.lock);
    if (improper)
        toro_proc_complain(p, "torobus: rank %u ended without MPI_Finalize; that ends the job\n",
                           p->world_rank);
}

/* Ranks that ended before their peers came have to be remembered, but not into the guest's next
 * job. */
static void remember(unsigned index, uint32_t local_size)
{
    uint64_t bits;
    unsigned n = 0;

    toro_pmix.ended |= 1ull << index;
    for (bits = toro_pmix.ended; bits; bits &= bits - 1)
        n++;
    if (n >= local_size) {
        toro_pmix.ended = 0;
        toro_pmix.family = false;
        toro_pmix_publish_clear();
    }
}

static void complete(unsigned index)
{
    struct pmix_farewell bye = toro_pmix.farewell[index];

    toro_pmix.farewell[index].due = false;
    if (!bye.hosted && !bye.job) {
        /* the one job there is, where rank and index are the same; it never came to INIT */
        toro_list_each_safe(&toro_pmix.jobs, l, next)
        {
            toro_pmix_rank_gone(toro_list_entry(l, struct pmix_job, link), index);
        }
    }
    remember(index, bye.local_size);
    toro_pmix_say_goodbye(&bye);
}

uint64_t toro_pmix_farewells(uint64_t now)
{
    uint64_t next = UINT64_MAX;

    for (unsigned i = 0; i < TORO_MAX_CORES; i++) {
        const struct pmix_farewell *bye = &toro_pmix.farewell[i];

        if (!bye->due)
            continue;
        if (bye->when <= now)
            complete(i);
        else
            next = TORO_MIN(next, bye->when);
    }
    return next;
}

void toro_pmix_proc_gone(unsigned index)
{
    struct pmix_farewell *bye;

    if (index >= TORO_MAX_CORES)
        return;
    bye = &toro_pmix.farewell[index];
    toro_spin_lock(&toro_pmix.lock);
    if (bye->due && bye->failed) {
        bye->when = arch_now_ns() + GRACE_NS;
        toro_thread_wake(thread);
    } else if (bye->due) {
        complete(index);
    }
    toro_spin_unlock(&toro_pmix.lock);
}

void toro_pmix_reset(void)
{
    toro_spin_lock(&toro_pmix.lock);
    (void)toro_pmix_farewells(UINT64_MAX);
    toro_pmix.ended = 0;
    toro_pmix.family = false;
    toro_pmix_publish_clear();
    toro_spin_unlock(&toro_pmix.lock);
    toro_pmix_flush();
}

void toro_pmix_flush_soon(void)
{
    toro_thread_wake(thread);
}

static void farewell_thread(void *arg)
{
    (void)arg;
    for (;;) {
        uint64_t next;

        toro_pmix_flush();
        toro_block_begin();
        toro_spin_lock(&toro_pmix.lock);
        next = toro_pmix_farewells(arch_now_ns());
        if (atomic_load_explicit(&toro_pmix.nout, memory_order_relaxed) != 0)
            next = 0;
        toro_spin_unlock(&toro_pmix.lock);
        (void)toro_block(next, false);
    }
}

void toro_pmix_farewell_init(void)
{
    thread = toro_kthread("pmix", 0, farewell_thread, NULL);
    if (!thread)
        toro_panic("pmix: no memory for a thread");
}
