/* SPDX-License-Identifier: BSD-3-Clause */
/* Loading a program: image cache, segments, initial stack. */
#ifndef TORO_IMAGE_H
#define TORO_IMAGE_H

#include "cfi.h"
#include "elf.h"
#include <torobus/ctl.h>
#include <toro/proc.h>

/** An executable's bytes, read once per guest into the shared pool. */
struct toro_image {
    struct toro_image *next;
    uint64_t dev, ino, size;
    int64_t mtime_sec, mtime_nsec;
    unsigned refs; /**< ranks that run it */
    uint64_t va, len;
    struct toro_elf elf;
    bool has_symtab;
    struct toro_elf_symtab symtab;
    bool has_cfi;
    struct toro_cfi cfi;
};

/** Bytes of a thread's and the first thread's stack; the guard below is extra. */
#define TORO_STACK_SIZE  (8ull << 20)
#define TORO_STACK_GUARD (64ull << 10)

/** Get an executable's image with a reference; reads it if needed.
 *  @param[out] why  text for the user, set on failure
 *  @return 0 or -errno. Caller: thread of a rank, may block. */
int toro_image_get(const char *path, struct toro_image **out, const char **why);
void toro_image_put(struct toro_image *img);
void toro_images_init(unsigned shared_index);
/** The n-th image's memory. @return false if there is none. Caller: no rank is there. */
bool toro_image_range(unsigned n, uint64_t *va, uint64_t *len);

/* loader/keep.c */
void toro_keep_init(void);

/** Put the image, the vDSO and the break into the current rank's memory. @return 0 or -errno. */
int toro_image_map(struct toro_proc *p, struct toro_image *img);

/** Strings of RANK_START, checked. */
struct toro_start_args {
    const struct torobus_ctl_start *start;
    const char *cwd, *exe, *argv, *env; /**< argv and env: strings one after the other */
    size_t argv_len, env_len;
};
/** @return 0 or -EINVAL. Pure. Trust: every byte of body is checked. */
int toro_start_parse(const void *body, uint32_t len, struct toro_start_args *out);

/** Map the first thread's stack and fill it. @param[out] sp  @return 0 or -errno. */
int toro_stack_build(struct toro_proc *p, const struct toro_start_args *a,
                     const struct toro_elf *elf, uint64_t *sp);

#endif
