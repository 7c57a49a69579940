/* test_unet_runner.c - properties of U-Net and ControlNet in use: batches, sizes, precision, residuals
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/unet_runner.h"
#include "networks.h"

enum { TOKENS = 77 };

typedef struct network {
    lyc_component *component;
    const lyc_unet_config *config;
    lyc_unet_runner *runner;
} network;

static network open_network(bool xl, lyc_precision precision)
{
    network net = {0};
    lyc_error err;
    const lyc_runner_options options = options_of(precision);
    net.component = xl ? open_component(LYC_COMPONENT_UNET, SDXL "config.json", SDXL "unet.safetensors")
                       : open_component(LYC_COMPONENT_UNET, NULL, SD15 "unet");
    net.config = lyc_component_unet(net.component);
    must(lyc_unet_runner_new(&net.runner, net.component, &options, &err), &err);
    return net;
}

static void close_network(network *net)
{
    lyc_unet_runner_free(net->runner);
    lyc_component_close(net->component);
}

/* The noise predicted for n latents of h x w; every sample has numbers of its own, those of `first` and later. */
static float *predict(const network *net, int64_t first, int64_t n, int64_t h, int64_t w,
                      const lyc_unet_control *control)
{
    lyc_error err;
    const int dim = net->config->mid_cross_dim;
    const int pooled_dim = net->config->addition_input_dim - 6 * net->config->addition_time_dim;
    const size_t latent = (size_t)(h * w * net->config->in_channels);
    float *latents = numbers((size_t)(first + n) * latent, 1);
    float *states = numbers((size_t)((first + n) * TOKENS * dim), 2);
    float *pooled = numbers((size_t)((first + n) * 64), 3);
    const float timesteps[] = {1.0f, 500.5f, 999.0f, 20.0f};
    const float sizes[24] = {64, 48, 0, 8, 64, 64, 1024, 512, 16, 0, 128, 64, 64, 64, 0, 0, 64, 64, 8, 8, 8, 8, 8, 8};
    float *out = lyc_alloc((size_t)n * latent * sizeof *out);
    lyc_unet_text *text = NULL;
    must(lyc_unet_text_new(&text, net->runner, states + first * TOKENS * dim, n, TOKENS, &err), &err);
    const bool xl = net->config->addition_time_dim > 0;
    const lyc_unet_call call = {.n = n,
                                .h = h,
                                .w = w,
                                .latents = latents + (size_t)first * latent,
                                .timesteps = timesteps + first,
                                .text = text,
                                .pooled = xl ? pooled + first * pooled_dim : NULL,
                                .sizes = xl ? sizes + first * 6 : NULL,
                                .control = control};
    must(lyc_unet_runner_forward(out, net->runner, &call, &err), &err);
    lyc_unet_text_free(text);
    lyc_free(latents);
    lyc_free(states);
    lyc_free(pooled);
    return out;
}

static void batch_is_its_samples(void **state)
{
    (void)state;
    for (int xl = 0; xl < 2; xl++) {
        network net = open_network(xl, LYC_PRECISION_F32);
        const size_t size = 8 * 12 * 4;
        float *all = predict(&net, 0, 3, 8, 12, NULL);
        for (int64_t i = 0; i < 3; i++) {
            float *one = predict(&net, i, 1, 8, 12, NULL);
            assert_true(largest_difference(all + (size_t)i * size, one, size) < 2e-5);
            lyc_free(one);
        }
        lyc_free(all);
        close_network(&net);
    }
}

/* Sizes that the levels do not divide: the upsamplers go to the size of the skip. */
static void any_size(void **state)
{
    (void)state;
    network net = open_network(false, LYC_PRECISION_F32);
    static const int sizes[][2] = {{9, 13}, {1, 1}, {7, 8}, {16, 24}, {3, 30}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        float *a = predict(&net, 0, 1, sizes[i][0], sizes[i][1], NULL);
        float *b = predict(&net, 0, 1, sizes[i][0], sizes[i][1], NULL);
        assert_memory_equal(a, b, (size_t)(sizes[i][0] * sizes[i][1] * 4) * sizeof *a);
        lyc_free(a);
        lyc_free(b);
    }
    close_network(&net);
}

