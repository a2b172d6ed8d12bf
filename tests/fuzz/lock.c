/* SPDX-License-Identifier: BSD-3-Clause */
/* File locks that a guest asks its proxy for: whatever path it names, nothing outside of --root is
 * opened, nothing for writing that it may only read, and nothing at all with --fs none. */
#include "../../orted-shim/proxy_lock.c"

#include "fuzz.h"

void proxy_send(struct proxy *p, uint16_t type, uint32_t arg, const void *body, uint32_t len)
{
    (void)p;
    (void)type;
    (void)arg;
    free(fuzz_copy(body, len));
}

static char root[64];

static void make(const char *name, bool dir)
{
    char path[128];

    snprintf(path, sizeof(path), "%s%s", root, name);
    if (dir)
        FUZZ_ASSERT(mkdir(path, 0700) == 0);
    else
        close(open(path, O_WRONLY | O_CREAT, 0600));
}

static void clean(void)
{
    static const char *const all[] = {"/in/a/b", "/in/a", "/in/l", "/in", "/out", ""};
    char path[128];

    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        snprintf(path, sizeof(path), "%s%s", root, all[i]);
        remove(path);
    }
}

static void set_up(void)
{
    char path[128];

    snprintf(root, sizeof(root), "/tmp/toro-fuzz.XXXXXX");
    FUZZ_ASSERT(mkdtemp(root));
    make("/in", true);
    make("/in/a", true);
    make("/in/a/b", false);
    make("/out", false);
    snprintf(path, sizeof(path), "%s/in/l", root);
    FUZZ_ASSERT(symlink("../out", path) == 0);
    atexit(clean);
}

static void check(const struct lock_file *f, enum shim_fs fs)
{
    char fd[32], path[256];
    ssize_t n;

    FUZZ_ASSERT(fs != SHIM_FS_NONE);
    if (fs == SHIM_FS_RO)
        FUZZ_ASSERT((fcntl(f->fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
    snprintf(fd, sizeof(fd), "/proc/self/fd/%d", f->fd);
    n = readlink(fd, path, sizeof(path) - 1);
    FUZZ_ASSERT(n > 0);
    path[n] = '\0';
    n = (ssize_t)strlen(root);
    FUZZ_ASSERT(strncmp(path, root, (size_t)n) == 0 && strncmp(path + n, "/in", 3) == 0 &&
                (path[n + 3] == '/' || path[n + 3] == '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct event_base *base;
    struct proxy_job job = {.node = "node"};
    struct proxy p = {.job = &job};
    char inside[80];
    struct fuzz f = {data, size};

    if (!base) {
        base = event_base_new();
        set_up();
    }
    p.base = base;
    job.fs = (enum shim_fs)(fuzz_u8(&f) % 3);
    snprintf(inside, sizeof(inside), "%s/in", root);
    job.root = inside;
    while (f.left > 0) {
        struct torobus_ctl_lock l = {.id = 1};
        char body[sizeof(l) + 64] = "";
        size_t n = fuzz_u8(&f) % 60u;
        void *c;

        l.op = fuzz_u8(&f) % 7;
        l.type = fuzz_u8(&f) % 4;
        l.key = fuzz_u8(&f) % 3;
        l.start = fuzz_u8(&f);
        memcpy(body, &l, sizeof(l));
        n = fuzz_bytes(&f, body + sizeof(l), n);
        c = fuzz_copy(body, sizeof(l) + n + 1);
        (void)proxy_lock(&p, c, (uint32_t)(sizeof(l) + n + 1));
        free(c);
        for (struct lock_file *o = p.locks ? p.locks->files : NULL; o; o = o->next)
            check(o, job.fs);
    }
    if (p.locks) {
        proxy_lock_end(&p);
        event_free(p.locks->ev);
        event_free(p.locks->nudge);
        close(p.locks->pipe[0]);
        close(p.locks->pipe[1]);
        free(p.locks);
    }
    return 0;
}
