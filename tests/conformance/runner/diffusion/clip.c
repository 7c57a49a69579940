/* clip.c - a CLIP: embeddings of pictures and texts, and their cosines
 *
 * Weights are weight.vision.* and weight.text.*. The row of a text's end token is that of eos_token_id in text_config;
 * where this is 2, that of the largest id.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/memory.h"
#include "graph/ops/matmul.h"
#include "kind.h"
#include "model/clip_text.h"
#include "vision.h"

static void expect(lyc_network_case *n, lyc_value *v, const char *name)
{
    if (lyc_network_case_has(n, name)) {
        lyc_network_case_expect(n, v, name, LYC_LAYOUT_PLAIN);
    }
}

static lyc_status build_vision(lyc_value **embeds, lyc_network_case *n, lyc_vision_weights *weights,
                               lyc_weight_source *source, lyc_error *err)
{
    lyc_vit_config config;
    lyc_vit_output out;
    const json_t *json = json_object_get(n->c->json, "vision_config");
    LYC_TRY(lyc_vision_case_open(weights, &config, n, "weight.vision.", json, err));
    *source = lyc_vision_weights_source(weights);
    lyc_module m = {.graph = n->graph, .source = source};
    lyc_value *pixels = lyc_network_case_input(n, "pixel_values", LYC_LAYOUT_PICTURE);
    lyc_vit_forward(&out, &m, &config, lyc_cast(n->graph, pixels, LYC_ACTIVATION));
    *embeds = out.feature;
    expect(n, out.feature, "image_embeds");
    expect(n, out.states[0], "vision_embedding_output");
    expect(n, out.states[config.blocks], "vision_last_hidden_state");
    expect(n, out.states[config.blocks - 1], "vision_second_last");
    return LYC_OK;
}

static lyc_value *build_text(lyc_network_case *n, lyc_module *m, const lyc_clip_text_config *config, int eos_id)
{
    lyc_value *ids = lyc_network_case_ids(n, "input_ids");
    if (lyc_value_failed(ids)) {
        return ids;
    }
    const int64_t count = ids->shape.dims[0];
    const int32_t *numbers = n->bound[n->bound_count - 1].data;
    int32_t *rows = lyc_alloc((size_t)count * sizeof *rows);
    if (rows == NULL) {
        return lyc_graph_fail(n->graph, LYC_E_MEMORY, "no memory for rows");
    }
    lyc_clip_eos_rows(rows, numbers, count, ids->shape.dims[1], eos_id == 2 ? -1 : eos_id);
    lyc_value *eos = lyc_network_case_take(n, "eos", LYC_INDEX, LYC_SHAPE(count), rows);
    const lyc_clip_text_request request = {.final_norm = true, .pooled = true};
    return lyc_clip_text(m, config, ids, eos, &request).pooled;
}

/* x / |x|, row by row. */
static lyc_value *unit(lyc_graph *g, lyc_value *x)
{
    return lyc_div(g, x, lyc_norm(g, x, 1));
}

static lyc_value *cosines(lyc_graph *g, lyc_value *images, lyc_value *texts)
{
    return lyc_linear(g, unit(g, images), unit(g, texts), NULL);
}

/* 100 max(cos, 0) of each pair. */
static lyc_value *scores(lyc_graph *g, lyc_value *images, lyc_value *texts)
{
    lyc_value *cosine = lyc_reduce_sum(g, lyc_mul(g, unit(g, images), unit(g, texts)), 2, false, true);
    return lyc_affine(g, lyc_clamp_min(g, cosine, 0.0f), 100.0f, 0.0f);
}

static lyc_status run_case(lyc_result *result, lyc_network_case *n, lyc_error *err)
{
    lyc_vision_weights vision;
    lyc_vision_weights text;
    lyc_weight_source vision_source;
    lyc_clip_text_config config;
    lyc_value *images = NULL;
    const json_t *json = json_object_get(n->c->json, "text_config");
    const char *activation = json_string_value(json_object_get(json, "hidden_act"));
    LYC_TRY(build_vision(&images, n, &vision, &vision_source, err));
    LYC_TRY(lyc_text_weights_init(&text, n->file, n->c->name, "weight.text.", err));
    LYC_TRY(
        lyc_clip_text_config_infer(&config, &text, activation != NULL && strcmp(activation, "quick_gelu") == 0, err));
    config.heads = (int)json_integer_value(json_object_get(json, "num_attention_heads"));
    const lyc_weight_source text_source = lyc_vision_weights_source(&text);
    lyc_module m = {.graph = n->graph, .source = &text_source};
    lyc_value *texts = build_text(n, &m, &config, (int)json_integer_value(json_object_get(json, "eos_token_id")));
    expect(n, texts, "text_embeds");
    expect(n, cosines(n->graph, images, texts), "cosine_image_text");
    expect(n, scores(n->graph, images, texts), "clip_score_100x_clamped");
    return lyc_network_case_run(result, n, err);
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    lyc_network_case n;
    LYC_TRY(lyc_network_case_init(&n, c, err));
    const lyc_status status = run_case(result, &n, err);
    lyc_network_case_clear(&n);
    return status;
}

const lyc_kind lyc_kind_clip = {.name = "clip", .run = run};
