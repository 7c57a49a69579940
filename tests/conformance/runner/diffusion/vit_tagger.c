/* vit_tagger.c - a tagger: tokens, logits and probabilities of pictures
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kind.h"
#include "vision.h"

static lyc_status run_case(lyc_result *result, lyc_network_case *n, lyc_error *err)
{
    lyc_vision_weights weights;
    lyc_vit_config config;
    lyc_vit_output out;
    LYC_TRY(lyc_vision_case_open(&weights, &config, n, "weight.", json_object_get(n->c->json, "config"), err));
    const lyc_weight_source source = lyc_vision_weights_source(&weights);
    lyc_module m = {.graph = n->graph, .source = &source};
    lyc_value *pixels = lyc_network_case_input(n, "pixels", LYC_LAYOUT_PICTURE);
    lyc_vit_forward(&out, &m, &config, lyc_cast(n->graph, pixels, LYC_ACTIVATION));
    lyc_network_case_expect(n, out.logits, "logits", LYC_LAYOUT_PLAIN);
    if (lyc_network_case_has(n, "features_before_pooling")) {
        lyc_network_case_expect(n, out.tokens, "features_before_pooling", LYC_LAYOUT_PLAIN);
    }
    if (lyc_network_case_has(n, "probabilities")) {
        lyc_network_case_expect(n, lyc_sigmoid(n->graph, out.logits), "probabilities", LYC_LAYOUT_PLAIN);
    }
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

const lyc_kind lyc_kind_vit_tagger = {.name = "vit_tagger", .run = run};
