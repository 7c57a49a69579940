/* test_op_gradient.c - which gradients operations refuse, and which nodes they add
 *
 * That gradients are right is for the check against finite differences; here are the rules around it: statistics and
 * data have none, frozen inputs cost nothing, one backward node serves all inputs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "graph/autodiff.h"
#include "graph/build.h"
#include "graph/op.h"
#include "graph/ops/conv2d.h"
#include "graph/ops/sample_loss.h"

static lyc_graph *new_graph(void)
{
    lyc_graph *g = NULL;
    lyc_error err;
    assert_int_equal(lyc_graph_new(&g, &err), LYC_OK);
    return g;
}

static lyc_value *input(lyc_graph *g, lyc_shape shape)
{
    return lyc_graph_input(g, "x", LYC_ACTIVATION, shape);
}

static lyc_value *param(lyc_graph *g, lyc_shape shape)
{
    return lyc_graph_param(g, "p", LYC_FLOAT, LYC_F32, shape);
}

/* Nodes of an operation that the gradient added. */
static int count(const lyc_graph *g, const lyc_op *op)
{
    int found = 0;
    for (int i = 0; i < lyc_graph_node_count(g); i++) {
        found += lyc_graph_node(g, i)->op == op && lyc_graph_node(g, i)->backward;
    }
    return found;
}

static void assert_building_fails(lyc_graph *g, const char *message)
{
    lyc_error err;
    assert_int_not_equal(lyc_graph_status(g, &err), LYC_OK);
    assert_string_equal(err.message, message);
    lyc_graph_free(g);
}

static void assert_gradient_fails(lyc_graph *g, lyc_value *y, const char *message)
{
    lyc_error err;
    assert_int_equal(lyc_graph_status(g, &err), LYC_OK);
    lyc_value *seed = lyc_graph_input(g, "seed", LYC_FLOAT, y->shape);
    assert_int_equal(lyc_graph_differentiate(g, 1, &y, &seed, &err), LYC_E_UNSUPPORTED);
    assert_string_equal(err.message, message);
    lyc_graph_free(g);
}

