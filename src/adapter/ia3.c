/* ia3.c - (IA)^3: activations are scaled
 *
 *     W' = W * (1 + multiplier w)          arXiv 2205.05638, with the factors written as 1 + w
 *
 * w has a number for each output, or for each input with train_on_input; `weight` is [d] for linear layers and
 * [1,d,1..] for convolutions, `on_input` a flag. The bias is not scaled (LyCORIS does in its bypass mode, and not when
 * merging).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adapter/site.h"
#include "graph/build.h"
#include "tensor/shape.h"

typedef struct ia3_config {
    lyc_adapter_config common;
    bool train_on_input;
} ia3_config;

static const lyc_option options[] = {
    {.name = "train_on_input",
     .kind = LYC_OPTION_BOOL,
     .offset = offsetof(ia3_config, train_on_input),
     .help = "scale the inputs of the layer instead of its outputs"},
    {0},
};

static bool on_input(const lyc_adapter *a)
{
    return ((const ia3_config *)a->config)->train_on_input;
}

static bool detect(const lyc_adapter_group *group)
{
    return lyc_adapter_group_find(group, "on_input") != NULL;
}

static lyc_status recover(lyc_adapter *a, const lyc_adapter_group *group, lyc_error *err)
{
    double flag;
    LYC_TRY(lyc_adapter_number(&flag, group, "on_input", 0.0, err));
    ((ia3_config *)a->config)->train_on_input = flag != 0.0;
    return LYC_OK;
}

static void params(lyc_adapter *a)
{
    const int64_t d = on_input(a) ? a->in : a->out;
    const bool linear = a->target.kind == LYC_LAYER_LINEAR;
    lyc_adapter_add(a, "weight", linear ? LYC_SHAPE(d) : lyc_adapter_pointwise(a, 1, d), LYC_START_ZERO);
}

/* 1 + multiplier w in the given shape. */
static lyc_value *factors(lyc_graph *g, const lyc_adapter_site *site, lyc_shape shape)
{
    lyc_value *w = lyc_site_strengthen(g, site, lyc_reshape(g, lyc_site_param(site, "weight"), shape));
    return lyc_affine(g, w, 1.0f, 1.0f);
}

static lyc_value *changed(lyc_graph *g, const lyc_adapter_site *site)
{
    const lyc_adapter *a = site->adapter;
    lyc_value *w = lyc_site_weight(g, site);
    if (!on_input(a)) {
        return lyc_mul(g, w, factors(g, site, LYC_SHAPE(a->out, 1)));
    }
    lyc_value *apart = lyc_reshape(g, w, LYC_SHAPE(a->out, a->in, a->kernel));
    return lyc_reshape(g, lyc_mul(g, apart, factors(g, site, LYC_SHAPE(a->in, 1))),
                       LYC_SHAPE(a->out, a->in * a->kernel));
}

static lyc_value *apply(lyc_graph *g, const lyc_adapter_site *site, lyc_value *x, lyc_value *y)
{
    const lyc_adapter *a = site->adapter;
    if (!on_input(a)) {
        return lyc_mul(g, y, factors(g, site, LYC_SHAPE(a->out)));
    }
    lyc_layer bare = *site->layer;
    bare.bias = NULL;
    lyc_value *scaled = lyc_mul(g, x, factors(g, site, LYC_SHAPE(a->in)));
    return lyc_layer_forward(g, &bare, scaled, LYC_ACTIVATION_NONE, NULL);
}

static lyc_status write(lyc_adapter_file *file, const lyc_adapter *a, lyc_error *err)
{
    const int64_t flag = on_input(a);
    LYC_TRY(lyc_adapter_file_params(file, a, err));
    return lyc_adapter_file_add(file, "on_input", LYC_I64, &(lyc_shape){.rank = 0},
                                lyc_arena_copy(&file->arena, &flag, sizeof flag), err);
}

const lyc_adapter_algorithm lyc_adapter_ia3 = {
    .name = "ia3",
    .aliases = (const char *const[]){"(ia)3", NULL},
    .summary = "scaled activations, (IA)^3",
    .formula = "W' = W * (1 + w), by rows or by columns",
    .source = "arXiv 2205.05638",
    .common = LYC_ADAPTER_MODULE_DROPOUT,
    .options = options,
    .config_size = sizeof(ia3_config),
    .detect = detect,
    .recover = recover,
    .params = params,
    .changed = changed,
    .apply = apply,
    .extras = (const char *const[]){"on_input", NULL},
    .write = write,
};
