/* dinov2.c - DINOv2 at several sizes: "<height>x<width>.pixels" and what came out for them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "kind.h"
#include "vision.h"

static void expect(lyc_network_case *n, lyc_value *v, const char *size, const char *what)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", size, what);
    if (lyc_network_case_has(n, name)) {
        lyc_network_case_expect(n, v, name, LYC_LAYOUT_PLAIN);
    }
}

/* One size after the other in one graph. */
static void build_sizes(lyc_network_case *n, lyc_module *m, const lyc_vit_config *config)
{
    static const char ending[] = ".pixels";
    for (size_t i = 0; i < lyc_safetensors_count(n->file); i++) {
        char size[64];
        lyc_vit_output out;
        const char *name = lyc_safetensors_tensor(n->file, i).name;
        const size_t length = strlen(name);
        if (length < sizeof ending || strcmp(name + length - (sizeof ending - 1), ending) != 0) {
            continue;
        }
        snprintf(size, sizeof size, "%.*s", (int)(length - (sizeof ending - 1)), name);
        lyc_value *pixels = lyc_network_case_input(n, name, LYC_LAYOUT_PICTURE);
        lyc_vit_forward(&out, m, config, lyc_cast(n->graph, pixels, LYC_ACTIVATION));
        expect(n, out.feature, size, "cls_feature");
        expect(n, out.patches, size, "patch_features");
        expect(n, out.positions, size, "position_embedding_used");
    }
}

static lyc_status run_case(lyc_result *result, lyc_network_case *n, lyc_error *err)
{
    lyc_vision_weights weights;
    lyc_vit_config config;
    LYC_TRY(lyc_vision_case_open(&weights, &config, n, "weight.", json_object_get(n->c->json, "config"), err));
    const lyc_weight_source source = lyc_vision_weights_source(&weights);
    lyc_module m = {.graph = n->graph, .source = &source};
    build_sizes(n, &m, &config);
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

const lyc_kind lyc_kind_dinov2 = {.name = "dinov2", .run = run};
