/* cpu.c - what this processor can do, asked once
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/cpu.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum { CACHE_LEVELS = 3 };

/* Filled in once, constant afterwards. */
static struct {
    lyc_isa isa;
    bool sha256;
    size_t cache_bytes[CACHE_LEVELS + 1];
    char name[128];
} cpu;
static pthread_once_t cpu_asked = PTHREAD_ONCE_INIT;

static const char *const isa_names[LYC_ISA_COUNT] = {
    [LYC_ISA_GENERIC] = "generic",
    [LYC_ISA_AVX2] = "avx2",
    [LYC_ISA_AVX512] = "avx512",
    [LYC_ISA_AVX512BF16] = "avx512bf16",
};

#if defined(__x86_64__)
/* Intel SDM volume 2A, CPUID; volume 1, 13.3: the processor has the instructions and the system saves the registers. */
lyc_isa lyc_cpu_isa_best(void)
{
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;
    enum { FMA = 1 << 12, OSXSAVE = 1 << 27, AVX = 1 << 28, F16C = 1 << 29 };
    const unsigned leaf1 = (unsigned)FMA | (unsigned)OSXSAVE | (unsigned)AVX | (unsigned)F16C;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & leaf1) != leaf1) {
        return LYC_ISA_GENERIC;
    }
    unsigned state;
    unsigned state_high;
    __asm__("xgetbv" : "=a"(state), "=d"(state_high) : "c"(0));
    enum { AVX_STATE = 0x06, AVX512_STATE = 0xE6 };
    if ((state & AVX_STATE) != AVX_STATE || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || (b & (1u << 5)) == 0) {
        return LYC_ISA_GENERIC;
    }
    const unsigned f_dq_bw_vl = (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31);
    if ((state & AVX512_STATE) != AVX512_STATE || (b & f_dq_bw_vl) != f_dq_bw_vl) {
        return LYC_ISA_AVX2;
    }
    const bool bf16 = a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 5)) != 0;
    return bf16 ? LYC_ISA_AVX512BF16 : LYC_ISA_AVX512;
}

static bool find_sha256(void)
{
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;
    enum { SSSE3 = 1 << 9, SSE41 = 1 << 19, SHA = 1 << 29 };
    const unsigned leaf1 = (unsigned)SSSE3 | (unsigned)SSE41;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & leaf1) == leaf1 && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
           (b & (unsigned)SHA) != 0;
}
#else
static bool find_sha256(void)
{
    return false;
}

lyc_isa lyc_cpu_isa_best(void)
{
    return LYC_ISA_GENERIC;
}
#endif

static lyc_isa allowed_isa(void)
{
    const lyc_isa best = lyc_cpu_isa_best();
    const char *wanted = getenv("LYCORIS_ISA");
    for (lyc_isa isa = LYC_ISA_GENERIC; wanted != NULL && isa < best; isa++) {
        if (strcmp(wanted, isa_names[isa]) == 0) {
            return isa;
        }
    }
    return best;
}

/* First line of a file under /sys; false when there is none. */
static bool read_line(char *line, int size, const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    const bool ok = fgets(line, size, file) != NULL;
    fclose(file);
    if (ok) {
        line[strcspn(line, "\n")] = '\0';
    }
    return ok;
}

static size_t cache_of_sysfs(int level)
{
    for (int index = 0; index < 8; index++) {
        char path[128];
        char line[64];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/level", index);
        if (!read_line(line, sizeof line, path)) {
            return 0;
        }
        if (atoi(line) != level) {
            continue;
        }
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/type", index);
        if (!read_line(line, sizeof line, path) || strcmp(line, "Instruction") == 0) {
            continue;
        }
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", index);
        if (read_line(line, sizeof line, path)) {
            char *unit;
            const unsigned long size = strtoul(line, &unit, 10);
            return size << (*unit == 'K' ? 10 : *unit == 'M' ? 20 : 0);
        }
    }
    return 0;
}

static size_t cache_of_sysconf(int level)
{
#ifdef _SC_LEVEL1_DCACHE_SIZE /* glibc */
    static const int names[CACHE_LEVELS + 1] = {0, _SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE,
                                                _SC_LEVEL3_CACHE_SIZE};
    const long size = sysconf(names[level]);
    return size > 0 ? (size_t)size : 0;
#else
    (void)level;
    return 0;
#endif
}

static size_t cache_size(int level)
{
    static const size_t typical[CACHE_LEVELS + 1] = {0, 32u << 10, 512u << 10, 8u << 20};
    size_t size = cache_of_sysfs(level);
    if (size == 0) {
        size = cache_of_sysconf(level);
    }
    return size > 0 ? size : typical[level];
}

/* "model name : AMD EPYC 9B45" on x86; aarch64 has no such line. */
static void read_name(char *name, size_t size)
{
    snprintf(name, size, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (file == NULL) {
        return;
    }
    char line[256];
    while (fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (colon != NULL && strncmp(line, "model name", 10) == 0) {
            const char *text = colon + 1 + strspn(colon + 1, " ");
            snprintf(name, size, "%.*s", (int)strcspn(text, "\n"), text);
            break;
        }
    }
    fclose(file);
    for (size_t n = strlen(name); n > 0 && isspace((unsigned char)name[n - 1]); n--) {
        name[n - 1] = '\0';
    }
}

static void ask(void)
{
    cpu.isa = allowed_isa();
    cpu.sha256 = find_sha256();
    for (int level = 1; level <= CACHE_LEVELS; level++) {
        cpu.cache_bytes[level] = cache_size(level);
    }
    read_name(cpu.name, sizeof cpu.name);
}

lyc_isa lyc_cpu_isa(void)
{
    pthread_once(&cpu_asked, ask);
    return cpu.isa;
}

bool lyc_cpu_has_sha256(void)
{
    pthread_once(&cpu_asked, ask);
    return cpu.sha256;
}

const char *lyc_isa_name(lyc_isa isa)
{
    return (unsigned)isa < LYC_ISA_COUNT ? isa_names[isa] : "unknown";
}

size_t lyc_cpu_cache_bytes(int level)
{
    pthread_once(&cpu_asked, ask);
    return level >= 1 && level <= CACHE_LEVELS ? cpu.cache_bytes[level] : 0;
}

const char *lyc_cpu_name(void)
{
    pthread_once(&cpu_asked, ask);
    return cpu.name;
}
