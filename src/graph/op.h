/* op.h - what an operation is: the entry that each file of graph/ops ends with
 *
 * An operation is one file in graph/ops (entry and builder), one line in graph/ops/list.def, and one plain kernel in
 * backend/cpu/reference, which is its definition. Everything else comes from the entry: text form, bench line, gradient
 * check, planning. Operations with attributes have a header beside the file with `struct lyc_<name>_attr`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_OP_H
#define LYC_GRAPH_OP_H

#include "graph/graph.h"

typedef enum lyc_attr_kind { LYC_ATTR_INT, LYC_ATTR_FLOAT, LYC_ATTR_BOOL, LYC_ATTR_ENUM } lyc_attr_kind;

/* One member of an attribute struct: int (INT, BOOL as bool, ENUM as int) or float. `count` neighbours form a list,
 * written 1x1x0x1. Text form "name=value"; a value equal to the default is left out. */
typedef struct lyc_attr_field {
    const char *name;
    lyc_attr_kind kind;
    size_t offset;
    int count;                /* 0 means 1 */
    double fallback;          /* the default of every element */
    const char *const *names; /* ENUM: NULL-terminated */
} lyc_attr_field;

/* What infer says of each output. */
typedef struct lyc_value_info {
    lyc_value_type type; /* not LYC_STORED */
    lyc_shape shape;
} lyc_value_info;

struct lyc_op {
    const char *name;

    /* Space-separated names; "bias?" may be absent, "x*" stands for one or more and comes last. */
    const char *inputs;
    const char *outputs;

    const lyc_attr_field *attrs; /* ends with a NULL name; NULL when there are none */
    size_t attr_size;

    /* Checks inputs and attributes and says what comes out. The message needs no layer or operation name. */
    lyc_status (*infer)(const lyc_node *n, lyc_value_info *out, lyc_error *err);

    /* Adds nodes for the gradients: for each input with needs_grad sets d_in[i] (same shape). d_out[k] is NULL where no
     * gradient arrives. NULL: the operation has no gradient, and asking for one is an error that names it. */
    void (*gradient)(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out, lyc_value **d_in);

    /* What `gradient` reads, as bit masks over inputs and outputs: what a plan keeps or recomputes for it. */
    unsigned gradient_inputs;
    unsigned gradient_outputs;

    /* Bit mask of number inputs that are data, like the mask of a loss: they have no gradient, and something trainable
     * below them is an error that names the input. */
    unsigned data_inputs;

    /* Multiplications and additions; NULL: one per element of output 0. */
    double (*flops)(const lyc_node *n);

    /* Bit mask of inputs whose memory output 0 may take (same size): every kernel must allow it. */
    unsigned in_place;

    /* Offset in elements of output 0 in input 0 when it is a part of it without a copy (reshape: 0), else -1. NULL:
     * never. */
    int64_t (*view)(const lyc_node *n);

    /* Fusion. `residual`: the input (not 0) that is added to the result last, 0 when there is none. `activation`:
     * offset of a lyc_activation attribute applied before it, plus one; 0 when there is none. `is_activation`: the
     * operation itself is this lyc_activation of its only input. A fused node has no gradient, so plans fuse after
     * autodiff. */
    int residual;
    size_t activation;
    int is_activation;

    /* The exclusive bound of the values of an LYC_INDEX input (rows of the table); NULL: indices are free. */
    int64_t (*index_bound)(const lyc_node *n, int input);
};

/* All operations, in the order of list.def; NULL-terminated. */
extern const lyc_op *const lyc_ops[];

/* By name; NULL when there is none. */
const lyc_op *lyc_op_find(const char *name);

/* Every operation's entry: lyc_op_silu and so on. */
#define LYC_OP(name, arguments) extern const lyc_op lyc_op_##name;
#include "graph/ops/list.def"
#undef LYC_OP

/* Helpers for infer. */

/* Output 0 has the shape of input 0 and the type of a result; all inputs are numbers. */
lyc_status lyc_infer_same(const lyc_node *n, lyc_value_info *out, lyc_error *err);

/* The type of a result computed from all inputs: LYC_ACTIVATION when one of them is, else LYC_FLOAT. */
lyc_value_type lyc_infer_type(const lyc_node *n);

/* LYC_E_ARGUMENT unless the inputs of a bit mask hold indices (LYC_INDEX), and all others that are present numbers. */
lyc_status lyc_infer_indices(const lyc_node *n, unsigned index_inputs, lyc_error *err);

/* LYC_E_SHAPE unless input i has this rank / has the shape of input j. */
lyc_status lyc_infer_rank(const lyc_node *n, int input, int rank, lyc_error *err);
lyc_status lyc_infer_equal(const lyc_node *n, int input, int other, lyc_error *err);

/* LYC_E_SHAPE unless input i is absent or has this shape. */
lyc_status lyc_infer_shape(const lyc_node *n, int input, const lyc_shape *expected, lyc_error *err);

/* For gradient: false, after lyc_graph_fail, when a gradient arrives at another output than the first (a mean, a
 * log-sum-exp: kept for the gradient, not differentiated themselves). */
bool lyc_gradient_of_first(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out);

/* For operations that only move numbers. */
double lyc_flops_none(const lyc_node *n);

/* The name of input i, for messages: "weight". */
const char *lyc_op_input_name(char *text, size_t size, const lyc_op *op, int input);

/* Number of names in op->inputs or op->outputs, and how many of them must be there. */
int lyc_op_count(const char *names);
int lyc_op_required(const lyc_op *op);
bool lyc_op_variadic(const lyc_op *op);
bool lyc_op_optional(const lyc_op *op, int input);

/* Sets every field of an attribute struct to its default. */
void lyc_attr_defaults(const lyc_op *op, void *attr);

/* Reads "name=value" into attr; writes " name=value" for each field that differs from its default. */
struct lyc_strbuf;
lyc_status lyc_attr_parse(const lyc_op *op, void *attr, const char *text, lyc_error *err);
void lyc_attr_print(struct lyc_strbuf *text, const lyc_op *op, const void *attr);

#endif
