/* SPDX-License-Identifier: BSD-3-Clause */
/* System call dispatch: the table, counts of what is not there, and the trace. */
#include "sys.h"
#include <torobus/ctl.h>

struct entry {
    toro_syscall_fn fn;
    const char *name;
    unsigned nargs;
};

#define TORO_SYSCALL(nr, name, nargs) [nr] = {sys_##name, #name, nargs},
static const struct entry table[TORO_SYSCALL_MAX] = {
#include "table_file.h"
#include "table_proc.h"
};
#undef TORO_SYSCALL

static _Atomic uint32_t unknown[TORO_SYSCALL_MAX];
static _Atomic uint32_t unknown_beyond;

/* Calls that a handler installed with SA_RESTART resumes. futex decides for itself. */
static bool restartable(long nr)
{
    switch (nr) {
    case 0:   /* read */
    case 1:   /* write */
    case 2:   /* open */
    case 16:  /* ioctl */
    case 17:  /* pread64 */
    case 18:  /* pwrite64 */
    case 19:  /* readv */
    case 20:  /* writev */
    case 42:  /* connect */
    case 43:  /* accept */
    case 44:  /* sendto */
    case 45:  /* recvfrom */
    case 46:  /* sendmsg */
    case 47:  /* recvmsg */
    case 72:  /* fcntl */
    case 73:  /* flock */
    case 257: /* openat */
    case 288: /* accept4 */
    case 318: /* getrandom */
        return true;
    default:
        return false;
    }
}

static const char *errno_name(long err)
{
    static const char *const names[] = {
        [1] = "EPERM",         [2] = "ENOENT",      [3] = "ESRCH",   [4] = "EINTR",
        [5] = "EIO",           [7] = "E2BIG",       [8] = "ENOEXEC", [9] = "EBADF",
        [10] = "ECHILD",       [11] = "EAGAIN",     [12] = "ENOMEM", [13] = "EACCES",
        [14] = "EFAULT",       [16] = "EBUSY",      [17] = "EEXIST", [18] = "EXDEV",
        [19] = "ENODEV",       [20] = "ENOTDIR",    [21] = "EISDIR", [22] = "EINVAL",
        [24] = "EMFILE",       [25] = "ENOTTY",     [28] = "ENOSPC", [29] = "ESPIPE",
        [30] = "EROFS",        [32] = "EPIPE",      [34] = "ERANGE", [36] = "ENAMETOOLONG",
        [38] = "ENOSYS",       [39] = "ENOTEMPTY",  [40] = "ELOOP",  [95] = "EOPNOTSUPP",
        [97] = "EAFNOSUPPORT", [110] = "ETIMEDOUT",
    };

    err = -err;
    return err > 0 && err < (long)TORO_ARRAY_SIZE(names) && names[err] != NULL ? names[err] : "";
}

/* Which argument is a path, by call; -1 none. */
static int path_arg(long nr)
{
    switch (nr) {
    case 2:
    case 4:
    case 6:
    case 21:
    case 76:
    case 80:
    case 82:
    case 83:
    case 84:
    case 85:
    case 87:
    case 89:
    case 90:
    case 137:
        return 0;
    case 257:
    case 258:
    case 262:
    case 263:
    case 264:
    case 267:
    case 268:
    case 269:
    case 332:
    case 439:
        return 1;
    default:
        return -1;
    }
}

static size_t trace_args(char *line, size_t size, long nr, const struct entry *e, const long *arg)
{
    size_t at = 0;
    char path[80];

    at += (size_t)(e->name != NULL ? toro_snprintf(line, size, "%s(", e->name)
                                   : toro_snprintf(line, size, "syscall_%ld(", nr));
    for (unsigned i = 0; i < (e->name != NULL ? e->nargs : 6) && at < size; i++) {
        const char *sep = i > 0 ? ", " : "";

        if ((int)i == path_arg(nr) &&
            (toro_copy_string(path, (const char *)arg[i], sizeof(path)) >= 0))
            at += (size_t)toro_snprintf(line + at, size - at, "%s\"%s\"", sep, path);
        else if (arg[i] > -4096 && arg[i] < 4096)
            at += (size_t)toro_snprintf(line + at, size - at, "%s%ld", sep, arg[i]);
        else
            at += (size_t)toro_snprintf(line + at, size - at, "%s0x%lx", sep, arg[i]);
    }
    return TORO_MIN(at, size);
}

