/* graph.h - a computation as values and nodes
 *
 * A model is built once for a shape: builders (build.h) add nodes, autodiff.h adds the gradients to the same graph, and
 * plan.h turns it into prepared kernels in one arena. A graph holds no numbers but the pointers to frozen weights.
 *
 * Building is chained and does not check line by line: the graph keeps its first error with the layer's name, every
 * later call does nothing and returns a value that stands for the error, and compiling reports it.
 *
 *     lyc_value *x = lyc_graph_input(g, "latents", LYC_ACTIVATION, LYC_SHAPE(2, 64, 64, 4));
 *     lyc_graph_enter(g, "conv_in");
 *     lyc_value *y = lyc_silu(g, lyc_conv2d(g, x, weight, bias, &(lyc_conv2d_attr){.stride = {1, 1}, ...}));
 *     lyc_graph_leave(g);
 *
 * Values are dense and row-major; images are [n,h,w,c], so that an image is, without a copy, the token matrix
 * [n,h*w,c].
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_GRAPH_H
#define LYC_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "tensor/shape.h"

typedef struct lyc_graph lyc_graph;
typedef struct lyc_value lyc_value;
typedef struct lyc_node lyc_node;
typedef struct lyc_op lyc_op;

/* What a value's elements are. Precision is a property of the compilation, so most values name a role, not a dtype. */
typedef enum lyc_value_type {
    LYC_ACTIVATION, /* activations and their gradients: f32, or bf16 when compiled so */
    LYC_FLOAT,      /* statistics, losses, trainable parameters and their gradients: f32 always */
    LYC_INDEX,      /* token ids and the like: i32 */
    LYC_STORED,     /* the dtype it has in memory: frozen weights of any dtype, bf16 parameters */
} lyc_value_type;

typedef enum lyc_value_kind {
    LYC_VALUE_INPUT,  /* bound before each run */
    LYC_VALUE_WEIGHT, /* frozen; borrowed from a mapped file or from the graph */
    LYC_VALUE_PARAM,  /* trainable; bound, changed between runs */
    LYC_VALUE_NODE,   /* computed */
} lyc_value_kind;

struct lyc_value {
    int id;
    lyc_value_kind kind;
    lyc_value_type type;
    lyc_dtype dtype; /* when type is LYC_STORED */
    lyc_shape shape;
    const char *name;  /* of inputs, weights and parameters, else NULL */
    const char *layer; /* "down_blocks.0.resnets.1"; "" outside */
    lyc_node *node;    /* producer of a LYC_VALUE_NODE, and which of its outputs this is */
    int output_index;
    const void *data; /* of a weight; borrowed */
    bool needs_grad;  /* something trainable lies below */
    bool is_output;   /* kept until the end of a run */
    bool is_constant; /* a weight whose numbers belong to the graph */
};

enum { LYC_MAX_INPUTS = 16, LYC_MAX_OUTPUTS = 4 };

struct lyc_node {
    int id;
    const lyc_op *op;
    const char *layer;
    bool backward; /* added by autodiff */
    int n_inputs;
    int n_outputs;
    lyc_value *inputs[LYC_MAX_INPUTS]; /* NULL: an optional input that is absent */
    lyc_value *outputs[LYC_MAX_OUTPUTS];
    const void *attr; /* op->attr_size bytes, or NULL */
};

lyc_status lyc_graph_new(lyc_graph **out, lyc_error *err);
void lyc_graph_free(lyc_graph *g);

/* The first error of building; LYC_OK when there was none. */
lyc_status lyc_graph_status(const lyc_graph *g, lyc_error *err);

/* For builders that find something wrong themselves: keeps the first error, with the current layer's name. Returns the
 * value that stands for an error, so that a builder can return it. */
lyc_value *lyc_graph_fail(lyc_graph *g, lyc_status status, const char *format, ...) LYC_PRINTF(3, 4);

/* Whether v stands for an error; builders that look into a value ask first. */
bool lyc_value_failed(const lyc_value *v);

/* Layer names nest: enter "mid_block", enter "attentions.0" gives "mid_block.attentions.0". */
void lyc_graph_enter(lyc_graph *g, const char *format, ...) LYC_PRINTF(2, 3);
void lyc_graph_leave(lyc_graph *g);

/* The current one, "" outside; lasts as long as the graph. */
const char *lyc_graph_layer(const lyc_graph *g);

/* Names are copied. */
lyc_value *lyc_graph_input(lyc_graph *g, const char *name, lyc_value_type type, lyc_shape shape);

/* A frozen weight. Borrows data, which must stay until the last plan made from the graph is freed. */
lyc_value *lyc_graph_weight(lyc_graph *g, const char *name, lyc_dtype dtype, lyc_shape shape, const void *data);

/* A frozen weight of f32 numbers that the graph copies. */
lyc_value *lyc_graph_constant(lyc_graph *g, lyc_shape shape, const float *data);
lyc_value *lyc_graph_scalar(lyc_graph *g, float value);

/* A trainable parameter: LYC_FLOAT, or LYC_STORED with BF16. */
lyc_value *lyc_graph_param(lyc_graph *g, const char *name, lyc_value_type type, lyc_dtype dtype, lyc_shape shape);

/* Keeps v readable after a run. Returns v. */
lyc_value *lyc_graph_output(lyc_graph *g, lyc_value *v);

/* Adds a node; attr (op->attr_size bytes) is copied. Returns output 0; the others are value->node->outputs[k]. */
lyc_value *lyc_graph_add(lyc_graph *g, const lyc_op *op, int n_inputs, lyc_value *const *inputs, const void *attr);

/* Iteration, in the order of building. */
int lyc_graph_node_count(const lyc_graph *g);
lyc_node *lyc_graph_node(const lyc_graph *g, int index);
int lyc_graph_value_count(const lyc_graph *g);
lyc_value *lyc_graph_value(const lyc_graph *g, int index);

/* One line a node: id, layer, operation with attributes, shapes. For tests and for LYCORIS_LOG=graph. */
struct lyc_strbuf;
void lyc_graph_dump(struct lyc_strbuf *text, const lyc_graph *g);

#endif
