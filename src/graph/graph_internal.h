/* graph_internal.h - the inside of a graph, for the files of this room
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_GRAPH_INTERNAL_H
#define LYC_GRAPH_GRAPH_INTERNAL_H

#include <assert.h>

#include "base/arena.h"
#include "graph/graph.h"
#include "tensor/dtype.h"

enum { LYC_MAX_LAYER_DEPTH = 32 };

struct lyc_graph {
    lyc_arena arena;     /* nodes, values, names, attributes */
    lyc_arena constants; /* numbers of lyc_graph_constant */
    lyc_node **nodes;
    int n_nodes;
    int nodes_capacity;
    lyc_value **values;
    int n_values;
    int values_capacity;
    lyc_value **gradients; /* by value id, after lyc_graph_differentiate; n_gradients entries */
    int n_gradients;
    const char *layer; /* the current one */
    const char *outer[LYC_MAX_LAYER_DEPTH];
    int depth;
    bool backward; /* nodes added now are gradients */
    lyc_value poison;
    lyc_error error;
};

lyc_value *lyc_graph_out_of_memory(lyc_graph *g);

#endif
