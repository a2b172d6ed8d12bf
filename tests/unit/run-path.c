/* SPDX-License-Identifier: BSD-3-Clause */
/* Path walk, opening and tmpfs: the same random calls go to our file system and to the host's, in a
 * directory of its own; results and errors must agree. */
#include "fs-kernel.h"
#include "fs-pool.h"
#include "../../unikernel/fs/tmpfs.c"
#include "../../unikernel/fs/tmpfs_data.c"
#include "../../unikernel/fs/mount.c"
#include "../../unikernel/fs/path.c"
#include "../../unikernel/fs/open.c"
#include "../../unikernel/fs/fd.c"
#include "../../unikernel/fs/names.c"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tap.h"

/* what is not under test --------------------------------------------------------------------------
 */
void toro_epoll_forget(struct toro_file *f)
{
    (void)f;
}
void toro_locks_close(struct toro_file *f)
{
    (void)f;
}
void toro_locks_release(struct toro_file *f)
{
    (void)f;
}

/* the same calls on both sides
 * ----------------------------------------------------------------------- */
static struct toro_node *cwd; /* /w in ours, a temporary directory on the host */

static int our_stat(const char *path, bool follow, struct toro_linux_stat *st)
{
    struct toro_place p;
    int err = toro_path_walk(cwd, path, follow ? TORO_WALK_FOLLOW : 0, &p);

    if (!err) {
        err = toro_vfs_stat(p.node, st);
        toro_place_put(&p);
    }
    return err;
}

static int host_stat(const char *path, bool follow, struct stat *st)
{
    return (follow ? stat(path, st) : lstat(path, st)) ? -errno : 0;
}

static int our_change(unsigned what, const char *a, const char *b)
{
    switch (what) {
    case 0:
        return toro_vfs_mkdir(cwd, a, 0755);
    case 1:
        return toro_vfs_unlink(cwd, a, true);
    case 2:
        return toro_vfs_unlink(cwd, a, false);
    case 3:
        return toro_vfs_rename(cwd, a, cwd, b, 0);
    case 4:
        return toro_vfs_link(cwd, a, cwd, b, false);
    default:
        return toro_vfs_symlink(a, cwd, b);
    }
}

static int host_change(unsigned what, const char *a, const char *b)
{
    int r = what == 0   ? mkdir(a, 0755)
            : what == 1 ? rmdir(a)
            : what == 2 ? unlink(a)
            : what == 3 ? rename(a, b)
            : what == 4 ? link(a, b)
                        : symlink(a, b);

    return r ? -errno : 0;
}

static int our_open(const char *path, unsigned flags, char *content, size_t size)
{
    struct toro_file *f = NULL;
    toro_ssize n = 0;
    int err = toro_vfs_open(cwd, path, flags, 0644, &f);

    if (err)
        return err;
    if (f->ops->read && (flags & 3) != TORO_O_WRONLY)
        n = f->ops->read(f, content, size, &f->pos);
    if (f->ops->write && (flags & 3) != TORO_O_RDONLY)
        (void)f->ops->write(f, path, strlen(path), &f->pos);
    toro_file_put(f);
    return (int)n;
}

static int host_open(const char *path, unsigned flags, char *content, size_t size)
{
    int fd = open(path, (int)flags, 0644);
    ssize_t n = 0;

    if (fd < 0)
        return -errno;
    if ((flags & 3) != O_WRONLY)
        n = read(fd, content, size);
    if (n < 0)
        n = 0; /* a directory */
    if ((flags & 3) != O_RDONLY && write(fd, path, strlen(path)) < 0)
        n = 0;
    close(fd);
    return (int)n;
}

static const char *random_path(char *buf)
{
    static const char *const parts[] = {"a",  "b",    "c",     "d",        "..", ".", "",
                                        "up", "to_b", "loop1", "dangling", "f",  "g", "abs_none"};
    unsigned n = 1 + (unsigned)rand() % 4, depth = 0;

    buf[0] = '\0';
    for (unsigned i = 0; i < n; i++) {
        const char *s = parts[(unsigned)rand() % TORO_ARRAY_SIZE(parts)];

        if (i == 0 && !*s)
            s = "a"; /* nothing absolute: the roots differ */
        /* Stay inside: the host's parent directories are not ours. */
        if (strcmp(s, "..") == 0 && ++depth > 2)
            s = ".";
        strcat(buf, s);
        if (i + 1 < n || rand() % 6 == 0)
            strcat(buf, "/");
    }
    return buf;
}

/* Both trees begin alike: some directories and files, links of all kinds. Deep down, so that no
 * ".." leaves the host's part. */
#define DEEP 60

static void go_down(void)
{
    struct toro_place p;

    if (our_change(0, "deep", NULL) || host_change(0, "deep", NULL) ||
        toro_path_walk(cwd, "deep", TORO_WALK_FOLLOW, &p) || chdir("deep"))
        t_bail("go_down");
    toro_node_put(cwd);
    cwd = p.node;
}

