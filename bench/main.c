/* SPDX-License-Identifier: BSD-3-Clause */
/* torobench: the options, the loop over sizes and rounds, and the table.
 *
 *     mpirun -n 2 torobench latency -m 1:4096 -i 10000
 */
#include "torobench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tb_test *const suites[] = {tb_pt2pt_tests, tb_rma_tests, tb_coll_tests,
                                               tb_floor_tests};
enum { SUITES = 4, LARGE = 8192 };

/** Not more than this is moved in all rounds of one size, nor held by one buffer of slots. */
static const double max_moved = 1 << 30;
static const size_t max_slots_bytes = 16 << 20;

struct options {
    size_t min, max;
    int warmup, iterations, rounds;
    bool validate, ticks;
};

static const struct tb_test *find(const char *name)
{
    for (int s = 0; s < SUITES; s++)
        for (const struct tb_test *test = suites[s]; test->name; test++)
            if (strcmp(test->name, name) == 0)
                return test;
    return NULL;
}

static void usage(FILE *f)
{
    fprintf(f,
            "Usage: torobench TEST [-m [MIN:]MAX] [-x WARMUP] [-i ITERATIONS] [-r ROUNDS]\n"
            "                 [-W WINDOW] [-w allocate|create] [-c | -C] [-t]\n\n"
            "  -m  sizes in bytes, doubled from MIN to MAX; one number is the largest\n"
            "  -x  iterations before the clock runs (default a tenth of -i)\n"
            "  -i  iterations per size (default 5000; fewer for large messages)\n"
            "  -r  rounds that they are divided into (default 25). Buffers are written anew and\n"
            "      results compared in each; the table shows the median round, the best, the "
            "worst\n"
            "  -W  messages in flight in bandwidth tests (default 64)\n"
            "  -w  how one-sided tests get their window\n"
            "  -c  compare what arrives with what was sent (default); -C: do not\n"
            "  -t  ticks of the TSC for microseconds: instructions, under QEMU's -icount shift=0\n"
            "\nTests:");
    for (int s = 0; s < SUITES; s++)
        for (const struct tb_test *test = suites[s]; test->name; test++)
            fprintf(f, " %s", test->name);
    fputc('\n', f);
}

static long number(const char *text, long min)
{
    char *end;
    const long n = strtol(text, &end, 0);

    if (end == text || *end || n < min || n > 1 << 30) {
        fprintf(stderr, "torobench: \"%s\" is not a number of %ld or more\n", text, min);
        exit(2);
    }
    return n;
}

static void parse_sizes(char *text, struct options *o)
{
    char *colon = strchr(text, ':');

    if (colon) {
        *colon = '\0';
        if (*text)
            o->min = (size_t)number(text, 0);
        text = colon + 1;
    }
    if (*text)
        o->max = (size_t)number(text, 0);
    if (!colon && o->min > o->max)
        o->min = o->max;
    if (o->min > o->max) {
        fprintf(stderr, "torobench: sizes from %zu to %zu?\n", o->min, o->max);
        exit(2);
    }
}

static void parse(int argc, char **argv, struct options *o, struct tb *t)
{
    int c;

    while ((c = getopt(argc, argv, "m:x:i:r:W:w:cCth")) != -1) {
        switch (c) {
        case 'm':
            parse_sizes(optarg, o);
            break;
        case 'x':
            o->warmup = (int)number(optarg, 0);
            break;
        case 'i':
            o->iterations = (int)number(optarg, 1);
            break;
        case 'r':
            o->rounds = (int)number(optarg, 1);
            break;
        case 'W':
            t->window = (int)number(optarg, 1);
            break;
        case 'w':
            t->create = strcmp(optarg, "create") == 0;
            if (!t->create && strcmp(optarg, "allocate") != 0) {
                usage(stderr);
                exit(2);
            }
            break;
        case 'c':
        case 'C':
            o->validate = c == 'c';
            break;
        case 't':
            o->ticks = true;
            break;
        default:
            usage(c == 'h' ? stdout : stderr);
            exit(c == 'h' ? 0 : 2);
        }
    }
    if (optind != argc) {
        usage(stderr);
        exit(2);
    }
}

