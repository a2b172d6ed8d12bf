/* SPDX-License-Identifier: BSD-3-Clause */
/* toro-info: is this machine fit, what runs, and where are the ranks of a job. */
#include "info.h"
#include "shim_attach.h"
#include "shim_config.h"
#include "shim_hello.h"
#include "shim_job.h"
#include "shim_msg.h"
#include "shim_path.h"
#include "shim_pool.h"
#include "torobus/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef TOROBUS_VERSION
#define TOROBUS_VERSION "0.1.0"
#endif

static const char help[] =
    "Usage: toro-info [OPTION]\n"
    "\n"
    "Without an option: checks this machine and lists your running jobs and their guests.\n"
    "\n"
    "  --check           check the machine only; status 1 if something is to be fixed\n"
    "  --settings        every setting, its value and where that comes from\n"
    "  --jobs            list the jobs only, with the counters of their ports\n"
    "  --watch [SECONDS] [JOB]\n"
    "                    what the ports of a running job do, every so many seconds (1), until it "
    "ends\n"
    "  --stop            end the guests that wait for another job (toro-run --keep)\n"
    "  --stacks JOB      where every rank of a job is\n"
    "  --syscalls JOB    system calls that its guests do not know, with counts\n"
    "  --memory JOB      memory of its guests\n"
    "  --help, --version\n";

/** Print text of a guest without letting it drive the terminal. */
static void print_report(const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        putchar(c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f) ? c : '?');
    }
}

static int list_jobs(bool ports)
{
    static char keys[INFO_MAX_JOBS][SHIM_KEY_LEN + 1], idle[INFO_MAX_JOBS][SHIM_POOL_MAX + 8];
    unsigned n = info_jobs(keys);

    for (unsigned i = 0; i < n; i++) {
        char *text = info_ask(keys[i], ports ? TOROBUS_CTL_Q_PORTS : 0, "", NULL);

        printf("job %s\n", keys[i]);
        if (text)
            print_report(text);
        free(text);
    }
    for (unsigned i = 0; i < shim_pool_list(idle, INFO_MAX_JOBS); i++) {
        char *text = info_ask(idle[i], ports ? TOROBUS_CTL_Q_PORTS : 0, "", NULL);

        printf("no job, guests wait for one (toro-info --stop ends them)\n");
        if (text)
            print_report(text);
        free(text);
        n++;
    }
    if (n == 0)
        printf("no jobs\n");
    return 0;
}

/** End all keepers that wait for a job. */
static int stop_idle(void)
{
    static char idle[INFO_MAX_JOBS][SHIM_POOL_MAX + 8];
    unsigned n = shim_pool_list(idle, INFO_MAX_JOBS);
    int status = 0;

    for (unsigned i = 0; i < n; i++) {
        if (!shim_pool_end(idle[i])) {
            shim_error("the keeper at %s does not end", idle[i]);
            status = SHIM_EXIT_FAIL;
        }
    }
    return status;
}

/** Put a query to all guests of a job that are up. */
static int query_job(const char *key, uint32_t query)
{
    char *list, *line, *save;
    int status = 0;
    bool gone;

    if (!info_is_key(key))
        shim_die(SHIM_EXIT_USAGE, "%s is no job: toro-info --jobs lists them", key);
    list = info_ask(key, 0, "", &gone);
    if (!list && gone)
        shim_die(SHIM_EXIT_FAIL, "there is no job %s (any more); toro-info --jobs lists them", key);
    if (!list)
        return SHIM_EXIT_FAIL;
    for (line = strtok_r(list, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char node[64], *text;

        if (sscanf(line, "guest %63[^:]:", node) != 1 || !strstr(line, ", up,"))
            continue;
        text = info_ask(key, query, node, NULL);
        printf("guest %s\n", node);
        if (text)
            print_report(text);
        else
            status = SHIM_EXIT_FAIL;
        free(text);
    }
    free(list);
    return status;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        uint32_t query;
    } queries[] = {{"--stacks", TOROBUS_CTL_Q_STACKS},
                   {"--syscalls", TOROBUS_CTL_Q_SYSCALLS},
                   {"--memory", TOROBUS_CTL_Q_MEMORY}};
    static const char *const alone[] = {"--check", "--settings", "--jobs",
                                        "--stop",  "--help",     "--version"};
    int status;

    shim_msg_init(argv[0]);
    for (unsigned i = 0; argc > 2 && i < sizeof(alone) / sizeof(alone[0]); i++)
        if (strcmp(argv[1], alone[i]) == 0)
            shim_die(SHIM_EXIT_USAGE, "%s takes nothing behind it, but there is \"%s\"", argv[1],
                     argv[2]);
    if (argc == 2 && strcmp(argv[1], "--settings") == 0) {
        shim_config_need();
        info_settings();
        return fflush(stdout) == 0 ? 0 : SHIM_EXIT_FAIL;
    }
    if (argc == 1 || strcmp(argv[1], "--check") == 0)
        shim_config_need();
    if (argc == 1) {
        status = info_check() ? 0 : SHIM_EXIT_FAIL;
        putchar('\n');
        info_settings();
        putchar('\n');
        list_jobs(false);
        return fflush(stdout) == 0 ? status : SHIM_EXIT_FAIL;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return fflush(stdout) == 0 ? 0 : SHIM_EXIT_FAIL;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("toro-info (Torobus) " TOROBUS_VERSION);
        return fflush(stdout) == 0 ? 0 : SHIM_EXIT_FAIL;
    }
    if (argc == 2 && strcmp(argv[1], "--check") == 0) {
        status = info_check() ? 0 : SHIM_EXIT_FAIL;
        return fflush(stdout) == 0 ? status : SHIM_EXIT_FAIL;
    }
    if (argc == 2 && strcmp(argv[1], "--jobs") == 0)
        return list_jobs(true);
    if (argc == 2 && strcmp(argv[1], "--stop") == 0)
        return stop_idle();
    if (strcmp(argv[1], "--watch") == 0)
        return info_watch(argv + 2);
    for (unsigned i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        if (strcmp(argv[1], queries[i].name) != 0)
            continue;
        if (argc != 3)
            shim_die(SHIM_EXIT_USAGE, "%s wants a job: toro-info --jobs lists them", argv[1]);
        return query_job(argv[2], queries[i].query);
    }
    shim_die(SHIM_EXIT_USAGE, "unknown option %s; see toro-info --help", argv[1]);
}
