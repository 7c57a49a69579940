/* vgg19.c - maps of a VGG, "feature.<index>", and their Gram matrices in a row, "gram_features"
 *
 * The maps of the case are those that the Gram matrices are made from.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "kind.h"
#include "model/vgg.h"
#include "network.h"

static lyc_status run_case(lyc_result *result, lyc_network_case *n, lyc_error *err)
{
    lyc_vgg vgg;
    lyc_value *maps[5];
    lyc_value *grams[5];
    LYC_TRY(lyc_vgg_init(&vgg, n->file, n->c->name, "weight.", err));
    const lyc_weight_source source = lyc_vgg_source(&vgg);
    lyc_module m = {.graph = n->graph, .source = &source};
    lyc_value *pixels = lyc_network_case_input(n, "pixels", LYC_LAYOUT_PICTURE);
    lyc_vgg_forward(maps, &m, &vgg, lyc_cast(n->graph, pixels, LYC_ACTIVATION), lyc_vgg_style_taps, 5);
    for (int i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "feature.%d", lyc_vgg_style_taps[i]);
        if (lyc_network_case_has(n, name)) {
            lyc_network_case_expect(n, maps[i], name, LYC_LAYOUT_PICTURE);
        }
        grams[i] = lyc_vgg_gram(n->graph, maps[i]);
    }
    lyc_network_case_expect(n, lyc_concat(n->graph, 5, grams, 1), "gram_features", LYC_LAYOUT_PLAIN);
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

const lyc_kind lyc_kind_vgg19 = {.name = "vgg19", .run = run};
