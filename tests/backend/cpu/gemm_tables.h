/* gemm_tables.h - what the tests of the product engine share: the instruction sets that can run here, and numbers
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TESTS_BACKEND_CPU_GEMM_TABLES_H
#define LYC_TESTS_BACKEND_CPU_GEMM_TABLES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend/cpu/gemm.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "tensor/dtype.h"

extern const lyc_gemm_isa lyc_gemm_isa_generic, lyc_gemm_isa_plain16;
#if defined(__x86_64__)
extern const lyc_gemm_isa lyc_gemm_isa_avx2, lyc_gemm_isa_avx512, lyc_gemm_isa_avx512bf16;
#endif

/* The tables that can run here; NULL-terminated. */
static inline const lyc_gemm_isa *const *tables(void)
{
    static const lyc_gemm_isa *list[LYC_ISA_COUNT + 2];
    int n = 0;
    list[n++] = &lyc_gemm_isa_plain16;
    list[n++] = &lyc_gemm_isa_generic;
#if defined(__x86_64__)
    const lyc_gemm_isa *const by_isa[] = {
        [LYC_ISA_AVX2] = &lyc_gemm_isa_avx2,
        [LYC_ISA_AVX512] = &lyc_gemm_isa_avx512,
        [LYC_ISA_AVX512BF16] = &lyc_gemm_isa_avx512bf16,
    };
    for (lyc_isa isa = LYC_ISA_AVX2; isa <= lyc_cpu_isa() && isa < LYC_ISA_COUNT; isa++) {
        list[n++] = by_isa[isa];
    }
#endif
    list[n] = NULL;
    return list;
}

/* Numbers in [-1, 1). */
static inline void *new_elements(lyc_dtype dtype, int64_t count, uint32_t seed)
{
    const int bytes = lyc_dtype_bits(dtype) / 8;
    char *data = lyc_alloc((size_t)(count * bytes));
    assert_non_null(data);
    for (int64_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        lyc_dtype_store(dtype, data + i * bytes, (double)(int32_t)seed / 2147483648.0);
    }
    return data;
}

/* 0 when there is no array. */
static inline double element(const void *data, lyc_dtype dtype, int64_t at)
{
    return data == NULL ? 0.0 : lyc_dtype_load(dtype, (const char *)data + at * (lyc_dtype_bits(dtype) / 8));
}

/* What the form makes of an input. */
static inline double rounded(double x, lyc_gemm_form form)
{
    if (form == LYC_GEMM_DOT) {
        uint16_t half;
        lyc_dtype_store(LYC_BF16, &half, x);
        return lyc_dtype_load(LYC_BF16, &half);
    }
    return x;
}

#endif
