/* SPDX-License-Identifier: BSD-3-Clause */
/* The processor as CPUID describes it, for programs that read /proc/cpuinfo. */
#include <toro/arch.h>
#include <toro/lib.h>
#include "cpu.h"

struct flag {
    uint8_t reg, bit; /* eax 0, ebx 1, ecx 2, edx 3 */
    char name[14];
};

static const struct flag leaf1[] = {
    {3, 0, "fpu"},      {3, 4, "tsc"},     {3, 8, "cx8"},       {3, 15, "cmov"},
    {3, 19, "clflush"}, {3, 23, "mmx"},    {3, 24, "fxsr"},     {3, 25, "sse"},
    {3, 26, "sse2"},    {2, 0, "pni"},     {2, 1, "pclmulqdq"}, {2, 9, "ssse3"},
    {2, 12, "fma"},     {2, 13, "cx16"},   {2, 19, "sse4_1"},   {2, 20, "sse4_2"},
    {2, 22, "movbe"},   {2, 23, "popcnt"}, {2, 25, "aes"},      {2, 26, "xsave"},
    {2, 28, "avx"},     {2, 29, "f16c"},   {2, 30, "rdrand"},   {2, 31, "hypervisor"},
};
static const struct flag leaf7[] = {
    {1, 0, "fsgsbase"}, {1, 3, "bmi1"},      {1, 5, "avx2"},      {1, 7, "smep"},
    {1, 8, "bmi2"},     {1, 9, "erms"},      {1, 16, "avx512f"},  {1, 17, "avx512dq"},
    {1, 18, "rdseed"},  {1, 19, "adx"},      {1, 24, "clwb"},     {1, 28, "avx512cd"},
    {1, 29, "sha_ni"},  {1, 30, "avx512bw"}, {1, 31, "avx512vl"}, {3, 4, "fsrm"},
};
static const struct flag ext1[] = {{3, 11, "syscall"}, {3, 20, "nx"},  {3, 26, "pdpe1gb"},
                                   {3, 27, "rdtscp"},  {3, 29, "lm"},  {2, 0, "lahf_lm"},
                                   {2, 5, "abm"},      {2, 6, "sse4a"}};

/* Flags of vector units whose registers the kernel does not save are not there for programs. */
static bool usable(const char *name)
{
    if (toro_strncmp(name, "avx512", 6) == 0)
        return (arch_cpu.xcr0 & 0xe6) == 0xe6;
    if (toro_strncmp(name, "avx", 3) == 0 || toro_strcmp(name, "fma") == 0 ||
        toro_strcmp(name, "f16c") == 0)
        return (arch_cpu.xcr0 & 6) == 6;
    return true;
}

static void flags(struct arch_cpuinfo *out, uint32_t leaf, const struct flag *f, size_t n)
{
    uint32_t r[4];
    size_t at = toro_strlen(out->flags);

    arch_cpuid(leaf, 0, r);
    for (size_t i = 0; i < n; i++)
        if ((r[f[i].reg] >> f[i].bit & 1u) && usable(f[i].name) &&
            at + sizeof(f[i].name) + 1 < sizeof(out->flags))
            at += (size_t)toro_snprintf(out->flags + at, sizeof(out->flags) - at, "%s%s",
                                        at ? " " : "", f[i].name);
}

void arch_cpuinfo(struct arch_cpuinfo *out)
{
    uint32_t r[4], top;

    toro_memset(out, 0, sizeof(*out));
    arch_cpuid(0, 0, r);
    top = r[0];
    toro_memcpy(out->vendor, &r[1], 4);
    toro_memcpy(out->vendor + 4, &r[3], 4);
    toro_memcpy(out->vendor + 8, &r[2], 4);
    arch_cpuid(1, 0, r);
    out->stepping = r[0] & 15u;
    out->family = (r[0] >> 8 & 15u) + ((r[0] >> 8 & 15u) == 15 ? r[0] >> 20 & 255u : 0);
    out->model = (r[0] >> 4 & 15u) | (r[0] >> 12 & 0xf0u);
    flags(out, 1, leaf1, TORO_ARRAY_SIZE(leaf1));
    if (top >= 7)
        flags(out, 7, leaf7, TORO_ARRAY_SIZE(leaf7));
    arch_cpuid(0x80000000u, 0, r);
    top = r[0];
    if (top >= 0x80000001u)
        flags(out, 0x80000001u, ext1, TORO_ARRAY_SIZE(ext1));
    for (unsigned i = 0; i < 3 && top >= 0x80000004u; i++) {
        arch_cpuid(0x80000002u + i, 0, r);
        toro_memcpy(out->brand + 16 * i, r, 16);
    }
}

/* Deterministic cache parameters: leaf 4, or 0x8000001d of AMD's newer processors. */
static bool cache_by_leaf(uint32_t leaf, unsigned i, struct arch_cache *out)
{
    uint32_t r[4];

    for (unsigned k = 0; k <= i; k++) {
        arch_cpuid(leaf, k, r);
        if ((r[0] & 31u) == 0 || (r[0] & 31u) > 3)
            return false;
    }
    out->type = r[0] & 31u;
    out->level = r[0] >> 5 & 7u;
    out->line = (r[1] & 4095u) + 1;
    out->groups = (r[1] >> 12 & 1023u) + 1;
    out->ways = (r[1] >> 22) + 1;
    out->sets = r[2] + 1;
    out->cores = 1;
    while (out->cores < (r[0] >> 14 & 4095u) + 1)
        out->cores *= 2;
    return true;
}

/* AMD's older leaves; QEMU's emulated processor is such a one. */
static bool cache_of_amd(unsigned i, struct arch_cache *out)
{
    static const unsigned char ways[16] = {0, 1, 2, 3, 4, 6, 8, 8, 16, 16, 32, 48, 64, 96, 128, 0};
    static const unsigned char level[] = {1, 1, 2, 3}, type[] = {1, 2, 3, 3};
    uint32_t r[4], word;
    unsigned kib;

    arch_cpuid(0x80000000u, 0, r);
    if (i > 3 || r[0] < 0x80000006u || r[0] - 0x80000000u > 0xffffu)
        return false;
    arch_cpuid(i < 2 ? 0x80000005u : 0x80000006u, 0, r);
    word = r[i % 2 ? 3 : 2];
    kib = i < 2 ? word >> 24 : i == 2 ? word >> 16 : (word >> 18) * 512;
    out->ways = i < 2 ? word >> 16 & 255u : ways[word >> 12 & 15u];
    out->line = word & 255u;
    if (kib == 0 || out->line == 0)
        return false;
    if (out->ways == 0 || out->ways == 255) /* fully associative */
        out->ways = kib * 1024 / out->line;
    out->level = level[i];
    out->type = type[i];
    out->groups = 1;
    out->sets = kib * 1024 / out->line / out->ways;
    out->cores = i < 3 ? 1 : TORO_MAX_CORES;
    return out->sets > 0;
}

bool arch_cache(unsigned i, struct arch_cache *out)
{
    uint32_t r[4];

    arch_cpuid(0, 0, r);
    if (r[0] >= 4 && cache_by_leaf(4, 0, out))
        return cache_by_leaf(4, i, out);
    arch_cpuid(0x80000000u, 0, r);
    if (r[0] >= 0x8000001du && r[0] - 0x80000000u <= 0xffffu && cache_by_leaf(0x8000001du, 0, out))
        return cache_by_leaf(0x8000001du, i, out);
    return cache_of_amd(i, out);
}