static int moved(const struct tb_test *test, const struct tb *t)
{
    return test->moved ? test->moved(t) : 1;
}

static int slots(const struct tb_test *test, const struct tb *t, size_t bytes)
{
    const size_t most = bytes ? max_slots_bytes / bytes : 1;

    if (!test->moved || most < 1)
        return 1;
    return most < (size_t)t->window ? (int)most : t->window;
}

static size_t blocks(const struct tb_test *test, const struct tb *t, enum tb_blocks b, size_t bytes)
{
    switch (b) {
    case TB_NONE:
        return 0;
    case TB_ONE:
        return 1;
    case TB_RANKS:
        return (size_t)t->ranks;
    default:
        return (size_t)slots(test, t, bytes);
    }
}

static size_t next_size(size_t bytes)
{
    return bytes ? 2 * bytes : 1;
}

/** Bytes that hold the blocks of every size. */
static size_t room(const struct tb_test *test, const struct tb *t, const struct options *o,
                   enum tb_blocks b)
{
    size_t most = 64;

    for (size_t bytes = o->min; bytes <= o->max; bytes = next_size(bytes)) {
        const size_t need = bytes * blocks(test, t, b, bytes);

        if (need > most)
            most = need;
    }
    return most;
}

static char *buffer(const struct tb *t, size_t bytes)
{
    char *p = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);

    if (!p)
        tb_fail(t, "no memory for %zu bytes", bytes);
    memset(p, 0, bytes);
    return p;
}

/** Small messages: a batch in each round. Large ones and windows: one in a round, so that buffers
 * are written anew for each. */
static void plan(const struct tb_test *test, const struct tb *t, const struct options *o,
                 int *rounds, int *batch)
{
    const double bytes = (double)t->bytes * moved(test, t);
    int n = o->iterations / 50;

    if (!test->moved && t->bytes <= LARGE) {
        *rounds = o->iterations < o->rounds ? o->iterations : o->rounds;
        *batch = o->iterations / *rounds;
        return;
    }
    if (bytes * n > max_moved)
        n = (int)(max_moved / bytes);
    *rounds = n < 5 ? 5 : n;
    *batch = 1;
}

