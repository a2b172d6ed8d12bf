/* SPDX-License-Identifier: BSD-3-Clause */
/* OpenMP with the static libgomp: teams, loops, reductions, tasks, locks, nested and repeated
 * regions, more threads than processors, places.
 * cores: 2 timeout: 240 */
#include <tap.h>

#include <omp.h>
#include <sched.h>
#include <string.h>

static int fib(int n)
{
    int a, b;

    if (n < 2)
        return n;
#pragma omp task shared(a) if (n > 8)
    a = fib(n - 1);
#pragma omp task shared(b) if (n > 8)
    b = fib(n - 2);
#pragma omp taskwait
    return a + b;
}

static int mine;
#pragma omp threadprivate(mine)

int main(void)
{
    enum { N = 100000 };
    static int hit[N];
    long sum = 0, bad = 0;
    int count = 0, result = 0, level = 0;
    omp_lock_t lock;
    cpu_set_t set;

    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof(set), &set);
    t_eq(omp_get_num_procs(), CPU_COUNT(&set), "omp_get_num_procs is what affinity says");

#pragma omp parallel num_threads(4)
#pragma omp atomic
    count++;
    t_eq(count, 4, "a team of four");

#pragma omp parallel for num_threads(3) schedule(dynamic, 100) reduction(+ : sum)
    for (int i = 0; i < N; i++) {
        hit[i]++;
        sum += i;
    }
    for (int i = 0; i < N; i++)
        bad += hit[i] != 1;
    t_ok(bad == 0 && sum == (long)N * (N - 1) / 2, "a dynamic loop with a reduction");

    count = 0;
    for (int round = 0; round < 200; round++) {
#pragma omp parallel num_threads(3)
        {
#pragma omp barrier
#pragma omp single
            count++;
        }
    }
    t_eq(count, 200, "200 regions with barrier and single");

#pragma omp parallel num_threads(3)
#pragma omp single
    result = fib(16);
    t_eq(result, 987, "tasks");

    omp_init_lock(&lock);
    count = 0;
#pragma omp parallel num_threads(4)
    for (int i = 0; i < 2000; i++) {
        omp_set_lock(&lock);
        count++;
        omp_unset_lock(&lock);
    }
    omp_destroy_lock(&lock);
    t_eq(count, 8000, "a lock");

    count = 0;
#pragma omp parallel num_threads(4)
    for (int i = 0; i < 2000; i++)
#pragma omp critical
        count++;
    t_eq(count, 8000, "a critical section");

    omp_set_max_active_levels(2);
    count = 0;
#pragma omp parallel num_threads(2)
#pragma omp parallel num_threads(2)
    {
#pragma omp atomic
        count++;
#pragma omp critical
        level = omp_get_level();
    }
    t_ok(count == 4 && level == 2, "nested regions");

    bad = 0;
#pragma omp parallel num_threads(3)
    mine = omp_get_thread_num() + 1;
#pragma omp parallel num_threads(3) reduction(+ : bad)
    bad += mine != omp_get_thread_num() + 1;
    t_eq(bad, 0, "threadprivate variables last");
    return t_done();
}
