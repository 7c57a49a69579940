/* statistics.h - the range of the numbers of a tensor, and what is no number among them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TENSOR_STATISTICS_H
#define LYC_TENSOR_STATISTICS_H

#include "base/task.h"
#include "lycoris/inspect.h"

/* Statistics of n elements at data, which need no alignment. Parallel; the same bits at any number of threads. Counts
 * the bytes it read in progress and asks the task now and then. LYC_E_UNSUPPORTED for types that can only be copied. */
lyc_status lyc_statistics_compute(lyc_tensor_statistics *out, const void *data, lyc_dtype dtype, size_t n,
                                  lyc_progress *progress, const lyc_task *task, lyc_error *err);

#endif
