/* test_plan.c - plans: fusion, places, budgets, sharing, errors
 *
 * The model is a stack of residual layers with frozen weights and low-rank adapters beside them:
 *     h = silu(x WT + b),  x = x + h VT + (h AT) BT,  loss = mean(x * x)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "base/memory.h"
#include "base/string.h"
#include "graph/autodiff.h"
#include "graph/build.h"
#include "graph/ops/matmul.h"
#include "graph/plan.h"

enum { WIDTH = 32, INNER = 96, RANK = 4, LAYERS = 12 };

typedef struct stack {
    lyc_graph *g;
    lyc_value *x;
    lyc_value *loss;
    lyc_value *down[LAYERS];
    lyc_value *up[LAYERS];
    int tokens;
} stack;

/* Weights outlive every graph of a test; their values do not matter, only that they do not vanish or grow. */
static float frozen_w[LAYERS][INNER * WIDTH];
static float frozen_b[LAYERS][INNER];
static float frozen_v[LAYERS][WIDTH * INNER];

static float noise(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return ((float)(*state >> 8) / 8388608.0f - 1.0f);
}

static void fill(float *data, size_t n, float scale, unsigned seed)
{
    for (size_t i = 0; i < n; i++) {
        data[i] = scale * noise(&seed);
    }
}

static int make_weights(void **state)
{
    (void)state;
    fill(frozen_w[0], sizeof frozen_w / sizeof(float), 0.2f, 1);
    fill(frozen_b[0], sizeof frozen_b / sizeof(float), 0.2f, 2);
    fill(frozen_v[0], sizeof frozen_v / sizeof(float), 0.1f, 3);
    return 0;
}

static lyc_value *layer(stack *s, lyc_value *x, int i)
{
    lyc_graph *g = s->g;
    lyc_graph_enter(g, "layers.%d", i);
    lyc_value *w = lyc_graph_weight(g, "w", LYC_F32, LYC_SHAPE(INNER, WIDTH), frozen_w[i]);
    lyc_value *b = lyc_graph_weight(g, "b", LYC_F32, LYC_SHAPE(INNER), frozen_b[i]);
    lyc_value *v = lyc_graph_weight(g, "v", LYC_F32, LYC_SHAPE(WIDTH, INNER), frozen_v[i]);
    s->down[i] = lyc_graph_param(g, "down", LYC_FLOAT, LYC_F32, LYC_SHAPE(RANK, INNER));
    s->up[i] = lyc_graph_param(g, "up", LYC_FLOAT, LYC_F32, LYC_SHAPE(WIDTH, RANK));
    lyc_value *h = lyc_silu(g, lyc_linear(g, x, w, b));
    lyc_value *y = lyc_add(g, lyc_linear(g, h, v, NULL), x);
    y = lyc_add(g, y, lyc_linear(g, lyc_linear(g, h, s->down[i], NULL), s->up[i], NULL));
    lyc_graph_leave(g);
    return y;
}

static void build(stack *s, int tokens, bool training)
{
    lyc_error err;
    memset(s, 0, sizeof *s);
    s->tokens = tokens;
    assert_int_equal(lyc_graph_new(&s->g, &err), LYC_OK);
    s->x = lyc_graph_input(s->g, "x", LYC_ACTIVATION, LYC_SHAPE(tokens, WIDTH));
    lyc_value *x = s->x;
    for (int i = 0; i < LAYERS; i++) {
        x = layer(s, x, i);
    }
    s->loss = lyc_graph_output(s->g, lyc_reduce_mean(s->g, lyc_mul(s->g, x, x), 3, false, true));
    if (training) {
        if (lyc_graph_differentiate(s->g, 1, &s->loss, NULL, &err) != LYC_OK) {
            fail_msg("%s", err.message);
        }
    }
}

static lyc_plan_options plain_options(void)
{
    return (lyc_plan_options){.backend = lyc_backend_cpu()};
}

