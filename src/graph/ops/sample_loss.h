/* sample_loss.h - kinds of the loss between a prediction and its target, and the attribute that names one
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_SAMPLE_LOSS_H
#define LYC_GRAPH_OPS_SAMPLE_LOSS_H

/* Of a difference d, with the sample's parameter c where there is one. */
typedef enum lyc_loss_kind {
    LYC_LOSS_L2,             /* d^2 */
    LYC_LOSS_L1,             /* |d| */
    LYC_LOSS_HUBER,          /* 2 c (sqrt(d^2 + c^2) - c) */
    LYC_LOSS_SMOOTH_L1,      /* 2 (sqrt(d^2 + c^2) - c) */
    LYC_LOSS_SMOOTH_L1_BETA, /* d^2 / (2 c) where |d| < c, else |d| - c / 2: the textbook's, with c for beta */
    LYC_LOSS_COUNT
} lyc_loss_kind;

/* In the order of the enumeration; NULL-terminated. */
extern const char *const lyc_loss_names[];

typedef struct lyc_sample_loss_attr {
    int kind;
} lyc_sample_loss_attr;

typedef lyc_sample_loss_attr lyc_sample_loss_backward_attr;

#endif
