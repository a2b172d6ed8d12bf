/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program finds when it starts: arguments, environment, auxiliary vector, stack. */
#include <tap.h>

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

extern char **environ;
extern char __executable_start[], _end[];

static int initialised;

__attribute__((constructor)) static void before_main(void)
{
    initialised++;
}

static bool in_image(unsigned long p)
{
    return p >= (unsigned long)__executable_start && p < (unsigned long)_end;
}

static void test_auxv(void)
{
    const unsigned char *rnd = (const unsigned char *)getauxval(AT_RANDOM);
    const char *execfn = (const char *)getauxval(AT_EXECFN);
    const Elf64_Phdr *ph = (const Elf64_Phdr *)getauxval(AT_PHDR);
    const unsigned char *vdso = (const unsigned char *)getauxval(AT_SYSINFO_EHDR);
    unsigned long n = getauxval(AT_PHNUM), loads = 0, tls = 0;
    unsigned sum = 0;

    t_eq(getauxval(AT_PAGESZ), 4096, "AT_PAGESZ");
    t_eq(getauxval(AT_PHENT), sizeof(Elf64_Phdr), "AT_PHENT");
    t_ok(in_image((unsigned long)ph), "AT_PHDR points into the image");
    for (unsigned long i = 0; ph != NULL && i < n && i < 64; i++) {
        loads += ph[i].p_type == PT_LOAD;
        tls += ph[i].p_type == PT_TLS;
    }
    t_ok(loads >= 2 && loads <= 16, "AT_PHNUM headers hold %lu loadable segments", loads);
    t_eq(tls, 1, "and one for thread-local storage");
    t_ok(in_image(getauxval(AT_ENTRY)), "AT_ENTRY points into the image");
    t_eq(getauxval(AT_BASE), 0, "AT_BASE: no interpreter");
    for (int i = 0; rnd != NULL && i < 16; i++)
        sum += rnd[i];
    t_ok(sum != 0, "AT_RANDOM: sixteen bytes");
    t_ok(execfn != NULL && execfn[0] != '\0', "AT_EXECFN names the program");
    t_eq(getauxval(AT_SECURE), 0, "AT_SECURE");
    t_eq(getauxval(AT_UID), getuid(), "AT_UID");
    t_eq(getauxval(AT_EUID), geteuid(), "AT_EUID");
    t_eq(getauxval(AT_GID), getgid(), "AT_GID");
    t_eq(getauxval(AT_EGID), getegid(), "AT_EGID");
    t_eq(getauxval(AT_CLKTCK), sysconf(_SC_CLK_TCK), "AT_CLKTCK");
    if (vdso != NULL)
        t_ok(memcmp(vdso, ELFMAG, SELFMAG) == 0 && vdso[EI_CLASS] == ELFCLASS64,
             "AT_SYSINFO_EHDR: an ELF image");
    else
        t_skip(1, "there is no vDSO");
    errno = 0;
    t_ok(getauxval(9999) == 0 && errno == ENOENT, "an unknown entry is not there");
}

static void test_environment(void)
{
    int n = 0, sane = 1;

    for (char **e = environ; *e != NULL; e++, n++)
        sane &= strchr(*e, '=') != NULL;
    t_ok(n > 0 && sane, "%d variables, each NAME=VALUE", n);
    t_ok(getenv("PATH") != NULL, "PATH came along");
    t_ok(setenv("TORO_ABI_NEW", "a b", 1) == 0 && strcmp(getenv("TORO_ABI_NEW"), "a b") == 0,
         "a variable can be added");
    t_ok(unsetenv("TORO_ABI_NEW") == 0 && getenv("TORO_ABI_NEW") == NULL, "and taken away");
}

int main(int argc, char **argv, char **envp)
{
    _Alignas(64) char aligned[64];
    volatile uintptr_t at = (uintptr_t)aligned;
    volatile char deep[512 * 1024];
    const char *base;

    t_ok(initialised == 1, "constructors ran once, before main");
    t_ok(argc >= 1 && argv[argc] == NULL, "argc is %d and argv ends with NULL", argc);
    base = strrchr(argv[0], '/');
    t_ok(strncmp(base != NULL ? base + 1 : argv[0], "args.", 5) == 0, "argv[0] is %s", argv[0]);
    t_ok(envp == environ, "main's third argument is the environment");
    t_ok(strcmp(program_invocation_name, argv[0]) == 0, "program_invocation_name");
    for (int i = 0; i < argc; i++)
        argv[i][0] ^= 1;
    for (int i = 0; i < argc; i++)
        argv[i][0] ^= 1;
    t_ok(true, "arguments can be written to");
    t_eq(at % 64, 0, "the stack is aligned as the compiler assumes");
    for (size_t i = 0; i < sizeof(deep); i += 4096)
        deep[i] = 1;
    t_ok(deep[4096] == 1, "half a megabyte of stack");
    t_ok((uintptr_t)argv > (uintptr_t)&deep[0], "arguments lie above the frames");
    test_auxv();
    test_environment();
    return t_done();
}
