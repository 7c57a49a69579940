/* problem.c - cost and text of a problem
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/string.h"
#include "graph/backend.h"
#include "tensor/dtype.h"

/* A node with just the shapes, for rules that are written for nodes. */
typedef struct shell {
    lyc_node node;
    lyc_value values[LYC_MAX_INPUTS + LYC_MAX_OUTPUTS];
} shell;

static void make_shell(shell *s, const lyc_problem *p)
{
    memset(s, 0, sizeof *s);
    s->node.op = p->op;
    s->node.attr = p->attr;
    s->node.n_inputs = p->n_inputs;
    s->node.n_outputs = p->n_outputs;
    for (int i = 0; i < p->n_inputs; i++) {
        s->values[i].shape = p->in[i].shape;
        s->node.inputs[i] = p->in[i].present ? &s->values[i] : NULL;
    }
    for (int k = 0; k < p->n_outputs; k++) {
        s->values[LYC_MAX_INPUTS + k].shape = p->out[k].shape;
        s->node.outputs[k] = &s->values[LYC_MAX_INPUTS + k];
    }
}

double lyc_problem_flops(const lyc_problem *p)
{
    if (p->op->flops == NULL) {
        return (double)lyc_shape_elements(&p->out[0].shape);
    }
    shell s;
    make_shell(&s, p);
    return p->op->flops(&s.node);
}

static double operand_bytes(const lyc_operand *o, lyc_dtype dtype)
{
    return o->present ? (double)lyc_shape_elements(&o->shape) * lyc_dtype_bits(dtype) / 8.0 : 0.0;
}

double lyc_problem_bytes(const lyc_problem *p)
{
    double bytes = 0.0;
    for (int i = 0; i < p->n_inputs; i++) {
        bytes += operand_bytes(&p->in[i], p->in[i].dtype);
    }
    for (int k = 0; k < p->n_outputs; k++) {
        bytes += operand_bytes(&p->out[k], p->out[k].dtype);
    }
    return bytes;
}

void lyc_problem_print(lyc_strbuf *text, const lyc_problem *p)
{
    lyc_strbuf_append(text, p->op->name);
    for (int i = 0; i < p->n_inputs; i++) {
        if (!p->in[i].present) {
            continue;
        }
        char name[64];
        char shape[LYC_SHAPE_TEXT];
        lyc_strbuf_format(text, " %s=%s:%s%s", lyc_op_input_name(name, sizeof name, p->op, i),
                          lyc_shape_text(shape, sizeof shape, &p->in[i].shape),
                          lyc_dtype_name(p->in[i].frozen ? p->in[i].stored : p->in[i].dtype),
                          p->in[i].frozen ? "*" : "");
    }
    if (p->op->attrs != NULL) {
        lyc_attr_print(text, p->op, p->attr);
    }
}
