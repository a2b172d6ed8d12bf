/* SPDX-License-Identifier: BSD-3-Clause */
/* toro-rsh: what mpirun calls in the place of ssh (plm_rsh_agent). A host name is a guest to be, so
 * the command runs on this machine, in a shell and with the words joined by blanks as ssh does it,
 * and TOROBUS_NODE tells it the name. */
#include "shim_job.h"
#include "shim_msg.h"
#include "shim_path.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef TOROBUS_VERSION
#define TOROBUS_VERSION "0.1.0"
#endif

static const char help[] =
    "Usage: toro-rsh [OPTIONS] [USER@]HOST COMMAND...\n"
    "\n"
    "Runs COMMAND on this machine in the name of the guest HOST; mpirun uses it in the place of\n"
    "ssh:  mpirun --mca plm_rsh_agent toro-rsh --mca orte_launch_agent orted-shim \\\n"
    "             --mca orte_fork_agent toro-run --host vm0:2,vm1:2 PROGRAM\n"
    "Real other machines are not reached: one host per job. An IP address is refused.\n"
    "Options of ssh that mpirun may pass (-x, -X, -q, -n, -T, -f, -l USER) are accepted and mean\n"
    "nothing: guests run as you.\n"
    "\n"
    "  --help, --version\n";

/** Options of ssh without a value that make no difference here. */
static bool ignored(const char *opt)
{
    return opt[0] == '-' && opt[1] != '\0' && opt[1] != '-' &&
           strspn(opt + 1, "xXqnTfakCv46") == strlen(opt + 1);
}

/** Somebody means a machine: guests have no addresses. */
static bool is_address(const char *host)
{
    unsigned char a[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, a) == 1 || inet_pton(AF_INET6, host, a) == 1;
}

static char *join(char **words)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    for (char **w = words; f && *w; w++)
        fprintf(f, "%s%s", w == words ? "" : " ", *w);
    if (!f || fclose(f) != 0)
        shim_die(SHIM_EXIT_FAIL, "no memory");
    return text;
}

/** The orted of the installation that the caller belongs to (mpirun, or an orted that passes the
 * launch on): two Open MPIs do not understand each other's daemons. */
static void name_orted(void)
{
    char link[64], path[SHIM_PATH_MAX], *slash;
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/%d/exe", (int)getppid());
    n = readlink(link, path, sizeof(path) - 8);
    if (n <= 0)
        return;
    path[n] = '\0';
    slash = strrchr(path, '/');
    if (!slash || (strcmp(slash, "/orterun") != 0 && strcmp(slash, "/orted") != 0))
        return;
    strcpy(slash, "/orted");
    if (access(path, X_OK) == 0 && setenv("TOROBUS_ORTED", path, 1) != 0)
        shim_die(SHIM_EXIT_FAIL, "no memory");
}

int main(int argc, char **argv)
{
    const char *host, *at;
    char *command;

    shim_msg_init(argv[0]);
    for (argc--, argv++; argc > 0 && argv[0][0] == '-'; argc--, argv++) {
        if (strcmp(argv[0], "--help") == 0) {
            fputs(help, stdout);
            return fflush(stdout) == 0 ? 0 : SHIM_EXIT_FAIL;
        }
        if (strcmp(argv[0], "--version") == 0) {
            puts("toro-rsh (Torobus) " TOROBUS_VERSION);
            return fflush(stdout) == 0 ? 0 : SHIM_EXIT_FAIL;
        }
        if (strcmp(argv[0], "-l") == 0) { /* USER, as in USER@HOST */
            if (argc == 1)
                shim_die(SHIM_EXIT_USAGE, "option -l needs a value; see toro-rsh --help");
            argc--, argv++;
            continue;
        }
        if (!ignored(argv[0]))
            shim_die(SHIM_EXIT_USAGE, "unknown option %s; see toro-rsh --help", argv[0]);
    }
    if (argc == 0)
        shim_die(SHIM_EXIT_USAGE, "no host given; see toro-rsh --help");
    host = argv[0];
    at = strrchr(host, '@');
    if (at)
        host = at + 1;
    if (is_address(host))
        shim_die(SHIM_EXIT_USAGE,
                 "%s is the address of a machine, but a job runs on this host only: a host name is "
                 "the name of a guest to be started here, any name will do",
                 host);
    if (!shim_node_ok(host))
        shim_die(SHIM_EXIT_USAGE,
                 "\"%s\" cannot be the name of a guest: give 1 to 63 of A-Z a-z 0-9 . _ -", host);
    if (argc == 1)
        shim_die(SHIM_EXIT_USAGE, "no command for %s given; there is no shell in a guest", host);
    command = join(argv + 1);
    name_orted();
    if (setenv("TOROBUS_NODE", host, 1) != 0)
        shim_die(SHIM_EXIT_FAIL, "no memory");
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    shim_die(SHIM_EXIT_FAIL, "cannot execute /bin/sh");
}
