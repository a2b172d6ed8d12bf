/* SPDX-License-Identifier: BSD-3-Clause */
/* /proc/interrupts of Linux and of a guest, for tests and the kernel benchmark. */
#ifndef INTERRUPTS_H
#define INTERRUPTS_H

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Interrupts of one kind (a row's name) that this core has had; -1 if there is no such row. */
static long interrupts(const char *row)
{
    char line[8192];
    FILE *f = fopen("/proc/interrupts", "r");
    long n = -1;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        char *p = line + strspn(line, " ");

        if (strncmp(p, row, strlen(row)) != 0 || p[strlen(row)] != ':')
            continue;
        p += strlen(row) + 1;
        for (int i = 0; i <= sched_getcpu(); i++)
            n = strtol(p, &p, 10);
    }
    if (f != NULL)
        fclose(f);
    return n;
}

#endif
