/* op.c - the table of operations, and what can be said of one from its entry
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/op.h"

#include <stdio.h>
#include <string.h>

const lyc_op *const lyc_ops[] = {
#define LYC_OP(name, arguments) &lyc_op_##name,
#include "graph/ops/list.def"
#undef LYC_OP
    NULL,
};

const lyc_op *lyc_op_find(const char *name)
{
    for (int i = 0; lyc_ops[i] != NULL; i++) {
        if (strcmp(lyc_ops[i]->name, name) == 0) {
            return lyc_ops[i];
        }
    }
    return NULL;
}

int lyc_op_count(const char *names)
{
    int count = names[0] != '\0';
    for (const char *c = names; *c != '\0'; c++) {
        count += *c == ' ';
    }
    return count;
}

/* The index-th of space-separated names, with its mark, if any; *length without the mark. */
static const char *name_at(const char *names, int index, size_t *length, char *mark)
{
    while (index > 0 && *names != '\0') {
        index -= *names++ == ' ';
    }
    size_t n = strcspn(names, " ");
    *mark = n > 0 && (names[n - 1] == '?' || names[n - 1] == '*') ? names[n - 1] : ' ';
    *length = *mark == ' ' ? n : n - 1;
    return names;
}

bool lyc_op_variadic(const lyc_op *op)
{
    size_t n = strlen(op->inputs);
    return n > 0 && op->inputs[n - 1] == '*';
}

bool lyc_op_optional(const lyc_op *op, int input)
{
    size_t length;
    char mark;
    name_at(op->inputs, input, &length, &mark);
    return mark == '?';
}

int lyc_op_required(const lyc_op *op)
{
    int required = 0;
    int count = lyc_op_count(op->inputs);
    for (int i = 0; i < count; i++) {
        required = lyc_op_optional(op, i) ? required : i + 1;
    }
    return required;
}

const char *lyc_op_input_name(char *text, size_t size, const lyc_op *op, int input)
{
    int count = lyc_op_count(op->inputs);
    size_t length;
    char mark;
    const char *name = name_at(op->inputs, input < count ? input : count - 1, &length, &mark);
    if (mark == '*') {
        snprintf(text, size, "%.*s%d", (int)length, name, input - count + 1);
    } else {
        snprintf(text, size, "%.*s", (int)length, name);
    }
    return text;
}

lyc_status lyc_infer_indices(const lyc_node *n, unsigned index_inputs, lyc_error *err)
{
    char name[64];
    for (int i = 0; i < n->n_inputs; i++) {
        bool wanted = (index_inputs >> i & 1u) != 0;
        if (n->inputs[i] != NULL && (n->inputs[i]->type == LYC_INDEX) != wanted) {
            return lyc_fail(err, LYC_E_ARGUMENT, "%s holds %s, expected %s",
                            lyc_op_input_name(name, sizeof name, n->op, i), wanted ? "numbers" : "indices",
                            wanted ? "indices" : "numbers");
        }
    }
    return LYC_OK;
}

lyc_status lyc_infer_same(const lyc_node *n, lyc_value_info *out, lyc_error *err)
{
    LYC_TRY(lyc_infer_indices(n, 0, err));
    out[0].type = lyc_infer_type(n);
    out[0].shape = n->inputs[0]->shape;
    return LYC_OK;
}

lyc_value_type lyc_infer_type(const lyc_node *n)
{
    for (int i = 0; i < n->n_inputs; i++) {
        if (n->inputs[i] != NULL && n->inputs[i]->type == LYC_ACTIVATION) {
            return LYC_ACTIVATION;
        }
    }
    return LYC_FLOAT;
}

lyc_status lyc_infer_rank(const lyc_node *n, int input, int rank, lyc_error *err)
{
    char name[64];
    char shape[LYC_SHAPE_TEXT];
    if (n->inputs[input]->shape.rank == rank) {
        return LYC_OK;
    }
    return lyc_fail(err, LYC_E_SHAPE, "%s is %s, expected rank %d", lyc_op_input_name(name, sizeof name, n->op, input),
                    lyc_shape_text(shape, sizeof shape, &n->inputs[input]->shape), rank);
}

lyc_status lyc_infer_equal(const lyc_node *n, int input, int other, lyc_error *err)
{
    const lyc_shape *a = &n->inputs[input]->shape;
    const lyc_shape *b = &n->inputs[other]->shape;
    if (lyc_shape_equal(a, b)) {
        return LYC_OK;
    }
    char name_a[64];
    char name_b[64];
    char shape_a[LYC_SHAPE_TEXT];
    char shape_b[LYC_SHAPE_TEXT];
    return lyc_fail(err, LYC_E_SHAPE, "%s is %s, expected %s as %s",
                    lyc_op_input_name(name_a, sizeof name_a, n->op, input), lyc_shape_text(shape_a, sizeof shape_a, a),
                    lyc_shape_text(shape_b, sizeof shape_b, b), lyc_op_input_name(name_b, sizeof name_b, n->op, other));
}

lyc_status lyc_infer_shape(const lyc_node *n, int input, const lyc_shape *expected, lyc_error *err)
{
    char name[64];
    char found[LYC_SHAPE_TEXT];
    char wanted[LYC_SHAPE_TEXT];
    if (n->inputs[input] == NULL || lyc_shape_equal(&n->inputs[input]->shape, expected)) {
        return LYC_OK;
    }
    return lyc_fail(err, LYC_E_SHAPE, "%s is %s, expected %s", lyc_op_input_name(name, sizeof name, n->op, input),
                    lyc_shape_text(found, sizeof found, &n->inputs[input]->shape),
                    lyc_shape_text(wanted, sizeof wanted, expected));
}

bool lyc_gradient_of_first(lyc_graph *g, const lyc_node *n, lyc_value *const *d_out)
{
    for (int k = 1; k < n->n_outputs; k++) {
        if (d_out[k] != NULL) {
            size_t length;
            char mark;
            const char *name = name_at(n->op->outputs, k, &length, &mark);
            lyc_graph_fail(g, LYC_E_UNSUPPORTED, "%s: no gradient through the output %.*s", n->op->name, (int)length,
                           name);
            return false;
        }
    }
    return d_out[0] != NULL;
}

double lyc_flops_none(const lyc_node *n)
{
    (void)n;
    return 0.0;
}
