/* controlnet.c - the condition's encoder, the copied down path, and the ways out
 *
 * controlnet_cond_embedding: conv_in 3->16, then pairs (c->c, c->next with stride 2), conv_out -> channels[0], silu
 * between; blocks.0 .. blocks.5 in published models.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/controlnet.h"

#include <stdio.h>

#include "graph/ops/matmul.h"
#include "model/unet_internal.h"

static lyc_value *conv(lyc_module *m, const char *name, lyc_value *x, int64_t out, int stride)
{
    lyc_conv2d_attr attr = lyc_conv2d_plain(stride, 1);
    attr.activation = LYC_ACTIVATION_SILU;
    return lyc_module_conv2d_attr(m, name, x, out, 3, true, &attr, NULL);
}

int lyc_controlnet_factor(const lyc_unet_config *config)
{
    return 1 << (config->hint_level_count - 1);
}

/* picture -> [n,h,w,channels[0]] + h */
static lyc_value *encode_picture(lyc_module *m, const lyc_unet_config *config, lyc_value *picture, lyc_value *h)
{
    lyc_graph_enter(m->graph, "controlnet_cond_embedding");
    lyc_value *e = conv(m, "conv_in", picture, config->hint_channels[0], 1);
    for (int i = 0; i + 1 < config->hint_level_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "blocks.%d", 2 * i);
        e = conv(m, name, e, config->hint_channels[i], 1);
        snprintf(name, sizeof name, "blocks.%d", 2 * i + 1);
        e = conv(m, name, e, config->hint_channels[i + 1], 2);
    }
    e = lyc_module_conv2d(m, "conv_out", e, config->channels[0], 3, 1, 1, h);
    lyc_graph_leave(m->graph);
    return e;
}

static lyc_value *lead_out(lyc_module *m, const char *name, lyc_value *h)
{
    return lyc_value_failed(h) ? h : lyc_module_conv2d(m, name, h, h->shape.dims[3], 1, 1, 0, NULL);
}

void lyc_controlnet_forward(lyc_controlnet_output *out, lyc_module *m, const lyc_unet_config *config,
                            const lyc_unet_inputs *in, lyc_value *picture)
{
    lyc_unet_path path = {.m = m, .config = config, .keys = in->keys};
    path.time = lyc_unet_embedding(m, config, in);
    lyc_value *x = config->center_input ? lyc_affine(m->graph, in->latents, 2.0f, -1.0f) : in->latents;
    lyc_value *h = lyc_module_conv2d(m, "conv_in", x, config->channels[0], 3, 1, 1, NULL);
    h = encode_picture(m, config, picture, h);
    h = lyc_unet_down(&path, h);
    h = lyc_unet_mid(&path, h);
    out->count = path.skip_count;
    for (int k = 0; k < path.skip_count; k++) {
        char name[48];
        snprintf(name, sizeof name, "controlnet_down_blocks.%d", k);
        out->skips[k] = lead_out(m, name, path.skips[k]);
    }
    out->mid = lead_out(m, "controlnet_mid_block", h);
}
