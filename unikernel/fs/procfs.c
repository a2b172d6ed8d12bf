/* SPDX-License-Identifier: BSD-3-Clause */
/* /proc, as far as glibc, hwloc, Open MPI and curious programs read it. It tells of this guest
 * only: its ranks are the processes. The texts are in proctext.c. */
#include <toro/arch.h>
#include <toro/boot.h>
#include <toro/errno.h>
#include <toro/lib.h>
#include <toro/mm.h>
#include <toro/proc.h>
#include "proctext.h"
#include "pseudo.h"

struct file {
    const char *name;
    int (*text)(struct toro_text *t, struct toro_proc *p);
};

static const struct file top[] = {
    {"cpuinfo", toro_proc_cpuinfo},
    {"meminfo", toro_proc_meminfo},
    {"stat", toro_proc_stat},
    {"uptime", toro_proc_uptime},
    {"interrupts", toro_proc_interrupts},
    {"loadavg", toro_proc_loadavg},
    {"version", toro_proc_version},
    {"filesystems", toro_proc_filesystems},
};
static const struct file per_rank[] = {
    {"maps", toro_proc_maps},           {"status", toro_proc_status},
    {"stat", toro_proc_self_stat},      {"statm", toro_proc_statm},
    {"cmdline", toro_proc_cmdline},     {"comm", toro_proc_comm},
    {"limits", toro_proc_limits},       {"mounts", toro_proc_mounts},
    {"mountinfo", toro_proc_mountinfo}, {"cgroup", toro_proc_cgroup},
    {"environ", toro_proc_environ},
};
static const struct file per_task[] = {
    {"comm", toro_proc_comm}, {"stat", toro_proc_self_stat}, {"status", toro_proc_status}};
static const struct file sys_kernel[] = {{"hostname", toro_proc_hostname},
                                         {"ostype", toro_proc_ostype},
                                         {"osrelease", toro_proc_osrelease},
                                         {"pid_max", toro_proc_pid_max}};

/* What a path names. */
enum kind {
    NONE,
    ROOT,
    TEXT,
    SELF,
    RANK,
    EXE,
    CWD,
    ROOTLINK,
    FD_DIR,
    FD,
    TASK_DIR,
    TASK,
    MOUNTS,
    SYS,
    SYS_KERNEL,
    SYSRQ
};
struct what {
    enum kind kind;
    struct toro_proc *p; /* a rank in its files; it cannot end while it looks at itself */
    int number;          /* descriptor or thread */
    const struct file *file;
};

static const struct file *find(const struct file *f, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++)
        if (toro_strcmp(f[i].name, name) == 0)
            return &f[i];
    return NULL;
}

/* A decimal number as the whole next component. @return what follows, NULL if it is none. */
static const char *number(const char *rel, int *n)
{
    const char *end;
    uint64_t v = toro_strtou(rel, &end);

    if (rel[0] < '0' || rel[0] > '9' || (*end && *end != '/') || v > INT32_MAX)
        return NULL;
    *n = (int)v;
    return *end ? end + 1 : end;
}

static struct toro_proc *rank_by_pid(int pid)
{
    for (unsigned i = 0; i < arch_ncores(); i++) {
        struct toro_proc *p = toro_proc(i);

        if (p && p->pid == pid)
            return p;
    }
    return NULL;
}

static bool has_task(struct toro_proc *p, int tid)
{
    bool yes;

    toro_spin_lock(&p->lock);
    yes = toro_proc_thread(p, tid) != NULL;
    toro_spin_unlock(&p->lock);
    return yes;
}

static bool has_fd(struct toro_proc *p, int fd)
{
    struct toro_file *f = toro_fd_get(&p->fds, fd);

    toro_file_put(f);
    return f != NULL;
}

static struct what text_of(const struct file *f, unsigned n, const char *name, struct toro_proc *p)
{
    struct what w = {.p = p, .file = find(f, n, name)};

    w.kind = w.file ? TEXT : NONE;
    return w;
}

static struct what in_rank(struct toro_proc *p, const char *rel)
{
    static const struct {
        const char *name;
        enum kind kind;
    } links[] = {{"exe", EXE}, {"cwd", CWD}, {"root", ROOTLINK}};
    struct what w = {.p = p, .kind = RANK};
    const char *r;

