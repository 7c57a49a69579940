/* compute.h - changes of weights outside of a network's graph: merging, extracting, max norm
 *
 * The mathematics is that of the graph: a small graph of the change is compiled and run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_ADAPTER_COMPUTE_H
#define LYC_ADAPTER_COMPUTE_H

#include "adapter/adapter.h"

/* What an adapter makes of a layer at a strength. */
typedef struct lyc_adapter_change {
    float *weight; /* [elements of the weight]: W' - W, or W' with `merged`; the caller's; NULL: not wanted */
    float *bias;   /* [out]: the change of the bias; set to zeros where there is none; NULL: not wanted */
    bool merged;   /* W' instead of the change, rounded once to f32 */
} lyc_adapter_change;

/* weight: the base weight in any float type, as a file has it. NULL is enough for additive algorithms without DoRA,
 * when the change alone is wanted. */
lyc_status lyc_adapter_compute(lyc_adapter_change *out, const lyc_adapter *a, const lyc_tensor_view *weight,
                               double multiplier, lyc_error *err);

/* Rank of the exact form of the change as a product of two matrices; 0 where there is none: the change depends on the
 * base weight (DoRA too), or is no product. It can be larger than the layer's own. */
lyc_status lyc_adapter_product_rank(int64_t *rank, const lyc_adapter *a, lyc_error *err);

/* That form: the change is up [out,rank] times down [rank,in*kernel], alpha and multiplier in up. */
lyc_status lyc_adapter_product(float *up, float *down, const lyc_adapter *a, double multiplier, lyc_error *err);

/* Whether the change depends on the base weight. */
bool lyc_adapter_depends_on_weight(const lyc_adapter *a);

/* Whether the adapter changes the bias. */
bool lyc_adapter_changes_bias(const lyc_adapter *a);

/* Scales the adapter so that the norm of its change is at most `limit`, as LyCORIS does: n = max(norm, limit / 2) is
 * brought to min(n, limit). *norm: what it is afterwards; *scaled: whether something was done. Algorithms that do not
 * take part are left alone, with a norm of 0. */
lyc_status lyc_adapter_max_norm(double *norm, bool *scaled, lyc_adapter *a, double limit, lyc_error *err);

#endif
