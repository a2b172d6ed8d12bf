/* SPDX-License-Identifier: BSD-3-Clause */
/* topology: a line per rank: where it may run, the caches of its first core as /sys has them, and
 * with how many ranks it shares host, NUMA node, socket, caches and core as Open MPI sees it. Fails
 * if ranks share something but not the host. */
#define _GNU_SOURCE
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 512 };

static const struct {
    int type;
    const char *name;
} levels[] = {
    {MPI_COMM_TYPE_SHARED, "host"},    {OMPI_COMM_TYPE_NUMA, "numa"},
    {OMPI_COMM_TYPE_SOCKET, "socket"}, {OMPI_COMM_TYPE_L3CACHE, "L3"},
    {OMPI_COMM_TYPE_L2CACHE, "L2"},    {OMPI_COMM_TYPE_L1CACHE, "L1"},
    {OMPI_COMM_TYPE_CORE, "core"},
};

/* The first line of a file of /sys. */
static int sys_line(char *to, size_t room, int cpu, int cache, const char *file)
{
    char path[160];
    FILE *f;
    int ok;

    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/cache/index%d/%s", cpu, cache,
             file);
    f = fopen(path, "r");
    ok = f && fgets(to, (int)room, f) != NULL;
    if (f)
        fclose(f);
    if (ok)
        to[strcspn(to, "\n")] = '\0';
    return ok;
}

static size_t caches(char *to, size_t room, int cpu)
{
    char level[16], type[32], size[32], cpus[64];
    size_t at = 0;

    to[0] = '\0';
    for (int i = 0; i < 10 && at < room && sys_line(level, sizeof(level), cpu, i, "level") &&
                    sys_line(type, sizeof(type), cpu, i, "type") &&
                    sys_line(size, sizeof(size), cpu, i, "size") &&
                    sys_line(cpus, sizeof(cpus), cpu, i, "shared_cpu_list");
         i++)
        at += (size_t)snprintf(to + at, room - at, " L%s%s %s of cpus %s,", level,
                               type[0] == 'D'   ? "d"
                               : type[0] == 'I' ? "i"
                                                : "",
                               size, cpus);
    return at;
}

/* "0-3,8" */
static void cpu_list(char *to, size_t room, const cpu_set_t *set)
{
    size_t at = 0;

    to[0] = '\0';
    for (int i = 0; i < CPU_SETSIZE && at < room; i++) {
        int last = i;

        if (!CPU_ISSET(i, set))
            continue;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
            last++;
        at += (size_t)snprintf(to + at, room - at, last > i ? "%s%d-%d" : "%s%d", at ? "," : "", i,
                               last);
        i = last;
    }
}

int main(int argc, char **argv)
{
    char name[MPI_MAX_PROCESSOR_NAME], line[LINE], list[256], text[300], *lines = NULL;
    int rank, size, len, shared = 0, bad = 0, all;
    cpu_set_t set;
    size_t at;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Get_processor_name(name, &len);
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        CPU_SET(0, &set);
    cpu_list(list, sizeof(list), &set);
    for (len = 0; len < CPU_SETSIZE && !CPU_ISSET(len, &set);)
        len++;
    caches(text, sizeof(text), len);
    at = (size_t)snprintf(line, sizeof(line), "rank %d of %d on %.40s: cpus %.60s,%.220s shares",
                          rank, size, name, list, text);
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        MPI_Comm part;
        int n;

        MPI_Comm_split_type(MPI_COMM_WORLD, levels[i].type, rank, MPI_INFO_NULL, &part);
        MPI_Comm_size(part, &n);
        MPI_Comm_free(&part);
        shared = i == 0 ? n : shared;
        bad |= n > shared || n < 1;
        if (at < sizeof(line))
            at += (size_t)snprintf(line + at, sizeof(line) - at, "%s %s %d", i ? "," : "",
                                   levels[i].name, n);
    }
    if (rank == 0)
        lines = malloc((size_t)size * LINE);
    MPI_Gather(line, LINE, MPI_CHAR, lines, LINE, MPI_CHAR, 0, MPI_COMM_WORLD);
    for (int i = 0; rank == 0 && lines && i < size; i++)
        puts(lines + (size_t)i * LINE);
    free(lines);
    MPI_Allreduce(&bad, &all, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    if (rank == 0)
        puts(all ? "topology: ranks share more than their host" : "topology: ok");
    MPI_Finalize();
    return all;
}
