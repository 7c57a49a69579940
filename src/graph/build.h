/* build.h - the builders: one function for each operation of ops/list.def, which is the manual
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_BUILD_H
#define LYC_GRAPH_BUILD_H

#include "graph/graph.h"

/* An operation with attributes takes a struct of graph/ops/<name>.h. */
#define LYC_OP(name, arguments)                                                                                        \
    struct lyc_##name##_attr;                                                                                          \
    lyc_value *lyc_##name arguments;
#include "graph/ops/list.def"
#undef LYC_OP

/* Output k of the node that made v (group_norm's mean, attention's log-sum-exp). */
static inline lyc_value *lyc_value_output(lyc_value *v, int k)
{
    return lyc_value_failed(v) ? v : v->node->outputs[k];
}

#endif
