/* gemm_matrix.c - dense matrices as sources and targets of the product engine
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/gemm.h"

static int point_matrix(const lyc_gemm_source *source, const void **to, int64_t batch, int64_t i, int n, int64_t k,
                        int count)
{
    const lyc_gemm_matrix *matrix = (const lyc_gemm_matrix *)source;
    const int64_t element_bytes = source->dtype == LYC_F32 ? 4 : 2;
    const int64_t outer = source->by_k ? k : i;
    const int64_t inner = source->by_k ? i : k;
    const int pointers = source->by_k ? count : n;
    const char *at =
        (const char *)matrix->base + (batch * matrix->batch_step + outer * matrix->step + inner) * element_bytes;
    for (int q = 0; q < pointers; q++) {
        to[q] = at;
        at += matrix->step * element_bytes;
    }
    return count;
}

lyc_gemm_matrix lyc_gemm_matrix_source(const void *base, lyc_dtype dtype, bool by_k, int64_t step, int64_t batch_step)
{
    return (lyc_gemm_matrix){.source = {.point = point_matrix, .dtype = dtype, .by_k = by_k}, base, step, batch_step};
}

static void place_matrix(const lyc_gemm_output *c, int64_t *row_at, int64_t batch, int64_t row, int rows)
{
    const lyc_gemm_matrix_output *matrix = (const lyc_gemm_matrix_output *)c;
    for (int r = 0; r < rows; r++) {
        row_at[r] = batch * matrix->batch_step + (row + r) * matrix->step;
    }
}

lyc_gemm_matrix_output lyc_gemm_matrix_target(const lyc_gemm_finish *finish, int64_t step, int64_t batch_step)
{
    return (lyc_gemm_matrix_output){.output = {.place = place_matrix, .finish = *finish}, step, batch_step};
}
