/* test_calls.c - what a kernel promises about memory, by calling it directly
 *
 * For every node of the graphs of ops.txt and shapes.txt, gradients included, the kernel that would be chosen is run on
 * buffers of its own. It must
 *
 *     write all of its outputs and nothing around them or around its workspace,
 *     give the same bits when output 0 lies in the place of an input that the operation allows for that,
 *     leave out outputs that nobody uses (NULL), with the same bits in the others,
 *     not depend on what is in its workspace.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#pragma GCC diagnostic ignored "-Wunused-function" /* the harness for plans */
#include "graph/problem_run.h"

enum { GUARD = 256, PATTERN = 0xA5 };

/* Memory between two guards. */
typedef struct buffer {
    unsigned char *base;
    size_t bytes;
} buffer;

static buffer buffer_new(size_t bytes, unsigned char fill)
{
    buffer b = {.base = aligned_alloc(64, (bytes + 2 * GUARD + 63) / 64 * 64), .bytes = bytes};
    memset(b.base, PATTERN, bytes + 2 * GUARD);
    memset(b.base + GUARD, fill, bytes);
    return b;
}

static void *buffer_data(const buffer *b)
{
    return b->base + GUARD;
}

static bool guards_whole(const buffer *b)
{
    for (size_t i = 0; i < GUARD; i++) {
        if (b->base[i] != PATTERN || b->base[GUARD + b->bytes + i] != PATTERN) {
            return false;
        }
    }
    return true;
}

/* A node as a problem, with its kernel and the contents of its inputs. */
typedef struct direct {
    const char *line;
    const lyc_node *node;
    lyc_problem problem;
    const lyc_kernel *kernel;
    void *state;
    void *in[LYC_MAX_INPUTS];
    buffer out[LYC_MAX_OUTPUTS];
} direct;

static size_t operand_bytes(const lyc_operand *o)
{
    return (size_t)lyc_shape_elements(&o->shape) * (size_t)lyc_dtype_bits(o->dtype) / 8;
}

static lyc_operand operand_of(const lyc_value *v, lyc_precision precision)
{
    lyc_operand o = {0};
    if (v != NULL) {
        o = (lyc_operand){.present = true, .dtype = LYC_F32, .shape = v->shape};
        o.dtype = v->type == LYC_INDEX                                           ? LYC_I32
                  : v->type == LYC_ACTIVATION && precision == LYC_PRECISION_BF16 ? LYC_BF16
                                                                                 : LYC_F32;
        o.stored = o.dtype;
    }
    return o;
}

static void direct_open(direct *d, const char *line, const lyc_node *n, lyc_precision precision)
{
    lyc_error err;
    *d = (direct){.line = line, .node = n};
    d->problem = (lyc_problem){
        .op = n->op, .attr = n->attr, .layer = n->layer, .n_inputs = n->n_inputs, .n_outputs = n->n_outputs};
    for (int k = 0; k < n->n_outputs; k++) {
        d->problem.out[k] = operand_of(n->outputs[k], precision);
    }
    for (int i = 0; i < n->n_inputs; i++) {
        const lyc_operand o = d->problem.in[i] = operand_of(n->inputs[i], precision);
        const int64_t count = lyc_shape_elements(&o.shape);
        if (o.present && o.dtype != LYC_I32) {
            d->in[i] = filled(o.dtype, count, i, true);
        } else if (o.present) {
            d->in[i] = malloc((size_t)count * sizeof(int32_t));
            const int64_t bound = n->op->index_bound != NULL ? n->op->index_bound(n, i) : 1000;
            for (int64_t j = 0; j < count; j++) {
                ((int32_t *)d->in[i])[j] = (int32_t)test_index(j, bound > 0 ? bound : 1000);
            }
        }
    }
    d->kernel = lyc_backend_find(lyc_backend_cpu(), &d->problem);
    if (d->kernel->prepare != NULL) {
        must(d->kernel->prepare(&d->state, &d->problem, &err), &err, line);
    }
}

static void direct_close(direct *d)
{
    if (d->kernel->release != NULL) {
        d->kernel->release(d->state);
    }
    for (int i = 0; i < d->problem.n_inputs; i++) {
        free(d->in[i]);
    }
    for (int k = 0; k < d->problem.n_outputs; k++) {
        free(d->out[k].base);
    }
}

/* Runs with outputs out; alias: the input whose memory output 0 takes, or -1. */
static void direct_run(const direct *d, void *const *out, int alias, unsigned char workspace_fill)
{
    lyc_error err;
    const void *in[LYC_MAX_INPUTS];
    for (int i = 0; i < d->problem.n_inputs; i++) {
        in[i] = i == alias ? out[0] : d->in[i];
    }
    const size_t bytes = d->kernel->workspace != NULL ? d->kernel->workspace(&d->problem, d->state) : 0;
    const buffer workspace = buffer_new(bytes, workspace_fill);
    const lyc_call call = {.problem = &d->problem,
                           .in = in,
                           .out = out,
                           .workspace = buffer_data(&workspace),
                           .state = d->state,
                           .err = &err};
    must(d->kernel->run(&call), &err, d->line);
    if (!guards_whole(&workspace)) {
        fail_msg("%s: %s writes outside of its workspace", d->line, d->kernel->name);
    }
    free(workspace.base);
}

