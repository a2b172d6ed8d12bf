/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel has in the place of libc. */
#ifndef TORO_LIB_H
#define TORO_LIB_H

#include "types.h"
#include <stdarg.h>

/* The compiler itself emits calls to memcpy, memset, memmove and memcmp; lib/string.c provides
 * these four symbols. */
void *toro_memcpy(void *d, const void *s, size_t n);
void *toro_memmove(void *d, const void *s, size_t n);
void *toro_memset(void *d, int c, size_t n);
int toro_memcmp(const void *a, const void *b, size_t n);
size_t toro_strlen(const char *s);
size_t toro_strnlen(const char *s, size_t n);
int toro_strcmp(const char *a, const char *b);
int toro_strncmp(const char *a, const char *b, size_t n);
char *toro_strchr(const char *s, int c);
char *toro_strrchr(const char *s, int c);
/** Copy at most size - 1 bytes and terminate. @return strlen(s). */
size_t toro_strlcpy(char *d, const char *s, size_t size);
/** Decimal (or 0x hex) number; stops at the first other character, *end tells where. */
uint64_t toro_strtou(const char *s, const char **end);
/** %d %i %u %x %X %c %s %p %l %ll %z, width, 0, -, precision for %s. @return as snprintf. */
int toro_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int toro_snprintf(char *buf, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Kernel heap (core/kmalloc.c): from the kernel's own RAM, never sleeps, a heap per core: any core
 * may free what another one has allocated. NULL when there is none left. 16-byte aligned; 64-byte
 * aligned from 64 bytes on. A piece of any size is physically contiguous. */
void *toro_kmalloc(size_t size);
void *toro_kzalloc(size_t size);
void *toro_krealloc(void *p, size_t size);
void toro_kfree(void *p);
char *toro_kstrdup(const char *s);
/** Take back what other cores have freed of this core's. Happens by itself when memory is wanted;
 * this is for a core that has nothing to do. */
void toro_kmalloc_collect(void);
/** Whole pages, physically contiguous, zeroed. Single ones come from a small stock of the core. */
void *toro_kpages(size_t npages);
void toro_kpages_free(void *p, size_t npages);
/** Give RAM to the page allocator; boot only. */
void toro_kpages_add(uint64_t pa, uint64_t len);
/** Bytes of kernel RAM in use (heap, pages, image). */
uint64_t toro_kmem_used(void);

/* Log (core/printk.c): level 0 always, 1 boot steps, 2 all. Goes to the serial console. */
void toro_printk(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Print message, registers if in a trap, backtrace; tell the keeper; stop all cores; debug-exit.
 */
_Noreturn void toro_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** Name of the kernel function that holds an address, and how far into it. @return NULL if none.
 * The name is written to buf. */
const char *toro_ksym(uint64_t addr, char *buf, size_t size, uint64_t *offset);
#define TORO_ASSERT(c)                                                                             \
    do {                                                                                           \
        if (toro_unlikely(!(c)))                                                                   \
            toro_panic("assertion failed: %s (%s:%d)", #c, __FILE__, __LINE__);                    \
    } while (0)

#endif
