/* embedding.c - rows of a table by ids, and the sum of what comes back to each row
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/embedding.h"

#include "backend/cpu/reference/indices.h"

lyc_status lyc_reference_embedding(const lyc_call *call)
{
    const lyc_shape *table = lyc_ref_shape(call, 0);
    const int64_t c = table->dims[1];
    const int64_t count = lyc_ref_count(call, 1);
    LYC_TRY(lyc_ref_check_indices(call, 1, table->dims[0]));
    for (int64_t t = 0; t < count; t++) {
        for (int64_t j = 0; j < c; j++) {
            lyc_ref_set(call, 0, t * c + j, lyc_ref_get(call, 0, lyc_ref_index(call, 1, t) * c + j));
        }
    }
    return LYC_OK;
}

/* The first t at or after `from` with ids[t] = row; the number of ids when there is none. */
static int64_t next_use(const lyc_call *call, int64_t row, int64_t from)
{
    const int64_t count = lyc_ref_count(call, 0);
    while (from < count && lyc_ref_index(call, 0, from) != row) {
        from++;
    }
    return from;
}

lyc_status lyc_reference_embedding_backward(const lyc_call *call)
{
    const lyc_embedding_backward_attr *attr = call->problem->attr;
    const int64_t c = call->problem->out[0].shape.dims[1];
    const int64_t count = lyc_ref_count(call, 0);
    LYC_TRY(lyc_ref_check_indices(call, 0, attr->rows));
    for (int64_t r = 0; r < attr->rows; r++) {
        const int64_t first = next_use(call, r, 0);
        for (int64_t j = 0; j < c; j++) {
            double sum = 0.0;
            for (int64_t t = first; t < count; t = next_use(call, r, t + 1)) {
                sum += lyc_ref_get(call, 1, t * c + j);
            }
            lyc_ref_set(call, 0, r * c + j, sum);
        }
    }
    return LYC_OK;
}
