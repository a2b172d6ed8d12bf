/* SPDX-License-Identifier: BSD-3-Clause */
/* act-mpi: an MPI program that does what it is told on one rank while the others wait in a barrier.
 * Not a test: tests start it to see how a job ends, what a rank is given, where its output goes.
 *
 * usage: act-mpi WHAT [RANK [ARGUMENT]] */
#include <fcntl.h>
#include <mpi.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

static int rank, size, chosen;
static const char *arg;

static void wait_for_all(void)
{
    MPI_Barrier(MPI_COMM_WORLD);
}

static void ready(void)
{
    wait_for_all();
    if (rank == 0) {
        printf("ready\n");
        fflush(stdout);
    }
}

static int number(void)
{
    return arg != NULL ? atoi(arg) : 0;
}

/* exit without MPI_Finalize */
static int do_exit(void)
{
    ready();
    if (rank == chosen)
        exit(number());
    wait_for_all();
    return 0;
}

static int do_return(void)
{
    ready();
    MPI_Finalize();
    return rank == chosen ? number() : 0;
}

static int do_abort(void)
{
    ready();
    if (rank == chosen)
        MPI_Abort(MPI_COMM_WORLD, number());
    wait_for_all();
    return 0;
}

static int do_signal(void)
{
    const struct rlimit none = {0, 0};

    ready();
    if (rank == chosen) {
        setrlimit(RLIMIT_CORE, &none);
        for (int s = 1; s < 32; s++)
            if (s != SIGKILL && s != SIGSTOP)
                signal(s, SIG_DFL);
        raise(number());
    }
    wait_for_all();
    return 0;
}

/* a wild store, with the handlers that Open MPI has set */
static int do_segv(void)
{
    volatile int *volatile nowhere = (volatile int *)(uintptr_t)16;

    ready();
    if (rank == chosen)
        *nowhere = 1;
    wait_for_all();
    return 0;
}

/* an error of use: the default handler ends the job */
static int do_error(void)
{
    ready();
    if (rank == chosen)
        MPI_Send(NULL, 0, MPI_BYTE, size + 5, 0, MPI_COMM_WORLD);
    wait_for_all();
    return 0;
}

static int do_spin(void)
{
    volatile unsigned long n = 0;

    ready();
    if (rank == chosen)
        while (n < ~0ul)
            n = n + 1;
    wait_for_all();
    return 0;
}

/* all ranks busy with MPI for ever */
static int do_run(void)
{
    ready();
    while (size > 0)
        wait_for_all();
    return 0;
}

/* crashes the guest's kernel; elsewhere the file is not to be written */
static int do_panic(void)
{
    struct utsname u;
    int fd;

    ready();
    if (rank == chosen) {
        sleep(1); /* so that "ready" is out */
        if (uname(&u) != 0 || strstr(u.version, "Torobus") == NULL)
            MPI_Abort(MPI_COMM_WORLD, 77);
        fd = open("/proc/sysrq-trigger", O_WRONLY);
        if (fd < 0 || write(fd, "c", 1) != 1)
            MPI_Abort(MPI_COMM_WORLD, 78);
    }
    wait_for_all();
    return 0;
}

/* every rank ends with a status of its own */
static int do_ranks(void)
{
    ready();
    MPI_Finalize();
    return rank == chosen ? 0 : number() + rank;
}

static int do_stdin(void)
{
    unsigned long total = 0, sum = 0, *all = NULL;
    ssize_t n;
    static unsigned char buf[65536];

    while ((n = read(0, buf, sizeof(buf))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            sum = sum * 31 + buf[i];
        total += (unsigned long)n;
    }
    all = calloc((size_t)size, sizeof(*all));
    MPI_Gather(&total, 1, MPI_UNSIGNED_LONG, all, 1, MPI_UNSIGNED_LONG, 0, MPI_COMM_WORLD);
    if (rank == 0) {
        for (int i = 1; i < size; i++)
            if (all[i] != 0)
                printf("rank %d was given %lu bytes\n", i, all[i]);
        printf("%lu bytes, sum %lx\n", total, sum);
    }
    free(all);
    return 0;
}

/* lines that say who wrote them, on both streams, a write each or several at once */
static int do_tag(void)
{
    char line[80];

    for (int i = 0; i < number(); i++) {
        printf("rank %d out %d of the lines that it prints\n", rank, i);
        if (i % 7 == 0)
            fflush(stdout);
        snprintf(line, sizeof(line), "rank %d err %d\n", rank, i);
        if (write(2, line, strlen(line)) != (ssize_t)strlen(line))
            return 1;
    }
    return 0;
}

static int do_who(void)
{
    char host[MPI_MAX_PROCESSOR_NAME], cwd[4096] = "";
    const char *lrank = getenv("OMPI_COMM_WORLD_LOCAL_RANK"),
               *erank = getenv("OMPI_COMM_WORLD_RANK");
    const char *esize = getenv("OMPI_COMM_WORLD_SIZE"), *extra = getenv("TORO_TEST_VAR");
    int len;

    MPI_Get_processor_name(host, &len);
    if (getcwd(cwd, sizeof(cwd)) == NULL)
        strcpy(cwd, "?");
    printf("rank %d size %d host %s local %s env %s/%s var %s cwd %s\n", rank, size, host,
           lrank ? lrank : "-", erank ? erank : "-", esize ? esize : "-", extra ? extra : "-", cwd);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} acts[] = {
    {"exit", do_exit},   {"return", do_return}, {"abort", do_abort}, {"signal", do_signal},
    {"segv", do_segv},   {"error", do_error},   {"spin", do_spin},   {"run", do_run},
    {"stdin", do_stdin}, {"tag", do_tag},       {"who", do_who},     {"panic", do_panic},
    {"ranks", do_ranks},
};

int main(int argc, char **argv)
{
    int finalized, status = 64;

    if (argc > 1 && strcmp(argv[1], "early") == 0) /* act-mpi early STATUS: before MPI_Init */
        return argc > 2 ? atoi(argv[2]) : 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    chosen = argc > 2 ? atoi(argv[2]) : 0;
    arg = argc > 3 ? argv[3] : NULL;
    for (size_t i = 0; argc > 1 && i < sizeof(acts) / sizeof(acts[0]); i++)
        if (strcmp(argv[1], acts[i].name) == 0)
            status = acts[i].run();
    if (status == 64 && rank == 0)
        fprintf(stderr, "usage: act-mpi WHAT [RANK [ARGUMENT]]\n");
    MPI_Finalized(&finalized);
    if (!finalized)
        MPI_Finalize();
    return status;
}
