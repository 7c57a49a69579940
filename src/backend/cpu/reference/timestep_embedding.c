/* timestep_embedding.c - sines and cosines of t w_k
 *
 * Frequencies and arguments are rounded to f32, as in the libraries whose models were trained so: at t = 999 the
 * rounding of w_k moves a sine by up to 6e-5, and a more exact one would be further from what the network knows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/ops/timestep_embedding.h"

#include <math.h>

#include "backend/cpu/reference/reference.h"

lyc_status lyc_reference_timestep_embedding(const lyc_call *call)
{
    const lyc_timestep_embedding_attr *attr = call->problem->attr;
    const int64_t dim = attr->dim;
    const int64_t half = dim / 2;
    const int64_t sines = attr->flip_sin_to_cos ? half : 0;
    for (int64_t n = 0; n < lyc_ref_count(call, 0); n++) {
        const float t = (float)lyc_ref_get(call, 0, n);
        for (int64_t k = 0; k < half; k++) {
            const float exponent = (float)(-log(10000.0)) * (float)k / ((float)half - attr->freq_shift);
            const float angle = t * (float)exp((double)exponent);
            lyc_ref_set(call, 0, n * dim + sines + k, sin((double)angle));
            lyc_ref_set(call, 0, n * dim + half - sines + k, cos((double)angle));
        }
        if (dim % 2 != 0) {
            lyc_ref_set(call, 0, n * dim + dim - 1, 0.0);
        }
    }
    return LYC_OK;
}
