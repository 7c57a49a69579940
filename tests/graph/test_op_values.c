/* test_op_values.c - the reference kernels against numbers written down in op_values.txt and op_values_torch.txt
 *
 * A case is a problem in its text form (graph/problem_text.h), then, between bars, a name with its numbers: of each
 * input, and of each result with the shape and role that are expected. A case that must fail ends with an exclamation
 * mark and the exact message. Inputs of dtype I32 hold indices, those of BF16 have the role of activations; all other
 * numbers are computed in f64.
 *
 *     add x=2x2 y=2 | x: 1 2 3 4 | y: 10 20 | z 2x2 float: 11 22 13 24
 *     add x=2x2 y=3 ! add: x is 2x2, y is 3: expected extents that are equal or 1, from the last axis
 *
 * A line that begins with white space goes on with the line before it; # begins a comment line. Operations with several
 * results run again with the first alone: a plan hands in NULL for the others where nobody reads them. Where the entry
 * allows it, the kernel runs once more with its result in the memory of an input; where it says that the result is a
 * view, the result must be that part of the input.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/reference/reference.h"
#include "base/memory.h"
#include "graph/graph.h"
#include "graph/problem_text.h"

enum { MAX_CASE = 8192 };

static const char *const role_names[] = {"activation", "float", "index"};

/* One case while it runs. */
typedef struct trial {
    const char *file;
    int line;
    int failures;
    int views;
    lyc_problem_text parsed;
    const lyc_node *node;
    lyc_problem problem;
    void *in[LYC_MAX_INPUTS];
    void *out[LYC_MAX_OUTPUTS];
    void *workspace;
} trial;

static void complain(trial *t, const char *format, ...) LYC_PRINTF(2, 3);

static void complain(trial *t, const char *format, ...)
{
    va_list arguments;
    char text[1024];
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    print_error("%s:%d: %s\n", t->file, t->line, text);
    t->failures++;
}

static lyc_value *operand(void *context, lyc_graph *g, int input, const char *name, const lyc_operand *o)
{
    (void)context;
    (void)input;
    lyc_value_type type = o->dtype == LYC_I32 ? LYC_INDEX : o->dtype == LYC_BF16 ? LYC_ACTIVATION : LYC_FLOAT;
    return lyc_graph_input(g, name, type, o->shape);
}

static lyc_operand operand_of(const lyc_value *v)
{
    lyc_dtype dtype = v->type == LYC_INDEX ? LYC_I32 : LYC_F64;
    return (lyc_operand){.present = true, .dtype = dtype, .stored = dtype, .shape = v->shape};
}

/* States the node as a problem in f64, with memory for all operands. Results begin as NaN: every one must be written.
 */
static void state_problem(trial *t)
{
    const lyc_node *n = t->node;
    t->problem = (lyc_problem){
        .op = n->op, .attr = n->attr, .layer = n->layer, .n_inputs = n->n_inputs, .n_outputs = n->n_outputs};
    for (int i = 0; i < n->n_inputs; i++) {
        if (n->inputs[i] != NULL) {
            t->problem.in[i] = operand_of(n->inputs[i]);
            t->in[i] = lyc_alloc_zero((size_t)lyc_shape_elements(&n->inputs[i]->shape), sizeof(double));
            assert_non_null(t->in[i]);
        }
    }
    for (int k = 0; k < n->n_outputs; k++) {
        int64_t count = lyc_shape_elements(&n->outputs[k]->shape);
        t->problem.out[k] = operand_of(n->outputs[k]);
        double *memory = lyc_alloc((size_t)count * sizeof *memory);
        assert_non_null(memory);
        for (int64_t i = 0; i < count; i++) {
            memory[i] = (double)NAN;
        }
        t->out[k] = memory;
    }
}

