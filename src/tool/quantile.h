/* quantile.h - numbers by their place in the order of all
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TOOL_QUANTILE_H
#define LYC_TOOL_QUANTILE_H

#include <stdint.h>

/* The k-th smallest (from 0) of x [n], which is put into another order. */
float lyc_select_smallest(float *x, int64_t n, int64_t k);

/* torch.quantile of x [n], n > 0, by linear interpolation between its neighbours; x is put into another order. */
float lyc_quantile(float *x, int64_t n, double part);

#endif
