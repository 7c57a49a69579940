/* unet_forward.c - a U-Net once: latents, timesteps, text states and, for SDXL, pooled text and sizes
 *
 * Tensors "block.<layer>" hold the results of blocks on the way.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "kind.h"
#include "model/unet.h"
#include "network.h"

/* Inputs of a U-Net under the names that the cases have. */
static lyc_value *forward(lyc_network_case *n, lyc_component *unet)
{
    lyc_graph *g = n->graph;
    const lyc_unet_config *config = lyc_component_unet(unet);
    lyc_module m = {.graph = g, .weights = unet, .component = "unet"};
    lyc_unet_keys keys;
    lyc_unet_inputs in = {.keys = &keys};
    lyc_value *states = lyc_network_case_input(n, "encoder_hidden_states", LYC_LAYOUT_PLAIN);
    lyc_unet_context(&keys, &m, config, lyc_cast(g, states, LYC_ACTIVATION));
    in.latents = lyc_cast(g, lyc_network_case_input(n, "latents", LYC_LAYOUT_PICTURE), LYC_ACTIVATION);
    in.timesteps = lyc_network_case_input(n, "timesteps", LYC_LAYOUT_PLAIN);
    if (lyc_network_case_has(n, "pooled_text_embeds")) {
        in.pooled = lyc_cast(g, lyc_network_case_input(n, "pooled_text_embeds", LYC_LAYOUT_PLAIN), LYC_ACTIVATION);
        in.sizes = lyc_network_case_input(n, "time_ids", LYC_LAYOUT_PLAIN);
    }
    if (lyc_network_case_has(n, "timestep_cond")) {
        in.guidance = lyc_cast(g, lyc_network_case_input(n, "timestep_cond", LYC_LAYOUT_PLAIN), LYC_ACTIVATION);
    }
    return lyc_unet_forward(&m, config, &in);
}

static void expect_blocks(lyc_network_case *n)
{
    static const char prefix[] = "block.";
    for (size_t i = 0; i < lyc_safetensors_count(n->file); i++) {
        const char *name = lyc_safetensors_tensor(n->file, i).name;
        if (strncmp(name, prefix, sizeof prefix - 1) == 0) {
            lyc_value *v = lyc_network_case_layer(n, name + sizeof prefix - 1);
            lyc_network_case_expect(n, v, name, LYC_LAYOUT_PICTURE);
        }
    }
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    lyc_network_case n;
    lyc_component *unet = NULL;
    LYC_TRY(lyc_network_case_init(&n, c, err));
    lyc_status status = lyc_network_case_component(&unet, &n, LYC_COMPONENT_UNET, err);
    if (status == LYC_OK) {
        lyc_network_case_expect(&n, forward(&n, unet), "output", LYC_LAYOUT_PICTURE);
        expect_blocks(&n);
        status = lyc_network_case_run(result, &n, err);
    }
    lyc_network_case_clear(&n);
    return status;
}

const lyc_kind lyc_kind_unet_forward = {.name = "unet_forward", .run = run};