static void release(trial *t)
{
    for (int i = 0; i < LYC_MAX_INPUTS; i++) {
        lyc_free(t->in[i]);
        t->in[i] = NULL;
    }
    for (int k = 0; k < LYC_MAX_OUTPUTS; k++) {
        lyc_free(t->out[k]);
        t->out[k] = NULL;
    }
    lyc_free(t->workspace);
    t->workspace = NULL;
}

/* The next number of a list; false at the end. */
static bool next_number(double *value, char **text)
{
    char *end;
    *value = strtod(*text, &end);
    bool found = end != *text;
    *text = end + strspn(end, " ");
    return found;
}

static void fill(trial *t, int input, char *numbers)
{
    const int64_t count = lyc_shape_elements(&t->node->inputs[input]->shape);
    for (int64_t i = 0; i < count; i++) {
        double value;
        if (!next_number(&value, &numbers)) {
            complain(t, "input %d has %lld values, expected %lld", input, (long long)i, (long long)count);
            return;
        }
        if (t->problem.in[input].dtype == LYC_I32) {
            ((int32_t *)t->in[input])[i] = (int32_t)value;
        } else {
            ((double *)t->in[input])[i] = value;
        }
    }
    if (*numbers != '\0') {
        complain(t, "input %d: too many values: %s", input, numbers);
    }
}

/* Up to the digits that a case writes. */
static bool agree(double value, double expected)
{
    return isnan(expected) ? isnan(value) != 0
                           : value == expected || fabs(value - expected) <= 1e-11 * (1.0 + fabs(expected));
}

static void compare(trial *t, int output, char *heading, char *numbers)
{
    const lyc_value *v = t->node->outputs[output];
    char shape[LYC_SHAPE_TEXT];
    char found[LYC_SHAPE_TEXT + 32];
    snprintf(found, sizeof found, "%s %s", lyc_shape_text(shape, sizeof shape, &v->shape), role_names[v->type]);
    if (strcmp(found, heading) != 0) {
        complain(t, "result %d is %s, expected %s", output, found, heading);
        return;
    }
    const int64_t count = lyc_shape_elements(&v->shape);
    for (int64_t i = 0; i < count; i++) {
        double expected;
        double value = ((const double *)t->out[output])[i];
        if (!next_number(&expected, &numbers)) {
            complain(t, "result %d: %lld numbers are expected, the case names %lld", output, (long long)count,
                     (long long)i);
            return;
        }
        if (!agree(value, expected)) {
            complain(t, "result %d, element %lld is %.15g, expected %.15g", output, (long long)i, value, expected);
        }
    }
    if (*numbers != '\0') {
        complain(t, "result %d: too many values: %s", output, numbers);
    }
}

/* The index of a name among space-separated ones; -1. */
static int position(const char *names, const char *name)
{
    const size_t length = strlen(name);
    int index = 0;
    for (const char *c = names; *c != '\0'; index++) {
        size_t n = strcspn(c, " ");
        if (n == length && memcmp(c, name, n) == 0) {
            return index;
        }
        c += n + strspn(c + n, " ");
    }
    return -1;
}

static int input_index(const trial *t, const char *name)
{
    for (int i = 0; i < t->node->n_inputs; i++) {
        char own[64];
        if (strcmp(lyc_op_input_name(own, sizeof own, t->node->op, i), name) == 0 && t->node->inputs[i] != NULL) {
            return i;
        }
    }
    return -1;
}

/* "x: 1 2 3", or of a result "z 2x3 float: 1 2 3", in its parts. */
typedef struct section {
    char *name;
    char *heading;
    char *numbers;
} section;

static section parse_section(trial *t, char *text)
{
    section s = {.name = text, .heading = text + strlen(text), .numbers = text + strlen(text)};
    char *colon = strchr(text, ':');
    if (colon == NULL) {
        complain(t, "no colon in: %s", text);
        return s;
    }
    *colon = '\0';
    s.numbers = colon + 1 + strspn(colon + 1, " ");
    s.name = text + strspn(text, " ");
    size_t length = strcspn(s.name, " ");
    s.heading = s.name + length + strspn(s.name + length, " ");
    s.name[length] = '\0';
    return s;
}

