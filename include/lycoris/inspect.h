/* inspect.h - looking at model files without loading them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_INSPECT_H
#define LYCORIS_INSPECT_H

#include <stddef.h>
#include <stdint.h>

#include "lycoris/error.h"
#include "lycoris/task.h"
#include "lycoris/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers of a tensor. mean_abs and the ranges are over the finite values, and NaN when there are none. */
typedef struct lyc_tensor_statistics {
    uint64_t count;
    uint64_t nan_count;
    uint64_t infinity_count;
    double mean_abs; /* mean of |x| */
    double max_abs;  /* largest |x| */
    double min;
    double max;
} lyc_tensor_statistics;

#ifdef __cplusplus
}
#endif
#endif
