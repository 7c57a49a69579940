/* problem_text.h - a problem as one line of text, for tests, benchmarks and logs
 *
 *     conv2d x=2x64x64x320:BF16 weight=320x320x3x3:F16* bias=320:F16* stride=1x1 pad=1x1x1x1
 *
 * Operation, then inputs as name=extents[:dtype][*] (an asterisk: frozen), then attributes as name=value. A scalar is
 * written "scalar". Inputs that may be absent are left out. lyc_problem_print writes this form.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_GRAPH_PROBLEM_TEXT_H
#define LYC_GRAPH_PROBLEM_TEXT_H

#include "graph/backend.h"

enum { LYC_MAX_ATTR_BYTES = 256 };

typedef struct lyc_problem_text {
    const lyc_op *op;
    int n_inputs;
    lyc_operand in[LYC_MAX_INPUTS]; /* dtype (also in `stored`): F32 when the text names none */
    _Alignas(8) char attr[LYC_MAX_ATTR_BYTES];
} lyc_problem_text;

/* Parses one line. LYC_E_FORMAT names the word that is wrong. */
lyc_status lyc_problem_text_parse(lyc_problem_text *out, const char *text, lyc_error *err);

/* A value for input i of the operation, made by the caller (an input, a weight, a parameter). */
typedef lyc_value *(*lyc_problem_operand)(void *context, lyc_graph *g, int input, const char *name,
                                          const lyc_operand *operand);

/* Builds the node in a graph. Returns its first output. */
lyc_value *lyc_problem_text_build(lyc_graph *g, const lyc_problem_text *problem, lyc_problem_operand operand,
                                  void *context);

#endif