/* Fills the inputs, or compares the results, that the sections of the text name. Returns how many. */
static int each_section(trial *t, const char *text, bool results)
{
    static char copy[MAX_CASE];
    int count = 0;
    snprintf(copy, sizeof copy, "%s", text);
    char *rest = NULL;
    for (char *part = strtok_r(copy, "|", &rest); part != NULL; part = strtok_r(NULL, "|", &rest)) {
        section s = parse_section(t, part);
        const bool is_result = *s.heading != '\0';
        if (is_result != results) {
            continue;
        }
        int index = is_result ? position(t->node->op->outputs, s.name) : input_index(t, s.name);
        if (index < 0) {
            complain(t, "%s has no %s %s", t->node->op->name, is_result ? "result" : "input", s.name);
        } else if (is_result) {
            compare(t, index, s.heading, s.numbers);
        } else {
            fill(t, index, s.numbers);
        }
        count++;
    }
    return count;
}

static int present_inputs(const lyc_node *n)
{
    int count = 0;
    for (int i = 0; i < n->n_inputs; i++) {
        count += n->inputs[i] != NULL;
    }
    return count;
}

static void cut_trailing_space(char *text)
{
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t\n", text[n - 1]) != NULL) {
        text[--n] = '\0';
    }
}

static const lyc_kernel *kernel_of(const lyc_op *op)
{
    for (int i = 0; lyc_reference_kernels.kernels[i] != NULL; i++) {
        if (lyc_reference_kernels.kernels[i]->op == op) {
            return lyc_reference_kernels.kernels[i];
        }
    }
    return NULL;
}

/* Runs the kernel, with the first result alone or with all, and compares the message. Returns whether it succeeded. */
static bool run_kernel(trial *t, bool first_alone, const char *message)
{
    lyc_error err = {0};
    const void *in[LYC_MAX_INPUTS];
    void *out[LYC_MAX_OUTPUTS] = {t->out[0]};
    for (int i = 0; i < LYC_MAX_INPUTS; i++) {
        in[i] = t->in[i];
    }
    for (int k = 1; k < LYC_MAX_OUTPUTS && !first_alone; k++) {
        out[k] = t->out[k];
    }
    const lyc_call call = {.problem = &t->problem, .in = in, .out = out, .workspace = t->workspace, .err = &err};
    kernel_of(t->node->op)->run(&call);
    if (strcmp(err.message, message != NULL ? message : "") != 0) {
        complain(t, "message \"%s\", expected \"%s\"", err.message, message != NULL ? message : "");
    }
    return err.status == LYC_OK;
}

static size_t bytes_of(const lyc_value *v)
{
    return (size_t)lyc_shape_elements(&v->shape) * sizeof(double);
}

/* The same result when output 0 lies in the memory of an input, for each that the operation names. */
static void check_in_place(trial *t)
{
    const lyc_node *n = t->node;
    const size_t bytes = bytes_of(n->outputs[0]);
    double *apart = lyc_alloc(bytes);
    assert_non_null(apart);
    memcpy(apart, t->out[0], bytes);
    void *own = t->out[0];
    for (int i = 0; i < n->n_inputs; i++) {
        if ((n->op->in_place >> i & 1u) == 0 || n->inputs[i] == NULL || bytes_of(n->inputs[i]) != bytes) {
            continue;
        }
        void *kept = lyc_alloc(bytes);
        assert_non_null(kept);
        memcpy(kept, t->in[i], bytes);
        t->out[0] = t->in[i];
        if (run_kernel(t, true, NULL) && memcmp(t->out[0], apart, bytes) != 0) {
            complain(t, "another result in the place of input %d", i);
        }
        memcpy(t->in[i], kept, bytes);
        lyc_free(kept);
    }
    t->out[0] = own;
    lyc_free(apart);
}

