/* SPDX-License-Identifier: BSD-3-Clause */
/* A core with one thread is left alone: in a guest no interrupt of any kind comes while it
 * computes. cores: 2 timeout: 120 */
#include <interrupts.h>
#include <tap.h>

#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

int main(void)
{
    static const char *const rows[] = {"LOC", "RES", "TLB", "MSI"};
    struct utsname u;
    bool guest = uname(&u) == 0 && strstr(u.release, "torobus") != NULL;
    long before[4], after[4];
    struct timespec t;
    cpu_set_t all, one;
    double end;
    int last = 0;

    CPU_ZERO(&all);
    sched_getaffinity(0, sizeof(all), &all);
    for (int i = 0; i < CPU_SETSIZE; i++)
        last = CPU_ISSET(i, &all) ? i : last;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    t_eq(sched_setaffinity(0, sizeof(one), &one), 0, "on the last core");
    /* Reading the counts reads no file of the host, so only we make any here. */
    for (int i = 0; i < 4; i++)
        before[i] = interrupts(rows[i]);
    t_ok(before[0] >= 0 && before[1] >= 0, "/proc/interrupts counts");
    clock_gettime(CLOCK_MONOTONIC, &t);
    end = (double)t.tv_sec + (double)t.tv_nsec * 1e-9 + 1.0;
    do
        clock_gettime(CLOCK_MONOTONIC, &t);
    while ((double)t.tv_sec + (double)t.tv_nsec * 1e-9 < end);
    for (int i = 0; i < 4; i++)
        after[i] = interrupts(rows[i]);
    for (int i = 0; i < 4; i++) {
        if (guest)
            t_eq(after[i] - before[i], 0, rows[i]);
        else
            t_diag("%s: %ld", rows[i], after[i] - before[i]);
    }
    return t_done();
}
