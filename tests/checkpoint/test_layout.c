/* test_layout.c - names in files: what people's files have, and the same bytes under the same names in every layout
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "checkpoint/component_make.h"
#include "checkpoint/config_read.h"
#include "support/folder.h"
#include "support/model_file.h"
#include "support/table.h"
#include "tensor/shape.h"

static lyc_component_config config_of(lyc_component_kind kind, const char *text)
{
    json_t *json = NULL;
    lyc_error err = {0};
    lyc_component_config config;
    assert_int_equal(lyc_json_parse(&json, text, strlen(text), &err), LYC_OK);
    assert_int_equal(lyc_component_config_read(&config, kind, json, "config.json", &err), LYC_OK);
    json_decref(json);
    return config;
}

static const struct {
    const char *name;
    lyc_component_kind kind;
    const char *config;
} models[] = {
    {"sd1", LYC_COMPONENT_UNET, "{\"cross_attention_dim\":768}"},
    {"sdxl", LYC_COMPONENT_UNET,
     "{\"block_out_channels\":[320,640,1280],\"cross_attention_dim\":2048,\"attention_head_dim\":[5,10,20],"
     "\"down_block_types\":[\"DownBlock2D\",\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\"],"
     "\"up_block_types\":[\"CrossAttnUpBlock2D\",\"CrossAttnUpBlock2D\",\"UpBlock2D\"],"
     "\"transformer_layers_per_block\":[1,2,10],\"use_linear_projection\":true,"
     "\"addition_time_embed_dim\":256,\"projection_class_embeddings_input_dim\":2816}"},
    {"control", LYC_COMPONENT_CONTROLNET, "{\"cross_attention_dim\":768}"},
    {"vae", LYC_COMPONENT_VAE, "{\"block_out_channels\":[128,256,512,512],\"layers_per_block\":2}"},
    {"clip", LYC_COMPONENT_TEXT_ENCODER, "{}"},
    {"bigg", LYC_COMPONENT_TEXT_ENCODER_2, "{\"num_hidden_layers\":32}"},
};

/* Each line of layout.txt: model, prefix, name, key (with its part, or T when it is transposed). */
static void keys_of_names(void **state)
{
    (void)state;
    test_table table;
    test_table_open(&table, "tests/checkpoint/layout.txt");
    while (test_table_next(&table)) {
        char model[32], prefix[64], name[128], expected[160], got[LYC_KEY + 16];
        lyc_key key;
        assert_int_equal(sscanf(table.line, "%31s %63s %127s %159[^\n]", model, prefix, name, expected), 4);
        size_t i = 0;
        while (strcmp(models[i].name, model) != 0) {
            assert_true(++i < sizeof models / sizeof models[0]);
        }
        const lyc_component_config config = config_of(models[i].kind, models[i].config);
        const lyc_layout *layout = lyc_layout_of_prefix(models[i].kind, strcmp(prefix, "-") == 0 ? "" : prefix);
        assert_non_null(layout);
        if (!lyc_layout_key(&key, layout, &config, name)) {
            snprintf(got, sizeof got, "none");
        } else {
            const char *more = key.transposed ? " T" : key.part == 1 ? " 1" : key.part == 2 ? " 2" : " 3";
            snprintf(got, sizeof got, "%s%s", key.text, key.transposed || key.part > 0 ? more : "");
        }
        assert_string_equal(got, expected);
    }
    test_table_close(&table, 60);
}

/* Numbers of a tensor in the order that diffusers has. */
static float *values_of(const lyc_weight_view *view)
{
    const size_t n = (size_t)lyc_shape_elements(&view->shape);
    float *stored = malloc(n * sizeof(float) + 1);
    float *out = malloc(n * sizeof(float) + 1);
    assert_true(stored != NULL && out != NULL && view->size_bytes == n * sizeof(float));
    memcpy(stored, view->data, view->size_bytes);
    const size_t rows = (size_t)view->shape.dims[0];
    for (size_t i = 0; i < n; i++) {
        out[i] = view->transposed ? stored[i % (n / rows) * rows + i / (n / rows)] : stored[i];
    }
    free(stored);
    return out;
}