static void check_view(trial *t)
{
    const lyc_node *n = t->node;
    const int64_t offset = n->op->view != NULL ? n->op->view(n) : -1;
    if (offset < 0) {
        return;
    }
    t->views++;
    const int64_t count = lyc_shape_elements(&n->outputs[0]->shape);
    if (offset + count > lyc_shape_elements(&n->inputs[0]->shape) ||
        memcmp((const double *)t->in[0] + offset, t->out[0], (size_t)count * sizeof(double)) != 0) {
        complain(t, "the result is not the part of input 0 from element %lld on", (long long)offset);
    }
}

/* The kernel's run, which must end in the message when there is one. */
static void run(trial *t, const char *sections, const char *message)
{
    state_problem(t);
    if (each_section(t, sections, false) != present_inputs(t->node)) {
        complain(t, "not every input has its numbers");
        return;
    }
    const lyc_kernel *kernel = kernel_of(t->node->op);
    assert_non_null(kernel);
    if (kernel->workspace != NULL) {
        t->workspace = lyc_alloc(kernel->workspace(&t->problem, NULL));
        assert_non_null(t->workspace);
    }
    if (run_kernel(t, true, message) && run_kernel(t, false, message)) {
        if (each_section(t, sections, true) != t->node->n_outputs) {
            complain(t, "not every result is compared");
        }
        check_view(t);
        check_in_place(t);
    }
}

static void run_case(trial *t, char *text)
{
    lyc_error err = {0};
    lyc_graph *g = NULL;
    char *message = strstr(text, " ! ");
    if (message != NULL) {
        *message = '\0';
        message += 3;
    }
    char *sections = strchr(text, '|');
    if (sections != NULL) {
        *sections++ = '\0';
        cut_trailing_space(text);
    }
    assert_int_equal(lyc_graph_new(&g, &err), LYC_OK);
    lyc_value *v = NULL;
    if (lyc_problem_text_parse(&t->parsed, text, &err) == LYC_OK) {
        v = lyc_problem_text_build(g, &t->parsed, operand, NULL);
        lyc_graph_status(g, &err);
    }
    if (v != NULL && !lyc_value_failed(v)) {
        t->node = v->node;
        run(t, sections != NULL ? sections : "", message);
    } else if (message == NULL || strcmp(err.message, message) != 0) {
        complain(t, "message \"%s\", expected \"%s\"", err.message, message != NULL ? message : "");
    }
    release(t);
    lyc_graph_free(g);
}

/* Reads the cases of a file, with their continuation lines, and runs each. */
static void check_file(const char *path, int at_least, int views)
{
    trial t = {.file = path};
    FILE *file = fopen(t.file, "r");
    assert_non_null(file);
    static char text[MAX_CASE];
    static char line[MAX_CASE];
    int number = 0;
    int cases = 0;
    text[0] = '\0';
    for (bool more = true; more;) {
        more = fgets(line, sizeof line, file) != NULL;
        number += more;
        cut_trailing_space(line);
        if (more && (line[0] == '#' || line[0] == '\0')) {
            continue;
        }
        if (more && line[0] == ' ') {
            size_t n = strlen(text);
            assert_true(n + strlen(line) < sizeof text);
            snprintf(text + n, sizeof text - n, "%s", line);
            continue;
        }
        if (text[0] != '\0') {
            run_case(&t, text);
            cases++;
        }
        t.line = number;
        snprintf(text, sizeof text, "%s", more ? line : "");
    }
    fclose(file);
    assert_true(cases >= at_least);
    assert_int_equal(t.views, views);
    assert_int_equal(t.failures, 0);
}

static void values_are_as_written(void **state)
{
    (void)state;
    check_file("tests/graph/op_values.txt", 290, 12);
}

static void values_are_those_of_torch(void **state)
{
    (void)state;
    check_file("tests/graph/op_values_torch.txt", 57, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_as_written),
        cmocka_unit_test(values_are_those_of_torch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