static void plant(void)
{
    static const char *const dirs[] = {"a", "a/b", "c"};
    static const char *const links[][2] = {{"..", "a/up"},          {"a/b", "to_b"},
                                           {"loop2", "loop1"},      {"loop1", "loop2"},
                                           {"nothing", "dangling"}, {"/none/there", "abs_none"},
                                           {"../f", "a/g"},         {"./b/../../c/", "a/to_b"}};
    char none[8];

    for (unsigned i = 0; i < DEEP; i++)
        go_down();
    for (unsigned i = 0; i < TORO_ARRAY_SIZE(dirs); i++)
        if (our_change(0, dirs[i], NULL) || host_change(0, dirs[i], NULL))
            t_bail("plant");
    for (unsigned i = 0; i < TORO_ARRAY_SIZE(links); i++)
        if (our_change(5, links[i][0], links[i][1]) || host_change(5, links[i][0], links[i][1]))
            t_bail("plant");
    (void)our_open("f", TORO_O_CREAT | TORO_O_WRONLY, none, 0);
    (void)host_open("f", O_CREAT | O_WRONLY, none, 0);
}

static bool same_stat(const struct toro_linux_stat *a, const struct stat *b)
{
    if (S_ISDIR(b->st_mode)) /* the roots have other rights */
        return S_ISDIR(a->mode);
    return a->mode == b->st_mode && a->size == b->st_size && a->nlink == b->st_nlink;
}

/* Whether ours has all that the host has below path, and as many entries. */
static bool same_tree(const char *path)
{
    static char entries[65536];
    struct toro_file *f = NULL;
    unsigned host = 0, ours = 0;
    struct dirent *e;
    bool same = true;
    DIR *d = opendir(path);

    if (!d || toro_vfs_open(cwd, path, TORO_O_DIRECTORY, 0, &f))
        return false;
    for (toro_ssize n; (n = f->ops->readdir(f, entries, sizeof(entries))) > 0;)
        for (toro_ssize at = 0; at < n; ours++) {
            uint16_t len;

            memcpy(&len, entries + at + 16, 2);
            at += len;
        }
    toro_file_put(f);
    while (same && (e = readdir(d)) != NULL) {
        struct toro_linux_stat st;
        struct stat hs;
        char sub[4096];

        host++;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
        same = host_stat(sub, false, &hs) == 0 && our_stat(sub, false, &st) == 0 &&
               same_stat(&st, &hs) && (!S_ISDIR(hs.st_mode) || same_tree(sub));
        if (!same)
            t_diag("%s differs", sub);
    }
    closedir(d);
    return same && host == ours;
}

static void test_random(void)
{
    static const unsigned flags[] = {O_RDONLY,
                                     O_WRONLY,
                                     O_RDWR,
                                     O_RDONLY | O_CREAT,
                                     O_RDWR | O_CREAT | O_EXCL,
                                     O_WRONLY | O_CREAT | O_TRUNC,
                                     O_RDONLY | O_NOFOLLOW,
                                     O_WRONLY | O_CREAT | O_NOFOLLOW,
                                     O_RDONLY | O_DIRECTORY,
                                     O_WRONLY | O_APPEND};
    unsigned differ = 0, found = 0, calls = 0;
    char a[256], b[256], got[64], want[64];

    for (unsigned i = 0; i < 20000 && differ < 5; i++) {
        unsigned kind = (unsigned)rand() % 10;
        int ours, host;
        struct toro_linux_stat st;
        struct stat hs;
        bool same = true;

        random_path(a);
        random_path(b);
        if (kind < 4) {
            bool follow = rand() % 2;

            ours = our_stat(a, follow, &st);
            host = host_stat(a, follow, &hs);
            if (!ours && !host)
                same = same_stat(&st, &hs);
        } else if (kind < 7) {
            unsigned f = flags[(unsigned)rand() % TORO_ARRAY_SIZE(flags)];

            ours = our_open(a, f, got, sizeof(got));
            host = host_open(a, f, want, sizeof(want));
            if (ours > 0 && ours == host)
                same = memcmp(got, want, (size_t)ours) == 0;
        } else {
            unsigned what = (unsigned)rand() % 6;

            ours = our_change(what, a, b);
            host = host_change(what, a, b);
            kind = 10 + what;
        }
        calls++;
        found += ours >= 0;
        if (i % 500 == 0 && same)
            same = same_tree(".");
        if (ours != host || !same) {
            t_diag("call %u of kind %u: \"%s\" \"%s\": ours %d, Linux %d%s", i, kind, a, b, ours,
                   host, same ? "" : ", contents differ");
            differ++;
        }
    }
    t_ok(differ == 0, "%u random calls, %u of them good: as on Linux", calls, found);
    t_ok(found > calls / 6, "enough of them did something");
}

