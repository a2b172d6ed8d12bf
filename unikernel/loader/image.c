/* SPDX-License-Identifier: BSD-3-Clause */
/* Executables: read once per guest, kept in the shared pool, copied into each rank's own memory. */
#include "image.h"
#include <toro/errno.h>
#include <toro/fs.h>
#include <toro/lib.h>
#include <toro/linux.h>
#include <toro/mutex.h>

/* Images that no rank runs are kept up to this many. */
#define IDLE_MAX 2u
#define PIECE    (1ul << 20)
#define LARGE    (2ul << 20)

static struct toro_mutex images_lock;
static struct toro_image *images;
static unsigned npools_shared; /* index of the shared pool */

static struct toro_pool *shared_pool(void)
{
    return toro_pool(npools_shared);
}

static void image_drop(struct toro_image **pp)
{
    struct toro_image *img = *pp;

    *pp = img->next;
    toro_pool_free(shared_pool(), img->va, img->len);
    toro_kfree(img);
}

static void evict(unsigned keep)
{
    unsigned idle = 0;

    for (struct toro_image **pp = &images; *pp != NULL;) {
        if ((*pp)->refs == 0 && ++idle > keep)
            image_drop(pp);
        else
            pp = &(*pp)->next;
    }
}

static int read_image(struct toro_file *f, struct toro_image *img, const char **why)
{
    uint64_t done = 0;

    img->len = TORO_ALIGN_UP(img->size, TORO_PAGE_SIZE);
    /* where ranks can show its code with large pages */
    img->va = toro_pool_alloc(shared_pool(), img->len, img->len >= LARGE ? LARGE : 0);
    if (img->va == 0) {
        *why = "no memory in the guest for the program file";
        return -ENOMEM;
    }
    while (done < img->size) {
        toro_ssize n =
            toro_file_pread(f, (char *)img->va + done, TORO_MIN(PIECE, img->size - done), done);

        if (n <= 0) {
            toro_pool_free(shared_pool(), img->va, img->len);
            *why = n == 0 ? "the file is shorter than its size says" : "the file cannot be read";
            return n == 0 ? -EIO : (int)n;
        }
        done += (uint64_t)n;
    }
    *why = toro_elf_parse((void *)img->va, img->size, &img->elf);
    if (*why != NULL) {
        toro_pool_free(shared_pool(), img->va, img->len);
        return -ENOEXEC;
    }
    img->has_symtab = toro_elf_symtab((void *)img->va, img->size, &img->symtab);
    img->has_cfi = toro_cfi_find((void *)img->va, img->size, &img->elf, &img->cfi);
    return 0;
}

static int find_or_read(struct toro_file *f, const struct toro_linux_stat *st,
                        struct toro_image **out, const char **why)
{
    struct toro_image *img;
    int err;

    for (img = images; img != NULL; img = img->next) {
        if (img->dev == st->dev && img->ino == st->ino && img->size == (uint64_t)st->size &&
            img->mtime_sec == st->mtime.sec && img->mtime_nsec == st->mtime.nsec) {
            img->refs++;
            *out = img;
            return 0;
        }
    }
    evict(IDLE_MAX - 1);
    img = toro_kzalloc(sizeof(*img));
    if (img == NULL) {
        *why = "no kernel memory";
        return -ENOMEM;
    }
    img->dev = st->dev;
    img->ino = st->ino;
    img->size = (uint64_t)st->size;
    img->mtime_sec = st->mtime.sec;
    img->mtime_nsec = st->mtime.nsec;
    img->refs = 1;
    err = read_image(f, img, why);
    if (err == -ENOMEM) {
        evict(0);
        err = read_image(f, img, why);
    }
    if (err != 0) {
        toro_kfree(img);
        return err;
    }
    img->next = images;
    images = img;
    *out = img;
    return 0;
}

int toro_image_get(const char *path, struct toro_image **out, const char **why)
{
    struct toro_linux_stat st;
    struct toro_file *f;
    int err = 0;

    f = toro_fs_open(path, TORO_O_RDONLY, 0, &err);
    if (f == NULL) {
        *why = err == -ENOENT   ? "no such file (as seen from the guest)"
               : err == -EACCES ? "permission denied"
                                : "cannot be opened";
        return err;
    }
    err = toro_file_stat(f, &st);
    if (err != 0) {
        *why = "its attributes cannot be read";
    } else if ((st.mode & TORO_S_IFMT) != TORO_S_IFREG) {
        *why = "not a regular file";
        err = -EACCES;
    } else if ((st.mode & 0111) == 0) {
        *why = "not executable: permission denied";
        err = -EACCES;
    } else if (st.size <= 0) {
        *why = "the file is empty";
        err = -ENOEXEC;
    } else {
        toro_mutex_lock(&images_lock);
        err = find_or_read(f, &st, out, why);
        toro_mutex_unlock(&images_lock);
    }
    toro_file_put(f);
    return err;
}

void toro_image_put(struct toro_image *img)
{
    if (img == NULL)
        return;
    toro_mutex_lock(&images_lock);
    img->refs--;
    evict(IDLE_MAX);
    toro_mutex_unlock(&images_lock);
}

bool toro_image_range(unsigned n, uint64_t *va, uint64_t *len)
{
    const struct toro_image *img = images;

    while (img != NULL && n-- > 0)
        img = img->next;
    if (img != NULL) {
        *va = img->va;
        *len = img->len;
    }
    return img != NULL;
}

void toro_images_init(unsigned shared_index)
{
    toro_mutex_init(&images_lock);
    npools_shared = shared_index;
}
