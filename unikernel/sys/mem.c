/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls on memory: arguments checked and put into terms of mm/vma.c. */
#include "sys.h"

#define MAP_SHARED_          1
#define MAP_PRIVATE_         2
#define MAP_SHARED_VALIDATE_ 3
#define MAP_TYPE_            0xf
#define MAP_FIXED_           0x10
#define MAP_ANONYMOUS_       0x20
#define MAP_STACK_           0x20000
#define MAP_HUGETLB_         0x40000
#define MAP_NOREPLACE_       0x100000

#define MREMAP_MAYMOVE_      1
#define MREMAP_FIXED_        2
#define MREMAP_DONTUNMAP_    4
#define MADV_FREE_MIN        (1ull << 20)

#define PROT_KNOWN           (ARCH_PROT_READ | ARCH_PROT_WRITE | ARCH_PROT_EXEC)
/* Longest range: more cannot be had anyway, and sums stay far from wrapping. */
#define LEN_MAX (1ull << 46)

static bool page_aligned(long v)
{
    return ((uint64_t)v & (TORO_PAGE_SIZE - 1)) == 0;
}

/* Round a length up. @return false if it cannot be a length. */
static bool length(long len, uint64_t *out)
{
    if ((uint64_t)len > LEN_MAX)
        return false;
    *out = TORO_ALIGN_UP((uint64_t)len, TORO_PAGE_SIZE);
    return true;
}

/* A private mapping is a copy: read now what a page fault would bring in later. */
static long map_private_file(struct toro_mm *mm, uint64_t at, uint64_t len, unsigned prot,
                             enum toro_map_how how, struct toro_file *f, uint64_t off)
{
    long va;
    uint64_t done = 0;
    toro_ssize n = 0;

    if (f->ops->read == NULL)
        return -ENODEV;
    if ((f->flags & TORO_O_ACCMODE) == TORO_O_WRONLY)
        return -EACCES;
    va = toro_mm_map(mm, at, len, ARCH_PROT_READ | ARCH_PROT_WRITE, how, TORO_VMA_FILE, 0);
    if (va < 0)
        return va;
    while (done < len) {
        n = toro_file_pread(f, (char *)va + done, len - done, off + done);
        if (n <= 0)
            break;
        done += (uint64_t)n;
    }
    if (n == -ESPIPE)
        n = -ENODEV;
    if (n >= 0 && prot != (ARCH_PROT_READ | ARCH_PROT_WRITE))
        n = toro_mm_protect(mm, (uint64_t)va, len, prot);
    if (n < 0) {
        (void)toro_mm_unmap(mm, (uint64_t)va, len);
        return n;
    }
    return va;
}

static long map_shared_file(struct toro_mm *mm, uint64_t at, uint64_t len, unsigned prot,
                            enum toro_map_how how, struct toro_file *f, uint64_t off)
{
    unsigned mode = f->flags & TORO_O_ACCMODE;
    long va;
    int err;

    if (f->ops->mmap == NULL)
        return -ENODEV;
    if (mode == TORO_O_WRONLY || ((prot & ARCH_PROT_WRITE) != 0 && mode != TORO_O_RDWR))
        return -EACCES;
    va = f->ops->mmap(f, off, len, prot);
    if (va < 0)
        return va;
    if (how != TORO_MAP_HINT && (uint64_t)va != at)
        return -EINVAL;
    toro_file_get(f);
    err = toro_mm_map_shared(mm, (uint64_t)va, len, prot, f, off);
    if (err != 0) {
        toro_file_put(f);
        return err;
    }
    return va;
}

long sys_mmap(long addr, long len0, long prot0, long flags, long fd, long off)
{
    struct toro_proc *p = toro_current_proc();
    unsigned prot = (unsigned)prot0 & PROT_KNOWN;
    enum toro_map_how how = TORO_MAP_HINT;
    long type = flags & MAP_TYPE_, r;
    struct toro_file *f;
    uint64_t len;

    if (len0 == 0 || !page_aligned(off) ||
        (type != MAP_SHARED_ && type != MAP_PRIVATE_ && type != MAP_SHARED_VALIDATE_))
        return -EINVAL;
    if (!length(len0, &len))
        return -ENOMEM;
    if ((flags & (MAP_FIXED_ | MAP_NOREPLACE_)) != 0) {
        if (!page_aligned(addr))
            return -EINVAL;
        how = (flags & MAP_NOREPLACE_) != 0 ? TORO_MAP_EXACT : TORO_MAP_FIXED;
    } else {
        addr = (long)TORO_ALIGN_DOWN((uint64_t)addr, TORO_PAGE_SIZE);
    }
    if ((flags & MAP_ANONYMOUS_) != 0) {
        uint64_t align = (flags & MAP_HUGETLB_) != 0 ? 2ul << 20 : 0;

        if (align != 0)
            len = TORO_ALIGN_UP(len, align);
        return toro_mm_map(&p->mm, (uint64_t)addr, len, prot, how,
                           (flags & MAP_STACK_) != 0 ? TORO_VMA_TSTACK : TORO_VMA_ANON, align);
    }
    f = toro_fd_get(&p->fds, (int)fd);
    if (f == NULL)
        return -EBADF;
    if (type == MAP_PRIVATE_)
        r = map_private_file(&p->mm, (uint64_t)addr, len, prot, how, f, (uint64_t)off);
    else
        r = map_shared_file(&p->mm, (uint64_t)addr, len, prot, how, f, (uint64_t)off);
    toro_file_put(f);
    return r;
}

