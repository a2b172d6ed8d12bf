/* SPDX-License-Identifier: BSD-3-Clause */
/* Who and where: uname, process and user ids, prctl, random bytes. */
#include "sys.h"
#include <toro/boot.h>

/* Linux's interface as of this version is what programs may look for. */
#define RELEASE "6.1.0-torobus"

struct utsname {
    char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};

long sys_uname(long user, long a1, long a2, long a3, long a4, long a5)
{
    struct utsname u = {.sysname = "Linux",
                        .release = RELEASE,
                        .version = "#1 SMP Torobus",
                        .machine = "x86_64",
                        .domainname = "(none)"};

    SYS_UNUSED(a1), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    toro_strlcpy(u.nodename, toro_boot.name[0] != '\0' ? toro_boot.name : "torobus",
                 sizeof(u.nodename));
    return toro_copy_to_user((void *)user, &u, sizeof(u));
}

long sys_getpid(SYS_ARGS0)
{
    SYS_REST0;
    return toro_current_proc()->pid;
}

/* The parent is outside of the guest, as in a PID namespace of its own. */
long sys_getppid(SYS_ARGS0)
{
    SYS_REST0;
    return 0;
}

long sys_getuid(SYS_ARGS0)
{
    SYS_REST0;
    return toro_current_proc()->uid;
}

long sys_geteuid(SYS_ARGS0)
{
    SYS_REST0;
    return toro_current_proc()->uid;
}

long sys_getgid(SYS_ARGS0)
{
    SYS_REST0;
    return toro_current_proc()->gid;
}

long sys_getegid(SYS_ARGS0)
{
    SYS_REST0;
    return toro_current_proc()->gid;
}

static long put3(long a, long b, long c, uint32_t v)
{
    return toro_copy_to_user((void *)a, &v, sizeof(v)) != 0 ||
                   toro_copy_to_user((void *)b, &v, sizeof(v)) != 0 ||
                   toro_copy_to_user((void *)c, &v, sizeof(v)) != 0
               ? -EFAULT
               : 0;
}

long sys_getresuid(long r, long e, long s, long a3, long a4, long a5)
{
    SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return put3(r, e, s, toro_current_proc()->uid);
}

long sys_getresgid(long r, long e, long s, long a3, long a4, long a5)
{
    SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return put3(r, e, s, toro_current_proc()->gid);
}

/* No supplementary groups are known here. */
long sys_getgroups(long size, long user, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(user), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return (int)size < 0 ? -EINVAL : 0;
}

/* Every rank is the leader of a session and group of its own. */
static long own_pid(long pid)
{
    int mine = toro_current_proc()->pid;

    return pid == 0 || pid == mine ? mine : -ESRCH;
}

long sys_getpgrp(SYS_ARGS0)
{
    SYS_REST0;
    return own_pid(0);
}

long sys_getpgid(long pid, long a1, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a1), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return own_pid(pid);
}

long sys_getsid(long pid, long a1, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a1), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return own_pid(pid);
}

/* As Linux tells a leader. */
long sys_setsid(SYS_ARGS0)
{
    SYS_REST0;
    return -EPERM;
}

long sys_setpgid(long pid, long pgid, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(pgid), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return own_pid(pid) < 0 ? -ESRCH : -EPERM;
}

long sys_prctl(long op, long arg, long a2, long a3, long a4, long a5)
{
    struct toro_thread *t = toro_current();
    char name[16];

    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    switch (op) {
    case 15: /* PR_SET_NAME */
        toro_memset(name, 0, sizeof(name));
        if (toro_copy_string(name, (const char *)arg, sizeof(name)) == -EFAULT)
            return -EFAULT;
        name[15] = '\0';
        toro_memcpy(t->name, name, sizeof(name));
        return 0;
    case 16: /* PR_GET_NAME */
        return toro_copy_to_user((void *)arg, t->name, sizeof(t->name));
    case 3: /* PR_GET_DUMPABLE */
        return 0;
    case 39: /* PR_GET_NO_NEW_PRIVS: there are none to get */
        return 1;
    default:
        return -EINVAL;
    }
}

long sys_getrandom(long user, long size, long flags, long a3, long a4, long a5)
{
    char bytes[256];
    long done = 0;

    SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if ((flags & ~7l) != 0 || (flags & 6) == 6)
        return -EINVAL;
    size = TORO_MIN((unsigned long)size, 0x1fffffful) + 0l;
    while (done < size) {
        size_t n = TORO_MIN((size_t)(size - done), sizeof(bytes));

        arch_random(bytes, n);
        if (toro_copy_to_user((char *)user + done, bytes, n) != 0)
            return done > 0 ? done : -EFAULT;
        done += (long)n;
    }
    return done;
}