static void trace(struct toro_proc *p, long nr, const struct entry *e, const long *arg, long ret,
                  bool done)
{
    char line[256];
    size_t at = trace_args(line, sizeof(line), nr, e, arg);
    int tid = toro_current()->tid;

    if (at >= sizeof(line) - 40)
        at = sizeof(line) - 40;
    if (!done)
        toro_snprintf(line + at, sizeof(line) - at, ") = ?");
    else if (ret < 0 && ret > -4096)
        toro_snprintf(line + at, sizeof(line) - at, ") = %ld %s", ret, errno_name(ret));
    else if (ret < 4096)
        toro_snprintf(line + at, sizeof(line) - at, ") = %ld", ret);
    else
        toro_snprintf(line + at, sizeof(line) - at, ") = 0x%lx", ret);
    toro_proc_complain(p, "[%u:%d] %s\n", p->world_rank, tid, line);
}

static long call_unknown(struct toro_proc *p, unsigned long nr)
{
    if (nr >= TORO_SYSCALL_MAX) {
        atomic_fetch_add_explicit(&unknown_beyond, 1, memory_order_relaxed);
        return -ENOSYS;
    }
    atomic_fetch_add_explicit(&unknown[nr], 1, memory_order_relaxed);
    if (p->unknown[nr] < UINT16_MAX)
        p->unknown[nr]++;
    return -ENOSYS;
}

/* An address in the kernel's half is nobody's to pass; but small negative numbers (errors,
 * AT_FDCWD, sign-extended ints, offsets) are no addresses. */
static bool kernel_address(const long *arg, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (toro_unlikely((uint64_t)arg[i] - 0xffff800000000000ull < 0x7fff00000000ull))
            return true;
    return false;
}

void toro_syscall(struct arch_frame *f)
{
    static const struct entry none;
    struct toro_thread *t = toro_current();
    struct toro_proc *p = t->proc;
    unsigned long nr = f->rax;
    const struct entry *e = nr < TORO_SYSCALL_MAX ? &table[nr] : &none;
    const long arg[6] = {(long)f->rdi, (long)f->rsi, (long)f->rdx,
                         (long)f->r10, (long)f->r8,  (long)f->r9};
    bool traced = toro_unlikely((p->start_flags & TOROBUS_START_STRACE) != 0);
    long ret;

    t->sysno = (long)nr;
    t->restart = false;
    if (!t->restarted)
        t->restart_at = 0;
    t->restarted = false;
    t->syscalls++;
    if (traced && (nr == 60 || nr == 231))
        trace(p, (long)nr, e, arg, 0, false);
    if (toro_unlikely(e->fn == NULL))
        ret = call_unknown(p, nr);
    else if (toro_unlikely(kernel_address(arg, e->nargs)))
        ret = -EFAULT;
    else
        ret = e->fn(arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
    if (toro_unlikely(ret == -EINTR) && restartable((long)nr))
        t->restart = true;
    if (traced)
        trace(p, (long)nr, e, arg, ret, true);
    f->rax = (uint64_t)ret;
}

size_t toro_syscall_report(char *buf, size_t size)
{
    size_t at = 0;

    buf[0] = '\0';
    for (unsigned nr = 0; nr < TORO_SYSCALL_MAX && at < size; nr++) {
        uint32_t n = atomic_load_explicit(&unknown[nr], memory_order_relaxed);

        if (n != 0)
            at += (size_t)toro_snprintf(buf + at, size - at, "system call %u: %u times\n", nr, n);
    }
    if (at < size && atomic_load_explicit(&unknown_beyond, memory_order_relaxed) != 0)
        at += (size_t)toro_snprintf(buf + at, size - at, "system calls beyond %u: %u times\n",
                                    TORO_SYSCALL_MAX - 1,
                                    atomic_load_explicit(&unknown_beyond, memory_order_relaxed));
    return TORO_MIN(at, size - 1);
}