long sys_munmap(long addr, long len0, long a2, long a3, long a4, long a5)
{
    uint64_t len;

    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (!page_aligned(addr) || len0 == 0 || !length(len0, &len))
        return -EINVAL;
    return toro_mm_unmap(&toro_current_proc()->mm, (uint64_t)addr, len);
}

long sys_mprotect(long addr, long len0, long prot, long a3, long a4, long a5)
{
    uint64_t len;

    SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (!page_aligned(addr))
        return -EINVAL;
    if (!length(len0, &len))
        return -ENOMEM;
    if (len == 0)
        return 0;
    return toro_mm_protect(&toro_current_proc()->mm, (uint64_t)addr, len,
                           (unsigned)prot & PROT_KNOWN);
}

long sys_brk(long brk, long a1, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a1), SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return (long)toro_mm_brk(&toro_current_proc()->mm, (uint64_t)brk);
}

/* A copy of v's [at, at + n) as a block of len bytes, there or (to 0) anywhere. Address or -errno.
 */
static long copy_to(struct toro_mm *mm, const struct toro_vma *v, uint64_t at, uint64_t n,
                    uint64_t to, uint64_t len)
{
    const unsigned rw = ARCH_PROT_READ | ARCH_PROT_WRITE;
    long va = toro_mm_map(mm, to, len, v->prot == 0 ? 0 : rw,
                          to != 0 ? TORO_MAP_FIXED : TORO_MAP_HINT, v->kind, 0);
    int err = 0;

    if (va < 0 || v->prot == 0)
        return va;
    /* The source may be unreadable by now: another thread's doing. */
    if (toro_copy_to_user((void *)va, (void *)at, TORO_MIN(n, len)) != 0)
        err = -EFAULT;
    else if (v->prot != rw)
        err = toro_mm_protect(mm, (uint64_t)va, len, v->prot);
    if (err != 0)
        (void)toro_mm_unmap(mm, (uint64_t)va, len);
    return err != 0 ? err : va;
}

static bool overlap(uint64_t a, uint64_t alen, uint64_t b, uint64_t blen)
{
    return a < b + blen && b < a + alen;
}

long sys_mremap(long addr, long old0, long new0, long flags, long to, long a5)
{
    const long known = MREMAP_MAYMOVE_ | MREMAP_FIXED_ | MREMAP_DONTUNMAP_;
    bool move = (flags & MREMAP_MAYMOVE_) != 0, fixed = (flags & MREMAP_FIXED_) != 0;
    bool keep = (flags & MREMAP_DONTUNMAP_) != 0;
    struct toro_mm *mm = &toro_current_proc()->mm;
    uint64_t old_len, len, at = (uint64_t)addr;
    struct toro_vma v;
    long va, r;

    SYS_UNUSED(a5);
    if (!page_aligned(addr) || new0 == 0 || (flags & ~known) != 0 || ((fixed || keep) && !move) ||
        !length(old0, &old_len) || !length(new0, &len) || old_len == 0 || (keep && len != old_len))
        return -EINVAL;
    if (fixed && (!page_aligned(to) || to == 0 || overlap((uint64_t)to, len, at, old_len)))
        return -EINVAL;
    if (!toro_mm_next(mm, at, &v) || v.start > at || v.end - at < old_len)
        return -EFAULT;
    if (keep && v.kind != TORO_VMA_ANON && v.kind != TORO_VMA_TSTACK)
        return -EINVAL;
    if (!fixed && !keep && len <= old_len) {
        r = len < old_len ? toro_mm_unmap(mm, at + len, old_len - len) : 0;
        return r == 0 ? addr : r;
    }
    if (v.kind == TORO_VMA_SHARED) /* its place is the file's choice */
        return -EINVAL;
    if (!fixed && !keep) {
        va = toro_mm_map(mm, at + old_len, len - old_len, v.prot, TORO_MAP_EXACT, v.kind, 0);
        if (va >= 0)
            return addr;
        if (!move)
            return -ENOMEM;
    }
    va = copy_to(mm, &v, at, old_len, fixed ? (uint64_t)to : 0, len);
    if (va < 0)
        return va;
    /* What is kept is as if it were new. */
    r = keep ? toro_mm_map(mm, at, old_len, v.prot, TORO_MAP_FIXED, v.kind, 0)
             : toro_mm_unmap(mm, at, old_len);
    if (r < 0) {
        (void)toro_mm_unmap(mm, (uint64_t)va, len);
        return r;
    }
    return va;
}

