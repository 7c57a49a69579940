/* test_tensor_list.c - the tensors of published networks: their number and their parameters
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "checkpoint/config_read.h"
#include "checkpoint/tensor_list.h"
#include "tensor/shape.h"

typedef struct tally {
    int tensors;
    int64_t parameters;
    const char *wanted; /* name of a tensor, whose shape is kept */
    char shape[LYC_SHAPE_TEXT];
} tally;

static lyc_status count(void *context, const char *name, const lyc_shape *shape, lyc_error *err)
{
    (void)err;
    tally *t = context;
    t->tensors++;
    t->parameters += lyc_shape_elements(shape);
    if (t->wanted != NULL && strcmp(t->wanted, name) == 0) {
        lyc_shape_text(t->shape, sizeof t->shape, shape);
    }
    return LYC_OK;
}

static lyc_unet_config unet_of(const char *text)
{
    json_t *json = NULL;
    lyc_error err = {0};
    lyc_unet_config config;
    lyc_unet_config_default(&config);
    assert_int_equal(lyc_json_parse(&json, text, strlen(text), &err), LYC_OK);
    if (lyc_unet_config_apply(&config, json, "config.json", &err) != LYC_OK ||
        lyc_unet_config_check(&config, &err) != LYC_OK) {
        fail_msg("%s", err.message);
    }
    json_decref(json);
    return config;
}

#define SD1 "{\"cross_attention_dim\":768}"
#define SD2 "{\"cross_attention_dim\":1024,\"attention_head_dim\":[5,10,20,20],\"use_linear_projection\":true}"
#define SDXL                                                                                                           \
    "{\"block_out_channels\":[320,640,1280],\"cross_attention_dim\":2048,\"attention_head_dim\":[5,10,20],"            \
    "\"down_block_types\":[\"DownBlock2D\",\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\"],"                        \
    "\"up_block_types\":[\"CrossAttnUpBlock2D\",\"CrossAttnUpBlock2D\",\"UpBlock2D\"],"                                \
    "\"transformer_layers_per_block\":[1,2,10],\"use_linear_projection\":true,\"addition_embed_type\":\"text_time\","  \
    "\"addition_time_embed_dim\":256,\"projection_class_embeddings_input_dim\":2816}"

/* The numbers that diffusers has for the same configurations. */
static void counts_unets(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        int tensors;
        int64_t parameters;
    } cases[] = {{SD1, 686, 859520964}, {SD2, 686, 865910724}, {SDXL, 1680, 2567463684}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const lyc_unet_config config = unet_of(cases[i].config);
        tally t = {0};
        assert_int_equal(lyc_unet_tensors(&config, count, &t, NULL), LYC_OK);
        assert_int_equal(t.tensors, cases[i].tensors);
        assert_int_equal(t.parameters, cases[i].parameters);
    }
}

static void widths_of_the_up_path(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"up_blocks.0.resnets.2.conv1.weight", "1280x2560x3x3"},
        {"up_blocks.1.resnets.2.conv1.weight", "1280x1920x3x3"},
        {"up_blocks.2.resnets.0.conv1.weight", "640x1920x3x3"},
        {"up_blocks.2.resnets.1.conv1.weight", "640x1280x3x3"},
        {"up_blocks.2.resnets.2.conv1.weight", "640x960x3x3"},
        {"up_blocks.3.resnets.0.conv1.weight", "320x960x3x3"},
        {"up_blocks.3.resnets.2.conv1.weight", "320x640x3x3"},
    };
    const lyc_unet_config config = unet_of(SD1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tally t = {.wanted = cases[i][0]};
        assert_int_equal(lyc_unet_tensors(&config, count, &t, NULL), LYC_OK);
        assert_string_equal(t.shape, cases[i][1]);
    }
}

static void counts_the_other_networks(void **state)
{
    (void)state;
    tally vae = {0};
    tally clip = {0};
    tally bigg = {0};
    tally control = {0};
    lyc_vae_config v;
    lyc_vae_config_default(&v);
    v.level_count = 4;
    v.layers = 2;
    memcpy(v.channels, (int[]){128, 256, 512, 512}, sizeof(int[4]));
    assert_int_equal(lyc_vae_tensors(&v, count, &vae, NULL), LYC_OK);
    assert_int_equal(vae.tensors, 248);
    assert_int_equal(vae.parameters, 83653863);

    lyc_clip_text_config c;
    lyc_clip_text_config_default(&c);
    c.hidden_size = 768;
    c.intermediate_size = 3072;
    c.projection_dim = 0;
    assert_int_equal(lyc_clip_text_tensors(&c, count, &clip, NULL), LYC_OK);
    assert_int_equal(clip.tensors, 196);
    assert_int_equal(clip.parameters, 123060480);

    c.hidden_size = c.projection_dim = 1280;
    c.intermediate_size = 5120;
    c.layers = 32;
    assert_int_equal(lyc_clip_text_tensors(&c, count, &bigg, NULL), LYC_OK);
    assert_int_equal(bigg.parameters, 694659840);

    const lyc_unet_config u = unet_of(SD1);
    assert_int_equal(lyc_controlnet_tensors(&u, count, &control, NULL), LYC_OK);
    assert_int_equal(control.parameters, 361279120); /* diffusers' ControlNetModel with the same configuration */
}

static void names_the_norm_that_does_not_divide(void **state)
{
    (void)state;
    lyc_error err = {0};
    tally t = {0};
    lyc_unet_config config = unet_of(SD1);
    config.norm_groups = 48;
    assert_int_equal(lyc_unet_tensors(&config, count, &t, &err), LYC_E_FORMAT);
    assert_string_equal(err.message, "down_blocks.0.resnets.0.norm1 has 320 channels, which 'norm_num_groups' 48 does "
                                     "not divide");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_unets),
        cmocka_unit_test(widths_of_the_up_path),
        cmocka_unit_test(counts_the_other_networks),
        cmocka_unit_test(names_the_norm_that_does_not_divide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