static double one_round(const struct tb_test *test, struct tb *t, const struct options *o,
                        int batch)
{
    double seconds;

    t->seed++;
    test->prepare(t);
    MPI_Barrier(MPI_COMM_WORLD);
    seconds = test->round(t, batch);
    MPI_Barrier(MPI_COMM_WORLD);
    if (test->check && o->validate)
        test->check(t, batch);
    return seconds;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/** The rounds' times over all ranks, to rank 0, as @p test counts them. */
static void combine(const struct tb_test *test, const struct tb *t, double *times, double *all,
                    int n)
{
    const MPI_Op op = test->who == TB_SLOWEST ? MPI_MAX : MPI_SUM;

    if (test->who == TB_FIRST) {
        memcpy(all, times, sizeof(*all) * (size_t)n);
        return;
    }
    MPI_Reduce(times, all, n, MPI_DOUBLE, op, 0, MPI_COMM_WORLD);
    for (int i = 0; i < n && test->who == TB_AVERAGE; i++)
        all[i] /= t->ranks;
}

static void print_row(const struct tb_test *test, const struct tb *t, const struct options *o,
                      double *all, int n)
{
    double v[3]; /* median, min, max */

    for (int i = 0; i < n; i++) {
        const double bytes = (double)t->bytes * moved(test, t);

        all[i] = test->unit == TB_US ? all[i] * 1e6 : bytes / 1e6 / all[i];
    }
    qsort(all, (size_t)n, sizeof(*all), ascending);
    v[0] = n % 2 ? all[n / 2] : (all[n / 2 - 1] + all[n / 2]) / 2;
    v[1] = all[0];
    v[2] = all[n - 1];
    if (test->max)
        printf("%-12zu", t->bytes);
    printf("%14.*f %14.*f %14.*f", test->unit == TB_US ? 3 : 2, v[0], test->unit == TB_US ? 3 : 2,
           v[1], test->unit == TB_US ? 3 : 2, v[2]);
    if (test->unit == TB_MBS)
        printf(" %16.0f", v[0] * 1e6 / (double)t->bytes);
    printf("  %6d  %s\n", n, test->check && o->validate ? "Pass" : "-");
    fflush(stdout);
}

static void print_head(const struct tb_test *test, const struct tb *t, bool ticks)
{
    const char *unit = test->unit != TB_US ? "Bandwidth MB/s" : ticks ? "Ticks" : "Latency (us)";

    printf("# Torobus %s\n# %d ranks; median, least and most of all rounds\n", test->title,
           t->ranks);
    if (test->max)
        printf("%-12s", "# Size");
    printf("%14s %14s %14s", unit, "Min", "Max");
    if (test->unit == TB_MBS)
        printf(" %16s", "Messages/s");
    printf("  %6s  %s\n", "Rounds", "Validation");
}

static void run_size(const struct tb_test *test, struct tb *t, const struct options *o)
{
    double *times, *all;
    int n, batch, warmup;

    plan(test, t, o, &n, &batch);
    times = calloc((size_t)n, sizeof(*times));
    all = calloc((size_t)n, sizeof(*all));
    if (!times || !all)
        tb_fail(t, "no memory");
    t->slots = slots(test, t, t->bytes);
    warmup = o->warmup < 0 ? n * batch / 10 + 1 : o->warmup;
    for (int i = 0; i * batch < warmup; i++)
        one_round(test, t, o, batch);
    for (int i = 0; i < n; i++)
        times[i] = one_round(test, t, o, batch);
    combine(test, t, times, all, n);
    if (t->rank == 0)
        print_row(test, t, o, all, n);
    free(times);
    free(all);
}

static void fit(const struct tb_test *test, const struct tb *t, struct options *o)
{
    if (t->ranks < test->min_ranks || (test->pairs && t->ranks % 2)) {
        if (t->rank == 0)
            fprintf(stderr, "torobench: %s wants %s\n", test->name,
                    test->pairs ? "an even number of ranks" : "two ranks or more");
        MPI_Finalize();
        exit(2);
    }
    if (o->min < test->min)
        o->min = test->min;
    if (test->multiple)
        o->min = (o->min + test->multiple - 1) / test->multiple * test->multiple;
    if (o->max < o->min || strcmp(test->name, "fop_latency") == 0 ||
        strcmp(test->name, "cas_latency") == 0)
        o->max = o->min = test->min;
}

int main(int argc, char **argv)
{
    struct options o = {.max = 0, .warmup = -1, .iterations = 5000, .rounds = 25, .validate = true};
    struct tb t = {.window = 64, .stamp = -1};
    const struct tb_test *test;

    if (argc < 2 || argv[1][0] == '-' || !(test = find(argv[1]))) {
        const bool help = argc == 2 && strcmp(argv[1], "-h") == 0;

        usage(help ? stdout : stderr);
        return help ? 0 : 2;
    }
    o.min = test->min;
    o.max = test->max;
    parse(argc - 1, argv + 1, &o, &t);

    MPI_Init(NULL, NULL);
    MPI_Comm_rank(MPI_COMM_WORLD, &t.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &t.ranks);
    fit(test, &t, &o);
    if (!test->max)
        o.min = o.max = 0;
    tb_clock_init(o.ticks);
    t.out = buffer(&t, room(test, &t, &o, test->out));
    t.in = buffer(&t, room(test, &t, &o, test->in));
    if (test->win != TB_NONE)
        tb_win_open(&t, room(test, &t, &o, test->win));
    if (t.rank == 0)
        print_head(test, &t, o.ticks);
    for (t.bytes = o.min; t.bytes <= o.max; t.bytes = next_size(t.bytes))
        run_size(test, &t, &o);
    if (test->win != TB_NONE)
        tb_win_close(&t);
    free(t.out);
    free(t.in);
    MPI_Finalize();
    return 0;
}