/* Is every page of the range mapped? */
static bool mapped(struct toro_mm *mm, uint64_t at, uint64_t len)
{
    struct toro_vma v;
    uint64_t end = at + len;

    while (at < end && toro_mm_next(mm, at, &v) && v.start <= at)
        at = v.end;
    return at >= end;
}

long sys_madvise(long addr, long len0, long advice, long a3, long a4, long a5)
{
    struct toro_mm *mm = &toro_current_proc()->mm;
    uint64_t len;

    SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (!page_aligned(addr) || !length(len0, &len))
        return -EINVAL;
    if (len == 0)
        return 0;
    switch (advice) {
    case 4: /* DONTNEED */
        return toro_mm_discard(mm, (uint64_t)addr, len);
    case 8: /* FREE: what is not worth the trouble keeps its contents */
        if (!mapped(mm, (uint64_t)addr, len))
            return -ENOMEM;
        return len >= MADV_FREE_MIN ? toro_mm_discard(mm, (uint64_t)addr, len) : 0;
    case 0:  /* NORMAL */
    case 1:  /* RANDOM */
    case 2:  /* SEQUENTIAL */
    case 3:  /* WILLNEED */
    case 10: /* DONTFORK: there is no fork */
    case 11: /* DOFORK */
    case 14: /* HUGEPAGE: as far as it goes, always */
    case 15: /* NOHUGEPAGE */
    case 16: /* DONTDUMP */
    case 17: /* DODUMP */
        return mapped(mm, (uint64_t)addr, len) ? 0 : -ENOMEM;
    default:
        return -EINVAL;
    }
}

long sys_mincore(long addr, long len0, long vec, long a3, long a4, long a5)
{
    uint64_t len;
    char ones[64];

    SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (!page_aligned(addr))
        return -EINVAL;
    if (!length(len0, &len) || !mapped(&toro_current_proc()->mm, (uint64_t)addr, len))
        return -ENOMEM;
    toro_memset(ones, 1, sizeof(ones));
    for (uint64_t n = len / TORO_PAGE_SIZE; n > 0;) {
        uint64_t k = TORO_MIN(n, sizeof(ones));

        if (toro_copy_to_user((void *)vec, ones, k) != 0)
            return -EFAULT;
        vec += (long)k;
        n -= k;
    }
    return 0;
}

long sys_msync(long addr, long len0, long flags, long a3, long a4, long a5)
{
    struct toro_mm *mm = &toro_current_proc()->mm;
    uint64_t len, at = (uint64_t)addr, end;
    struct toro_vma v;
    int err = 0;

    SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    if (!page_aligned(addr) || (flags & ~7l) != 0 || (flags & 5) == 5)
        return -EINVAL;
    if (!length(len0, &len) || !mapped(mm, at, len))
        return -ENOMEM;
    /* The files write back what was changed; memory itself is the same for all. */
    for (end = at + len; at < end && err == 0 && toro_mm_next(mm, at, &v); at = v.end) {
        struct toro_file *f = v.kind == TORO_VMA_SHARED ? toro_mm_file(mm, at) : NULL;

        if (f != NULL && f->ops->sync != NULL)
            err = f->ops->sync(f);
        if (f != NULL)
            toro_file_put(f);
    }
    return err;
}

/* Nothing is ever swapped out. */
static long lock_range(long addr, long len0)
{
    uint64_t len, at = TORO_ALIGN_DOWN((uint64_t)addr, TORO_PAGE_SIZE);

    if (!length(len0 + (long)((uint64_t)addr - at), &len))
        return -EINVAL;
    return mapped(&toro_current_proc()->mm, at, len) ? 0 : -ENOMEM;
}

long sys_mlock(long addr, long len, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return lock_range(addr, len);
}

long sys_munlock(long addr, long len, long a2, long a3, long a4, long a5)
{
    SYS_UNUSED(a2), SYS_UNUSED(a3), SYS_UNUSED(a4), SYS_UNUSED(a5);
    return lock_range(addr, len);
}

long sys_mlockall(SYS_ARGS0)
{
    SYS_REST0;
    return 0;
}

long sys_munlockall(SYS_ARGS0)
{
    SYS_REST0;
    return 0;
}
