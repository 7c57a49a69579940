/* kron_matmul.h - attributes of the Kronecker-factored product
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OPS_KRON_MATMUL_H
#define LYC_GRAPH_OPS_KRON_MATMUL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lyc_kron_matmul_attr {
    float alpha;
    bool trans;
} lyc_kron_matmul_attr;

/* The product as it is applied, after transposition: [u_in,v_in] of a row becomes [u_out,v_out]. */
typedef struct lyc_kron_extents {
    int64_t u_in;
    int64_t v_in;
    int64_t u_out;
    int64_t v_out;
} lyc_kron_extents;

/* Whether d before c takes no more operations than c before d; the results differ by rounding alone. */
static inline bool lyc_kron_d_first(const lyc_kron_extents *e)
{
    return (double)e->u_in * (double)e->v_out * ((double)e->v_in + (double)e->u_out) <=
           (double)e->u_out * (double)e->v_in * ((double)e->u_in + (double)e->v_out);
}

#endif
