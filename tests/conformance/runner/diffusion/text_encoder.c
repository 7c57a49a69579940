/* text_encoder.c - a CLIP text tower: every hidden state, with and without the final norm, and the pooled state
 *
 * hidden_states.0 is the embedding; the last one comes before the final norm. `pooled` is the normed state of the end
 * token, `text_embeds` its projection.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "base/memory.h"
#include "kind.h"
#include "model/clip_text.h"
#include "network.h"

/* ids [n,tokens], and the rows of their end tokens: as the cases have them, the first position of the largest id. */
static lyc_value *take_ids(lyc_value **eos, lyc_network_case *n)
{
    lyc_value *ids = lyc_network_case_ids(n, "input_ids");
    *eos = NULL;
    if (lyc_value_failed(ids)) {
        return ids;
    }
    const int64_t count = ids->shape.dims[0];
    const int32_t *numbers = n->bound[n->bound_count - 1].data;
    int32_t *rows = lyc_alloc((size_t)count * sizeof *rows);
    if (rows == NULL) {
        return lyc_graph_fail(n->graph, LYC_E_MEMORY, "no memory for rows");
    }
    lyc_clip_eos_rows(rows, numbers, count, ids->shape.dims[1], -1);
    *eos = lyc_network_case_take(n, "eos", LYC_INDEX, LYC_SHAPE(count), rows);
    return ids;
}

static void expect_state(lyc_network_case *n, lyc_module *m, const lyc_clip_text_config *config, lyc_value *ids,
                         const char *name, int skip, bool final_norm)
{
    if (lyc_network_case_has(n, name)) {
        const lyc_clip_text_request request = {.skip = skip, .final_norm = final_norm};
        lyc_network_case_expect(n, lyc_clip_text(m, config, ids, NULL, &request).state, name, LYC_LAYOUT_PLAIN);
    }
}

/* text_embeds is the projected state; pooled is the state itself, whether or not the model has a projection. */
static void expect_pooled(lyc_network_case *n, lyc_module *m, const lyc_clip_text_config *config, lyc_value *ids,
                          lyc_value *eos, const char *name, bool projected)
{
    if (lyc_network_case_has(n, name)) {
        const lyc_clip_text_request request = {.final_norm = true, .pooled = true};
        lyc_clip_text_config plain = *config;
        plain.projection_dim = projected ? config->projection_dim : 0;
        lyc_value *pooled = lyc_clip_text(m, &plain, ids, eos, &request).pooled;
        lyc_network_case_expect(n, pooled, name, LYC_LAYOUT_PLAIN);
    }
}

static void expect_all(lyc_network_case *n, lyc_component *encoder)
{
    const lyc_clip_text_config *config = lyc_component_clip_text(encoder);
    lyc_module m = {.graph = n->graph, .weights = encoder, .component = "text_encoder"};
    lyc_value *eos = NULL;
    lyc_value *ids = take_ids(&eos, n);
    expect_pooled(n, &m, config, ids, eos, "pooled", false);
    expect_pooled(n, &m, config, ids, eos, "text_embeds", true);
    for (int k = 0; k <= config->layers; k++) {
        char name[64];
        snprintf(name, sizeof name, "hidden_states.%d", k);
        expect_state(n, &m, config, ids, name, config->layers - k, false);
    }
    expect_state(n, &m, config, ids, "last_layer_with_final_norm", 0, true);
    expect_state(n, &m, config, ids, "second_last_layer_with_final_norm", 1, true);
    expect_state(n, &m, config, ids, "second_last_layer_without_norm", 1, false);
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    lyc_network_case n;
    lyc_component *encoder = NULL;
    LYC_TRY(lyc_network_case_init(&n, c, err));
    lyc_status status = lyc_network_case_component(&encoder, &n, LYC_COMPONENT_TEXT_ENCODER, err);
    if (status == LYC_OK) {
        expect_all(&n, encoder);
        status = lyc_network_case_run(result, &n, err);
    }
    lyc_network_case_clear(&n);
    return status;
}

const lyc_kind lyc_kind_text_encoder = {.name = "text_encoder", .run = run};
