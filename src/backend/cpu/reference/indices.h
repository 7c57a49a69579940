/* indices.h - ids and rows that come with the data of a run, and may be wrong
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_REFERENCE_INDICES_H
#define LYC_BACKEND_CPU_REFERENCE_INDICES_H

#include "backend/cpu/reference/reference.h"

/* Element `index` of an LYC_INDEX input. */
static inline int64_t lyc_ref_index(const lyc_call *call, int input, int64_t index)
{
    return ((const int32_t *)call->in[input])[index];
}

/* LYC_E_ARGUMENT unless every element of the input is in [0, bound). */
lyc_status lyc_ref_check_indices(const lyc_call *call, int input, int64_t bound);

#endif
