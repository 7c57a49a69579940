/* test_build.c - what builders refuse themselves, because an attribute could not hold it, and what they pass on
 *
 * Shapes and attributes that an operation refuses are cases of op_values.txt.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph/op.h"
#include "graph/ops/bicubic.h"

enum { LARGE = 1 << 30 };

static lyc_value *input(lyc_graph *g)
{
    return lyc_graph_input(g, "x", LYC_FLOAT, LYC_SHAPE(1, 4, 4, 2));
}

static lyc_value *ids(lyc_graph *g)
{
    return lyc_graph_input(g, "ids", LYC_INDEX, LYC_SHAPE(1));
}

static lyc_value *broadcast_to_nothing(lyc_graph *g)
{
    return lyc_broadcast(g, input(g), LYC_SHAPE(4, 0));
}

static lyc_value *broadcast_too_far(lyc_graph *g)
{
    return lyc_broadcast(g, input(g), LYC_SHAPE(4LL * LARGE, 4, 4, 2));
}

static lyc_value *reduce_to_nothing(lyc_graph *g)
{
    return lyc_reduce_to(g, input(g), LYC_SHAPE(-1), LYC_FLOAT);
}

static lyc_value *reduce_to_indices(lyc_graph *g)
{
    return lyc_reduce_to(g, input(g), LYC_SHAPE(2), LYC_INDEX);
}

static lyc_value *cast_to_indices(lyc_graph *g)
{
    return lyc_cast(g, input(g), LYC_INDEX);
}

static lyc_value *cast_to_stored(lyc_graph *g)
{
    return lyc_cast(g, input(g), LYC_STORED);
}

static lyc_value *transpose_too_many(lyc_graph *g)
{
    return lyc_transpose(g, input(g), 9, (int[]){0, 1, 2, 3, 4, 5, 6, 7, 8});
}

static lyc_value *slice_from_far(lyc_graph *g)
{
    return lyc_slice(g, input(g), 1, 4LL * LARGE, 1);
}

static lyc_value *slice_nothing(lyc_graph *g)
{
    return lyc_slice(g, input(g), 1, 0, 0);
}

static lyc_value *pad_far(lyc_graph *g)
{
    return lyc_pad(g, input(g), 1, 0, 4LL * LARGE);
}

static lyc_value *pad_to_overflow(lyc_graph *g)
{
    lyc_value *x = lyc_graph_input(g, "x", LYC_FLOAT, LYC_SHAPE(LARGE, LARGE / 16));
    return lyc_pad(g, x, 1, LARGE, LARGE);
}

static lyc_value *concat_too_many(lyc_graph *g)
{
    lyc_value *x[LYC_MAX_INPUTS + 1];
    for (int i = 0; i <= LYC_MAX_INPUTS; i++) {
        x[i] = input(g);
    }
    return lyc_concat(g, LYC_MAX_INPUTS + 1, x, 0);
}

static lyc_value *concat_nothing(lyc_graph *g)
{
    lyc_value *x = NULL;
    return lyc_concat(g, 0, &x, 0);
}

static lyc_value *table_too_large(lyc_graph *g)
{
    return lyc_embedding_backward(g, ids(g), lyc_graph_input(g, "d_y", LYC_FLOAT, LYC_SHAPE(1, 2)), 4LL * LARGE);
}

static lyc_value *rows_too_many(lyc_graph *g)
{
    return lyc_gather_rows_backward(g, ids(g), lyc_graph_input(g, "d_y", LYC_FLOAT, LYC_SHAPE(1, 2)), 0);
}

static lyc_value *upsample_to_nothing(lyc_graph *g)
{
    return lyc_upsample_nearest(g, input(g), 8, 0);
}

static lyc_value *upsample_backward_too_large(lyc_graph *g)
{
    return lyc_upsample_nearest_backward(g, input(g), 4LL * LARGE, 1);
}

static lyc_value *bicubic_offset(lyc_graph *g)
{
    return lyc_bicubic(g, input(g), &(lyc_bicubic_attr){.oh = 2, .ow = 2, .offset = -0.5f});
}

static lyc_value *pool_beside(lyc_graph *g)
{
    return lyc_max_pool2d(g, input(g), -2, 2);
}

static lyc_value *reduce_beside(lyc_graph *g)
{
    return lyc_reduce_sum(g, input(g), ~0u, false, false);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        lyc_value *(*build)(lyc_graph *g);
        lyc_status status;
        const char *message;
    } cases[] = {
        {broadcast_to_nothing, LYC_E_SHAPE, "broadcast: no value can have the shape 4x0"},
        {broadcast_too_far, LYC_E_SHAPE, "broadcast: no value can have the shape 4294967296x4x4x2"},
        {reduce_to_nothing, LYC_E_SHAPE, "reduce_to: no value can have the shape -1"},
        {reduce_to_indices, LYC_E_ARGUMENT, "reduce_to: to role 2, expected LYC_ACTIVATION or LYC_FLOAT"},
        {cast_to_indices, LYC_E_ARGUMENT, "cast: to role 2, expected LYC_ACTIVATION or LYC_FLOAT"},
        {cast_to_stored, LYC_E_ARGUMENT, "cast: to role 3, expected LYC_ACTIVATION or LYC_FLOAT"},
        {transpose_too_many, LYC_E_SHAPE, "transpose: an order of 9 axes, at most 8 are possible"},
        {slice_from_far, LYC_E_SHAPE, "slice: 1 elements from 4294967296 on"},
        {slice_nothing, LYC_E_SHAPE, "slice: 0 elements from 0 on"},
        {pad_far, LYC_E_SHAPE, "pad: 0 zeros before and 4294967296 after"},
        {pad_to_overflow, LYC_E_SHAPE, "pad: result shape 1073741824x2214592512 of F64 has too many elements"},
        {concat_too_many, LYC_E_ARGUMENT, "concat: 17 inputs, expected 1 to 16 (x*)"},
        {concat_nothing, LYC_E_ARGUMENT, "concat: 0 inputs, expected 1 to 16 (x*)"},
        {table_too_large, LYC_E_SHAPE, "embedding_backward: a table of 4294967296 rows"},
        {rows_too_many, LYC_E_SHAPE, "gather_rows_backward: samples of 0 rows"},
        {upsample_to_nothing, LYC_E_SHAPE, "upsample_nearest: to 8x0"},
        {upsample_backward_too_large, LYC_E_SHAPE, "upsample_nearest_backward: to 4294967296x1"},
        {bicubic_offset, LYC_E_ARGUMENT, "bicubic: offset is -0.5, expected 0 at least and less than 1"},
        {pool_beside, LYC_E_ARGUMENT, "max_pool2d: kernel -2 and stride 2, expected 1 at least"},
        {reduce_beside, LYC_E_SHAPE, "reduce_sum: axes 0xffffffff, but x is 1x4x4x2: expected one bit for each axis"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lyc_graph *g = NULL;
        lyc_error err = {0};
        assert_int_equal(lyc_graph_new(&g, &err), LYC_OK);
        assert_true(lyc_value_failed(cases[i].build(g)));
        assert_int_equal(lyc_graph_status(g, &err), cases[i].status);
        assert_string_equal(err.message, cases[i].message);
        lyc_graph_free(g);
    }
}

/* After the first error every builder does nothing, whatever it is given. */
static void does_nothing_after_an_error(void **state)
{
    (void)state;
    lyc_graph *g = NULL;
    lyc_error err = {0};
    assert_int_equal(lyc_graph_new(&g, &err), LYC_OK);
    lyc_value *bad = slice_nothing(g);
    const int nodes = lyc_graph_node_count(g);
    lyc_value *y = lyc_add(g, bad, input(g));
    y = lyc_concat(g, 2, (lyc_value *[]){y, bad}, 0);
    y = lyc_broadcast(g, lyc_transpose(g, y, 2, (int[]){1, 0}), LYC_SHAPE(0));
    y = lyc_norm(g, lyc_reduce_mean(g, lyc_geglu(g, y), 1, false, false), 0);
    assert_true(lyc_value_failed(y));
    assert_int_equal(lyc_graph_node_count(g), nodes);
    assert_int_equal(lyc_graph_status(g, &err), LYC_E_SHAPE);
    assert_string_equal(err.message, "slice: 0 elements from 0 on");
    lyc_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses),
        cmocka_unit_test(does_nothing_after_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
