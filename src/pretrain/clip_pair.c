/* clip_pair.c - CLIP as a graph with its loss, its configuration, its names
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pretrain/clip_pair.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint/config_read.h"
#include "graph/build.h"
#include "graph/ops/matmul.h"
#include "model/clip_text.h"
#include "pretrain/new_weights.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

/* As published with CLIP. */
const float lyc_clip_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
const float lyc_clip_deviation[3] = {0.26862954f, 0.26130258f, 0.27577711f};

/* --- configuration -------------------------------------------------------------------------------------------------
 */

typedef struct vision_fields {
    int hidden_size, intermediate_size, layers, heads, patch_size, image_size;
    float eps;
} vision_fields;

#define AT(member) .offset = offsetof(vision_fields, member)

static const lyc_field fields[] = {
    {"hidden_size", LYC_FIELD_INT, AT(hidden_size), .min = 1, .max = 8192},
    {"intermediate_size", LYC_FIELD_INT, AT(intermediate_size), .min = 1, .max = 65536},
    {"num_hidden_layers", LYC_FIELD_INT, AT(layers), .min = 1, .max = LYC_VIT_MAX_BLOCKS},
    {"num_attention_heads", LYC_FIELD_INT, AT(heads), .min = 1, .max = 256},
    {"patch_size", LYC_FIELD_INT, AT(patch_size), .min = 1, .max = 256},
    {"image_size", LYC_FIELD_INT, AT(image_size), .min = 1, .max = 4096},
    {"layer_norm_eps", LYC_FIELD_FLOAT, AT(eps), .min = 0, .max = 1},
    {"hidden_act", LYC_FIELD_ONLY_TEXT, .text = "quick_gelu"},
    {"num_channels", LYC_FIELD_ONLY_NUMBER, .number = 3},
    {"projection_dim", LYC_FIELD_ELSEWHERE},
    {"model_type", LYC_FIELD_IGNORED},
    {0},
};

static lyc_status read_vision(lyc_vit_config *out, const json_t *json, int projection, const char *file, lyc_error *err)
{
    vision_fields v = {768, 3072, 12, 12, 32, 224, 1e-5f}; /* of CLIPVisionConfig */
    LYC_TRY(lyc_fields_read(&v, fields, json, file, err));
    if (v.image_size % v.patch_size != 0) {
        return lyc_fail(err, LYC_E_FORMAT, "%s: image_size %d, expected a multiple of patch_size %d", file,
                        v.image_size, v.patch_size);
    }
    *out = (lyc_vit_config){.channels = 3,
                            .patch = v.patch_size,
                            .width = v.hidden_size,
                            .heads = v.heads,
                            .blocks = v.layers,
                            .mlp = v.intermediate_size,
                            .grid = v.image_size / v.patch_size,
                            .class_token = true,
                            .pre_norm = true,
                            .activation = LYC_ACTIVATION_QUICK_GELU,
                            .eps = v.eps,
                            .projection = projection};
    return lyc_vit_config_check(out, err);
}

lyc_status lyc_clip_pair_config_read(lyc_clip_pair_config *out, const json_t *json, const char *file, lyc_error *err)
{
    bool with_projection;
    const json_t *text = json_object_get(json, "text_config");
    const json_t *vision = json_object_get(json, "vision_config");
    const json_t *projection = json_object_get(json, "projection_dim");
    if (!json_is_object(text) || !json_is_object(vision)) {
        return lyc_fail(err, LYC_E_FORMAT, "%s: no \"%s\", expected those of a CLIPModel", file,
                        json_is_object(text) ? "vision_config" : "text_config");
    }
    const json_int_t width = projection != NULL ? json_integer_value(projection) : 512;
    if (width < 1 || width > 8192) {
        return lyc_json_complain("projection_dim", projection, "1 to 8192", err);
    }
    lyc_clip_text_config_default(&out->text);
    LYC_TRY(lyc_clip_text_config_apply(&out->text, &with_projection, text, file, err));
    out->text.projection_dim = (int)width;
    LYC_TRY(lyc_clip_text_config_check(&out->text, err));
    return read_vision(&out->vision, vision, (int)width, file, err);
}

/* --- graphs --------------------------------------------------------------------------------------------------------
 */

lyc_value *lyc_clip_pair_vision(lyc_module *m, const lyc_clip_pair_config *config, lyc_value *pixels)
{
    lyc_vit_output out;
    lyc_vit_forward(&out, m, &config->vision, pixels);
    return out.feature;
}

lyc_value *lyc_clip_pair_text(lyc_module *m, const lyc_clip_pair_config *config, lyc_value *ids, lyc_value *eos)
{
    const lyc_clip_text_request request = {.pooled = true};
    return lyc_clip_text(m, &config->text, ids, eos, &request).pooled;
}

