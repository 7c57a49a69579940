/* attention.h - attributes of attention, the same for its gradient
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_ATTENTION_H
#define LYC_GRAPH_OPS_ATTENTION_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct lyc_attention_attr {
    int heads;   /* divides the channels */
    float scale; /* of q kT; 0: one over the root of the head size */
    bool causal; /* position i sees the keys 0..i */
} lyc_attention_attr;

typedef lyc_attention_attr lyc_attention_backward_attr;

/* The factor that is meant, for heads of `size` channels. */
static inline double lyc_attention_scale(const lyc_attention_attr *attr, int64_t size)
{
    return attr->scale != 0.0f ? (double)attr->scale : 1.0 / sqrt((double)size);
}

#endif
