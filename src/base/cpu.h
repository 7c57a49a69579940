/* cpu.h - what this processor can do, asked at run time
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_CPU_H
#define LYC_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>

/* Instruction sets that kernels are compiled for, in ascending order; each includes those before it. */
typedef enum lyc_isa {
    LYC_ISA_GENERIC,    /* what the compiler targets: SSE2 on x86-64, NEON on aarch64 */
    LYC_ISA_AVX2,       /* AVX2, FMA, F16C */
    LYC_ISA_AVX512,     /* AVX-512 F, BW, DQ, VL */
    LYC_ISA_AVX512BF16, /* and BF16: vdpbf16ps */
    LYC_ISA_COUNT
} lyc_isa;

/* The best one here, or a lower one when LYCORIS_ISA=generic|avx2|avx512|avx512bf16 asks for it. */
lyc_isa lyc_cpu_isa(void);
const char *lyc_isa_name(lyc_isa isa);

/* The best one here, whatever was asked for. */
lyc_isa lyc_cpu_isa_best(void);

/* Whether there are instructions for SHA-256 (x86-64: SHA). */
bool lyc_cpu_has_sha256(void);

/* Bytes of the level's data cache (1, 2) that one core has to itself, and of the shared level 3; a typical value when
 * the system does not say. */
size_t lyc_cpu_cache_bytes(int level);

/* "AMD EPYC 9B45"; "unknown" when the system does not say. Points to static storage. */
const char *lyc_cpu_name(void);

#endif
