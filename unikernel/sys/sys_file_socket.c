/* SPDX-License-Identifier: BSD-3-Clause */
/* Socket calls. There is no network: socket() says so, and what works are socket pairs. */
#include "../fs/unixpair.h"
#include "file.h"

#define SIGPIPE_    13
#define SOL_SOCKET_ 1
#define MSG_KNOWN                                                                                  \
    (MSG_PEEK_ | MSG_TRUNC_ | MSG_DONTWAIT_ | MSG_WAITALL_ | MSG_NOSIGNAL_ | 0x40000000u)

CALL3(socket, family, type, protocol)
{
    (void)family;
    (void)type;
    (void)protocol;
    return -EAFNOSUPPORT;
}

/* The socket of a descriptor, referenced. @return 0, -EBADF, -ENOTSOCK. */
static int sock(long fd, struct toro_file **f)
{
    *f = sys_fd_io(fd);
    if (!*f)
        return -EBADF;
    if (toro_is_unixpair(*f))
        return 0;
    toro_file_put(*f);
    return -ENOTSOCK;
}

/* A call that is never possible on a socket pair. */
static long refuse(long fd, int err)
{
    struct toro_file *f;
    int r = sock(fd, &f);

    if (r)
        return r;
    toro_file_put(f);
    return err;
}

CALL3(connect, fd, addr, len)
{
    (void)addr;
    (void)len;
    return refuse(fd, -EISCONN);
}

CALL3(bind, fd, addr, len)
{
    (void)addr;
    (void)len;
    return refuse(fd, -EOPNOTSUPP);
}

CALL2(listen, fd, backlog)
{
    (void)backlog;
    return refuse(fd, -EOPNOTSUPP);
}

CALL3(accept, fd, addr, len)
{
    (void)addr;
    (void)len;
    return refuse(fd, -EINVAL);
}

CALL4(accept4, fd, addr, len, flags)
{
    (void)addr;
    (void)len;
    (void)flags;
    return refuse(fd, -EINVAL);
}

CALL2(shutdown, fd, how)
{
    struct toro_file *f;
    int err = sock(fd, &f);

    if (err)
        return err;
    err = toro_unixpair_shutdown(f, (int)how);
    toro_file_put(f);
    return err;
}

/* Both ends are unnamed: the address is the family alone. */
static long name_of(long fd, long addr, long len)
{
    struct toro_file *f;
    uint16_t family = 1;
    uint32_t n;
    int err = sock(fd, &f);

    if (err)
        return err;
    toro_file_put(f);
    if (sys_get(&n, len, sizeof(n)) != 0)
        return -EFAULT;
    if ((int32_t)n < 0)
        return -EINVAL;
    if (sys_put(addr, &family, TORO_MIN(n, 2u)) != 0)
        return -EFAULT;
    n = 2;
    return sys_put(len, &n, sizeof(n));
}

CALL3(getsockname, fd, addr, len)
{
    return name_of(fd, addr, len);
}

CALL3(getpeername, fd, addr, len)
{
    return name_of(fd, addr, len);
}

CALL5(getsockopt, fd, level, opt, user, len)
{
    const struct toro_proc *me = toro_current_proc();
    uint32_t v[3] = {0, 0, 0}, n, size = 4;
    struct toro_file *f;
    int err = sock(fd, &f);

    if (err)
        return err;
    v[0] = (uint32_t)toro_unixpair_type(f);
    toro_file_put(f);
    if (level != SOL_SOCKET_)
        return -EOPNOTSUPP;
    switch (opt) {
    case 3: /* TYPE */
        break;
    case 4: /* ERROR */
        v[0] = 0;
        break;
    case 7: /* SNDBUF */
    case 8: /* RCVBUF */
        v[0] = 65536;
        break;
    case 17: /* PEERCRED: both ends are this rank's */
        v[0] = (uint32_t)me->pid;
        v[1] = me->uid;
        v[2] = me->gid;
        size = 12;
        break;
    case 38: /* PROTOCOL */
        v[0] = 0;
        break;
    case 39: /* DOMAIN */
        v[0] = 1;
        break;
    default:
        return -ENOPROTOOPT;
    }
    if (sys_get(&n, len, sizeof(n)) != 0)
        return -EFAULT;
    if ((int32_t)n < 0)
        return -EINVAL;
    n = TORO_MIN(n, size);
    if (sys_put(user, v, n) != 0)
        return -EFAULT;
    return sys_put(len, &n, sizeof(n));
}

/* Sizes are hints; anything that would promise a behaviour is refused. */
CALL5(setsockopt, fd, level, opt, user, len)
{
    uint32_t v;
    long r = refuse(fd, 0);

    if (r)
        return r;
    if (level != SOL_SOCKET_)
        return -EOPNOTSUPP;
    if (opt != 7 && opt != 8) /* SNDBUF, RCVBUF */
        return -ENOPROTOOPT;
    return len < 4 ? -EINVAL : sys_get(&v, user, sizeof(v));
}

static toro_ssize send(struct toro_file *f, const void *buf, size_t n, unsigned flags)
{
    toro_ssize r;

    if (flags & ~MSG_KNOWN)
        return -EOPNOTSUPP;
    r = toro_unixpair_send(f, buf, n, flags);
    if (r == -EPIPE && !(flags & MSG_NOSIGNAL_) && toro_unixpair_type(f) == SOCK_STREAM_)
        (void)toro_proc_signal(toro_current_proc(), toro_current()->tid, SIGPIPE_);
    return r;
}

