/* test_plan_cache.c - plans by shape: built once, one arena, the results of plans of their own
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/plan_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "graph/build.h"
#include "graph/ops/matmul.h"

enum { WIDTH = 48, MOST = 96 };

static float frozen[WIDTH * WIDTH];

typedef struct handles {
    lyc_value *x;
    lyc_value *y;
} handles;

typedef struct request {
    int tokens;
    int built;
} request;

static lyc_status build(lyc_graph *g, void **out, lyc_arena *arena, void *context, lyc_error *err)
{
    request *r = context;
    handles *h = lyc_arena_alloc(arena, 1, sizeof *h);
    assert_non_null(h);
    if (r->tokens < 1) {
        return lyc_fail(err, LYC_E_ARGUMENT, "%d tokens", r->tokens);
    }
    h->x = lyc_graph_input(g, "x", LYC_ACTIVATION, LYC_SHAPE(r->tokens, WIDTH));
    lyc_value *w = lyc_graph_weight(g, "w", LYC_F32, LYC_SHAPE(WIDTH, WIDTH), frozen);
    lyc_value *t = lyc_silu(g, lyc_linear(g, h->x, w, NULL));
    h->y = lyc_graph_output(g, lyc_add(g, lyc_linear(g, t, w, NULL), t));
    r->built++;
    *out = h;
    return LYC_OK;
}

static void run(lyc_plan_cache *cache, request *r, const float *x, float *y)
{
    char key[32];
    lyc_error err;
    const lyc_cached_plan *p;
    snprintf(key, sizeof key, "%d", r->tokens);
    assert_int_equal(lyc_plan_cache_get(&p, cache, key, build, r, &err), LYC_OK);
    const handles *h = p->handles;
    const size_t bytes = (size_t)r->tokens * WIDTH * sizeof(float);
    float copy[MOST * WIDTH];
    memcpy(copy, x, bytes);
    assert_int_equal(lyc_plan_bind(p->plan, h->x, copy, bytes, &err), LYC_OK);
    assert_int_equal(lyc_plan_run(p->plan, &err), LYC_OK);
    memcpy(y, lyc_plan_data(p->plan, h->y), bytes);
}

/* Rows do not depend on each other, so a smaller plan's result is the head of a larger one's; the arena grows and moves
 * on the way. */
static void test_cache(void **state)
{
    (void)state;
    static float x[MOST * WIDTH];
    static float whole[MOST * WIDTH];
    static float part[MOST * WIDTH];
    lyc_error err;
    lyc_plan_cache *cache;
    for (int i = 0; i < WIDTH * WIDTH; i++) {
        frozen[i] = (float)(i * 7 % 23 - 11) / 64.0f;
    }
    for (int i = 0; i < MOST * WIDTH; i++) {
        x[i] = (float)(i * 5 % 31 - 15) / 16.0f;
    }
    const lyc_plan_options options = {.backend = lyc_backend_cpu(), .reference_only = true};
    assert_int_equal(lyc_plan_cache_new(&cache, &options, &err), LYC_OK);
    const int tokens[] = {3, MOST, 17, 3, 64, 17, MOST, 1};
    request r = {.tokens = MOST};
    run(cache, &r, x, whole);
    const size_t bytes = lyc_plan_cache_bytes(cache);
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        r.tokens = tokens[i];
        run(cache, &r, x, part);
        assert_memory_equal(part, whole, (size_t)tokens[i] * WIDTH * sizeof(float));
    }
    assert_int_equal(lyc_plan_cache_count(cache), 5);
    assert_int_equal(r.built, 5);
    assert_int_equal(lyc_plan_cache_bytes(cache), bytes); /* that of the largest shape, which came first */
    lyc_plan_cache_free(cache);
}

static void test_growing_arena(void **state)
{
    (void)state;
    static float x[MOST * WIDTH];
    static float once[MOST * WIDTH];
    static float again[MOST * WIDTH];
    lyc_error err;
    lyc_plan_cache *cache;
    const lyc_plan_options options = {.backend = lyc_backend_cpu(), .reference_only = true};
    x[0] = 1.0f;
    assert_int_equal(lyc_plan_cache_new(&cache, &options, &err), LYC_OK);
    request small = {.tokens = 2};
    request large = {.tokens = MOST};
    run(cache, &small, x, once);
    run(cache, &large, x, again);
    run(cache, &small, x, again);
    assert_memory_equal(once, again, 2 * WIDTH * sizeof(float));
    lyc_plan_cache_free(cache);
}

static void test_failed_build(void **state)
{
    (void)state;
    lyc_error err;
    lyc_plan_cache *cache;
    const lyc_cached_plan *p;
    const lyc_plan_options options = {.backend = lyc_backend_cpu()};
    assert_int_equal(lyc_plan_cache_new(&cache, &options, &err), LYC_OK);
    request r = {.tokens = 0};
    assert_int_equal(lyc_plan_cache_get(&p, cache, "0", build, &r, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "0 tokens");
    assert_int_equal(lyc_plan_cache_count(cache), 0);
    lyc_plan_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_growing_arena),
        cmocka_unit_test(test_failed_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
