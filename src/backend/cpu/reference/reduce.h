/* reduce.h - the sum that all reductions over whole axes share
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_REFERENCE_REDUCE_H
#define LYC_BACKEND_CPU_REFERENCE_REDUCE_H

#include "backend/cpu/reference/reference.h"

/* out 0 = scale * the sum of in 0 over the axes of a bit mask. */
void lyc_ref_reduce(const lyc_call *call, unsigned axes, double scale);

#endif
