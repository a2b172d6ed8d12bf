/* SPDX-License-Identifier: BSD-3-Clause */
/* NUMA memory policies, as the host's kernel sees them; runs on the host.
 *
 *   numa show FILE OFFSET...   the policy of the file's page at each offset, a line each
 *   numa forbid COMMAND...     run a command that may not set any, as some containers do it */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "numa: %s: %s\n", what, strerror(errno));
    return 1;
}

static int show(int fd, off_t offset)
{
    void *p = mmap(NULL, 2u << 20, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, offset);
    char line[512], policy[64];
    unsigned long at;
    FILE *f = p != MAP_FAILED ? fopen("/proc/self/numa_maps", "r") : NULL;
    int found = 0;

    while (f && !found && fgets(line, sizeof(line), f)) {
        /* "prefer (many):0" is two words */
        char *file = strstr(line, " file=");

        if (!file || sscanf(line, "%lx %63[^\n]", &at, policy) != 2 || at != (unsigned long)p)
            continue;
        *file = '\0';
        puts(strchr(line, ' ') + 1);
        found = 1;
    }
    if (f)
        fclose(f);
    if (p != MAP_FAILED)
        munmap(p, 2u << 20);
    return found ? 0 : fail("no policy found");
}

#define DENY(nr)                                                                                   \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1),                                               \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

static int forbid(char **argv)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        DENY(SYS_mbind),
        DENY(SYS_set_mempolicy),
        DENY(SYS_migrate_pages),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {sizeof(code) / sizeof(code[0]), code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0)
        return fail("seccomp");
    execvp(argv[0], argv);
    return fail(argv[0]);
}

int main(int argc, char **argv)
{
    int fd, err = 0;

    if (argc > 2 && strcmp(argv[1], "forbid") == 0)
        return forbid(argv + 2);
    if (argc < 4 || strcmp(argv[1], "show") != 0) {
        fprintf(stderr, "usage: numa show FILE OFFSET... | forbid COMMAND...\n");
        return 2;
    }
    fd = open(argv[2], O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(argv[2]);
    for (int i = 3; i < argc; i++)
        err |= show(fd, (off_t)strtoull(argv[i], NULL, 0));
    return err;
}
