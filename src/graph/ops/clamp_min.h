/* clamp_min.h - the bound of a clamp
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_CLAMP_MIN_H
#define LYC_GRAPH_OPS_CLAMP_MIN_H

typedef struct lyc_clamp_min_attr {
    float floor;
} lyc_clamp_min_attr;

#endif