static void test_limits(void)
{
    static char longer[5000];
    struct toro_linux_stat st;
    struct toro_place p;

    memset(longer, 'n', 256);
    t_eq(our_stat(longer, true, &st), -ENAMETOOLONG, "a name of 256 bytes");
    longer[255] = '\0';
    t_eq(our_stat(longer, true, &st), -ENOENT, "255 are allowed");
    memset(longer, '/', sizeof(longer) - 1);
    t_eq(our_stat(longer, true, &st), -ENAMETOOLONG, "a path of 4999 bytes");
    longer[4095] = '\0';
    t_eq(our_stat(longer, true, &st), 0, "4095 slashes are the root");
    for (unsigned i = 0; i < 4094; i += 2)
        memcpy(longer + i, "./", 3);
    t_eq(our_stat(longer, true, &st), 0, "4094 bytes of ./");
    t_eq(our_stat("", true, &st), -ENOENT, "the empty path");
    for (unsigned i = 0; i < 3000; i += 3)
        memcpy(longer + i, "../", 4);
    t_ok(our_stat(longer, true, &st) == 0 && st.ino == toro_mount_nth(0)->root->id,
         "above the root is the root");
    t_eq(toro_path_walk(cwd, "/", TORO_WALK_PARENT, &p), -EBUSY, "the root has no parent entry");
    t_eq(toro_path_walk(cwd, "/shm", TORO_WALK_FOLLOW, &p), 0, "a mount point");
    t_ok(p.node == toro_mount_nth(1)->root, "is the other file system's root");
    toro_place_put(&p);
    t_eq(toro_path_walk(cwd, "/shm/..", TORO_WALK_FOLLOW, &p), 0, "and back");
    t_ok(strcmp(p.node->path, "/") == 0 && p.node->mnt == toro_mount_nth(0), "by ..");
    toro_place_put(&p);
}

static void test_data(void)
{
    struct toro_file *f = NULL, *g = NULL;
    static char b[300000], c[300000];
    uint64_t pos = 100000;
    long va, vb, before = pool_bytes;

    for (unsigned i = 0; i < sizeof(b); i++)
        b[i] = (char)(i * 13 + i / 777);
    if (toro_vfs_open(cwd, "/shm/seg", TORO_O_RDWR | TORO_O_CREAT, 0600, &f))
        t_bail("create");
    t_eq(f->ops->write(f, b, 1000, &pos), 1000, "a write behind the end");
    pos = 0;
    t_ok(f->ops->read(f, c, sizeof(c), &pos) == 101000 && c[0] == 0 && c[99999] == 0 &&
             memcmp(c + 100000, b, 1000) == 0,
         "leaves zeroes in front");
    t_eq(f->ops->truncate(f, 100500), 0, "shorter");
    t_eq(f->ops->truncate(f, 102000), 0, "and longer again");
    pos = 100000;
    t_ok(f->ops->read(f, c, sizeof(c), &pos) == 2000 && memcmp(c, b, 500) == 0 && c[500] == 0 &&
             c[1999] == 0,
         "what was cut off is zero");
    va = f->ops->mmap(f, 0, 102400, 3);
    t_ok(va > 0 && memcmp((char *)va + 100000, b, 500) == 0, "a mapping shows the contents");
    t_eq(toro_vfs_open(cwd, "/shm/seg", TORO_O_RDWR, 0, &g), 0, "another open file");
    vb = g->ops->mmap(g, 4096, 4096, 3);
    t_eq(vb, va + 4096, "maps at the same address");
    pos = 0;
    t_eq(g->ops->write(g, b, sizeof(b), &pos), sizeof(b), "the file grows");
    t_ok(memcmp((char *)va, b, sizeof(b)) == 0, "in place while it is mapped");
    t_eq(toro_mount_nth(1)->ops->unlink(toro_mount_nth(1)->root, "seg", false), 0, "unlinked");
    ((char *)va)[7] = 'm';
    pos = 7;
    t_ok(g->ops->read(g, c, 1, &pos) == 1 && c[0] == 'm', "it lives on");
    toro_file_put(f);
    toro_file_put(g);
    t_eq(pool_bytes, before, "until the last user is gone");
}

static void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;

    while (d && (e = readdir(d)) != NULL) {
        char sub[1024];
        struct stat st;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
        if (lstat(sub, &st) == 0 && S_ISDIR(st.st_mode))
            remove_tree(sub);
        else
            unlink(sub);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    char dir[512];
    long heap;

    snprintf(dir, sizeof(dir), "%s/toro-path.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir) || chdir(dir))
        t_bail("no temporary directory");
    umask(022);
    srand(5);
    if (toro_tmpfs_mount("/"))
        t_bail("mount");
    cwd = toro_mount_nth(0)->root;
    toro_node_get(cwd);
    if (our_change(0, "shm", NULL) || toro_tmpfs_mount("/shm"))
        t_bail("mount");
    plant();
    test_limits();
    test_data();
    heap = host_heap;
    for (unsigned i = 0; i < 1000; i++) {
        struct toro_linux_stat st;
        char p[256];

        (void)our_stat(random_path(p), true, &st);
    }
    t_eq(host_heap, heap, "1000 walks leave nothing on the heap");
    test_random();
    t_ok(chdir("/") == 0, "back");
    remove_tree(dir);
    return t_done();
}
