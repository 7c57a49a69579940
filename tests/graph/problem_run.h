/* problem_run.h - runs a problem line with its gradients on some backend, for the tests that compare
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_TESTS_GRAPH_PROBLEM_RUN_H
#define LYC_TESTS_GRAPH_PROBLEM_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "base/string.h"
#include "graph/autodiff.h"
#include "graph/build.h"
#include "graph/plan.h"
#include "graph/problem_text.h"
#include "tensor/dtype.h"

/* How a run differs from another of the same line. */
typedef struct run_mode {
    lyc_precision precision;
    const lyc_backend *backend;
    bool reference_only;
    bool gradients; /* of all number inputs, where the operation has them */
    bool frozen; /* inputs marked with * are frozen weights of the dtype in the text, else inputs without a gradient */
    bool positive; /* all numbers in [0.3, 1.7] instead of +-: for logarithms and roots */
} run_mode;

enum { MAX_RESULTS = LYC_MAX_OUTPUTS + LYC_MAX_INPUTS };

typedef struct problem_run {
    lyc_problem_text text;
    run_mode mode;
    lyc_graph *g;
    lyc_plan *plan;
    lyc_value *inputs[LYC_MAX_INPUTS];
    void *data[LYC_MAX_INPUTS]; /* what is bound, or the bytes of a frozen operand */
    lyc_value *seed;
    void *seed_data;
    int n_results; /* outputs of the node, then gradients of the inputs */
    lyc_value *results[MAX_RESULTS];
    char names[MAX_RESULTS][80];
} problem_run;

/* A number in +-[0.3, 1.7] that depends on input and index alone; exact in bf16 unless `fine`, which gives numbers
 * without ties, for operations that compare. */
static double test_number(int input, int64_t index, bool positive, bool fine)
{
    uint64_t h = (uint64_t)index * 0x9E3779B97F4A7C15u + (uint64_t)(input + 1) * 0xD1B54A32D192ED03u;
    h ^= h >> 29;
    h *= 0xBF58476D1CE4E5B9u;
    h ^= h >> 32;
    double x = 0.3 + 1.4 * (double)(h >> 11) / 9007199254740992.0;
    x = fine ? x : (double)(int)(x * 64.0) / 64.0;
    return positive || (h & 1) != 0 ? x : -x;
}

static int64_t test_index(int64_t index, int64_t bound)
{
    return (index * 7 + 3) % bound;
}

static void *filled(lyc_dtype dtype, int64_t n, int input, bool positive)
{
    const size_t element = (size_t)lyc_dtype_bits(dtype) / 8;
    char *data = malloc((size_t)n * element);
    for (int64_t i = 0; i < n; i++) {
        lyc_dtype_store(dtype, data + (size_t)i * element, test_number(input, i, positive, dtype == LYC_F64));
    }
    return data;
}

static lyc_value *make_operand(void *context, lyc_graph *g, int input, const char *name, const lyc_operand *o)
{
    problem_run *r = context;
    lyc_value *v;
    if (o->dtype == LYC_I32) {
        v = lyc_graph_input(g, name, LYC_INDEX, o->shape);
    } else if (o->frozen && r->mode.frozen) {
        r->data[input] = filled(o->dtype, lyc_shape_elements(&o->shape), input, r->mode.positive);
        v = lyc_graph_weight(g, name, o->dtype, o->shape, r->data[input]);
    } else if (o->frozen) {
        v = lyc_graph_input(g, name, LYC_FLOAT, o->shape); /* without a gradient */
    } else if (r->mode.precision == LYC_PRECISION_BF16 && o->dtype == LYC_BF16) {
        v = lyc_graph_input(g, name, LYC_ACTIVATION, o->shape);
        if (r->mode.gradients) {
            v->needs_grad = true; /* as if something trainable lay below */
        }
    } else {
        v = lyc_graph_param(g, name, LYC_FLOAT, LYC_F32, o->shape);
    }
    r->inputs[input] = v;
    return v;
}

static void must(lyc_status status, const lyc_error *err, const char *line)
{
    if (status != LYC_OK) {
        fail_msg("%s: %s", line, err->message);
    }
}

static void add_result(problem_run *r, lyc_value *v, const char *prefix, const char *name)
{
    snprintf(r->names[r->n_results], sizeof r->names[0], "%s%s", prefix, name);
    r->results[r->n_results++] = lyc_graph_output(r->g, v);
}

static void build_gradients(problem_run *r, lyc_value *y, const char *line)
{
    lyc_error err;
    r->seed = lyc_graph_input(r->g, "seed", y->type, y->shape);
    must(lyc_graph_differentiate(r->g, 1, &y, &r->seed, &err), &err, line);
    for (int i = 0; i < r->text.n_inputs; i++) {
        lyc_value *d = r->inputs[i] != NULL ? lyc_graph_gradient(r->g, r->inputs[i]) : NULL;
        if (d != NULL) {
            char name[64];
            add_result(r, d, "d_", lyc_op_input_name(name, sizeof name, r->text.op, i));
        }
    }
}

