/* test_module.c - what builders find wrong, the kernels that networks get, and layouts of vision transformers
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "graph/autodiff.h"
#include "graph/ops/matmul.h"
#include "graph/ops/sample_loss.h"
#include "model/unet.h"
#include "model/vae.h"
#include "model/vision_weights.h"
#include "networks.h"

static void expect_error(lyc_graph *g, lyc_status status, const char *message)
{
    lyc_error err;
    assert_int_equal(lyc_graph_status(g, &err), status);
    assert_string_equal(err.message, message);
    lyc_graph_free(g);
}

static void weights_are_checked(void **state)
{
    (void)state;
    lyc_error err;
    lyc_graph *g;
    lyc_component *unet = open_component(LYC_COMPONENT_UNET, NULL, SD15 "unet");

    must(lyc_graph_new(&g, &err), &err);
    lyc_module m = {.graph = g, .weights = unet, .component = "unet"};
    lyc_value *x = lyc_graph_input(g, "x", LYC_ACTIVATION, LYC_SHAPE(1, 8, 8, 4));
    lyc_module_conv2d(&m, "conv_in", x, 48, 3, 1, 1, NULL);
    expect_error(g, LYC_E_SHAPE,
                 "layer conv_in: conv_in.weight is 32x4x3x3 in " SD15
                 "unet/diffusion_pytorch_model.safetensors, expected 48x4x3x3");

    must(lyc_graph_new(&g, &err), &err);
    m.graph = g;
    x = lyc_graph_input(g, "x", LYC_ACTIVATION, LYC_SHAPE(1, 8));
    lyc_graph_enter(g, "mid_block");
    lyc_module_linear(&m, "proj", x, 8, true, LYC_ACTIVATION_NONE, NULL);
    expect_error(g, LYC_E_FORMAT,
                 "layer mid_block.proj: no tensor mid_block.proj.weight in " SD15
                 "unet/diffusion_pytorch_model.safetensors");
    lyc_component_close(unet);
}

static bool attention_weights(void *context, const char *name)
{
    (void)context;
    return strstr(name, ".to_q.weight") != NULL;
}

/* No step of a network is left to the reference kernels but those that have no other. */
static void expect_own_kernels(const lyc_graph *g, lyc_precision precision)
{
    lyc_error err;
    lyc_plan *plan = NULL;
    const lyc_plan_options options = {.precision = precision, .backend = lyc_backend_cpu()};
    must(lyc_plan_compile(&plan, g, &options, &err), &err);
    for (int i = 0; i < lyc_plan_step_count(plan); i++) {
        const char *name = lyc_plan_kernel_name(plan, i);
        if (strncmp(name, "reference.", 10) == 0 && strcmp(name, "reference.timestep_embedding") != 0) {
            fail_msg("step %d runs on %s", i, name);
        }
    }
    lyc_plan_free(plan);
}

static void networks_get_own_kernels(void **state)
{
    (void)state;
    lyc_error err;
    lyc_component *unet = open_component(LYC_COMPONENT_UNET, NULL, SD15 "unet");
    for (int training = 0; training < 2; training++) {
        lyc_graph *g;
        lyc_unet_keys keys;
        must(lyc_graph_new(&g, &err), &err);
        lyc_module m = {.graph = g, .weights = unet, .component = "unet"};
        m.trainable = training ? attention_weights : NULL;
        lyc_unet_inputs in = {.keys = &keys};
        in.latents = lyc_graph_input(g, "latents", LYC_ACTIVATION, LYC_SHAPE(2, 16, 16, 4));
        in.timesteps = lyc_graph_input(g, "timesteps", LYC_FLOAT, LYC_SHAPE(2));
        lyc_unet_context(&keys, &m, lyc_component_unet(unet),
                         lyc_graph_input(g, "states", LYC_ACTIVATION, LYC_SHAPE(2, 77, 16)));
        lyc_value *y = lyc_graph_output(g, lyc_unet_forward(&m, lyc_component_unet(unet), &in));
        if (training) {
            lyc_value *target = lyc_graph_input(g, "target", LYC_FLOAT, LYC_SHAPE(2, 16, 16, 4));
            lyc_value *loss =
                lyc_reduce_mean(g, lyc_sample_loss(g, y, target, NULL, NULL, LYC_LOSS_L2), 1, false, true);
            must(lyc_graph_differentiate(g, 1, &loss, &(lyc_value *){NULL}, &err), &err);
        }
        expect_own_kernels(g, LYC_PRECISION_F32);
        expect_own_kernels(g, LYC_PRECISION_BF16);
        lyc_graph_free(g);
    }
    lyc_component_close(unet);
}

/* Stacked q, k and v are thirds of the bytes, whatever the layout calls them. */
static void vision_names(void **state)
{
    (void)state;
    lyc_error err;
    lyc_safetensors *file = NULL;
    lyc_vision_weights w;
    lyc_weight_view q;
    lyc_weight_view k;
    lyc_weight_view v;
    must(lyc_safetensors_open(&file, "tests/conformance/vision/dinov2_registers4.safetensors", NULL, &err), &err);
    must(lyc_vision_weights_init(&w, file, "dino", "weight.", &err), &err);
    assert_int_equal(w.layout, LYC_VISION_HUB);
    assert_true(lyc_vision_weights_find(&q, &w, "blocks.2.attn.q.weight"));
    assert_true(lyc_vision_weights_find(&k, &w, "blocks.2.attn.k.weight"));
    assert_true(lyc_vision_weights_find(&v, &w, "blocks.2.attn.v.weight"));
    assert_int_equal(q.shape.dims[0], 32);
    assert_ptr_equal(k.data, (const char *)q.data + q.size_bytes);
    assert_ptr_equal(v.data, (const char *)q.data + 2 * q.size_bytes);
    assert_true(lyc_vision_weights_find(&q, &w, "registers"));
    assert_int_equal(q.shape.rank, 2);
    assert_false(lyc_vision_weights_find(&q, &w, "blocks.3.attn.q.weight"));
    assert_false(lyc_vision_weights_find(&q, &w, "blocks.0.attn.qkv.weight"));
    assert_int_equal(lyc_text_weights_init(&w, file, "dino", "weight.", &err), LYC_E_FORMAT);
    assert_string_equal(err.message, "dino: no text tower of a CLIP: neither "
                                     "text_model.embeddings.token_embedding.weight nor token_embedding.weight");
    lyc_safetensors_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_checked),
        cmocka_unit_test(networks_get_own_kernels),
        cmocka_unit_test(vision_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