static bool same_values(const lyc_weight_view *a, const lyc_weight_view *b)
{
    assert_true(lyc_shape_equal(&a->shape, &b->shape));
    float *x = values_of(a);
    float *y = values_of(b);
    const bool same = memcmp(x, y, a->size_bytes) == 0;
    free(x);
    free(y);
    return same;
}

/* Writes a component again in another layout, from its views: stacked, transposed, as convolutions. */
typedef struct rewriting {
    lyc_safetensors_plan *plan;
    lyc_safetensors_writer *writer;
    const lyc_component *from;
    const lyc_layout *layout;
} rewriting;

static lyc_status plan_key(void *context, const char *key, const lyc_shape *shape, lyc_error *err)
{
    return lyc_safetensors_plan_add(((rewriting *)context)->plan, key, LYC_F32, shape, err);
}

static void put_view(rewriting *r, const lyc_weight_view *view, char *all)
{
    lyc_key key;
    lyc_tensor_view to;
    assert_true(lyc_layout_key(&key, r->layout, &r->from->config, view->name));
    for (size_t i = 0; i < lyc_safetensors_plan_count(r->plan); i++) {
        to = lyc_safetensors_plan_tensor(r->plan, i);
        if (strcmp(to.name, key.text) == 0) {
            break;
        }
    }
    float *values = values_of(view);
    float *target = (float *)(all + to.file_offset) + (key.part > 0 ? (key.part - 1) * (view->size_bytes / 4) : 0);
    const size_t n = view->size_bytes / 4;
    const size_t rows = (size_t)view->shape.dims[0];
    for (size_t i = 0; i < n; i++) {
        target[key.transposed ? i % (n / rows) * rows + i / (n / rows) : i] = values[i];
    }
    free(values);
}

static void rewrite(const char *path, const lyc_component *from, const char *prefix)
{
    lyc_error err;
    const void *header;
    size_t header_size;
    rewriting r = {.from = from, .layout = lyc_layout_of_prefix(from->kind, prefix)};
    assert_int_equal(lyc_safetensors_plan_new(&r.plan, &err), LYC_OK);
    assert_int_equal(lyc_layout_tensors(r.layout, &from->config, plan_key, &r, &err), LYC_OK);
    assert_int_equal(lyc_safetensors_plan_header(&header, &header_size, r.plan, &err), LYC_OK);
    const lyc_tensor_view last = lyc_safetensors_plan_tensor(r.plan, lyc_safetensors_plan_count(r.plan) - 1);
    const size_t size = last.file_offset + last.size_bytes;
    char *all = calloc(1, size);
    assert_non_null(all);
    memcpy(all, header, header_size);
    for (size_t i = 0; i < lyc_component_count(from); i++) {
        const lyc_weight_view view = lyc_component_at(from, i);
        put_view(&r, &view, all);
    }
    test_file_write(path, all, size);
    free(all);
    lyc_safetensors_plan_free(r.plan);
}