/* x / |x|, row by row, in f32. */
static lyc_value *normalise(lyc_graph *g, lyc_value *x)
{
    x = lyc_cast(g, x, LYC_FLOAT);
    return lyc_div(g, x, lyc_clamp_min(g, lyc_norm(g, x, -1), 1e-6f));
}

lyc_value *lyc_clip_pair_loss(lyc_module *m, lyc_value *vision, lyc_value *text, lyc_value *labels)
{
    lyc_graph *g = m->graph;
    const lyc_matmul_attr attr = {.alpha = 1.0f, .trans_b = true};
    lyc_value *scale = lyc_exp(g, lyc_module_tensor(m, "logit_scale", (lyc_shape){0}));
    lyc_value *u = lyc_mul(g, normalise(g, vision), scale);
    lyc_value *v = normalise(g, text);
    lyc_value *rows = lyc_cross_entropy(g, lyc_matmul(g, u, v, NULL, NULL, &attr), labels);
    lyc_value *columns = lyc_cross_entropy(g, lyc_matmul(g, v, u, NULL, NULL, &attr), labels);
    return lyc_affine(g, lyc_add(g, rows, columns), 0.5f, 0.0f);
}

void lyc_clip_pair_build(lyc_module *m, const lyc_clip_pair_config *c)
{
    const int64_t side = (int64_t)c->vision.grid * c->vision.patch;
    lyc_graph *g = m->graph;
    lyc_value *pixels = lyc_graph_input(g, "pixels", LYC_ACTIVATION, LYC_SHAPE(1, side, side, 3));
    lyc_value *ids = lyc_graph_input(g, "ids", LYC_INDEX, LYC_SHAPE(1, c->text.max_positions));
    lyc_value *eos = lyc_graph_input(g, "eos", LYC_INDEX, LYC_SHAPE(1));
    lyc_clip_pair_loss(m, lyc_clip_pair_vision(m, c, pixels), lyc_clip_pair_text(m, c, ids, eos),
                       lyc_graph_input(g, "labels", LYC_INDEX, LYC_SHAPE(1)));
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

static lyc_status take_row(lyc_trainable *row, const lyc_safetensors *file, const char *path, size_t skipped,
                           lyc_error *err)
{
    char name[LYC_WEIGHTS_NAME];
    lyc_tensor_view view;
    if (!lyc_clip_pair_name(name, row->name + skipped) || !lyc_safetensors_find(&view, file, name)) {
        return lyc_fail(err, LYC_E_FORMAT, "%s has no tensor %s", path, name);
    }
    if (lyc_shape_elements(&view.shape) != row->count || !lyc_dtype_is_float(view.dtype)) {
        char found[LYC_SHAPE_TEXT], expected[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "%s is %s in %s, expected %s", name,
                        lyc_shape_text(found, sizeof found, &view.shape), path,
                        lyc_shape_text(expected, sizeof expected, &row->shape));
    }
    return lyc_dtype_convert_parallel(row->value, LYC_F32, view.data, view.dtype, (size_t)row->count, err);
}

lyc_status lyc_clip_pair_open(lyc_trainables *set, const char *component, const lyc_clip_pair_config *config,
                              const char *path, lyc_error *err)
{
    lyc_graph *g = NULL;
    lyc_safetensors *file = NULL;
    lyc_new_weights weights = {.set = set, .component = component};
    const lyc_weight_source source = lyc_new_weights_source(&weights);
    LYC_TRY(lyc_graph_new(&g, err));
    lyc_module m = {.graph = g, .source = &source};
    lyc_clip_pair_build(&m, config);
    lyc_status status = lyc_new_weights_status(&weights, g, err);
    lyc_graph_free(g);
    status = status == LYC_OK ? lyc_safetensors_open(&file, path, NULL, err) : status;
    for (size_t i = 0; i < set->count && status == LYC_OK; i++) {
        status = take_row(&set->rows[i], file, path, strlen(component) + 1, err);
    }
    lyc_safetensors_close(file);
    return status;
}

/* --- names ---------------------------------------------------------------------------------------------------------
 */

static bool is_of_text(const char *name)
{
    return strncmp(name, "text_", 5) == 0;
}

bool lyc_clip_pair_name(char out[LYC_WEIGHTS_NAME], const char *name)
{
    if (is_of_text(name) || strcmp(name, "logit_scale") == 0) {
        return snprintf(out, LYC_WEIGHTS_NAME, "%s", name) < LYC_WEIGHTS_NAME;
    }
    return lyc_vision_weights_name(out, LYC_WEIGHTS_NAME, LYC_VISION_CLIP_TRANSFORMERS, name);
}

bool lyc_clip_pair_text_name(char out[LYC_WEIGHTS_NAME], const char *name)
{
    return strncmp(name, "text_model.", 11) == 0 && snprintf(out, LYC_WEIGHTS_NAME, "%s", name) < LYC_WEIGHTS_NAME;
}