static lyc_plan *compiled(const stack *s, const lyc_plan_options *options)
{
    lyc_error err;
    lyc_plan *plan = NULL;
    if (lyc_plan_compile(&plan, s->g, options, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    return plan;
}

/* Inputs and parameters of a run; the same numbers every time. */
typedef struct numbers {
    float *x;
    float down[LAYERS][RANK * INNER];
    float up[LAYERS][WIDTH * RANK];
} numbers;

static numbers *bind(const stack *s, lyc_plan *plan)
{
    lyc_error err;
    numbers *n = malloc(sizeof *n);
    const size_t bytes = (size_t)s->tokens * WIDTH * sizeof(float);
    n->x = malloc(bytes);
    fill(n->x, (size_t)s->tokens * WIDTH, 1.0f, 7);
    fill(n->down[0], sizeof n->down / sizeof(float), 0.3f, 8);
    fill(n->up[0], sizeof n->up / sizeof(float), 0.3f, 9);
    assert_int_equal(lyc_plan_bind(plan, s->x, n->x, bytes, &err), LYC_OK);
    for (int i = 0; i < LAYERS; i++) {
        assert_int_equal(lyc_plan_bind(plan, s->down[i], n->down[i], sizeof n->down[i], &err), LYC_OK);
        assert_int_equal(lyc_plan_bind(plan, s->up[i], n->up[i], sizeof n->up[i], &err), LYC_OK);
    }
    return n;
}

static void unbind(numbers *n)
{
    free(n->x);
    free(n);
}

static void run(lyc_plan *plan)
{
    lyc_error err;
    if (lyc_plan_run(plan, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
}

/* Loss and all gradients, one after the other. */
static size_t results(float *out, const stack *s, const lyc_plan *plan)
{
    size_t n = 0;
    out[n++] = *(const float *)lyc_plan_data(plan, s->loss);
    for (int i = 0; i < LAYERS; i++) {
        const lyc_value *down = lyc_graph_gradient(s->g, s->down[i]);
        const lyc_value *up = lyc_graph_gradient(s->g, s->up[i]);
        memcpy(out + n, lyc_plan_data(plan, down), RANK * INNER * sizeof(float));
        n += RANK * INNER;
        memcpy(out + n, lyc_plan_data(plan, up), WIDTH * RANK * sizeof(float));
        n += WIDTH * RANK;
    }
    return n;
}

enum { RESULTS = 1 + LAYERS * RANK * (INNER + WIDTH) };

/* A smaller budget gives a plan that keeps it, does more work, and gives the same bits; the error for an impossible one
 * names a budget that is possible. */
static void test_budget(void **state)
{
    (void)state;
    stack s;
    build(&s, 256, true);
    lyc_plan_options options = plain_options();
    lyc_plan *free_plan = compiled(&s, &options);
    numbers *n = bind(&s, free_plan);
    run(free_plan);
    static float expected[RESULTS];
    static float got[RESULTS];
    assert_int_equal(results(expected, &s, free_plan), RESULTS);
    assert_true(isfinite(expected[0]) && expected[0] != 0.0f);
    const lyc_plan_memory free_memory = lyc_plan_memory_get(free_plan);
    const size_t fixed = free_memory.total - free_memory.arena;
    int recomputed = 0;
    for (int per_cent = 90; per_cent >= 40; per_cent -= 10) {
        options.budget_bytes = fixed + free_memory.arena * (size_t)per_cent / 100;
        lyc_plan *plan = compiled(&s, &options);
        assert_true(lyc_plan_memory_get(plan).total <= options.budget_bytes);
        assert_true(lyc_plan_recomputed_count(plan) >= recomputed);
        recomputed = lyc_plan_recomputed_count(plan);
        numbers *again = bind(&s, plan);
        run(plan);
        results(got, &s, plan);
        assert_memory_equal(got, expected, sizeof got);
        unbind(again);
        lyc_plan_free(plan);
    }
    assert_true(recomputed > 0);
    unbind(n);
    lyc_plan_free(free_plan);
    lyc_graph_free(s.g);
}

static void test_impossible_budget(void **state)
{
    (void)state;
    stack s;
    lyc_error err;
    lyc_plan *plan = NULL;
    build(&s, 64, true);
    lyc_plan_options options = plain_options();
    options.budget_bytes = 1000;
    assert_int_equal(lyc_plan_compile(&plan, s.g, &options, &err), LYC_E_MEMORY);
    const char *least = strstr(err.message, "the least possible is ");
    assert_non_null(least);
    options.budget_bytes = strtoull(least + strlen("the least possible is "), NULL, 10);
    plan = compiled(&s, &options);
    assert_true(lyc_plan_memory_get(plan).total <= options.budget_bytes);
    lyc_plan_free(plan);
    lyc_graph_free(s.g);
}

/* No arena can be smaller than what is alive at once; ours is at most a tenth larger. */
static void test_arena_is_tight(void **state)
{
    (void)state;
    for (int tokens = 1; tokens <= 1000; tokens = tokens * 3 + 1) {
        for (int training = 0; training < 2; training++) {
            stack s;
            build(&s, tokens, training);
            lyc_plan_options options = plain_options();
            lyc_plan *plan = compiled(&s, &options);
            const lyc_plan_memory m = lyc_plan_memory_get(plan);
            assert_true(m.arena >= m.activations);
            assert_true((double)m.arena <= 1.1 * (double)m.activations);
            lyc_plan_free(plan);
            lyc_graph_free(s.g);
        }
    }
}

static void test_run_allocates_nothing(void **state)
{
    (void)state;
    stack s;
    build(&s, 64, true);
    lyc_plan_options options = plain_options();
    lyc_plan *plan = compiled(&s, &options);
    numbers *n = bind(&s, plan);
    run(plan);
    const uint64_t before = lyc_memory_allocations();
    run(plan);
    run(plan);
    assert_int_equal(lyc_memory_allocations(), before);
    unbind(n);
    lyc_plan_free(plan);
    lyc_graph_free(s.g);
}

/* Without gradients a layer is four products: the activation and both additions are done by them. With gradients the
 * activation's input is needed, so it stays a step. */
static void test_fusion(void **state)
{
    (void)state;
    stack s;
    build(&s, 8, false);
    lyc_plan_options options = plain_options();
    lyc_plan *plan = compiled(&s, &options);
    assert_int_equal(lyc_plan_step_count(plan), 4 * LAYERS + 2);
    lyc_strbuf text = {0};
    lyc_plan_print(&text, plan, true);
    assert_non_null(strstr(lyc_strbuf_text(&text), "activation=silu"));
    assert_non_null(strstr(lyc_strbuf_text(&text), " residual=8x32"));
    assert_non_null(strstr(lyc_strbuf_text(&text), "[layers.11]"));
    lyc_strbuf_clear(&text);
    lyc_plan_free(plan);
    lyc_graph_free(s.g);
}

/* Frozen weights get no gradient, and nothing is computed in front of the first trained layer. */
static void test_gradients_only_where_needed(void **state)
{
    (void)state;
    stack s;
    build(&s, 8, true);
    for (int i = 0; i < lyc_graph_value_count(s.g); i++) {
        const lyc_value *v = lyc_graph_value(s.g, i);
        if (v->kind == LYC_VALUE_WEIGHT || v->kind == LYC_VALUE_INPUT) {
            assert_null(lyc_graph_gradient(s.g, v));
        }
    }
    int first_layer = 0;
    for (int i = 0; i < lyc_graph_node_count(s.g); i++) {
        const lyc_node *n = lyc_graph_node(s.g, i);
        first_layer += n->backward && strcmp(n->layer, "layers.0") == 0;
    }
    /* up, h AT, down: three products; nothing back to x, w or b. */
    assert_int_equal(first_layer, 3);
    lyc_graph_free(s.g);
}

static void test_nothing_trainable(void **state)
{
    (void)state;
    lyc_graph *g;
    lyc_error err;
    assert_int_equal(lyc_graph_new(&g, &err), LYC_OK);
    lyc_value *y = lyc_silu(g, lyc_graph_input(g, "x", LYC_ACTIVATION, LYC_SHAPE(3)));
    assert_int_equal(lyc_graph_differentiate(g, 1, &y, NULL, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "nothing trainable lies below the differentiated value");
    lyc_graph_free(g);
}

/* Plans for several shapes of one model share the packed weights; each result is that of a plan of its own. */
static void test_shapes_share_weights(void **state)
{
    (void)state;
    lyc_error err;
    lyc_weight_store *store;
    assert_int_equal(lyc_weight_store_new(&store, lyc_backend_cpu(), &err), LYC_OK);
    lyc_plan_options options = plain_options();
    options.precision = LYC_PRECISION_BF16; /* so that every matrix has a form of its own */
    options.weights = store;
    int forms = 0;
    for (int tokens = 16; tokens <= 64; tokens *= 2) {
        stack s;
        build(&s, tokens, false);
        lyc_plan *plan = compiled(&s, &options);
        forms = forms == 0 ? lyc_weight_store_count(store) : forms;
        assert_int_equal(lyc_weight_store_count(store), forms);
        lyc_plan_free(plan);
        lyc_graph_free(s.g);
    }
    assert_true(forms >= 2 * LAYERS);
    lyc_weight_store_free(store);
}

static void test_graph_may_go(void **state)
{
    (void)state;
    lyc_graph *g;
    lyc_error err;
    assert_int_equal(lyc_graph_new(&g, &err), LYC_OK);
    lyc_value *x = lyc_graph_input(g, "x", LYC_FLOAT, LYC_SHAPE(2, 3));
    lyc_value *c = lyc_graph_constant(g, LYC_SHAPE(3), (const float[]){1, 2, 3});
    lyc_value *y = lyc_graph_output(g, lyc_add(g, x, c));
    lyc_plan_options options = plain_options();
    lyc_plan *plan;
    assert_int_equal(lyc_plan_compile(&plan, g, &options, &err), LYC_OK);
    float data[6] = {0, 0, 0, 10, 10, 10};
    assert_int_equal(lyc_plan_bind(plan, x, data, sizeof data, &err), LYC_OK);
    const lyc_value kept = *y;
    lyc_graph_free(g);
    run(plan);
    const float expected[6] = {1, 2, 3, 11, 12, 13};
    assert_memory_equal(lyc_plan_data(plan, &kept), expected, sizeof expected);
    lyc_plan_free(plan);
}

/* Constants of later graphs may lie where those of earlier ones did; a shared store must not take one for the other. */
static void test_constants_are_not_shared(void **state)
{
    (void)state;
    lyc_error err;
    lyc_weight_store *store;
    assert_int_equal(lyc_weight_store_new(&store, lyc_backend_cpu(), &err), LYC_OK);
    lyc_plan_options options = plain_options();
    options.weights = store;
    options.precision = LYC_PRECISION_BF16; /* so that the constant is converted */
    for (int i = 1; i <= 8; i++) {
        lyc_graph *g;
        lyc_plan *plan;
        assert_int_equal(lyc_graph_new(&g, &err), LYC_OK);
        lyc_value *x = lyc_graph_input(g, "x", LYC_FLOAT, LYC_SHAPE(2, 2));
        const float values[4] = {(float)i, (float)i, (float)i, (float)i};
        lyc_value *y = lyc_graph_output(g, lyc_add(g, x, lyc_graph_constant(g, LYC_SHAPE(2, 2), values)));
        assert_int_equal(lyc_plan_compile(&plan, g, &options, &err), LYC_OK);
        float data[4] = {0};
        assert_int_equal(lyc_plan_bind(plan, x, data, sizeof data, &err), LYC_OK);
        run(plan);
        assert_memory_equal(lyc_plan_data(plan, y), values, sizeof values);
        lyc_plan_free(plan);
        lyc_graph_free(g);
    }
    assert_int_equal(lyc_weight_store_count(store), 0);
    lyc_weight_store_free(store);
}

static void expect_compile_error(lyc_graph *g, lyc_status status, const char *message)
{
    lyc_error err;
    lyc_plan *plan = NULL;
    lyc_plan_options options = plain_options();
    assert_int_equal(lyc_plan_compile(&plan, g, &options, &err), status);
    assert_string_equal(err.message, message);
}

static void test_building_errors(void **state)
{
    (void)state;
    lyc_graph *g;
    lyc_error err;
    assert_int_equal(lyc_graph_new(&g, &err), LYC_OK);
    lyc_value *x = lyc_graph_input(g, "x", LYC_ACTIVATION, LYC_SHAPE(5, 7));
    expect_compile_error(g, LYC_E_ARGUMENT, "the graph computes nothing: no value is marked as an output");
    lyc_graph_enter(g, "down_blocks.%d", 1);
    lyc_graph_enter(g, "proj_in");
    lyc_value *w = lyc_graph_weight(g, "weight", LYC_F32, LYC_SHAPE(4, 8), frozen_w[0]);
    lyc_value *y = lyc_silu(g, lyc_linear(g, x, w, NULL));
    lyc_graph_output(g, lyc_add(g, y, y));
    lyc_graph_leave(g);
    expect_compile_error(
        g, LYC_E_SHAPE, "layer down_blocks.1.proj_in: matmul: a is 5x7, b is 4x8 transposed: the inner extents differ");
    lyc_graph_free(g);
}

static void test_binding_errors(void **state)
{
    (void)state;
    stack s;
    lyc_error err;
    build(&s, 8, false);
    lyc_plan_options options = plain_options();
    lyc_plan *plan = compiled(&s, &options);
    assert_int_equal(lyc_plan_run(plan, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "x is not bound");
    float data[8 * WIDTH];
    assert_int_equal(lyc_plan_bind(plan, s.x, data, sizeof data - 4, &err), LYC_E_SHAPE);
    assert_string_equal(err.message, "x: 1020 bytes, expected 1024 (8x32 of F32)");
    assert_int_equal(lyc_plan_bind(plan, s.loss, data, 4, &err), LYC_E_ARGUMENT);
    lyc_plan_free(plan);
    lyc_graph_free(s.g);
}

/* x - x[0] with x[0] a view: the result may not take the place of x, whose first element every other one needs. */
static void test_part_is_not_overwritten(void **state)
{
    (void)state;
    lyc_error err;
    lyc_graph *g = NULL;
    lyc_plan *plan = NULL;
    float numbers_in[4] = {1, 2, 3, 4};
    assert_int_equal(lyc_graph_new(&g, &err), LYC_OK);
    lyc_value *input = lyc_graph_input(g, "x", LYC_FLOAT, LYC_SHAPE(4));
    lyc_value *x = lyc_affine(g, input, 2.0f, 0.0f);
    lyc_value *difference = lyc_sub(g, x, lyc_slice(g, x, 0, 0, 1));
    lyc_value *y = lyc_graph_output(g, lyc_affine(g, difference, 1.0f, 0.0f));
    lyc_plan_options options = plain_options();
    options.reference_only = true; /* one element after the other */
    assert_int_equal(lyc_plan_compile(&plan, g, &options, &err), LYC_OK);
    assert_int_equal(lyc_plan_bind(plan, input, numbers_in, sizeof numbers_in, &err), LYC_OK);
    run(plan);
    assert_memory_equal(lyc_plan_data(plan, y), ((float[]){0, 2, 4, 6}), 4 * sizeof(float));
    lyc_plan_free(plan);
    lyc_graph_free(g);
}

/* The first step that makes something that is not finite is named. */
static void test_finite_check(void **state)
{
    (void)state;
    stack s;
    lyc_error err;
    build(&s, 8, false);
    lyc_plan_options options = plain_options();
    options.check_finite = true;
    lyc_plan *plan = compiled(&s, &options);
    numbers *n = bind(&s, plan);
    run(plan);
    n->up[5][3] = NAN;
    assert_int_equal(lyc_plan_run(plan, &err), LYC_E_NUMERIC);
    assert_string_equal(err.message,
                        "layer layers.5: matmul: result 0 of 8x32 has a value that is not finite at element 0");
    unbind(n);
    lyc_plan_free(plan);
    lyc_graph_free(s.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_impossible_budget),
        cmocka_unit_test(test_arena_is_tight),
        cmocka_unit_test(test_run_allocates_nothing),
        cmocka_unit_test(test_fusion),
        cmocka_unit_test(test_gradients_only_where_needed),
        cmocka_unit_test(test_nothing_trainable),
        cmocka_unit_test(test_shapes_share_weights),
        cmocka_unit_test(test_graph_may_go),
        cmocka_unit_test(test_constants_are_not_shared),
        cmocka_unit_test(test_building_errors),
        cmocka_unit_test(test_binding_errors),
        cmocka_unit_test(test_part_is_not_overwritten),
        cmocka_unit_test(test_finite_check),
    };
    return cmocka_run_group_tests(tests, make_weights, NULL);
}