static void differentiate(lyc_graph *g, lyc_value *y)
{
    lyc_error err = {0};
    lyc_value *seed = lyc_graph_input(g, "seed", y->type, y->shape);
    if (lyc_graph_differentiate(g, 1, &y, &seed, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
}

static void statistics_have_no_gradient(void **state)
{
    (void)state;
    lyc_graph *g = new_graph();
    lyc_value *y = lyc_group_norm(g, param(g, LYC_SHAPE(2, 3, 8)), NULL, NULL, 4, 1e-5f, false);
    assert_gradient_fails(g, lyc_value_output(y, 2), "group_norm: no gradient through the output rstd");
    g = new_graph();
    y = lyc_layer_norm(g, param(g, LYC_SHAPE(2, 3, 8)), NULL, NULL, 1e-5f);
    assert_gradient_fails(g, lyc_value_output(y, 1), "layer_norm: no gradient through the output mean");
    g = new_graph();
    lyc_value *x = param(g, LYC_SHAPE(2, 3, 8));
    y = lyc_attention(g, x, x, x, 2, 0.0f, true);
    assert_gradient_fails(g, lyc_value_output(y, 1), "attention: no gradient through the output lse");
}

static void data_of_a_loss_has_no_gradient(void **state)
{
    (void)state;
    lyc_graph *g = new_graph();
    lyc_value *x = input(g, LYC_SHAPE(2, 3));
    assert_gradient_fails(g, lyc_sample_loss(g, x, x, param(g, LYC_SHAPE(3)), NULL, LYC_LOSS_L2),
                          "sample_loss: no gradient through mask");
    g = new_graph();
    x = input(g, LYC_SHAPE(2, 3));
    assert_gradient_fails(g, lyc_sample_loss(g, x, x, NULL, param(g, LYC_SHAPE(2)), LYC_LOSS_HUBER),
                          "sample_loss: no gradient through c");
}

static void a_fused_activation_has_no_gradient(void **state)
{
    (void)state;
    lyc_graph *g = new_graph();
    lyc_conv2d_attr attr = lyc_conv2d_plain(1, 1);
    attr.activation = LYC_ACTIVATION_SILU;
    lyc_value *y = lyc_conv2d(g, input(g, LYC_SHAPE(1, 4, 4, 2)), param(g, LYC_SHAPE(2, 2, 3, 3)), NULL, NULL, &attr);
    assert_gradient_fails(g, y, "conv2d: no gradient through a fused activation; use its own operation");
}

/* Attributes that the text form cannot hold. */
static void numbers_must_be_finite(void **state)
{
    (void)state;
    lyc_graph *g = new_graph();
    lyc_group_norm(g, input(g, LYC_SHAPE(2, 8)), NULL, NULL, 4, INFINITY, false);
    assert_building_fails(g, "group_norm: eps is inf, expected a number from 0 on");
    g = new_graph();
    lyc_layer_norm(g, input(g, LYC_SHAPE(2, 8)), NULL, NULL, NAN);
    assert_building_fails(g, "layer_norm: eps is nan, expected a number from 0 on");
    g = new_graph();
    lyc_value *x = input(g, LYC_SHAPE(2, 3, 8));
    lyc_attention(g, x, x, x, 2, INFINITY, false);
    assert_building_fails(g, "attention: scale is inf, expected a finite number");
    g = new_graph();
    x = input(g, LYC_SHAPE(2, 3));
    lyc_sample_loss(g, x, x, NULL, NULL, LYC_LOSS_COUNT);
    assert_building_fails(g, "sample_loss: unknown kind of loss 5");
}

static void frozen_inputs_cost_nothing(void **state)
{
    (void)state;
    lyc_graph *g = new_graph();
    lyc_conv2d_attr attr = lyc_conv2d_plain(2, 1);
    lyc_value *weight = param(g, LYC_SHAPE(4, 2, 3, 3));
    differentiate(g, lyc_conv2d(g, input(g, LYC_SHAPE(1, 5, 5, 2)), weight, NULL, NULL, &attr));
    assert_int_equal(count(g, &lyc_op_conv2d_backward_weights), 1);
    assert_int_equal(count(g, &lyc_op_conv2d_backward_data), 0);
    assert_int_equal(lyc_graph_gradient(g, weight)->type, LYC_FLOAT);
    lyc_graph_free(g);

    g = new_graph();
    lyc_value *x = param(g, LYC_SHAPE(1, 5, 5, 2));
    differentiate(g, lyc_conv2d(g, x, input(g, LYC_SHAPE(4, 2, 3, 3)), NULL, NULL, NULL));
    assert_int_equal(count(g, &lyc_op_conv2d_backward_weights), 0);
    assert_int_equal(count(g, &lyc_op_conv2d_backward_data), 1);
    lyc_graph_free(g);

    g = new_graph();
    x = param(g, LYC_SHAPE(7, 6));
    differentiate(g, lyc_kron_matmul(g, x, input(g, LYC_SHAPE(4, 2)), input(g, LYC_SHAPE(5, 3)), NULL, 1.0f, false));
    assert_int_equal(count(g, &lyc_op_kron_matmul), 1);
    assert_int_equal(count(g, &lyc_op_mix), 0);
    assert_int_equal(count(g, &lyc_op_matmul), 0);
    lyc_graph_free(g);
}

/* The gradients of parameters are not rounded to the dtype of activations on their way. */
static void gradients_of_parameters_stay_wide(void **state)
{
    (void)state;
    for (int trans = 0; trans < 2; trans++) {
        lyc_graph *g = new_graph();
        lyc_value *c = param(g, LYC_SHAPE(4, 2));
        lyc_value *d = param(g, LYC_SHAPE(5, 3));
        differentiate(g, lyc_kron_matmul(g, input(g, LYC_SHAPE(7, trans ? 20 : 6)), c, d, NULL, 1.0f, trans != 0));
        assert_int_equal(count(g, &lyc_op_cast), 0);
        assert_int_equal(lyc_graph_gradient(g, c)->type, LYC_FLOAT);
        assert_int_equal(lyc_graph_gradient(g, d)->type, LYC_FLOAT);
        lyc_graph_free(g);
    }
}

static void one_node_serves_all_inputs(void **state)
{
    (void)state;
    lyc_graph *g = new_graph();
    lyc_value *p[] = {param(g, LYC_SHAPE(2, 3, 8)), param(g, LYC_SHAPE(8)), param(g, LYC_SHAPE(8))};
    differentiate(g, lyc_group_norm(g, p[0], p[1], p[2], 4, 1e-5f, true));
    assert_int_equal(count(g, &lyc_op_group_norm_backward), 1);
    for (int i = 0; i < 3; i++) {
        assert_true(lyc_shape_equal(&lyc_graph_gradient(g, p[i])->shape, &p[i]->shape));
        assert_int_equal(lyc_graph_gradient(g, p[i])->output_index, i);
    }
    lyc_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_have_no_gradient),        cmocka_unit_test(data_of_a_loss_has_no_gradient),
        cmocka_unit_test(a_fused_activation_has_no_gradient), cmocka_unit_test(numbers_must_be_finite),
        cmocka_unit_test(frozen_inputs_cost_nothing),         cmocka_unit_test(one_node_serves_all_inputs),
        cmocka_unit_test(gradients_of_parameters_stay_wide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
