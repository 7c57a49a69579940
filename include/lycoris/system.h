/* system.h - the machine as the library sees it, and how much of it the library uses
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_SYSTEM_H
#define LYCORIS_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

#include "lycoris/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Threads that parallel loops use: LYCORIS_THREADS, else OMP_NUM_THREADS, else the processors this process may run on
 * (affinity and a container's limit). Decided at the first call. */
LYC_API int lyc_thread_count(void);

/* n >= 1; takes effect for loops that start later. Also tells OpenMP. What was planned for fewer threads goes on with
 * those. */
LYC_API void lyc_thread_set_count(int n);

/* What a report about a problem should say. Texts are static. */
typedef struct lyc_system {
    const char *cpu_name;      /* "AMD EPYC 9B45" */
    const char *isa;           /* the instruction set that kernels use: "avx2" */
    const char *isa_best;      /* the best one that processor and library have */
    size_t cache_bytes[3];     /* data caches of levels 1 to 3 */
    int processors;            /* that this process may run on */
    uint64_t memory_bytes;     /* of the machine, or of the container's limit; 0: unknown */
    uint64_t memory_available; /* without swapping; 0: unknown */
    const char *compiler;      /* "gcc 12.2.0" */
    const char *architecture;  /* "x86_64" */
    const char *threading;     /* "OpenMP", "POSIX threads" */
} lyc_system;

LYC_API void lyc_system_describe(lyc_system *out);

#ifdef __cplusplus
}
#endif
#endif