/* bf16 keeps 8 bits of a number: every stored activation is rounded by up to 2^-9 of itself. Some 60 of them lie one
 * behind the other; rounding is independent, so the sum grows with the root: 2^-9 sqrt(60) = 0.015, and norms and
 * residuals keep it from growing. 0.03 is twice that. */
static void bf16_is_close(void **state)
{
    (void)state;
    for (int xl = 0; xl < 2; xl++) {
        network exact = open_network(xl, LYC_PRECISION_F32);
        network rounded = open_network(xl, LYC_PRECISION_BF16);
        float *a = predict(&exact, 0, 2, 16, 16, NULL);
        float *b = predict(&rounded, 0, 2, 16, 16, NULL);
        const double difference = relative_difference(b, a, 2 * 16 * 16 * 4);
        assert_true(difference < 0.03);
        assert_true(difference > 1e-5); /* it did compute in bf16 */
        lyc_free(a);
        lyc_free(b);
        close_network(&exact);
        close_network(&rounded);
    }
}

/* Residuals of zero change nothing, others do; the shapes of lyc_unet_control_init are those of the U-Net. */
static void control_is_added(void **state)
{
    (void)state;
    lyc_error err;
    lyc_unet_control control;
    network net = open_network(false, LYC_PRECISION_F32);
    float *plain = predict(&net, 0, 2, 9, 12, NULL);
    must(lyc_unet_control_init(&control, net.config, 2, 9, 12, &err), &err);
    assert_int_equal(control.count, 12);
    float *zero = predict(&net, 0, 2, 9, 12, &control);
    assert_true(largest_difference(plain, zero, 2 * 9 * 12 * 4) < 1e-6);
    control.skips[11][5] = 3.0f;
    control.mid[0] = 1.0f;
    float *changed = predict(&net, 0, 2, 9, 12, &control);
    assert_true(largest_difference(plain, changed, 9 * 12 * 4) > 1e-3);
    assert_true(largest_difference(plain + 9 * 12 * 4, changed + 9 * 12 * 4, 9 * 12 * 4) < 1e-6);
    lyc_unet_control_zero(&control);
    assert_true(control.skips[11][5] == 0.0f && control.mid[0] == 0.0f);
    lyc_unet_control_clear(&control);
    lyc_free(plain);
    lyc_free(zero);
    lyc_free(changed);
    close_network(&net);
}

static void what_does_not_fit(void **state)
{
    (void)state;
    lyc_error err;
    network net = open_network(true, LYC_PRECISION_F32);
    float *states = numbers((size_t)(TOKENS * net.config->mid_cross_dim), 1);
    float *latents = numbers(8 * 8 * 4, 2);
    lyc_unet_text *text = NULL;
    must(lyc_unet_text_new(&text, net.runner, states, 1, TOKENS, &err), &err);
    const float timestep = 3.0f;
    lyc_unet_call call = {.n = 1, .h = 8, .w = 8, .latents = latents, .timesteps = &timestep, .text = text};
    assert_int_equal(lyc_unet_runner_forward(latents, net.runner, &call, &err), LYC_E_ARGUMENT);
    assert_string_equal(err.message, "the model wants pooled text and sizes");
    call.n = 2;
    assert_int_equal(lyc_unet_runner_forward(latents, net.runner, &call, &err), LYC_E_SHAPE);
    assert_string_equal(err.message, "keys for 1 prompts, there are latents of 2 pictures");
    lyc_unet_text_free(text);
    lyc_free(states);
    lyc_free(latents);
    close_network(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_is_its_samples), cmocka_unit_test(any_size),          cmocka_unit_test(bf16_is_close),
        cmocka_unit_test(control_is_added),     cmocka_unit_test(what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
