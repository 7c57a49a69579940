/* mix.h - attributes of the product across the middle axis
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_MIX_H
#define LYC_GRAPH_OPS_MIX_H

#include <stdbool.h>

typedef struct lyc_mix_attr {
    bool trans; /* c is [b,a] */
} lyc_mix_attr;

#endif