static void fail_when_different(const direct *d, int output, const void *got, const char *when)
{
    if (memcmp(got, buffer_data(&d->out[output]), d->out[output].bytes) != 0) {
        fail_msg("%s: output %d of %s differs %s", d->line, output, d->kernel->name, when);
    }
}

/* The outputs twice, from different contents of outputs and workspace before; the second ones are kept in d->out. */
static void check_outputs(direct *d)
{
    void *first[LYC_MAX_OUTPUTS];
    void *second[LYC_MAX_OUTPUTS];
    buffer other[LYC_MAX_OUTPUTS];
    for (int k = 0; k < d->problem.n_outputs; k++) {
        other[k] = buffer_new(operand_bytes(&d->problem.out[k]), 0x00);
        d->out[k] = buffer_new(operand_bytes(&d->problem.out[k]), 0xFF);
        first[k] = buffer_data(&other[k]);
        second[k] = buffer_data(&d->out[k]);
    }
    direct_run(d, first, -1, 0x00);
    direct_run(d, second, -1, 0xFF); /* all ones are NaN */
    for (int k = 0; k < d->problem.n_outputs; k++) {
        if (!guards_whole(&d->out[k])) {
            fail_msg("%s: %s writes outside of output %d", d->line, d->kernel->name, k);
        }
        fail_when_different(d, k, first[k], "with other contents of memory");
        free(other[k].base);
    }
}

static void check_in_place(const direct *d)
{
    for (int i = 0; i < d->problem.n_inputs; i++) {
        const lyc_operand *o = &d->problem.in[i];
        if ((d->node->op->in_place >> i & 1u) == 0 || !o->present || operand_bytes(o) != d->out[0].bytes) {
            continue;
        }
        void *out[LYC_MAX_OUTPUTS];
        buffer scratch[LYC_MAX_OUTPUTS];
        for (int k = 0; k < d->problem.n_outputs; k++) {
            scratch[k] = buffer_new(d->out[k].bytes, 0x00);
            out[k] = buffer_data(&scratch[k]);
        }
        memcpy(out[0], d->in[i], d->out[0].bytes);
        direct_run(d, out, i, 0x00);
        fail_when_different(d, 0, out[0], "in the place of an input");
        for (int k = 0; k < d->problem.n_outputs; k++) {
            free(scratch[k].base);
        }
    }
}

/* The first output is always there. */
static void check_unused_outputs(const direct *d)
{
    for (int left_out = 1; left_out < d->problem.n_outputs; left_out++) {
        void *out[LYC_MAX_OUTPUTS];
        buffer scratch[LYC_MAX_OUTPUTS];
        for (int k = 0; k < d->problem.n_outputs; k++) {
            scratch[k] = buffer_new(d->out[k].bytes, 0x00);
            out[k] = k == left_out ? NULL : buffer_data(&scratch[k]);
        }
        direct_run(d, out, -1, 0x00);
        for (int k = 0; k < d->problem.n_outputs; k++) {
            if (out[k] != NULL) {
                fail_when_different(d, k, out[k], "when another one is left out");
            }
            free(scratch[k].base);
        }
    }
}

typedef struct visit {
    lyc_precision precision;
    int kernels;
} visit;

static lyc_value *make_input(void *context, lyc_graph *g, int input, const char *name, const lyc_operand *o)
{
    (void)context, (void)input;
    if (o->dtype == LYC_I32) {
        return lyc_graph_input(g, name, LYC_INDEX, o->shape);
    }
    lyc_value *value = lyc_graph_input(g, name, o->frozen || o->shape.rank < 2 ? LYC_FLOAT : LYC_ACTIVATION, o->shape);
    value->needs_grad = !o->frozen;
    return value;
}

static void check_line(void *context, const char *line)
{
    visit *v = context;
    lyc_error err;
    lyc_problem_text text;
    lyc_graph *g;
    must(lyc_problem_text_parse(&text, line, &err), &err, line);
    must(lyc_graph_new(&g, &err), &err, line);
    lyc_value *y = lyc_problem_text_build(g, &text, make_input, NULL);
    must(lyc_graph_status(g, &err), &err, line);
    if (text.op->gradient != NULL && y->needs_grad && strstr(line, "activation=") == NULL) {
        lyc_value *seed = lyc_graph_input(g, "seed", y->type, y->shape);
        must(lyc_graph_differentiate(g, 1, &y, &seed, &err), &err, line);
    }
    for (int i = 0; i < lyc_graph_node_count(g); i++) {
        direct d;
        direct_open(&d, line, lyc_graph_node(g, i), v->precision);
        if (strncmp(d.kernel->name, "reference.", strlen("reference.")) != 0) {
            check_outputs(&d);
            check_in_place(&d);
            check_unused_outputs(&d);
            v->kernels++;
        }
        direct_close(&d);
    }
    lyc_graph_free(g);
}

static void check_all(lyc_precision precision)
{
    visit v = {.precision = precision};
    for_each_line("tests/graph/ops.txt", check_line, &v);
    for_each_line("tests/backend/cpu/shapes.txt", check_line, &v);
    assert_true(v.kernels > 100);
}

static void test_f32(void **state)
{
    (void)state;
    check_all(LYC_PRECISION_F32);
}

static void test_bf16(void **state)
{
    (void)state;
    check_all(LYC_PRECISION_BF16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32),
        cmocka_unit_test(test_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
