/* SPDX-License-Identifier: BSD-3-Clause */
/* The first thread's stack as the System V ABI wants it at program start: argc, argv, environment,
 * auxiliary vector; strings above. */
#include "image.h"
#include <toro/arch.h>
#include <toro/errno.h>
#include <toro/lib.h>

enum {
    AT_NULL = 0,
    AT_PHDR = 3,
    AT_PHENT = 4,
    AT_PHNUM = 5,
    AT_PAGESZ = 6,
    AT_BASE = 7,
    AT_FLAGS = 8,
    AT_ENTRY = 9,
    AT_UID = 11,
    AT_EUID = 12,
    AT_GID = 13,
    AT_EGID = 14,
    AT_PLATFORM = 15,
    AT_HWCAP = 16,
    AT_CLKTCK = 17,
    AT_SECURE = 23,
    AT_RANDOM = 25,
    AT_HWCAP2 = 26,
    AT_EXECFN = 31,
    AT_SYSINFO_EHDR = 33,
    AT_MINSIGSTKSZ = 51,
};

/* ucontext, siginfo and the address of the restorer, as sigframe.c lays them out, with slack for
 * alignment. */
#define SIGFRAME_FIXED (8u + 304u + 128u + 64u + 128u)

static void put_strings(uint64_t *slot, const char *strings, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        slot[i] = (uint64_t)strings;
        strings += toro_strlen(strings) + 1;
    }
    slot[count] = 0;
}

static char *push_bytes(uint64_t *top, const void *bytes, size_t len)
{
    *top -= len;
    toro_memcpy((void *)*top, bytes, len);
    return (char *)*top;
}

int toro_stack_build(struct toro_proc *p, const struct toro_start_args *a,
                     const struct toro_elf *elf, uint64_t *sp)
{
    const uint64_t total = TORO_STACK_SIZE + TORO_STACK_GUARD;
    char random[16], *env, *argv, *exe, *platform, *rnd;
    const struct torobus_ctl_start *st = a->start;
    uint64_t top, *w, nwords;
    long va;
    int err;

    if (a->argv_len + a->env_len > TORO_STACK_SIZE / 4 ||
        (uint64_t)st->argc + st->envc > TORO_STACK_SIZE / 32)
        return -E2BIG;
    va = toro_mm_map(&p->mm, 0, total,
                     ARCH_PROT_READ | ARCH_PROT_WRITE | (elf->exec_stack ? ARCH_PROT_EXEC : 0),
                     TORO_MAP_HINT, TORO_VMA_STACK, 0);
    if (va < 0)
        return (int)va;
    err = toro_mm_protect(&p->mm, (uint64_t)va, TORO_STACK_GUARD, 0);
    if (err != 0)
        return err;
    p->stack_low = (uint64_t)va + TORO_STACK_GUARD;
    p->stack_top = top = (uint64_t)va + total;
    top -= 8;
    arch_random(random, sizeof(random));
    exe = push_bytes(&top, p->exe, toro_strlen(p->exe) + 1);
    env = push_bytes(&top, a->env, a->env_len);
    p->env_at = (uint64_t)env;
    p->env_len = a->env_len;
    argv = push_bytes(&top, a->argv, a->argv_len);
    platform = push_bytes(&top, "x86_64", 7);
    rnd = push_bytes(&top, random, sizeof(random));

    const uint64_t auxv[][2] = {
        {AT_SYSINFO_EHDR, p->vdso},
        {AT_HWCAP, arch_hwcap()},
        {AT_PAGESZ, TORO_PAGE_SIZE},
        {AT_CLKTCK, 100},
        {AT_PHDR, p->phdr},
        {AT_PHENT, 56},
        {AT_PHNUM, elf->phnum},
        {AT_BASE, 0},
        {AT_FLAGS, 0},
        {AT_ENTRY, p->entry},
        {AT_UID, p->uid},
        {AT_EUID, p->uid},
        {AT_GID, p->gid},
        {AT_EGID, p->gid},
        {AT_SECURE, 0},
        {AT_RANDOM, (uint64_t)rnd},
        {AT_HWCAP2, arch_hwcap2()},
        {AT_EXECFN, (uint64_t)exe},
        {AT_PLATFORM, (uint64_t)platform},
        {AT_MINSIGSTKSZ, SIGFRAME_FIXED + arch_fpu_size()},
        {AT_NULL, 0},
    };
    /* Without a vDSO the first pair is left out. */
    unsigned skip = p->vdso == 0 ? 1 : 0;
    unsigned naux = TORO_ARRAY_SIZE(auxv) - skip;

    nwords = 1 + st->argc + 1 + st->envc + 1 + 2 * (uint64_t)naux;
    w = (uint64_t *)TORO_ALIGN_DOWN(top - nwords * 8, 16ul);
    *sp = (uint64_t)w;
    *w++ = st->argc;
    put_strings(w, argv, st->argc);
    w += st->argc + 1;
    put_strings(w, env, st->envc);
    w += st->envc + 1;
    toro_memcpy(w, auxv + skip, naux * sizeof(auxv[0]));
    p->auxv_at = (uint64_t)w;
    p->auxv_len = naux * sizeof(auxv[0]);
    return 0;
}
