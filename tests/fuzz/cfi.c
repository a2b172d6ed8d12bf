/* SPDX-License-Identifier: BSD-3-Clause */
/* Call frame information of a program's file: a small file whose tables, instructions and stack are
 * the input's. */
#include "fuzz.h"
#include "unikernel/loader/cfi.c"
#include "unikernel/loader/cfi_expr.c"
#include "unikernel/loader/cfi_table.c"

#define SIZE   1024u
#define HEADER 256u
#define COMMON 320u /* then the function's entry, up to the end */
#define STACK  0x7000u

static void put32(uint8_t *at, uint32_t v)
{
    memcpy(at, &v, 4);
}

/* One function of code at 0x1000, 0x100 bytes, with the input's instructions. */
static void make(struct fuzz *f, uint8_t *file)
{
    static const uint8_t common[] = {20, 0,    0,  0, 0,    0,    0, 0, 1,    'z', 'R', 0,
                                     1,  0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1,   0,   0};
    uint32_t entry = COMMON + sizeof(common), n;

    memset(file, 0, SIZE);
    put32(file + 64, PT_EH_FRAME);
    put32(file + 64 + 16, HEADER);
    memcpy(file + HEADER, "\1\x1b\3\x3b", 4);
    put32(file + HEADER + 8, 1);
    put32(file + HEADER + 12, 0x1000 - HEADER);
    put32(file + HEADER + 16, entry - HEADER);
    memcpy(file + COMMON, common, sizeof(common));
    n = (uint32_t)fuzz_u8(f) * 2;
    put32(file + entry, 13 + n);
    put32(file + entry + 4, entry + 4 - COMMON);
    put32(file + entry + 8, 0x1000 - (entry + 8));
    put32(file + entry + 12, 0x100);
    fuzz_bytes(f, file + entry + 17, n);
}

static bool read_stack(void *ctx, uint64_t addr, uint64_t *out)
{
    struct fuzz *f = ctx;

    if (addr - STACK >= 256)
        return false;
    *out = (uint64_t)fuzz_u8(f) << (addr % 8) | 0x1000;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct toro_elf elf = {.phdr = 64, .phnum = 1, .nsegments = 1};
    struct toro_cfi_frame fr = {.known = (1u << TORO_CFI_REGS) - 1};
    struct fuzz f = {data, size};
    uint8_t file[SIZE], *copy;
    struct toro_cfi c;
    unsigned edits;

    make(&f, file);
    for (edits = fuzz_u8(&f) % 8; edits > 0; edits--)
        file[64 + (fuzz_u8(&f) | (fuzz_u8(&f) & 3u) << 8) % (SIZE - 64)] = fuzz_u8(&f);
    elf.segment[0] = (struct toro_elf_segment){0, SIZE, SIZE, 0, TORO_ELF_R};
    copy = fuzz_copy(file, SIZE);
    for (unsigned i = 0; i < TORO_CFI_REGS; i++)
        fr.reg[i] = STACK + fuzz_u8(&f);
    fr.reg[TORO_CFI_RIP] = 0x1000 + fuzz_u8(&f);
    fr.known &= 0xffff0000u | fuzz_u8(&f) << 8 | 0xff;
    if (toro_cfi_find(copy, SIZE, &elf, &c))
        for (unsigned i = 0; i < 8; i++) {
            struct toro_cfi_frame was = fr;
            enum toro_cfi_result r = toro_cfi_step(&c, 0, &fr, read_stack, &f);

            if (r != TORO_CFI_CALLER) { /* it leaves the frame as it was */
                FUZZ_ASSERT(memcmp(&was, &fr, sizeof(fr)) == 0);
                break;
            }
            FUZZ_ASSERT((fr.known >> TORO_CFI_RIP & 1) != 0 && (fr.known >> TORO_CFI_RSP & 1) != 0);
        }
    free(copy);
    return 0;
}
