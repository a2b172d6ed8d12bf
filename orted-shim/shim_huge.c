/* SPDX-License-Identifier: BSD-3-Clause */
/* Huge pages: what the user wants of them, and what the host has. */
#include "shim_huge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIB ((uint64_t)1 << 30)

bool shim_huge_setting(enum shim_huge *h, char err[512])
{
    static const char *const names[] = {"off", "hugetlb"};
    const char *text = getenv("TOROBUS_HUGEPAGES");

    *h = SHIM_HUGE_OFF;
    if (!text || !*text)
        return true;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            *h = (enum shim_huge)i;
            return true;
        }
    }
    snprintf(err, 512, "TOROBUS_HUGEPAGES=%.100s is impossible: give off or hugetlb", text);
    return false;
}

static uint64_t count(const char *name)
{
    unsigned long long n = 0;
    char path[100];
    FILE *f;

    snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-2048kB/%s", name);
    f = fopen(path, "re");
    if (f && fscanf(f, "%llu", &n) != 1)
        n = 0;
    if (f)
        fclose(f);
    return n;
}

uint64_t shim_huge_free(void)
{
    uint64_t free_pages = count("free_hugepages"), taken = count("resv_hugepages");

    return free_pages > taken ? free_pages - taken : 0;
}

bool shim_huge_all(uint64_t bytes)
{
    return count("nr_hugepages") >= bytes / SHIM_HUGE_PAGE;
}

/** The largest power of two that is not more. */
static uint64_t pow2_down(uint64_t v)
{
    uint64_t p = 1;

    while (p <= v / 2)
        p <<= 1;
    return v ? p : 0;
}

bool shim_huge_plan(uint64_t bytes, uint64_t *guests, uint64_t *slice)
{
    uint64_t room = pow2_down(bytes), most = 15;

    if (*guests && *slice)
        return true; /* whether that fits is seen when it is made */
    if (room > 256 * GIB)
        room = 256 * GIB;
    if (room < 2 * GIB)
        return false;
    room -= GIB;
    if (*guests == 0) {
        *guests = room / (*slice ? *slice : GIB);
        *guests = *guests > most ? most : *guests ? *guests : 1;
    }
    if (*slice == 0)
        *slice = pow2_down(room / *guests);
    if (*slice < GIB)
        *slice = GIB;
    return true;
}