/* The same numbers, whatever the file calls them. */
static void views_of_every_layout(void **state)
{
    (void)state;
    static const struct {
        lyc_component_kind kind;
        const char *config;
        const char *prefixes[8];
    } cases[] = {
        {LYC_COMPONENT_UNET, test_unet_config, {"model.diffusion_model.", "unet."}},
        {LYC_COMPONENT_UNET, test_xl_unet_config, {"model.diffusion_model."}},
        {LYC_COMPONENT_CONTROLNET, test_unet_config, {"control_model."}},
        {LYC_COMPONENT_VAE, test_vae_config, {"first_stage_model.", "vae."}},
        {LYC_COMPONENT_TEXT_ENCODER,
         test_text_config,
         {"cond_stage_model.transformer.", "conditioner.embedders.0.transformer.", "text_encoder."}},
        {LYC_COMPONENT_TEXT_ENCODER_2, test_xl_text_2_config, {"conditioner.embedders.1.model.", "text_encoder_2."}},
    };
    test_folder folder;
    test_folder_make(&folder);
    const char *plain = test_folder_path(&folder, "plain.safetensors");
    const char *config = test_folder_path(&folder, "config.json");
    const char *other = test_folder_path(&folder, "other.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const test_part part = {cases[i].kind, cases[i].config, ""};
        lyc_component *a = NULL;
        lyc_error err = {0};
        test_model_write(plain, &part, 1, NULL);
        test_text_write(config, cases[i].config);
        assert_int_equal(lyc_component_open(&a, cases[i].kind, config, plain, &err), LYC_OK);
        for (size_t k = 0; cases[i].prefixes[k] != NULL; k++) {
            lyc_component *b = NULL;
            rewrite(other, a, cases[i].prefixes[k]);
            if (lyc_component_open(&b, cases[i].kind, config, other, &err) != LYC_OK) {
                fail_msg("%s", err.message);
            }
            assert_int_equal(lyc_component_count(a), lyc_component_count(b));
            assert_int_equal(lyc_component_unmatched_count(b), 0);
            for (size_t t = 0; t < lyc_component_count(a); t++) {
                const lyc_weight_view x = lyc_component_at(a, t);
                lyc_weight_view y;
                assert_true(lyc_component_find(&y, b, x.name));
                assert_true(same_values(&x, &y));
                assert_int_equal(strncmp(y.key, cases[i].prefixes[k], strlen(cases[i].prefixes[k])), 0);
            }
            lyc_component_close(b);
        }
        lyc_component_close(a);
    }
    test_folder_remove(&folder);
}

/* Inferring gives what was written, for what tensors can tell. */
static void infers_a_controlnet(void **state)
{
    (void)state;
    test_folder folder;
    test_folder_make(&folder);
    const char *path = test_folder_path(&folder, "control.safetensors");
    static const char *const prefixes[] = {"control_model.", ""};
    for (int i = 0; i < 2; i++) {
        const test_part part = {LYC_COMPONENT_CONTROLNET, test_unet_config, prefixes[i]};
        lyc_component *c = NULL;
        lyc_error err = {0};
        test_model_write(path, &part, 1, NULL);
        if (lyc_component_open(&c, LYC_COMPONENT_CONTROLNET, NULL, path, &err) != LYC_OK) {
            fail_msg("%s", err.message);
        }
        const lyc_unet_config *u = lyc_component_unet(c);
        assert_int_equal(u->hint_level_count, 4);
        assert_int_equal(u->hint_channels[3], 256);
        assert_int_equal(u->hint_in_channels, 3);
        assert_true(u->level_count == 2 && u->layers[1] == 1 && u->attention_down[0] && !u->attention_down[1]);
        assert_int_equal(lyc_component_unmatched_count(c), 0);
        lyc_component_close(c);
    }
    test_folder_remove(&folder);
}

/* Old diffusers called the matrices of the VAE's attention otherwise; old merges and new transformers leave text_model
 * out. */
static void reads_old_names(void **state)
{
    (void)state;
    static const char *const old[] = {"query", "key", "value", "proj_attn"};
    static const char *const now[] = {"to_q", "to_k", "to_v", "to_out.0"};
    const lyc_component_config config = config_of(LYC_COMPONENT_VAE, test_vae_config);
    const lyc_layout layout = {.kind = LYC_COMPONENT_VAE, .prefix = "", .rules = lyc_rules_vae_old};
    for (int i = 0; i < 4; i++) {
        lyc_key key;
        char name[96];
        char expected[96];
        snprintf(name, sizeof name, "decoder.mid_block.attentions.0.%s.bias", now[i]);
        snprintf(expected, sizeof expected, "decoder.mid_block.attentions.0.%s.bias", old[i]);
        assert_true(lyc_layout_key(&key, &layout, &config, name));
        assert_string_equal(key.text, expected);
    }
    lyc_key key;
    assert_true(lyc_layout_key(&key, &layout, &config, "encoder.down_blocks.0.resnets.0.norm1.weight"));
    assert_string_equal(key.text, "encoder.down_blocks.0.resnets.0.norm1.weight");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_names),
        cmocka_unit_test(views_of_every_layout),
        cmocka_unit_test(infers_a_controlnet),
        cmocka_unit_test(reads_old_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
