/* cast.h - the role that a cast gives
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_CAST_H
#define LYC_GRAPH_OPS_CAST_H

/* For attribute tables: "activation" and "float", the first two of lyc_value_type. */
extern const char *const lyc_role_names[];

typedef struct lyc_cast_attr {
    int type; /* LYC_ACTIVATION or LYC_FLOAT */
} lyc_cast_attr;

#endif
