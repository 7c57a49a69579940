/* vit.c - vision transformers
 *
 *     u = x + scale1 * out(attention(norm1 x));   y = u + scale2 * mlp(norm2 u)
 *
 * Registers stand behind the class token and have no position; CLIP norms the sum of tokens and positions first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/vit.h"

#include "graph/ops/bicubic.h"
#include "graph/ops/matmul.h"

static lyc_value *linear(lyc_module *m, const char *name, lyc_value *x, int64_t out, int activation)
{
    return lyc_module_linear(m, name, x, out, true, activation, NULL);
}

/* Positions of the patches for a grid of gh x gw: [gh gw,width]. */
static lyc_value *patch_positions(lyc_module *m, const lyc_vit_config *c, lyc_value *table, int64_t gh, int64_t gw)
{
    lyc_graph *g = m->graph;
    const int64_t own = (int64_t)c->grid * c->grid;
    lyc_value *rows = c->class_token ? lyc_slice(g, table, 0, 1, own) : table;
    if (gh == c->grid && gw == c->grid) {
        return rows;
    }
    if (!c->resample) {
        return lyc_graph_fail(g, LYC_E_SHAPE, "a picture of %lld x %lld patches, the model has positions for %d x %d",
                              (long long)gw, (long long)gh, c->grid, c->grid);
    }
    const lyc_bicubic_attr attr = {
        .oh = (int)gh, .ow = (int)gw, .coefficient = c->coefficient, .antialias = c->antialias, .offset = c->offset};
    rows = lyc_reshape(g, rows, LYC_SHAPE(1, c->grid, c->grid, c->width));
    return lyc_reshape(g, lyc_bicubic(g, rows, &attr), LYC_SHAPE(gh * gw, c->width));
}

static lyc_value *repeat(lyc_graph *g, lyc_value *rows, int64_t n, int64_t count, int64_t width)
{
    return lyc_broadcast(g, lyc_reshape(g, rows, LYC_SHAPE(1, count, width)), LYC_SHAPE(n, count, width));
}

/* [class token, registers, patches] with positions: [n,tokens,width]. */
static lyc_value *embed(lyc_vit_output *out, lyc_module *m, const lyc_vit_config *c, lyc_value *pixels)
{
    lyc_graph *g = m->graph;
    const int64_t n = pixels->shape.dims[0];
    const int64_t gh = pixels->shape.dims[1] / c->patch;
    const int64_t gw = pixels->shape.dims[2] / c->patch;
    const int64_t own = (int64_t)c->grid * c->grid;
    const lyc_conv2d_attr attr = lyc_conv2d_plain(c->patch, 0);
    lyc_value *table = lyc_module_tensor(m, "positions", LYC_SHAPE(own + c->class_token, c->width));
    lyc_value *positions = patch_positions(m, c, table, gh, gw);
    lyc_value *x = lyc_module_conv2d_attr(m, "patch", pixels, c->width, c->patch, c->patch_bias, &attr, NULL);
    x = lyc_add(g, lyc_reshape(g, x, LYC_SHAPE(n, gh * gw, c->width)), positions);
    out->positions = positions;
    if (!c->class_token) {
        return x;
    }
    lyc_value *first = lyc_module_tensor(m, "class_token", LYC_SHAPE(c->width));
    lyc_value *place = lyc_slice(g, table, 0, 0, 1);
    first = lyc_cast(g, lyc_add(g, place, first), LYC_ACTIVATION);
    lyc_value *parts[3] = {repeat(g, first, n, 1, c->width)};
    int count = 1;
    if (c->registers > 0) {
        lyc_value *registers = lyc_module_tensor(m, "registers", LYC_SHAPE(c->registers, c->width));
        registers = lyc_cast(g, registers, LYC_ACTIVATION);
        parts[count++] = repeat(g, registers, n, c->registers, c->width);
    }
    parts[count++] = x;
    out->positions = lyc_concat(g, 2, (lyc_value *[]){place, positions}, 0);
    return lyc_concat(g, count, parts, 1);
}

/* x + scale * y. */
static lyc_value *add_scaled(lyc_module *m, const lyc_vit_config *c, const char *scale, lyc_value *x, lyc_value *y)
{
    if (c->layer_scale) {
        y = lyc_mul(m->graph, y, lyc_module_tensor(m, scale, LYC_SHAPE(c->width)));
    }
    return lyc_add(m->graph, x, y);
}

