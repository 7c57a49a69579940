/* gemm_isa.h - what the files of the product engine share within one instruction set
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_KERNELS_GEMM_ISA_H
#define LYC_BACKEND_CPU_KERNELS_GEMM_ISA_H

#include "backend/cpu/gemm.h"
#include "backend/cpu/kernels/simd.h"

/* Two vectors of columns times this many rows fit into the registers: 32 of them with AVX-512 and on aarch64. */
#if LYC_LANES == 16 || defined(__aarch64__)
#define TILE_ROWS 14
#else
#define TILE_ROWS 6
#endif

void LYC_ISA_SYMBOL(lyc_gemm_multiply)(const lyc_gemm_step *step);
void LYC_ISA_SYMBOL(lyc_gemm_finish_panel)(const lyc_gemm_finish *f, const float *sums, int vectors, int rows,
                                           const int64_t *row_at, int64_t column, int columns);

extern const lyc_gemm_isa LYC_ISA_SYMBOL(lyc_gemm_isa);

#endif
