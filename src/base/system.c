/* system.c - version and machine, for programs that report them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/system.h"

#include "base/cpu.h"
#include "base/memory_limit.h"
#include "base/thread.h"
#include "lycoris/version.h"

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

#if defined(__x86_64__)
#define ARCHITECTURE "x86_64"
#elif defined(__aarch64__)
#define ARCHITECTURE "aarch64"
#else
#define ARCHITECTURE "another architecture"
#endif

#ifdef LYC_THREAD_POOL
#define THREADING "POSIX threads"
#else
#define THREADING "OpenMP"
#endif

const char *lyc_version(void)
{
    return LYCORIS_VERSION;
}

void lyc_system_describe(lyc_system *out)
{
    *out = (lyc_system){
        .cpu_name = lyc_cpu_name(),
        .isa = lyc_isa_name(lyc_cpu_isa()),
        .isa_best = lyc_isa_name(lyc_cpu_isa_best()),
        .processors = lyc_thread_processors(),
        .compiler = COMPILER,
        .architecture = ARCHITECTURE,
        .threading = THREADING,
    };
    for (int level = 1; level <= 3; level++) {
        out->cache_bytes[level - 1] = lyc_cpu_cache_bytes(level);
    }
    lyc_memory_limits(&out->memory_bytes, &out->memory_available);
}