static void bind_all(problem_run *r, const lyc_node *node, const char *line)
{
    lyc_error err;
    for (int i = 0; i < r->text.n_inputs; i++) {
        lyc_value *v = r->inputs[i];
        if (v == NULL || v->kind == LYC_VALUE_WEIGHT) {
            continue;
        }
        const int64_t n = lyc_shape_elements(&v->shape);
        const lyc_dtype dtype = lyc_plan_dtype(r->plan, v);
        if (v->type == LYC_INDEX) {
            int32_t *ids = malloc((size_t)n * sizeof *ids);
            const int64_t bound = node->op->index_bound != NULL ? node->op->index_bound(node, i) : 1000;
            for (int64_t j = 0; j < n; j++) {
                ids[j] = (int32_t)test_index(j, bound > 0 ? bound : 1000);
            }
            r->data[i] = ids;
        } else {
            r->data[i] = filled(dtype, n, i, r->mode.positive);
        }
        must(lyc_plan_bind(r->plan, v, r->data[i], (size_t)n * (size_t)lyc_dtype_bits(dtype) / 8, &err), &err, line);
    }
    if (r->seed != NULL) {
        const int64_t n = lyc_shape_elements(&r->seed->shape);
        const lyc_dtype dtype = lyc_plan_dtype(r->plan, r->seed);
        r->seed_data = filled(dtype, n, 90, false);
        must(lyc_plan_bind(r->plan, r->seed, r->seed_data, (size_t)n * (size_t)lyc_dtype_bits(dtype) / 8, &err), &err,
             line);
    }
}

/* Builds, compiles, binds; fails the test when that is impossible. */
static void problem_open(problem_run *r, const char *line, const run_mode *mode)
{
    lyc_error err;
    memset(r, 0, sizeof *r);
    r->mode = *mode;
    must(lyc_problem_text_parse(&r->text, line, &err), &err, line);
    must(lyc_graph_new(&r->g, &err), &err, line);
    lyc_graph_enter(r->g, "test");
    lyc_value *y = lyc_problem_text_build(r->g, &r->text, make_operand, r);
    must(lyc_graph_status(r->g, &err), &err, line);
    const lyc_node *node = y->node;
    for (int k = 0; k < node->n_outputs; k++) {
        char name[16];
        snprintf(name, sizeof name, "%d", k);
        add_result(r, node->outputs[k], "output ", name);
    }
    const size_t activation = r->text.op->activation; /* a fused one has no gradient */
    const bool fused = activation != 0 && *(const int *)(const void *)(r->text.attr + activation - 1) != 0;
    if (mode->gradients && !fused && r->text.op->gradient != NULL && y->needs_grad) {
        build_gradients(r, y, line);
    }
    const lyc_plan_options options = {
        .precision = mode->precision, .backend = mode->backend, .reference_only = mode->reference_only};
    must(lyc_plan_compile(&r->plan, r->g, &options, &err), &err, line);
    bind_all(r, node, line);
}

static void problem_execute(problem_run *r, const char *line)
{
    lyc_error err;
    must(lyc_plan_run(r->plan, &err), &err, line);
}

static void problem_close(problem_run *r)
{
    lyc_plan_free(r->plan);
    lyc_graph_free(r->g);
    for (int i = 0; i < LYC_MAX_INPUTS; i++) {
        free(r->data[i]);
    }
    free(r->seed_data);
}

static double result_at(const problem_run *r, int result, int64_t index)
{
    const lyc_value *v = r->results[result];
    const lyc_dtype dtype = lyc_plan_dtype(r->plan, v);
    return lyc_dtype_load(dtype,
                          (const char *)lyc_plan_data(r->plan, v) + (size_t)index * (size_t)lyc_dtype_bits(dtype) / 8);
}

/* Whether all elements of all results are finite. */
static bool results_finite(const problem_run *r)
{
    for (int k = 0; k < r->n_results; k++) {
        for (int64_t i = 0; i < lyc_shape_elements(&r->results[k]->shape); i++) {
            if (!isfinite(result_at(r, k, i))) {
                return false;
            }
        }
    }
    return true;
}

/* Calls visit for every line of a text file that is neither empty nor a comment. */
static int for_each_line(const char *path, void (*visit)(void *context, const char *line), void *context)
{
    FILE *file = fopen(path, "r");
    char line[1024];
    int count = 0;
    if (file == NULL) {
        fail_msg("cannot open %s", path);
        return 0;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0' && line[0] != '#') {
            visit(context, line);
            count++;
        }
    }
    fclose(file);
    return count;
}

#endif
