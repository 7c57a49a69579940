/* problem_text.c - reading the text form of a problem
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/problem_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/dtype.h"

enum { MAX_WORD = 256 };

/* The next word of text into word; false at the end. */
static bool next_word(char *word, const char **text)
{
    size_t n = 0;
    while (isspace((unsigned char)**text)) {
        (*text)++;
    }
    while (**text != '\0' && !isspace((unsigned char)**text) && n + 1 < MAX_WORD) {
        word[n++] = *(*text)++;
    }
    word[n] = '\0';
    return n > 0;
}

/* Index of the input with this name; -1 when the operation has none. */
static int input_index(const lyc_op *op, const char *name)
{
    const int most = lyc_op_variadic(op) ? LYC_MAX_INPUTS : lyc_op_count(op->inputs);
    for (int i = 0; i < most; i++) {
        char own[64];
        if (strcmp(lyc_op_input_name(own, sizeof own, op, i), name) == 0) {
            return i;
        }
    }
    return -1;
}

static lyc_status parse_dtype(lyc_operand *o, const char *name, lyc_error *err)
{
    for (int d = 0; d < LYC_DTYPE_COUNT; d++) {
        if (strcmp(lyc_dtype_name((lyc_dtype)d), name) == 0) {
            o->dtype = o->stored = (lyc_dtype)d;
            return LYC_OK;
        }
    }
    return lyc_fail(err, LYC_E_FORMAT, "unknown dtype %s", name);
}

static lyc_status parse_extents(lyc_shape *shape, const char *text, lyc_error *err)
{
    shape->rank = 0;
    if (strcmp(text, "scalar") == 0) {
        return LYC_OK;
    }
    for (const char *c = text;; c++) {
        char *end;
        const long long extent = strtoll(c, &end, 10);
        if (end == c || extent <= 0 || shape->rank == LYC_MAX_RANK || (*end != 'x' && *end != '\0')) {
            return lyc_fail(err, LYC_E_FORMAT, "%s: expected extents like 2x64x64x320", text);
        }
        shape->dims[shape->rank++] = extent;
        if (*end == '\0') {
            return LYC_OK;
        }
        c = end;
    }
}

/* "2x3:BF16*" */
static lyc_status parse_operand(lyc_operand *o, char *text, lyc_error *err)
{
    *o = (lyc_operand){.present = true, .dtype = LYC_F32, .stored = LYC_F32};
    const size_t n = strlen(text);
    if (n > 0 && text[n - 1] == '*') {
        o->frozen = true;
        text[n - 1] = '\0';
    }
    char *colon = strchr(text, ':');
    if (colon != NULL) {
        *colon = '\0';
        LYC_TRY(parse_dtype(o, colon + 1, err));
    }
    return parse_extents(&o->shape, text, err);
}

static lyc_status parse_word(lyc_problem_text *out, char *word, lyc_error *err)
{
    char *equals = strchr(word, '=');
    if (equals == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "%s: expected name=value", word);
    }
    *equals = '\0';
    const int input = input_index(out->op, word);
    if (input >= 0) {
        out->n_inputs = input + 1 > out->n_inputs ? input + 1 : out->n_inputs;
        return parse_operand(&out->in[input], equals + 1, err);
    }
    *equals = '=';
    if (out->op->attrs == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "%s has neither such an input nor such an attribute: %s", out->op->name,
                        word);
    }
    return lyc_attr_parse(out->op, out->attr, word, err);
}

lyc_status lyc_problem_text_parse(lyc_problem_text *out, const char *text, lyc_error *err)
{
    char word[MAX_WORD];
    memset(out, 0, sizeof *out);
    if (!next_word(word, &text)) {
        return lyc_fail(err, LYC_E_FORMAT, "an empty line is no problem");
    }
    out->op = lyc_op_find(word);
    if (out->op == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "unknown operation %s", word);
    }
    if (out->op->attr_size > sizeof out->attr) {
        return lyc_fail(err, LYC_E_FORMAT, "%s: attributes of %zu bytes", word, out->op->attr_size);
    }
    if (out->op->attrs != NULL) {
        lyc_attr_defaults(out->op, out->attr);
    }
    while (next_word(word, &text)) {
        LYC_TRY(parse_word(out, word, err));
    }
    return LYC_OK;
}

lyc_value *lyc_problem_text_build(lyc_graph *g, const lyc_problem_text *problem, lyc_problem_operand operand,
                                  void *context)
{
    lyc_value *inputs[LYC_MAX_INPUTS] = {0};
    for (int i = 0; i < problem->n_inputs; i++) {
        char name[64];
        lyc_op_input_name(name, sizeof name, problem->op, i);
        if (problem->in[i].present) {
            inputs[i] = operand(context, g, i, name, &problem->in[i]);
        }
    }
    return lyc_graph_add(g, problem->op, problem->n_inputs, inputs, problem->attr);
}