    if (!*rel)
        return w;
    for (unsigned i = 0; i < TORO_ARRAY_SIZE(links); i++) {
        if (toro_strcmp(rel, links[i].name) == 0) {
            w.kind = links[i].kind;
            return w;
        }
    }
    r = toro_pseudo_below(rel, "fd");
    if (r) {
        w.kind = !*r ? FD_DIR : number(r, &w.number) && has_fd(p, w.number) ? FD : NONE;
        return w;
    }
    r = toro_pseudo_below(rel, "task");
    if (r && !*r) {
        w.kind = TASK_DIR;
        return w;
    }
    if (r) {
        r = number(r, &w.number);
        if (!r || !has_task(p, w.number))
            w.kind = NONE;
        else if (!*r)
            w.kind = TASK;
        else
            w = text_of(per_task, TORO_ARRAY_SIZE(per_task), r, p);
        return w;
    }
    return text_of(per_rank, TORO_ARRAY_SIZE(per_rank), rel, p);
}

static struct what parse(const char *rel)
{
    struct what w = {0};
    struct toro_proc *p;
    const char *r;
    int pid;

    if (!*rel) {
        w.kind = ROOT;
        return w;
    }
    if (toro_strcmp(rel, "self") == 0) {
        w.p = toro_current_proc();
        w.kind = w.p ? SELF : NONE;
        return w;
    }
    if (toro_strcmp(rel, "mounts") == 0) {
        w.kind = MOUNTS;
        return w;
    }
    if (toro_strcmp(rel, "sysrq-trigger") == 0) {
        w.kind = SYSRQ;
        return w;
    }
    r = toro_pseudo_below(rel, "sys");
    if (r) {
        if (!*r)
            w.kind = SYS;
        else if ((r = toro_pseudo_below(r, "kernel")) != NULL && !*r)
            w.kind = SYS_KERNEL;
        else if (r)
            w = text_of(sys_kernel, TORO_ARRAY_SIZE(sys_kernel), r, NULL);
        return w;
    }
    r = number(rel, &pid);
    p = r ? rank_by_pid(pid) : NULL;
    if (r)
        return p ? in_rank(p, r) : w;
    return text_of(top, TORO_ARRAY_SIZE(top), rel, NULL);
}

static uint32_t proc_type(const char *rel)
{
    switch (parse(rel).kind) {
    case NONE:
        return 0;
    case TEXT:
        return TORO_S_IFREG;
    case SELF:
    case EXE:
    case CWD:
    case ROOTLINK:
    case FD:
    case MOUNTS:
        return TORO_S_IFLNK;
    case SYSRQ:
        return TORO_S_IFCHR;
    default:
        return TORO_S_IFDIR;
    }
}

static uint32_t named(char *to, const char *name, uint32_t type)
{
    toro_strlcpy(to, name, TORO_NAME_MAX + 1);
    return type;
}

static uint32_t numbered(char *to, int n, uint32_t type)
{
    toro_snprintf(to, TORO_NAME_MAX + 1, "%d", n);
    return type;
}

static uint32_t root_entry(unsigned i, char *name)
{
    static const char *const more[] = {"self", "mounts", "sys"};

    if (i < TORO_ARRAY_SIZE(top))
        return named(name, top[i].name, TORO_S_IFREG);
    i -= TORO_ARRAY_SIZE(top);
    if (i < TORO_ARRAY_SIZE(more))
        return named(name, more[i], i == 2 ? TORO_S_IFDIR : TORO_S_IFLNK);
    i -= TORO_ARRAY_SIZE(more);
    for (unsigned c = 0; c < arch_ncores(); c++) {
        struct toro_proc *p = toro_proc(c);

        if (p && i-- == 0)
            return numbered(name, p->pid, TORO_S_IFDIR);
    }
    return 0;
}

static uint32_t rank_entry(unsigned i, char *name)
{
    static const struct {
        const char *name;
        uint32_t type;
    } more[] = {{"exe", TORO_S_IFLNK},
                {"cwd", TORO_S_IFLNK},
                {"root", TORO_S_IFLNK},
                {"fd", TORO_S_IFDIR},
                {"task", TORO_S_IFDIR}};

    if (i < TORO_ARRAY_SIZE(per_rank))
        return named(name, per_rank[i].name, TORO_S_IFREG);
    i -= TORO_ARRAY_SIZE(per_rank);
    return i < TORO_ARRAY_SIZE(more) ? named(name, more[i].name, more[i].type) : 0;
}

static uint32_t task_entry(struct toro_proc *p, unsigned i, char *name)
{
    uint32_t type = 0;

    toro_spin_lock(&p->lock);
    toro_list_each(&p->threads, it)
    {
        if (i-- == 0) {
            type = numbered(name, toro_list_entry(it, struct toro_thread, peer)->tid, TORO_S_IFDIR);
            break;
        }
    }
    toro_spin_unlock(&p->lock);
    return type;
}

