/* block_diag_matmul.c - rows times a block-diagonal matrix, and the gradient by the blocks
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/block_diag_matmul.h"

#include "backend/cpu/reference/reference.h"

/* y[..,k,j] = sum over i of x[..,k,i] r[k,i,j]; `row` counts rows and blocks together. */
lyc_status lyc_reference_block_diag_matmul(const lyc_call *call)
{
    const lyc_block_diag_matmul_attr *attr = call->problem->attr;
    const int64_t blocks = lyc_ref_shape(call, 1)->dims[0];
    const int64_t size = lyc_ref_shape(call, 1)->dims[1];
    for (int64_t row = 0; row < lyc_ref_count(call, 0) / size; row++) {
        const int64_t block = row % blocks * size * size;
        for (int64_t j = 0; j < size; j++) {
            double sum = 0.0;
            for (int64_t i = 0; i < size; i++) {
                sum += lyc_ref_get(call, 0, row * size + i) *
                       lyc_ref_get(call, 1, block + (attr->trans ? j * size + i : i * size + j));
            }
            lyc_ref_set(call, 0, row * size + j, sum);
        }
    }
    return LYC_OK;
}

/* d_r[k,i,j] = sum over rows of x[..,k,i] d_y[..,k,j] */
lyc_status lyc_reference_block_diag_backward_weights(const lyc_call *call)
{
    const lyc_block_diag_backward_weights_attr *attr = call->problem->attr;
    const int64_t blocks = attr->blocks;
    const int64_t size = call->problem->out[0].shape.dims[1];
    const int64_t rows = lyc_ref_count(call, 0) / (blocks * size);
    for (int64_t k = 0; k < blocks; k++) {
        for (int64_t i = 0; i < size; i++) {
            for (int64_t j = 0; j < size; j++) {
                double sum = 0.0;
                for (int64_t row = 0; row < rows; row++) {
                    const int64_t start = (row * blocks + k) * size;
                    sum += lyc_ref_get(call, 0, start + i) * lyc_ref_get(call, 1, start + j);
                }
                lyc_ref_set(call, 0, k * size * size + (attr->trans ? j * size + i : i * size + j), sum);
            }
        }
    }
    return LYC_OK;
}