CALL6(sendto, fd, buf, n, flags, addr, addrlen)
{
    struct toro_file *f;
    toro_ssize r = sock(fd, &f);

    (void)addrlen;
    if (r)
        return r;
    if (addr)
        r = -EISCONN;
    else if (n < 0)
        r = -EINVAL;
    else if (!toro_user_ok((void *)buf, TORO_MIN((size_t)n, TORO_RW_MAX)))
        r = -EFAULT;
    else
        r = send(f, (void *)buf, TORO_MIN((size_t)n, TORO_RW_MAX), (unsigned)flags);
    toro_file_put(f);
    return r;
}

CALL6(recvfrom, fd, buf, n, flags, addr, addrlen)
{
    struct toro_file *f;
    uint32_t none = 0;
    size_t full;
    toro_ssize r = sock(fd, &f);

    if (r)
        return r;
    if (n < 0)
        r = -EINVAL;
    else if (!toro_user_ok((void *)buf, TORO_MIN((size_t)n, TORO_RW_MAX)))
        r = -EFAULT;
    else if ((unsigned)flags & ~MSG_KNOWN)
        r = -EOPNOTSUPP;
    else
        r = toro_unixpair_recv(f, (void *)buf, TORO_MIN((size_t)n, TORO_RW_MAX), (unsigned)flags,
                               &full);
    toro_file_put(f);
    if (r >= 0 && addr && addrlen && sys_put(addrlen, &none, sizeof(none)) != 0)
        return -EFAULT;
    return r >= 0 && ((unsigned)flags & MSG_TRUNC_) ? (toro_ssize)full : r;
}

/* Messages move through one kernel buffer, as they have to go in or out whole. */
#define MSG_MAX (64ul << 10)

static toro_ssize msg_in(long user, struct toro_msghdr *m, struct toro_iovec *local, unsigned n,
                         struct toro_iovec **v)
{
    if (sys_get(m, user, sizeof(*m)) != 0)
        return -EFAULT;
    if (m->iovlen > TORO_IOV_MAX)
        return -EMSGSIZE;
    return sys_iov_in((long)m->iov, (long)m->iovlen, local, n, v);
}

static toro_ssize gather(char *b, const struct toro_iovec *v, size_t n, size_t max)
{
    size_t at = 0;

    for (size_t i = 0; i < n && at < max; i++) {
        size_t k = TORO_MIN(v[i].len, max - at);

        if (toro_copy_from_user(b + at, v[i].base, k) != 0)
            return -EFAULT;
        at += k;
    }
    return (toro_ssize)at;
}

static toro_ssize scatter(const char *b, size_t len, const struct toro_iovec *v, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n && at < len; i++) {
        size_t k = TORO_MIN(v[i].len, len - at);

        if (toro_copy_to_user(v[i].base, b + at, k) != 0)
            return -EFAULT;
        at += k;
    }
    return (toro_ssize)at;
}

CALL3(sendmsg, fd, user, flags)
{
    struct toro_iovec local[8], *v = local;
    struct toro_msghdr m;
    struct toro_file *f;
    char *b = NULL;
    toro_ssize r = sock(fd, &f);

    if (r)
        return r;
    r = msg_in(user, &m, local, TORO_ARRAY_SIZE(local), &v);
    if (r >= 0 && m.controllen)
        r = -EOPNOTSUPP; /* no descriptor passing: there is nobody to pass to */
    if (r > (toro_ssize)MSG_MAX && toro_unixpair_type(f) != SOCK_STREAM_)
        r = -EMSGSIZE;
    if (r >= 0) {
        b = toro_kmalloc(TORO_MAX(TORO_MIN((size_t)r, MSG_MAX), 1ul));
        r = b ? gather(b, v, m.iovlen, MSG_MAX) : -ENOMEM;
    }
    if (r >= 0)
        r = send(f, b, (size_t)r, (unsigned)flags);
    toro_kfree(b);
    if (v != local)
        toro_kfree(v);
    toro_file_put(f);
    return r;
}

CALL3(recvmsg, fd, user, flags)
{
    struct toro_iovec local[8], *v = local;
    struct toro_msghdr m;
    struct toro_file *f;
    size_t full = 0;
    char *b = NULL;
    toro_ssize r = sock(fd, &f);

    if (r)
        return r;
    r = (unsigned)flags & ~MSG_KNOWN ? -EOPNOTSUPP
                                     : msg_in(user, &m, local, TORO_ARRAY_SIZE(local), &v);
    if (r >= 0) {
        size_t n = TORO_MIN((size_t)r, MSG_MAX);

        b = toro_kmalloc(TORO_MAX(n, 1ul));
        r = b ? toro_unixpair_recv(f, b, n, (unsigned)flags, &full) : -ENOMEM;
    }
    if (r >= 0) {
        size_t got = (size_t)r;

        r = scatter(b, got, v, m.iovlen);
        m.namelen = 0;
        m.controllen = 0;
        m.flags = full > got ? (int)MSG_TRUNC_ : 0;
        if (r >= 0 && sys_put(user, &m, sizeof(m)) != 0)
            r = -EFAULT;
        if (r >= 0 && ((unsigned)flags & MSG_TRUNC_))
            r = (toro_ssize)full;
    }
    toro_kfree(b);
    if (v != local)
        toro_kfree(v);
    toro_file_put(f);
    return r;
}