static uint32_t fd_entry(struct toro_proc *p, unsigned i, char *name)
{
    for (int fd = 0; fd < TORO_MAX_FDS; fd++)
        if (p->fds.file[fd] && i-- == 0)
            return numbered(name, fd, TORO_S_IFLNK);
    return 0;
}

static uint32_t proc_entry(const char *rel, unsigned i, char name[TORO_NAME_MAX + 1])
{
    struct what w = parse(rel);

    switch (w.kind) {
    case ROOT:
        return root_entry(i, name);
    case RANK:
        return rank_entry(i, name);
    case FD_DIR:
        return fd_entry(w.p, i, name);
    case TASK_DIR:
        return task_entry(w.p, i, name);
    case TASK:
        return i < TORO_ARRAY_SIZE(per_task) ? named(name, per_task[i].name, TORO_S_IFREG) : 0;
    case SYS:
        return i == 0 ? named(name, "kernel", TORO_S_IFDIR) : 0;
    case SYS_KERNEL:
        return i < TORO_ARRAY_SIZE(sys_kernel) ? named(name, sys_kernel[i].name, TORO_S_IFREG) : 0;
    default:
        return 0;
    }
}

static int proc_text(const char *rel, struct toro_text *t)
{
    struct what w = parse(rel);

    return w.kind == TEXT ? w.file->text(t, w.p) : -ENOENT;
}

static toro_ssize proc_link(const char *rel, char *buf, size_t size)
{
    struct what w = parse(rel);
    struct toro_file *f = NULL;
    char pid[16];
    const char *s;
    size_t n;

    switch (w.kind) {
    case SELF:
        toro_snprintf(pid, sizeof(pid), "%d", w.p->pid);
        s = pid;
        break;
    case MOUNTS:
        s = "self/mounts";
        break;
    case EXE:
        s = w.p->exe;
        break;
    case CWD:
        s = w.p->cwd_path;
        break;
    case ROOTLINK:
        s = "/";
        break;
    case FD:
        f = toro_fd_get(&w.p->fds, w.number);
        if (!f)
            return -ENOENT;
        s = f->path ? f->path : "anon_inode:[file]";
        break;
    default:
        return -ENOENT;
    }
    n = TORO_MIN(toro_strlen(s), size);
    toro_memcpy(buf, s, n);
    toro_file_put(f);
    return (toro_ssize)n;
}

/* A descriptor without a path leads to its open file itself. */
static struct toro_file *proc_jump(const char *rel)
{
    struct what w = parse(rel);
    struct toro_file *f = w.kind == FD ? toro_fd_get(&w.p->fds, w.number) : NULL;

    if (f && f->node && f->node->mnt->path[0] == '\0')
        return f; /* memfd */
    if (f && f->node) {
        toro_file_put(f);
        f = NULL;
    }
    return f;
}

/* As on Linux, `echo c >/proc/sysrq-trigger` crashes the kernel on purpose: to see what becomes of
 * a job whose guest panics. */
static toro_ssize sysrq_write(struct toro_file *f, const void *buf, size_t n, uint64_t *pos)
{
    char c;

    (void)f;
    (void)pos;
    if (n == 0)
        return 0;
    if (toro_copy_from_user(&c, buf, 1) != 0)
        return -EFAULT;
    if (c != 'c')
        return -EINVAL;
    toro_panic("sysrq triggered crash by pid %d", toro_current_proc()->pid);
}

static toro_ssize sysrq_read(struct toro_file *f, void *buf, size_t n, uint64_t *pos)
{
    (void)f;
    (void)buf;
    (void)n;
    (void)pos;
    return -EIO;
}

static int proc_open(const char *rel, struct toro_file *f)
{
    static const struct toro_file_ops sysrq_ops = {.read = sysrq_read, .write = sysrq_write};

    if (parse(rel).kind != SYSRQ)
        return -ENXIO;
    f->ops = &sysrq_ops;
    return 0;
}

static uint64_t proc_rdev(const char *rel)
{
    (void)rel;
    return 0;
}

static const struct pseudo procfs = {.type = proc_type,
                                     .entry = proc_entry,
                                     .text = proc_text,
                                     .link = proc_link,
                                     .jump = proc_jump,
                                     .open = proc_open,
                                     .rdev = proc_rdev,
                                     .magic = TORO_PROC_MAGIC};

int toro_procfs_mount(void)
{
    return toro_pseudo_mount("/proc", "proc", &procfs);
}
