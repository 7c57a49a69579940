/* solve.h - attributes of the solution of linear equations
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_SOLVE_H
#define LYC_GRAPH_OPS_SOLVE_H

#include <stdbool.h>

typedef struct lyc_solve_attr {
    bool trans;
} lyc_solve_attr;

#endif