static lyc_value *attend(lyc_module *m, const lyc_vit_config *c, lyc_value *x)
{
    lyc_graph_enter(m->graph, "attn");
    lyc_value *q = linear(m, "q", x, c->width, LYC_ACTIVATION_NONE);
    lyc_value *k = linear(m, "k", x, c->width, LYC_ACTIVATION_NONE);
    lyc_value *v = linear(m, "v", x, c->width, LYC_ACTIVATION_NONE);
    lyc_value *y = lyc_attention(m->graph, q, k, v, c->heads, 0.0f, false);
    y = linear(m, "out", y, c->width, LYC_ACTIVATION_NONE);
    lyc_graph_leave(m->graph);
    return y;
}

static lyc_value *mlp(lyc_module *m, const lyc_vit_config *c, lyc_value *x)
{
    lyc_graph *g = m->graph;
    lyc_value *h = NULL;
    lyc_graph_enter(g, "mlp");
    if (c->gate_apart) {
        h = lyc_mul(g, linear(m, "gate", x, c->mlp, LYC_ACTIVATION_SILU), linear(m, "up", x, c->mlp, 0));
    } else if (c->gated) {
        h = lyc_swiglu(g, linear(m, "fc1", x, 2 * (int64_t)c->mlp, LYC_ACTIVATION_NONE));
    } else {
        h = linear(m, "fc1", x, c->mlp, c->activation);
    }
    h = linear(m, "fc2", h, c->width, LYC_ACTIVATION_NONE);
    lyc_graph_leave(g);
    return h;
}

static lyc_value *block(lyc_module *m, const lyc_vit_config *c, lyc_value *x)
{
    lyc_value *y = attend(m, c, lyc_module_layer_norm(m, "norm1", x, c->eps));
    x = add_scaled(m, c, "scale1", x, y);
    y = mlp(m, c, lyc_module_layer_norm(m, "norm2", x, c->eps));
    return add_scaled(m, c, "scale2", x, y);
}

static lyc_value *first_token(lyc_graph *g, lyc_value *x)
{
    return lyc_value_failed(x)
               ? x
               : lyc_reshape(g, lyc_slice(g, x, 1, 0, 1), LYC_SHAPE(x->shape.dims[0], x->shape.dims[2]));
}

/* Norm, pooling, and what follows. A norm acts on each token, so CLIP's needs the class token alone; the plan leaves
 * out what nobody reads. */
static void finish(lyc_vit_output *out, lyc_module *m, const lyc_vit_config *c, lyc_value *x)
{
    lyc_graph *g = m->graph;
    if (lyc_value_failed(x)) {
        return;
    }
    const int64_t skipped = c->class_token + c->registers;
    out->tokens = c->pool_norm ? x : lyc_module_layer_norm(m, "norm", x, c->eps);
    out->patches = lyc_slice(g, out->tokens, 1, skipped, x->shape.dims[1] - skipped);
    if (c->pool_norm) {
        out->feature = lyc_module_layer_norm(m, "pool_norm", lyc_reduce_mean(g, x, 2, false, false), c->eps);
    } else if (c->class_token) {
        out->feature = lyc_module_layer_norm(m, "norm", first_token(g, x), c->eps);
    } else {
        out->feature = lyc_reduce_mean(g, out->tokens, 2, false, false);
    }
    if (c->projection > 0) {
        out->feature = lyc_module_linear(m, "projection", out->feature, c->projection, false, 0, NULL);
    }
    out->logits = c->classes > 0 ? linear(m, "head", out->feature, c->classes, LYC_ACTIVATION_NONE) : NULL;
}

void lyc_vit_forward(lyc_vit_output *out, lyc_module *m, const lyc_vit_config *c, lyc_value *pixels)
{
    lyc_error err;
    *out = (lyc_vit_output){0};
    if (lyc_value_failed(pixels) || lyc_vit_config_check(c, &err) != LYC_OK) {
        out->feature = lyc_value_failed(pixels) ? pixels : lyc_graph_fail(m->graph, err.status, "%s", err.message);
        return;
    }
    if (pixels->shape.dims[1] % c->patch != 0 || pixels->shape.dims[2] % c->patch != 0) {
        out->feature = lyc_graph_fail(m->graph, LYC_E_SHAPE, "a picture of %lld x %lld pixels, the patches have %d",
                                      (long long)pixels->shape.dims[2], (long long)pixels->shape.dims[1], c->patch);
        return;
    }
    lyc_value *x = embed(out, m, c, pixels);
    x = c->pre_norm ? lyc_module_layer_norm(m, "pre_norm", x, c->eps) : x;
    out->states[out->state_count++] = x;
    for (int i = 0; i < c->blocks; i++) {
        lyc_graph_enter(m->graph, "blocks.%d", i);
        x = block(m, c, x);
        lyc_graph_leave(m->graph);
        out->states[out->state_count++] = x;
    }
    finish(out, m, c, x);
}
